"""``bench report``: a run's tables, rebuilt offline from what it stored."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Rebuild the tables of a run.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the tables; the run's own folder by default.",
)
def report(run: Path, out: Path | None) -> None:
    """Rebuild the tables of a RUN folder: frames.csv, table1.csv and table1.md.

    The Markdown table is also printed.
    """
    from denoisebench.report.results import load
    from denoisebench.report.write import write_tables

    click.echo(write_tables(load(run), out or run), nl=False)
