"""``bench train``: train a denoiser by a recipe."""

from __future__ import annotations

import math
import os
import shlex
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import EXIT_INTERRUPTED
from denoisebench.cli.types import FiniteRange, Setting
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import torch

    from denoisebench import training as harness
    from denoisebench.denoisers.gan.recipe import Recipe
    from denoisebench.denoisers.gan.training import Report, Trainer

EXIT_DIVERGED = 3

DEFAULT_SIGMA = 25.0
HEARTBEAT_S = 30


class BusyError(UsageError):
    """Another process trains in the same folder."""


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
                words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        return shlex.join(words)


@click.command()
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
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: one a core]")
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
@click.option(
    "--fresh/--resume",
    default=False,
    help="Set aside what the folder holds, or go on from it.  [default: resume]",
)
def train(**choices: Any) -> None:
    """Train a denoiser by RECIPE: paper, best, dcgan, …, or the path of a TOML file.

    The folder gets weights.safetensors, card.json (what they are, and how to make them again),
    log.csv, curves.png, strip.png, and the checkpoint that an interrupted training goes on from.
    PSNR on the validation frames goes to stdout, everything else to stderr. On several GPUs:
    torchrun --nproc-per-node=N --no-python bench train RECIPE.

    Exit code 0: trained; 2: the request cannot be carried out; 3: the training diverged, and the
    last good checkpoint is kept; 130: interrupted.
    """
    from denoisebench import threads
    from denoisebench.denoisers.gan import parallel
    from denoisebench.denoisers.gan.recipe import load

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
        lesson, trainer = _prepare(options, recipe, device)
        with _folder(options.folder, options.fresh):
            parallel.wait(device)  # until what was there has been set aside
            raise SystemExit(_train(options, lesson, trainer))


def _prepare(
    options: Options, recipe: Recipe, device: torch.device
) -> tuple[harness.Lesson, Trainer]:
    from denoisebench import training as harness
    from denoisebench.datasets.catalogue import open_dataset
    from denoisebench.denoisers.gan.data import Crops
    from denoisebench.denoisers.gan.perceptual import VggFeatures
    from denoisebench.denoisers.gan.training import Trainer

    dataset = open_dataset(options.data)
    learn, judge = harness.split(dataset)
    sigma = DEFAULT_SIGMA if options.sigma is None else options.sigma
    sigmas = harness.sigmas_to_judge(recipe, sigma)
    crops = Crops([frame.read() for frame in learn], recipe.data, sigma, device)
    lesson = harness.Lesson(dataset, learn, judge, sigmas, device)
    vgg = VggFeatures(options.vgg, device) if options.vgg else None
    return lesson, Trainer(recipe, crops, options.seed, vgg)


def _train(options: Options, lesson: harness.Lesson, trainer: Trainer) -> int:
    from denoisebench import training as harness
    from denoisebench.denoisers.gan import parallel
    from denoisebench.denoisers.gan.training import DivergedError

    path = options.folder / harness.CHECKPOINT
    if path.exists():
        trainer.load(path)
        _say(f"Going on from iteration {trainer.iteration}")
    try:
        finished = _learn(options, lesson, trainer, path)
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
        results = harness.write_results(out, source, lesson, trainer)
        for sigma, psnr in results.items():
            click.echo(f"sigma {sigma:g}: {psnr:.2f} dB")
        _say(f"Wrote {out}")
    return 0


def _learn(options: Options, lesson: harness.Lesson, trainer: Trainer, path: Path) -> bool:
    """Train, telling of it; True if it was finished."""
    from denoisebench.denoisers.gan.training import train

    iterations = options.iterations or trainer.recipe.schedule.iterations
    with _stop_asked() as stop, _told(options.folder, lesson, trainer, iterations) as tell:
        return train(
            trainer,
            iterations=iterations,
            path=path,
            validate=lesson.validate,
            tell=tell,
            minutes=options.minutes or math.inf,
            stop=stop,
        )


