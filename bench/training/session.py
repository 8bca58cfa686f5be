"""Session of a training: from its options to the results in its folder."""

from __future__ import annotations

import enum
import math
import os
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from denoisebench import files
from denoisebench.datasets.catalogue import open_dataset
from denoisebench.denoisers.gan import parallel
from denoisebench.denoisers.gan.data import Crops
from denoisebench.denoisers.gan.perceptual import VggFeatures
from denoisebench.denoisers.gan.recipe_file import load_recipe
from denoisebench.denoisers.gan.training import DivergedError, Trainer, train_network
from denoisebench.errors import UsageError
from denoisebench.machine import threads
from denoisebench.machine.environment import has_cuda
from denoisebench.text import command_line
from denoisebench.training.data import TrainingData, split, validation_sigmas
from denoisebench.training.progress import told
from denoisebench.training.results import CHECKPOINT_FILE, RESULT_FILES, write_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from denoisebench.denoisers.gan.recipe import Recipe

    Say = Callable[[str], None]
    Stopping = Callable[[], AbstractContextManager[Callable[[], bool]]]

_DEFAULT_SIGMA = 25.0


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training: those of ``bench train``.

    Attributes:
        recipe: a shipped recipe's name, or the path of a TOML file.
        changes: to the recipe: dotted names and values, see `recipe.load`.
        sigma: noise to train for, on the 8-bit scale, where the recipe has no range; None is 25.
        data: a data set with train and val frames, or ``folder:PATH``.
        device: ``auto``, ``cpu`` or ``cuda``.
        iterations: total number; None is the recipe's.
        minutes: total time, after which the training ends; None is no limit.
        seed: of the weights, crops and noise.
        threads: CPU threads; None leaves torch's own choice.
        vgg: VGG-16's weights as safetensors, whose features the feature loss then compares.
        out: folder for the results; None is ``results/training/RECIPE``.
        fresh: set aside the folder's earlier results, in place of going on from them.
    """

    recipe: str
    changes: tuple[tuple[str, str], ...] = ()
    sigma: float | None = None
    data: str | None = None
    device: str = "auto"
    iterations: int | None = None
    minutes: float | None = None
    seed: int = 0
    threads: int | None = None
    vgg: Path | None = None
    out: Path | None = None
    fresh: bool = False

    @property
    def name(self) -> str:
        """Name of the recipe, without a path."""
        return Path(self.recipe).stem

    @property
    def folder(self) -> Path:
        """Folder for the results."""
        return self.out or Path("results", "training", self.name)

    @property
    def command(self) -> str:
        """Command line that repeats the training, or goes on with it."""
        processes = os.environ.get("WORLD_SIZE")
        words = ["torchrun", f"--nproc-per-node={processes}", "--no-python"] if processes else []
        words += ["bench", "train", self.recipe]
        words += [word for key, value in self.changes for word in ("--set", f"{key}={value}")]
        words += ["--device", self.device]
        for name in ("data", "sigma", "iterations", "minutes", "seed", "threads", "vgg", "out"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name}", f"{value:.15g}" if isinstance(value, float) else str(value)]
        return command_line(words)


class Ending(enum.Enum):
    """End of a training. The vocabulary is closed: exit codes rely on it."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class TrainingOutcome:
    """Outcome of a training.

    Attributes:
        ending: its end.
        scores: PSNR in dB by sigma on the validation frames, of a finished training, in the
            process of rank 0; empty otherwise.
        reason: of a training that diverged, in one line; empty otherwise.
    """

    ending: Ending
    scores: dict[float, float] = field(default_factory=dict)
    reason: str = ""


def run_training(
    options: TrainingOptions,
    say: Say,
    stopping: Stopping = lambda: nullcontext(lambda: False),
) -> TrainingOutcome:
    """Train, or go on with a training, and write its results into its folder.

    Progress goes to stderr.

    Args:
        options: of the training.
        say: called with each line for the user, in the process of rank 0 alone.
        stopping: makes the context in which the iterations run. It gives a function that is called
            after each iteration and returns True once the training is to be saved and to end. A
            KeyboardInterrupt ends it at once.

    Raises:
        BusyError: another process trains in the folder.
        UsageError: the options do not fit together, or something cannot be read or written.
    """
    recipe = _recipe(options)
    device = _device(options.device)
    if options.threads is not None:
        threads.pin(options.threads)
    with parallel.joined(device):
        if parallel.rank() != 0:
            say = _say_nothing
        data, trainer = _prepare(options, recipe, device)
        with _held_folder(options):
            parallel.wait(device)  # until the earlier results have been set aside
            return _carry_out(options, data, trainer, say, stopping)


