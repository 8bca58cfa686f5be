"""``bench train``: train a denoiser by a recipe."""

from __future__ import annotations

import math
import os
import shlex
import signal
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import EXIT_INTERRUPTED, shared
from denoisebench.cli.types import THREADS, FiniteRange, Setting
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from denoisebench.denoisers.gan.recipe import Recipe
    from denoisebench.denoisers.gan.training import Trainer
    from denoisebench.training import harness

EXIT_DIVERGED = 3

DEFAULT_SIGMA = 25.0


@dataclass(frozen=True)
class Options:
    """What the command line says; see the options' help."""

    recipe: str
    changes: tuple[tuple[str, str], ...]
    sigma: float | None
    data: str
    device: str
    iterations: int | None
    minutes: float | None
    seed: int
    threads: int | None
    vgg: Path | None
    out: Path | None
    fresh: bool

    @property
    def name(self) -> str:
        return Path(self.recipe).stem

    @property
    def folder(self) -> Path:
        return self.out or Path("results", "training", self.name)

    @property
    def command(self) -> str:
        """What repeats the training, or goes on with it."""
        processes = os.environ.get("WORLD_SIZE")
        words = ["torchrun", f"--nproc-per-node={processes}", "--no-python"] if processes else []
        words += ["bench", "train", self.recipe]
        words += [word for key, value in self.changes for word in ("--set", f"{key}={value}")]
        words += ["--data", self.data, "--device", self.device]
        for name in ("sigma", "iterations", "minutes", "seed", "threads", "vgg", "out"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name}", f"{value:.15g}" if isinstance(value, float) else str(value)]
        return shlex.join(words)


