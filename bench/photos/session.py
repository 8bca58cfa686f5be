"""Photographs and films denoised, several at a time; what fails is named, and the rest goes on."""

from __future__ import annotations

import math
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

from denoisebench.cells import LARGEST_SIGMA, Status
from denoisebench.datasets.base import DataError
from denoisebench.datasets.pixels import ImageError
from denoisebench.denoisers import registry, torch_model
from denoisebench.errors import UsageError
from denoisebench.files import make_folder, replacing
from denoisebench.machine import memory, threads
from denoisebench.photos.choosing import EIGHT_BIT, named_method, read_choices
from denoisebench.photos.engine import Engine, EngineOptions, devices_for
from denoisebench.photos.estimating import blocks_of, estimate_noise
from denoisebench.photos.films import denoise_film, sample_film
from denoisebench.photos.inputs import items_of
from denoisebench.photos.photo import Photo
from denoisebench.photos.reading import read_photo
from denoisebench.photos.tiling import SeamError, denoise_by_windows, reach_of
from denoisebench.running.evaluation import NoEstimate
from denoisebench.text import plain
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from denoisebench.denoisers.registry import Method
    from denoisebench.photos.choosing import Choices
    from denoisebench.photos.estimating import NoiseEstimate
    from denoisebench.photos.inputs import Item

_PREVIEW = 320  # pixels of a side
_MOST_JOBS = 4  # by default: each holds a picture in memory


@dataclass(frozen=True)
class DenoiseOptions:
    """Request to denoise files.

    Attributes:
        inputs: photographs, folders of photographs, and films.
        method: a method with its parameters, or ``auto``.
        sigma: of the noise on the 8-bit scale; None estimates it, file by file.
        out: folder for the results; None puts them beside their inputs.
        overwrite: True to write over results that are there.
        run: folder of the run by which ``auto`` chooses; None takes the published one.
        budget: seconds that ``auto`` may take for a megapixel.
        jobs: number of files at a time; None for one by core, at most 4.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: number of threads of all jobs together; None for the number of cores.
        timeout: seconds that a method may take for a megapixel.
        memory_limit: gigabytes that the methods' processes may take; None for 80 % of what is free.
        plugins: Python files with further methods.
        torch: networks of the user's, see `torch_model.read_model`; of a single one, ``auto`` takes
            it.
        checkpoints: files of these networks' weights, in the same order; empty for none.
        weights: files of weights, ``METHOD=FILE`` each.
    """

    inputs: tuple[Path, ...]
    method: str = "auto"
    sigma: float | None = None
    out: Path | None = None
    overwrite: bool = False
    run: Path | None = None
    budget: float = 10.0
    jobs: int | None = None
    device: str = "auto"
    threads: int | None = None
    timeout: float = 600.0
    memory_limit: float | None = None
    plugins: tuple[Path, ...] = ()
    torch: tuple[str, ...] = ()
    checkpoints: tuple[Path, ...] = ()
    weights: tuple[str, ...] = ()


class FurtherDenoiseOptions(TypedDict, total=False):
    """Further options of `library.denoise`, named as in `DenoiseOptions`."""

    run: Path | None
    budget: float
    jobs: int | None
    device: str
    threads: int | None
    timeout: float
    memory_limit: float | None
    plugins: str | Path | Sequence[str | Path]
    torch: str | Sequence[str]
    checkpoints: str | Path | Sequence[str | Path]
    weights: str | Sequence[str]


@dataclass(frozen=True)
class Denoised:
    """Outcome of a file.

    Attributes:
        source: the file.
        target: the result.
        problem: why there is none; empty if there is.
        about: the picture in words: size, colour, depth.
        noise: the sigma that was told, in words.
        method: the method's spec.
        why: the sentence that says why ``auto`` chose it; empty if the user did.
        seconds: time for all of it.
        seam: largest difference of tiles from one piece, on the [0, 1] scale; None without tiles.
        notes: what is lost, or may surprise.
        before: a part of the picture as it was, uint8 (h, w, 3), upright; None if there is none.
        after: the same part, denoised.
    """

    source: Path
    target: Path
    problem: str = ""
    about: str = ""
    noise: str = ""
    method: str = ""
    why: str = ""
    seconds: float = 0.0
    seam: float | None = None
    notes: tuple[str, ...] = ()
    before: np.ndarray | None = field(default=None, repr=False, compare=False)
    after: np.ndarray | None = field(default=None, repr=False, compare=False)


