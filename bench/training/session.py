"""Session of a training: from its options to the results in its folder."""

from __future__ import annotations

import enum
import math
import os
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from denoisebench import files
from denoisebench.datasets.catalogue import open_dataset
from denoisebench.denoisers.gan import parallel
from denoisebench.denoisers.gan.data import Crops
from denoisebench.denoisers.gan.perceptual import VggFeatures
from denoisebench.denoisers.gan.recipe_file import load_recipe
from denoisebench.denoisers.gan.training import (
    FailedTrainingError,
    Trainer,
    precision_on,
    train_network,
    tuned_kernels,
)
from denoisebench.errors import UsageError
from denoisebench.machine import threads
from denoisebench.machine.environment import has_cuda
from denoisebench.training import attempts
from denoisebench.training.attempts import FailedAttempt
from denoisebench.training.data import TrainingData, split, validation_sigmas
from denoisebench.training.folder import CHECKPOINT_FILE, RESULT_FILES
from denoisebench.training.options import dataset_name
from denoisebench.training.progress import told
from denoisebench.training.results import write_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from denoisebench.denoisers.gan.recipe import Recipe
    from denoisebench.training.options import TrainingOptions

    MakeTrainer = Callable[[int], Trainer]
    Say = Callable[[str], None]
    Stopping = Callable[[], AbstractContextManager[Callable[[], bool]]]

_DEFAULT_SIGMA = 25.0


class Ending(enum.Enum):
    """End of a training. The vocabulary is closed: exit codes rely on it."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class TrainingOutcome:
    """Outcome of a training.

    Attributes:
        ending: its end.
        scores: PSNR in dB by sigma on the validation frames, of a finished training, in the
            process of rank 0; empty otherwise.
        reason: of a training that failed with every seed, in one line; empty otherwise.
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
    if options.cuda_graph:
        _refuse_graph(recipe, device)
    if options.threads is not None:
        threads.pin(options.threads)
    with parallel.joined(device):
        if parallel.rank() != 0:
            say = _say_nothing
        data, make = _prepare(options, recipe, device)
        with _held_folder(options):
            parallel.wait(device)  # until the earlier results have been set aside
            return _try_seeds(options, data, make, say, stopping)


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


def _refuse_graph(recipe: Recipe, device: torch.device) -> None:
    """Refuse to record a step that waits for the host, or for other processes.

    Raises:
        UsageError: it does.
    """
    if device.type != "cuda":
        raise UsageError("--cuda-graph: needs a GPU; leave it out on a CPU")
    if "WORLD_SIZE" in os.environ:
        raise UsageError("--cuda-graph: is for one process; leave it out under torchrun")
    if precision_on(device, recipe.schedule.mixed_precision) is torch.float16:
        raise UsageError(
            "--cuda-graph: this GPU computes in float16, whose scaling needs the host; leave it "
            "out, or pass --set schedule.mixed_precision=false"
        )


@contextmanager
def _held_folder(options: TrainingOptions) -> Iterator[None]:
    """Hold the folder for one training, in the process of rank 0; set results aside if asked."""
    if parallel.rank() != 0:
        yield
        return
    files.make_folder(options.folder)
    with files.held(options.folder, "training"):
        if options.fresh:
            names = [*RESULT_FILES, *attempts.attempt_files(options.folder)]
            files.set_aside(options.folder, names)
        attempts.failed_attempts(options.folder)  # completes a move, before the others look
        yield


def _say_nothing(line: str) -> None:
    pass


def _prepare(
    options: TrainingOptions, recipe: Recipe, device: torch.device
) -> tuple[TrainingData, MakeTrainer]:
    """Read the frames; return them with a function that makes the networks from a seed."""
    dataset = open_dataset(dataset_name(options, recipe))
    train, val = split(dataset)
    sigma = _DEFAULT_SIGMA if options.sigma is None else options.sigma
    crops = Crops([frame.read() for frame in train], recipe.data, sigma, device)
    data = TrainingData(dataset, train, val, validation_sigmas(recipe, sigma), device)
    vgg = VggFeatures(options.vgg, device) if options.vgg else None
    return data, lambda seed: Trainer(recipe, crops, seed, vgg, captured=options.cuda_graph)


def _try_seeds(
    options: TrainingOptions, data: TrainingData, make: MakeTrainer, say: Say, stopping: Stopping
) -> TrainingOutcome:
    """Train with one seed after the other until one does not fail; skip those that are known to."""
    failed = attempts.failed_attempts(options.folder)
    for seed in options.seeds:
        trainer = make(seed)
        if seed not in failed:
            try:
                return _carry_out(options, data, trainer, failed, say, stopping)
            except FailedTrainingError as error:
                failed[seed] = _keep(options, trainer, str(error))
        trainer.refuse_other(options.folder, failed[seed].identity)
        if seed != options.seeds[-1]:
            say(f"The training {failed[seed]}; trying seed {seed + 1}")
    again = replace(options, retries=options.retries + 1).command
    return TrainingOutcome(Ending.FAILED, reason=f"{failed[seed]}; to try the next seed: {again}")


def _keep(options: TrainingOptions, trainer: Trainer, reason: str) -> FailedAttempt:
    """Keep what is known of a failed attempt, in the process of rank 0; the others wait."""
    failed = FailedAttempt(trainer.seed, trainer.iteration, reason, trainer.identity)
    if parallel.rank() == 0:
        attempts.keep(options.folder, failed)
    parallel.wait(trainer.device)
    return failed


def _carry_out(
    options: TrainingOptions,
    data: TrainingData,
    trainer: Trainer,
    failed: Mapping[int, FailedAttempt],
    say: Say,
    stopping: Stopping,
) -> TrainingOutcome:
    """Train from the checkpoint, if there is one, and write the results.

    Raises:
        FailedTrainingError: the training diverged or collapsed.
    """
    path = options.folder / CHECKPOINT_FILE
    if path.exists():
        trainer.load(path)
        say(f"Going on from iteration {trainer.iteration}")
    try:
        finished = _train(options, data, trainer, stopping)
    except KeyboardInterrupt:
        finished = False
    if not finished:
        say(f"Interrupted. To go on from here: {options.command}")
        return TrainingOutcome(Ending.INTERRUPTED)
    earlier = [failed[seed].told for seed in options.seeds if seed in failed]
    return TrainingOutcome(Ending.FINISHED, _write(options, data, trainer, earlier))


def _train(
    options: TrainingOptions, data: TrainingData, trainer: Trainer, stopping: Stopping
) -> bool:
    """Train and report; return False if the training was stopped."""
    total = options.iterations or trainer.recipe.schedule.iterations
    reporting = told(options.folder, data.sigmas, total, trainer.iteration)
    with stopping() as stop, reporting as tell, tuned_kernels(trainer.device):
        return train_network(
            trainer,
            iterations=total,
            path=options.folder / CHECKPOINT_FILE,
            validate=data.validate,
            noisy_psnr=data.noisy_psnr,
            tell=tell,
            minutes=options.minutes or math.inf,
            stop=stop,
        )


def _write(
    options: TrainingOptions, data: TrainingData, trainer: Trainer, failed: list[dict[str, Any]]
) -> dict[float, float]:
    """Write the results, in the process of rank 0; return PSNR in dB by sigma."""
    if parallel.rank() != 0:
        return {}
    command = replace(options, out=None, seed=trainer.seed, retries=0).command
    source = {"name": options.name, "changes": dict(options.changes), "command": command}
    return write_results(options.folder, source | {"failed_attempts": failed}, data, trainer)