@click.command("train")
@click.argument("recipe")
@click.option(
    "--set",
    "changes",
    type=Setting(),
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the recipe, as data.patch=64; may be repeated.",
)
@click.option(
    "--sigma",
    type=FiniteRange(0, 255),
    help="Noise to train for, on the 8-bit scale, where the recipe has no range.  [default: 25]",
)
@click.option(
    "--data",
    default="documentary",
    show_default=True,
    help="A data set with train and val frames, or folder:PATH, of which a tenth validates.",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option("--iterations", type=click.IntRange(1), help="In all.  [default: the recipe's]")
@click.option(
    "--minutes",
    type=FiniteRange(0, min_open=True),
    help="End after so long, unless the iterations are done before.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--threads", type=THREADS, help="CPU threads.  [default: one a core]")
@click.option(
    "--vgg",
    type=click.Path(path_type=Path),
    help="VGG-16's weights as safetensors: the feature loss compares its features, not the "
    "critic's.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results.  [default: results/training/RECIPE]",
)
@shared.fresh
def train_command(**choices: Any) -> None:
    """Train a denoiser by RECIPE: paper, best, dcgan, …, or the path of a TOML file.

    The folder gets weights.safetensors, card.json (what they are, and how to make them again),
    log.csv, curves.png, strip.png, and the checkpoint that an interrupted training goes on from.
    PSNR on the validation frames goes to stdout, everything else to stderr. On several GPUs:
    torchrun --nproc-per-node=N --no-python bench train RECIPE.

    Exit code 0: trained; 2: the request cannot be carried out; 3: the training diverged, and the
    last good checkpoint is kept; 130: interrupted.
    """
    from denoisebench.denoisers.gan import parallel
    from denoisebench.denoisers.gan.recipe import load
    from denoisebench.machine import threads

    options = Options(**choices)
    recipe = load(options.recipe, dict(options.changes))
    if options.sigma is not None and recipe.data.sigma_range is not None:
        low, high = recipe.data.sigma_range
        raise UsageError(f"--sigma: {options.name} trains for all from {low:g} to {high:g} at once")
    if options.vgg is not None and not recipe.losses.feature:
        raise UsageError(f"--vgg: {options.name} has no feature loss (losses.feature is 0)")
    device = _device(options.device)
    if options.threads is not None:
        threads.pin(options.threads)
    with parallel.joined(device):
        data, trainer = _prepare(options, recipe, device)
        with _folder(options.folder, options.fresh):
            parallel.wait(device)  # until what was there has been set aside
            raise SystemExit(_train(options, data, trainer))


def _prepare(
    options: Options, recipe: Recipe, device: torch.device
) -> tuple[harness.TrainingData, Trainer]:
    from denoisebench.datasets.catalogue import open_dataset
    from denoisebench.denoisers.gan.data import Crops
    from denoisebench.denoisers.gan.perceptual import VggFeatures
    from denoisebench.denoisers.gan.training import Trainer
    from denoisebench.training import harness

    dataset = open_dataset(options.data)
    train, val = harness.split(dataset)
    sigma = DEFAULT_SIGMA if options.sigma is None else options.sigma
    sigmas = harness.validation_sigmas(recipe, sigma)
    crops = Crops([frame.read() for frame in train], recipe.data, sigma, device)
    data = harness.TrainingData(dataset, train, val, sigmas, device)
    vgg = VggFeatures(options.vgg, device) if options.vgg else None
    return data, Trainer(recipe, crops, options.seed, vgg)


def _train(options: Options, data: harness.TrainingData, trainer: Trainer) -> int:
    from denoisebench.denoisers.gan import parallel
    from denoisebench.denoisers.gan.training import DivergedError
    from denoisebench.training import harness

    path = options.folder / harness.CHECKPOINT
    if path.exists():
        trainer.load(path)
        _say(f"Going on from iteration {trainer.iteration}")
    try:
        finished = _learn(options, data, trainer, path)
    except KeyboardInterrupt:
        finished = False
    except DivergedError as error:
        kept = f"{path} is from before" if path.exists() else "there is no checkpoint yet"
        click.echo(f"bench: the training diverged: {error}; {kept}", err=True)
        return EXIT_DIVERGED
    if not finished:
        _say(f"Interrupted. To go on from here: {options.command}")
        return EXIT_INTERRUPTED
    if parallel.rank() == 0:
        out, command = options.folder, replace(options, out=None).command
        source = {"name": options.name, "changes": dict(options.changes), "command": command}
        results = harness.write_results(out, source, data, trainer)
        for sigma, psnr in results.items():
            click.echo(f"sigma {sigma:g}: {psnr:.2f} dB")
        _say(f"Wrote {out}")
    return 0


def _learn(options: Options, data: harness.TrainingData, trainer: Trainer, path: Path) -> bool:
    """Train, telling of it; True if it was finished."""
    from denoisebench.denoisers.gan.training import train_network
    from denoisebench.training.progress import told

    total = options.iterations or trainer.recipe.schedule.iterations
    telling = told(options.folder, data.sigmas, total, trainer.iteration)
    with _stop_asked() as stop, telling as tell:
        return train_network(
            trainer,
            iterations=total,
            path=path,
            validate=data.validate,
            tell=tell,
            minutes=options.minutes or math.inf,
            stop=stop,
        )


def _say(line: str) -> None:
    from denoisebench.denoisers.gan import parallel

    if parallel.rank() == 0:
        click.echo(line, err=True)


def _device(choice: str) -> torch.device:
    from denoisebench.machine.devices import has_cuda

    if choice == "cuda" and not has_cuda():
        raise UsageError("--device cuda: torch finds no CUDA device here")
    import torch

    from denoisebench.denoisers.gan import parallel

    on_cuda = choice != "cpu" and has_cuda()
    return torch.device("cuda", parallel.local_rank()) if on_cuda else torch.device("cpu")


@contextmanager
def _folder(out: Path, fresh: bool) -> Iterator[None]:
    """Hold the folder for one training, and set aside what is in it if that is asked for."""
    from denoisebench import files
    from denoisebench.denoisers.gan import parallel
    from denoisebench.training import harness as training

    if parallel.rank() != 0:
        yield
        return
    files.make_folder(out)
    with files.held(out, "training"):
        if fresh:
            files.set_aside(out, training.FILES)
        yield


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

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
