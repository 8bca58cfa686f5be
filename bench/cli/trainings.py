"""Options of `bench train` and `bench study`, and their common way to train and to say so."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import shared
from denoisebench.cli.types import THREAD_COUNT, FiniteRange, Setting
from denoisebench.machine.signals import answered_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from denoisebench.training.options import TrainingOptions
    from denoisebench.training.session import Ending

_OPTIONS = (
    click.option(
        "--set",
        "changes",
        type=Setting(),
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a value of the recipe, as data.patch=64; may be repeated.",
    ),
    click.option(
        "--data",
        help="A data set with train and val frames, or folder:PATH, of which a tenth validates.  "
        "[default: the recipe's, or documentary]",
    ),
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="auto is the GPU, if there is one.",
    ),
    click.option(
        "--iterations",
        type=click.IntRange(1),
        help="Total number of iterations.  [default: the recipe's]",
    ),
    click.option(
        "--minutes",
        type=FiniteRange(0, min_open=True),
        help="End after this time, if the iterations are not done before.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        help="Seed of the first weights, the crops and the noise.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(0, 1000),
        default=0,
        show_default=True,
        help="If the training diverges or its estimate collapses, train anew with the next seed, "
        "so many times; each attempt has the time of --minutes.",
    ),
    click.option("--threads", type=THREAD_COUNT, help="CPU threads.  [default: one per core]"),
    click.option(
        "--vgg",
        type=click.Path(path_type=Path),
        help="VGG-16's weights as safetensors: the feature loss then compares its features, not "
        "the critic's.",
    ),
    click.option(
        "--cuda-graph",
        is_flag=True,
        help="Record a step as a CUDA graph and replay it; not yet proven on a GPU.",
    ),
    shared.fresh,
)


def training_options(command: Any) -> Any:
    """Give a command the options of a training that do not tell one training from another."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def train_and_tell(options: TrainingOptions) -> Ending:
    """Train, with PSNR to stdout and everything else to stderr, and return how it ended."""
    from denoisebench.training.session import Ending, run_training

    outcome = run_training(options, shared.say, _stop_asked)
    if outcome.ending is Ending.FAILED:
        shared.say(f"bench: the training {outcome.reason}")
    for sigma, psnr in outcome.scores.items():
        click.echo(f"sigma {sigma:g}: {psnr:.2f} dB")
    if outcome.scores:
        shared.say(f"Wrote {options.folder}")
    return outcome.ending


@contextmanager
def _stop_asked() -> Iterator[Callable[[], bool]]:
    """Take the first Ctrl-C or polite kill as a wish to stop, the second as an interrupt."""
    from denoisebench.denoisers.gan import parallel

    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        if parallel.rank() == 0:
            # Not by way of sys.stderr: in the middle of a line of its own it lets nobody else in.
            os.write(2, b"\nStopping after this iteration; again to stop at once\n")

    with answered_by(ask, (signal.SIGINT, signal.SIGTERM)):
        yield lambda: bool(asked)
