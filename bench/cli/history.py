"""``bench history``: the course of a figure over runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("history", short_help="Show the course of a figure over runs, and where it changed.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--metric",
    default="psnr",
    show_default=True,
    help="A metric; time (over a reference's, so that machines may differ); ms; memory.",
)
@click.option("--svg", type=click.Path(path_type=Path), help="Draw it into this file, too.")
def history_command(runs: tuple[Path, ...], metric: str, svg: Path | None) -> None:
    """Show the course of a figure over RUNS, in the order in which they were measured.

    A run is labelled by its folder: call the folders after the commits. The table goes to stdout;
    where a figure changed for good, and not by scatter, it is marked.
    """
    from denoisebench.comparing.history import courses, read
    from denoisebench.comparing.history_report import history_markdown, history_svg
    from denoisebench.errors import UsageError
    from denoisebench.files import write_text

    points = read(runs)
    found = courses(points, metric)
    if not found:
        raise UsageError(f"none of these runs has a figure for {metric}; measure them again")
    labels = [point.label for point in points]
    click.echo(history_markdown(found, labels, metric), nl=False)
    if svg is not None:
        write_text(svg, history_svg(found, labels, metric))
        click.echo(f"Drew {svg}", err=True)
