"""``bench study``: train what a file lists, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.cli import EXIT_CELLS_FAILED
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from denoisebench.denoisers.gan.study import Training


@click.command("study", context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="STUDY")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the trainings' folders.  [default: results/study/STUDY]",
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def study_command(name: str, device: str, out: Path | None, options: tuple[str, ...]) -> None:
    """Train what STUDY lists: paper, or the path of a TOML file.

    Further OPTIONS are those of `bench train`, for every training. On a CPU the study's own
    reductions are made. What is finished is not repeated, what was interrupted goes on, what
    another process is at work on is left to it: start the command twice for two at a time. PSNR on
    the validation frames goes to stdout.

    Exit code 0: all trained; 2: the request cannot be carried out; 3: a training diverged, or is
    at work elsewhere.
    """
    from denoisebench.denoisers.gan.study import load_study
    from denoisebench.machine.devices import has_cuda

    if any(word.partition("=")[0] == "--sigma" for word in options):
        raise UsageError("--sigma: a study names its own; change them in a file of your own")
    on_cpu = device == "cpu" or (device == "auto" and not has_cuda())
    trainings = load_study(name, reduced=on_cpu)
    folder = out or Path("results", "study", Path(name).stem)
    words = ("--device", "cpu" if on_cpu else "cuda", *options)
    states = {t.name: _carry_out(t, folder / t.name, words) for t in trainings}
    for training, state in states.items():
        click.echo(f"{training}: {state}")
    if not all(_scores(folder / training) for training in states):
        raise SystemExit(EXIT_CELLS_FAILED)


def _carry_out(training: Training, folder: Path, options: tuple[str, ...]) -> str:
    """Train, and say in one line what came of it."""
    from denoisebench.cli.train import EXIT_DIVERGED, train_command
    from denoisebench.files import BusyError

    if not _scores(folder):
        click.echo(f"{training.name}: {training.question}", err=True)
        words = [training.recipe, "--sigma", f"{training.sigma:.15g}", "--out", str(folder)]
        words += [w for pair in training.changes.items() for w in ("--set", "=".join(pair))]
        try:
            train_command.main([*words, *options], prog_name="bench train", standalone_mode=False)
        except BusyError:
            return "at work elsewhere"
        except SystemExit as end:
            if end.code == EXIT_DIVERGED:
                return "diverged"
            if end.code:
                raise
    return _scores(folder)


def _scores(folder: Path) -> str:
    """The validation's PSNR of a finished training; nothing where it is not finished."""
    from denoisebench.training.harness import finished_scores

    scores = finished_scores(folder)
    return ", ".join(f"{psnr:.2f} dB at sigma {sigma}" for sigma, psnr in scores.items())
