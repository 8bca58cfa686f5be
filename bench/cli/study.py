"""``bench study``: carry out the trainings that a file lists, one or several at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import EXIT_CELLS_FAILED, shared
from denoisebench.cli.trainings import training_options
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from denoisebench.denoisers.gan.study import Training
    from denoisebench.training.options import TrainingOptions

_MOST_JOBS = 64


def _refuse_sigma(ctx: click.Context, param: click.Parameter, sigma: str | None) -> None:
    if sigma is not None:
        raise UsageError("--sigma: a study names its own; change them in a file of your own")


@click.command("study", short_help="Carry out the trainings that a study lists.")
@click.argument("name", metavar="STUDY")
@training_options
@click.option("--sigma", hidden=True, expose_value=False, callback=_refuse_sigma)
@click.option(
    "--jobs",
    type=click.IntRange(1, _MOST_JOBS),
    default=1,
    show_default=True,
    help="Number of trainings at a time: on a CPU they share its cores, on a GPU the card.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the trainings' folders.  [default: results/study/STUDY]",
)
def study_command(name: str, device: str, jobs: int, out: Path | None, **choices: Any) -> None:
    """Carry out the trainings of STUDY: paper, missing, or the path of a TOML file.

    The options hold for every training, as in `bench train`. On a CPU the study's own reductions
    are made. A training that fails or is killed leaves the others alone. A finished one is not
    repeated, an interrupted one goes on, and one that another command is at work on is left to it.
    The subfolder weights gets the finished weights and cards, under the trainings' names. PSNR on
    the validation frames goes to stdout.

    Exit code 0: all trained; 2: the request cannot be carried out; 3: a training failed, or another
    command is at work on it; 130: interrupted.
    """
    from denoisebench.denoisers.gan.study import load_study
    from denoisebench.machine.environment import has_cuda
    from denoisebench.training.series import run_series

    on_cpu = device == "cpu" or (device == "auto" and not has_cuda())
    choices["device"] = "cpu" if on_cpu else "cuda"
    folder = out or Path("results", "study", Path(name).stem)
    trainings = {
        training.name: _options(training, folder / training.name, **choices)
        for training in load_study(name, reduced=on_cpu)
    }
    outcomes = run_series(trainings, folder / "weights", jobs, shared.say)
    for training, options in trainings.items():
        click.echo(f"{training}: {outcomes[training] or _scores(options.folder)}")
    if any(outcomes.values()):
        raise SystemExit(EXIT_CELLS_FAILED)


def _options(
    training: Training, out: Path, changes: tuple[tuple[str, str], ...], **choices: Any
) -> TrainingOptions:
    """Make the options of a training; changes that are asked for come after its own."""
    from denoisebench.training.options import TrainingOptions

    merged = (*training.changes.items(), *changes)
    return TrainingOptions(
        training.recipe, changes=merged, sigma=training.sigma, out=out, **choices
    )


def _scores(folder: Path) -> str:
    """List PSNR on the validation frames of a finished training."""
    from denoisebench.training.folder import finished_scores

    scores = finished_scores(folder)
    return ", ".join(f"{psnr:.2f} dB at sigma {sigma}" for sigma, psnr in scores.items())
