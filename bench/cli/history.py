"""``bench history``: show how a figure changed over runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("history", short_help="Show how a figure changed over runs.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--metric",
    default="psnr",
    show_default=True,
    help="A metric, time (relative to a reference, so that machines may differ), ms or memory.",
)
@click.option("--svg", type=click.Path(path_type=Path), help="SVG file for a plot of the figure.")
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    help="Folder for a site of all figures: index.html, badge.json (for shields.io), history.json "
    "and history.csv.",
)
def history_command(
    runs: tuple[Path, ...], metric: str, svg: Path | None, site: Path | None
) -> None:
    """Show a figure over RUNS, in the order in which they were measured.

    A run is labelled by its folder's name: name the folders after the commits. The table goes to
    stdout: each figure's change with its interval, its scatter from run to run, and bench compare's
    verdict on the first and the last run. It marks the runs with which a figure changed.

    \b
    bench history runs/* --site public    # a page and a badge for GitHub Pages
    """
    from denoisebench.comparing.history import courses, lacking_frames, read_history
    from denoisebench.comparing.history_report import history_markdown, history_svg
    from denoisebench.comparing.history_site import history_site
    from denoisebench.errors import UsageError
    from denoisebench.files import make_folder, write_text
    from denoisebench.text import first_of

    if svg is not None and svg.suffix.lower() != ".svg":
        raise UsageError(f"--svg {svg}: give a name that ends in .svg")
    points = read_history(runs)
    found = courses(points, metric)
    if not found:
        raise UsageError(f"none of these runs has a figure for {metric}; measure them again")
    labels = [point.label for point in points]
    click.echo(history_markdown(found, labels, metric), nl=False)
    if lacking := lacking_frames(points):
        click.echo(f"No figure, for lack of frames: {first_of(lacking)}", err=True)
    if svg is not None:
        write_text(svg, history_svg(found, labels, metric))
        click.echo(f"Drew {svg}", err=True)
    if site is not None:
        texts = history_site(points).files()
        make_folder(site)
        for name, text in texts.items():
            write_text(site / name, text)
        click.echo(f"Wrote {', '.join(texts)} to {site}", err=True)
