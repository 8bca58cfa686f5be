"""``bench advise``: say in a few sentences which methods a run recommends."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("advise", short_help="Say which methods a run recommends, and why.")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "json"]),
    default="md",
    show_default=True,
    help="Sentences as Markdown, or figures and sentences as JSON.",
)
def advise_command(runs: tuple[Path, ...], form: str) -> None:
    """Say which methods the stored runs in the folders RUNS recommend.

    For best quality, for quality per second on the run's machine, under a free licence, and for
    real noise; each claim has its interval. Methods that lack frames are not considered. Each run
    is advised on by itself: runs of other frames or machines are never mixed. Nothing is measured.
    """
    from denoisebench import library

    advice = library.advise(runs)
    click.echo(advice.json() if form == "json" else advice.markdown(), nl=False)
