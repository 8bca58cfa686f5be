"""``bench merge``: merge runs of several machines or people into one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.cli import shared
from denoisebench.words import counted

if TYPE_CHECKING:
    from denoisebench.library import Run


@click.command("merge", short_help="Merge runs of several machines or people into one.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the merged run; it must be new or empty.",
)
@click.option(
    "--times-of",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Run, one of RUNS, on whose machine the times that are kept were measured.  [default: the "
    "first with times]",
)
@shared.wide
def merge_command(runs: tuple[Path, ...], out: Path, times_of: Path | None, wide: bool) -> None:
    """Merge RUNS, measured under one protocol, into a new folder, and print their table.

    The runs may have other methods, frames or levels of noise. Of a cell that several have, the
    first one's scores are taken, if they are the same. Runs with another protocol, noise, data set,
    metric or version of a method are refused.

    A table never mixes machines in its times: those of one machine are kept, and methods that were
    measured on others have scores alone.
    """
    from denoisebench import library

    with shared.terminated_as_interrupted():
        merged = library.merge(runs, out, times_of=times_of)
    merged.write_tables()
    shared.show_tables([merged.table1], wide)
    _tell(merged)


def _tell(merged: Run) -> None:
    """Say what was merged, and what was left out."""
    parts = merged.results.manifest.parts
    shared.say(f"Merged {len(parts)} runs in {merged.folder}: {merged.results.progress}")
    if doubled := sum(part.doubled for part in parts):
        shared.say(
            f"Measured by more than one run, with the same scores: {counted(doubled, 'cell')}"
        )
    if untimed := sum(part.untimed for part in parts):
        shared.say(
            f"Times of {counted(untimed, 'cell')} are left out, as measured on another machine or "
            "otherwise; --times-of chooses which are kept"
        )