class DenoiseProgress(Protocol):
    """Observer of a session; it is called by several threads."""

    def part(self, path: Path, done: int, total: int) -> None:
        """Note that so many tiles of a picture, or frames of a film, are done."""
        ...

    def file(self, outcome: Denoised) -> None:
        """Note that a file is done, or has failed."""
        ...


def denoise_files(
    options: DenoiseOptions, progress: DenoiseProgress, say: Callable[[str], None]
) -> list[Denoised]:
    """Denoise photographs and films.

    Results that are there already are kept, so that a call after an interruption goes on with what
    is missing; each appears when it is complete.

    Args:
        options: what is asked for.
        progress: is told of what is done.
        say: is told what the user should know, a line at a time.

    Returns:
        An outcome for each file that was tried, in the order of the inputs.

    Raises:
        UsageError: the request cannot be carried out, or all results are there.
        KeyboardInterrupt: by Ctrl-C; finished files are there.
    """
    _check(options)
    _load_methods(options)
    devices = devices_for(options.device)
    name = _asked_for(options)
    method = None if name == "auto" else named_method(name, devices)
    choices = None if method else read_choices(options.run, options.budget, devices)
    items = _missing(items_of(options.inputs, options.out), options.overwrite, say)
    for folder in {item.target.parent for item in items}:
        make_folder(folder)
    jobs = options.jobs or min(len(items), threads.available_cores(), _MOST_JOBS)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        work = _Work(options, method, choices, jobs, Path(scratch), progress)
        return work.all(items)


def _check(options: DenoiseOptions) -> None:
    """Raise UsageError if no file is given, or a number is out of its range."""
    if not options.inputs:
        raise UsageError("no file is given; write bench denoise FILE…")
    if options.sigma is not None and not 0 <= options.sigma <= LARGEST_SIGMA:
        raise UsageError(f"sigma {options.sigma:g} is not between 0 and 255, on the 8-bit scale")
    for name in ("budget", "jobs", "threads", "timeout", "memory_limit"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name} is {value!r}: give a number above 0")


def _load_methods(options: DenoiseOptions) -> None:
    """Load plugins, networks and weights of the user's; raise UsageError if one cannot be."""
    registry.load_files(options.plugins, options.timeout)
    for path in options.plugins:
        if (broken := registry.broken_file(path)) is not None:
            raise UsageError(f"--plugin {plain(path.name)}: {broken.problem}")
    torch_model.load_models(options.torch, options.checkpoints, options.timeout)
    registry.use_weights(options.weights)


def _asked_for(options: DenoiseOptions) -> str:
    """Return the method that is asked for; ``auto`` knows nothing of a user's network.

    Raises:
        UsageError: there are several networks, and none is named.
    """
    if options.method != "auto" or not options.torch:
        return options.method
    names = [torch_model.read_model(text).name for text in options.torch]
    if len(names) > 1:
        raise UsageError(f"--torch: several networks; name one by --method {'|'.join(names)}")
    return names[0]


def _missing(items: list[Item], overwrite: bool, say: Callable[[str], None]) -> list[Item]:
    """Return the items whose results are not there yet.

    Raises:
        UsageError: all are there.
    """
    left = [item for item in items if overwrite or not item.target.exists()]
    kept = len(items) - len(left)
    if not left:
        which = f"{items[0].target} is" if len(items) == 1 else f"all {len(items)} results are"
        raise UsageError(f"{which} there already; --overwrite writes anew")
    if kept:
        say(f"{kept} of {len(items)} results are there already and stay; --overwrite writes anew")
    return left


