"""``bench tune``: choose a method's parameters on train or val frames, and record the search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.cli import EXIT_INTERRUPTED, shared
from denoisebench.cli.types import SIGMA_LIST
from denoisebench.errors import UsageError
from denoisebench.text import command_line

if TYPE_CHECKING:
    from denoisebench.denoisers.registry import Card
    from denoisebench.tuning import Search


@click.command("tune", short_help="Choose a method's parameters on validation frames.")
@click.argument("method")
@click.option(
    "--dataset",
    default="documentary",
    show_default=True,
    help="Data set of the frames that decide.",
)
@click.option(
    "--split", default="val", show_default=True, help="Split of the data set: val or train."
)
@click.option(
    "--sigma",
    "sigmas",
    type=SIGMA_LIST,
    default="15,25,50",
    show_default=True,
    help="Standard deviations of the noise, on the 8-bit scale.",
)
@shared.some_frames
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Device to run on.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results/tuning"),
    show_default=True,
    help="Folder for METHOD.csv and METHOD.toml.",
)
def tune_command(
    method: str,
    dataset: str,
    split: str,
    sigmas: tuple[float, ...],
    frames: int | None,
    device: str,
    out: Path,
) -> None:
    """Search the grid of parameters that METHOD's plugin declares, for the best mean PSNR.

    Test frames are refused. Every combination is saved as it is measured: after an interruption
    the same command continues. The choice goes to stdout, everything else to stderr.
    """
    from denoisebench import files, tuning
    from denoisebench.datasets import catalogue

    search = tuning.make_search(
        _card(method),
        catalogue.open_dataset(dataset),
        split,
        sigmas=sigmas,
        count=frames,
        device=device,
    )
    files.make_folder(out)
    table = out / f"{method}.csv"
    try:
        trials = tuning.search_grid(search, table, lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on from here.", err=True)
        raise SystemExit(EXIT_INTERRUPTED) from None
    chosen = tuning.best_trial(trials)
    files.write_text(out / f"{method}.toml", tuning.record(search, chosen, _command(search)))
    click.echo(tuning.trial_in_words(chosen))
    for line in tuning.advice(search, chosen) or ["The plugin's defaults are these already."]:
        click.echo(line, err=True)


def _card(method: str) -> Card:
    """Return the card of a method.

    Raises:
        UsageError: there is no method of that name.
    """
    from denoisebench.denoisers import registry

    if method not in registry.cards():
        registry.select([method])  # knows the near matches of a mistyped name
        raise UsageError(f"{method!r} is not the plain name of one method")
    return registry.cards()[method]


def _command(search: Search) -> str:
    """Return the command that repeats a search."""
    words = ["bench", "tune", search.card.name]
    words += ["--dataset", search.dataset.name, "--split", search.split]
    words += ["--sigma", ",".join(f"{sigma:.15g}" for sigma in search.sigmas)]
    words += ["--frames", str(len(search.frames)), "--device", search.device]
    return command_line(words)