def _say(line: str) -> None:
    from denoisebench.denoisers.gan import parallel

    if parallel.rank() == 0:
        click.echo(line, err=True)


def _device(choice: str) -> torch.device:
    from denoisebench.devices import has_cuda

    if choice == "cuda" and not has_cuda():
        raise UsageError("--device cuda: torch finds no CUDA device here")
    import torch

    from denoisebench.denoisers.gan import parallel

    on_cuda = choice != "cpu" and has_cuda()
    return torch.device("cuda", parallel.local_rank()) if on_cuda else torch.device("cpu")


@contextmanager
def _folder(out: Path, fresh: bool) -> Iterator[None]:
    """Hold the folder for one training, and set aside what is in it if that is asked for."""
    import filelock

    from denoisebench.denoisers.gan import parallel
    from denoisebench.files import make_folder

    if parallel.rank() != 0:
        yield
        return
    make_folder(out)
    lock = filelock.FileLock(out / "run.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BusyError(f"another training is at work in {out}; choose another --out") from None
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}") from error
    with lock:
        if fresh:
            _set_aside(out)
        yield


def _set_aside(out: Path) -> None:
    """Keep an earlier training: nothing is deleted."""
    from denoisebench import training
    from denoisebench.files import make_folder

    aside = out / f"before-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for name in training.FILES:
        if (out / name).exists():
            make_folder(aside)
            os.replace(out / name, aside / name)


@contextmanager
def _stop_asked() -> Iterator[Callable[[], bool]]:
    """Take the first Ctrl-C or polite kill as a wish to stop, the second as an interrupt."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        _say("Stopping after this iteration; again to stop at once")

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _told(
    out: Path, lesson: harness.Lesson, trainer: Trainer, iterations: int
) -> Iterator[Callable[[Report], None]]:
    """Pass every report on to the log, to TensorBoard if it is installed, and to the user."""
    from denoisebench.denoisers.gan import log, parallel
    from denoisebench.training import LOG, TENSORBOARD

    if parallel.rank() != 0:
        yield lambda report: None
        return
    listeners: list[Callable[[Report], None]]
    listeners = [log.CsvLog(out / LOG, lesson.sigmas, trainer.iteration)]
    if log.has_tensorboard():
        listeners.append(log.TensorBoardLog(out / TENSORBOARD))
    with _shown(iterations, trainer.iteration) as show:

        def tell(report: Report) -> None:
            for listen in (*listeners, show):
                listen(report)

        yield tell


def _shown(total: int, done: int) -> AbstractContextManager[Callable[[Report], None]]:
    return _live(total, done) if sys.stderr.isatty() else _plain(total)


@contextmanager
def _plain(total: int) -> Iterator[Callable[[Report], None]]:
    """A line for every validation, and a sign of life now and then."""
    spoke = monotonic()

    def show(report: Report) -> None:
        nonlocal spoke
        if report.psnr or monotonic() - spoke > HEARTBEAT_S:
            click.echo(f"[{report.iteration}/{total}] {_words(report)}", err=True)
            spoke = monotonic()

    yield show


@contextmanager
def _live(total: int, done: int) -> Iterator[Callable[[Report], None]]:
    """A bar with the last figures, above it a line for every validation."""
    from denoisebench.progress import live_bar

    with live_bar() as bar:
        task = bar.add_task("", total=total, completed=done)

        def show(report: Report) -> None:
            bar.update(task, completed=report.iteration, description=_words(report))
            if report.psnr:
                line = f"[{report.iteration}/{total}] {_words(report)}"
                bar.console.print(line, markup=False, highlight=False)

        yield show


def _words(report: Report) -> str:
    """A report in one line."""
    parts = [f"{psnr:.2f} dB at sigma {sigma:g}" for sigma, psnr in report.psnr.items()]
    parts += [f"{name.replace('_', ' ')} {value:.3g}" for name, value in report.terms.items()]
    return ", ".join([*parts, f"{report.images_per_second:.3g} images/s"])
