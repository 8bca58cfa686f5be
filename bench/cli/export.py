"""``bench export``: write a run in the formats of other tools."""

from __future__ import annotations

from pathlib import Path

import click

from denoisebench.cli.types import format_list
from denoisebench.export import EXPORTS, left_out


@click.command("export", short_help="Write a run in the formats of other tools.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "formats",
    type=format_list(lambda: EXPORTS),
    default=",".join(EXPORTS),
    show_default=True,
    help="Formats to write, separated by commas.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: the run's own]")
def export_command(run: Path, formats: tuple[str, ...], out: Path | None) -> None:
    """Write the run in the folder RUN for other tools.

    \b
    github-action-benchmark  bigger-is-better.json, smaller-is-better.json
    bencher                  bencher.json
    junit                    junit.xml
    gitlab                   metrics.txt
    pytest-benchmark         pytest-benchmark.json
    """
    from denoisebench.files import make_folder, write_text
    from denoisebench.store.results import load_run

    results = load_run(run)
    folder = out or run
    make_folder(folder)
    texts = {name: text for f in formats for name, text in EXPORTS[f](results).items()}
    for name, text in texts.items():
        write_text(folder / name, text)
    for line in left_out(results) if set(formats) != {"junit"} else ():
        click.echo(line, err=True)
    click.echo(f"Wrote {', '.join(texts)} to {folder}", err=True)