class _Work:
    """Denoising of files in several threads, each with a process of its own."""

    def __init__(
        self,
        options: DenoiseOptions,
        method: Method | None,
        choices: Choices | None,
        jobs: int,
        scratch: Path,
        progress: DenoiseProgress,
    ) -> None:
        self._options = options
        self._method = method
        self._choices = choices
        self._jobs = jobs
        self._scratch = scratch
        self._progress = progress
        self._engines: list[Engine] = []
        self._mine = threading.local()
        self._stopped = False

    def all(self, items: list[Item]) -> list[Denoised]:
        """Denoise all files; return their outcomes in order."""
        outcomes: dict[Item, Denoised] = {}
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                tasks = {pool.submit(self._one, item): item for item in items}
                for task in as_completed(tasks):
                    outcomes[tasks[task]] = task.result()
                    self._progress.file(task.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                self._close()
        return [outcomes[item] for item in items]

    def _close(self) -> None:
        """End all processes, and start no more."""
        self._stopped = True
        for engine in self._engines:
            engine.stop()

    def _one(self, item: Item) -> Denoised:
        """Denoise a file; a failure becomes its outcome's problem."""
        start = time.monotonic()
        try:
            outcome = self._film(item) if item.is_film else self._photo(item)
        except (ImageError, DataError, SeamError, UsageError) as problem:
            return Denoised(item.source, item.target, str(problem))
        except NoEstimate as failure:
            return Denoised(item.source, item.target, f"{failure.status.value}: {failure.reason}")
        except MemoryError:
            return Denoised(item.source, item.target, "not enough memory")
        return replace(outcome, seconds=time.monotonic() - start)

    def _photo(self, item: Item) -> Denoised:
        """Denoise a photograph."""
        photo = read_photo(item.source)
        sigma, noise = self._told(
            lambda: estimate_noise(blocks_of(photo.samples.shape, photo.floats))
        )
        method, why = self._chosen(sigma, photo.samples)
        denoise = partial(self._engine().denoise, method, sigma=sigma)
        parts = partial(self._progress.part, item.source)
        samples, seam = denoise_by_windows(photo, denoise, reach_of(method), parts)
        content = _encoded(photo, samples)
        with replacing(item.target) as file:
            file.write(content)
        deep = photo.samples.dtype.itemsize > 1 and method.card.name in EIGHT_BIT
        shown = _central(photo.samples)
        return Denoised(
            item.source,
            item.target,
            about=photo.kind,
            noise=noise,
            method=method.spec,
            why=why,
            seam=seam,
            notes=(*photo.notes, *["the method sees 8 of its 16 bits"] * deep),
            before=photo.shown(photo.samples[shown]),
            after=photo.shown(samples[shown]),
        )

    def _film(self, item: Item) -> Denoised:
        """Denoise a film; its noise is taken to be the same throughout."""
        found, frames = sample_film(item.source)
        if not frames:
            raise DataError("no frame of it can be decoded")
        frame = frames[len(frames) // 2]
        sigma, noise = self._told(lambda: found)
        method, why = self._chosen(sigma, frame)
        denoise = partial(self._engine().denoise, method, sigma=sigma)
        photo = Photo(frame, 1, bytes)
        after = photo.rounded(denoise(photo.floats()))
        with replacing(item.target) as file:
            parts = partial(self._progress.part, item.source)
            count = denoise_film(item.source, file, denoise, parts)
        shown = _central(frame)
        return Denoised(
            item.source,
            item.target,
            about=f"{counted(count, 'frame')}, {frame.shape[1]}×{frame.shape[0]}",
            noise=noise,
            method=method.spec,
            why=why,
            before=photo.shown(frame[shown]),
            after=photo.shown(after[shown]),
        )

    def _engine(self) -> Engine:
        """Return the engine of this thread."""
        if self._stopped:
            raise NoEstimate(Status.KILLED, "interrupted")
        if not hasattr(self._mine, "engine"):
            options = self._options
            cores = options.threads or threads.available_cores()
            limit = memory.memory_for_methods(options.memory_limit)
            self._mine.engine = Engine(
                EngineOptions(
                    devices_for(options.device),
                    max(1, cores // self._jobs),
                    options.timeout,
                    limit / self._jobs,
                    options.plugins,
                    options.weights,
                    self._scratch / f"{threading.get_ident()}.log",
                )
            )
            self._engines.append(self._mine.engine)
        engine: Engine = self._mine.engine
        return engine

    def _told(self, estimate: Callable[[], NoiseEstimate]) -> tuple[float, str]:
        """Return the sigma that the user gives, or else an estimate; and the same in words."""
        if self._options.sigma is not None:
            return self._options.sigma, f"sigma {self._options.sigma:g} as given"
        found = estimate()
        return found.sigma, str(found)

    def _chosen(self, sigma: float, samples: np.ndarray) -> tuple[Method, str]:
        """Return the method for a picture, and why ``auto`` takes it."""
        if self._method is not None:
            return self._method, ""
        assert self._choices is not None
        return self._choices.best(sigma, samples)


def _encoded(photo: Photo, samples: np.ndarray) -> bytes:
    """Encode a denoised photograph.

    Raises:
        DataError: its encoder refuses; it might take no EXIF of this length, say.
    """
    try:
        return photo.encode(samples)
    except (ValueError, OSError) as error:
        raise DataError(f"cannot be written in its own format ({error})") from error


def _central(samples: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of a picture's central part, for a preview."""
    rows, columns = (
        slice(max(0, size // 2 - _PREVIEW // 2), size // 2 + _PREVIEW // 2)
        for size in samples.shape[:2]
    )
    return rows, columns
