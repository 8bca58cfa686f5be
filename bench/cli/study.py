"""``bench study``: carry out the trainings that a file lists, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import EXIT_CELLS_FAILED, EXIT_INTERRUPTED
from denoisebench.cli.trainings import train_and_tell, training_options
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from denoisebench.denoisers.gan.study import Training


def _refuse_sigma(ctx: click.Context, param: click.Parameter, sigma: str | None) -> None:
    if sigma is not None:
        raise UsageError("--sigma: a study names its own; change them in a file of your own")


@click.command("study", short_help="Carry out the trainings that a study lists.")
@click.argument("name", metavar="STUDY")
@training_options
@click.option("--sigma", hidden=True, expose_value=False, callback=_refuse_sigma)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the trainings' folders.  [default: results/study/STUDY]",
)
def study_command(name: str, device: str, out: Path | None, **choices: Any) -> None:
    """Carry out the trainings of STUDY: paper, or the path of a TOML file.

    The options hold for every training, as in `bench train`. On a CPU the study's own reductions
    are made. A finished training is not repeated, an interrupted one goes on, and one that another
    process is at work on is left to it: start the command twice for two at a time. PSNR on the
    validation frames goes to stdout.

    Exit code 0: all trained; 2: the request cannot be carried out; 3: a training diverged, or
    another process is at work on it; 130: interrupted.
    """
    from denoisebench.denoisers.gan.study import load_study
    from denoisebench.machine.environment import has_cuda

    on_cpu = device == "cpu" or (device == "auto" and not has_cuda())
    trainings = load_study(name, reduced=on_cpu)
    folder = out or Path("results", "study", Path(name).stem)
    choices["device"] = "cpu" if on_cpu else "cuda"
    states = {t.name: _carry_out(t, folder / t.name, **choices) for t in trainings}
    for training, state in states.items():
        click.echo(f"{training}: {state}")
    if not all(_scores(folder / training) for training in states):
        raise SystemExit(EXIT_CELLS_FAILED)


def _carry_out(
    training: Training, out: Path, changes: tuple[tuple[str, str], ...], **choices: Any
) -> str:
    """Train, unless that is done, and describe the outcome in one line."""
    from denoisebench.files import BusyError
    from denoisebench.training.session import Ending, TrainingOptions

    if not _scores(out):
        click.echo(f"{training.name}: {training.question}", err=True)
        choices |= {"sigma": training.sigma, "changes": (*training.changes.items(), *changes)}
        try:
            ending = train_and_tell(TrainingOptions(training.recipe, out=out, **choices))
        except BusyError:
            return "at work elsewhere"
        if ending is Ending.FAILED:
            return "failed"
        if ending is Ending.INTERRUPTED:
            raise SystemExit(EXIT_INTERRUPTED)
    return _scores(out)


def _scores(folder: Path) -> str:
    """List PSNR on the validation frames of a finished training; empty if it is not."""
    from denoisebench.training.results import finished_scores

    scores = finished_scores(folder)
    return ", ".join(f"{psnr:.2f} dB at sigma {sigma}" for sigma, psnr in scores.items())