def _recipe(options: TrainingOptions) -> Recipe:
    """Read the recipe, and refuse options that do not fit it."""
    recipe = load_recipe(options.recipe, dict(options.changes))
    if options.sigma is not None and recipe.data.sigma_range is not None:
        low, high = recipe.data.sigma_range
        raise UsageError(f"--sigma: {options.name} trains for all from {low:g} to {high:g} at once")
    if options.vgg is not None and not recipe.losses.feature:
        raise UsageError(f"--vgg: {options.name} has no feature loss (losses.feature is 0)")
    return recipe


def _device(choice: str) -> torch.device:
    if choice == "cuda" and not has_cuda():
        raise UsageError("--device cuda: torch finds no CUDA device here")
    on_cuda = choice != "cpu" and has_cuda()
    return torch.device("cuda", parallel.local_rank()) if on_cuda else torch.device("cpu")


@contextmanager
def _held_folder(options: TrainingOptions) -> Iterator[None]:
    """Hold the folder for one training, in the process of rank 0; set results aside if asked."""
    if parallel.rank() != 0:
        yield
        return
    files.make_folder(options.folder)
    with files.held(options.folder, "training"):
        if options.fresh:
            files.set_aside(options.folder, RESULT_FILES)
        yield


def _say_nothing(line: str) -> None:
    pass


def _prepare(
    options: TrainingOptions, recipe: Recipe, device: torch.device
) -> tuple[TrainingData, Trainer]:
    """Read the frames and make the networks."""
    dataset = open_dataset(options.data or recipe.dataset or "documentary")
    train, val = split(dataset)
    sigma = _DEFAULT_SIGMA if options.sigma is None else options.sigma
    crops = Crops([frame.read() for frame in train], recipe.data, sigma, device)
    data = TrainingData(dataset, train, val, validation_sigmas(recipe, sigma), device)
    vgg = VggFeatures(options.vgg, device) if options.vgg else None
    return data, Trainer(recipe, crops, options.seed, vgg)


def _carry_out(
    options: TrainingOptions, data: TrainingData, trainer: Trainer, say: Say, stopping: Stopping
) -> TrainingOutcome:
    """Train from the checkpoint, if there is one, and write the results."""
    path = options.folder / CHECKPOINT_FILE
    if path.exists():
        trainer.load(path)
        say(f"Going on from iteration {trainer.iteration}")
    try:
        finished = _train(options, data, trainer, stopping)
    except KeyboardInterrupt:
        finished = False
    except DivergedError as error:
        kept = f"{path} is from before" if path.exists() else "there is no checkpoint yet"
        return TrainingOutcome(Ending.DIVERGED, reason=f"{error}; {kept}")
    if not finished:
        say(f"Interrupted. To go on from here: {options.command}")
        return TrainingOutcome(Ending.INTERRUPTED)
    return TrainingOutcome(Ending.FINISHED, _write(options, data, trainer))


def _train(
    options: TrainingOptions, data: TrainingData, trainer: Trainer, stopping: Stopping
) -> bool:
    """Train and report; return False if the training was stopped."""
    total = options.iterations or trainer.recipe.schedule.iterations
    reporting = told(options.folder, data.sigmas, total, trainer.iteration)
    with stopping() as stop, reporting as tell:
        return train_network(
            trainer,
            iterations=total,
            path=options.folder / CHECKPOINT_FILE,
            validate=data.validate,
            tell=tell,
            minutes=options.minutes or math.inf,
            stop=stop,
        )


def _write(options: TrainingOptions, data: TrainingData, trainer: Trainer) -> dict[float, float]:
    """Write the results, in the process of rank 0; return PSNR in dB by sigma."""
    if parallel.rank() != 0:
        return {}
    command = replace(options, out=None).command
    source = {"name": options.name, "changes": dict(options.changes), "command": command}
    return write_results(options.folder, source, data, trainer)
