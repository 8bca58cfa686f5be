"""Choice of a method's parameters by a grid search on frames for which no results are reported."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import math
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from denoisebench import files, metrics, plugins, protocol
from denoisebench.cells import Level
from denoisebench.datasets.base import spread
from denoisebench.denoisers import registry
from denoisebench.errors import UsageError
from denoisebench.machine import environment, threads
from denoisebench.machine.transfer import device_of, without_gradients
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.protocol.observation import Drawn
from denoisebench.running.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from denoisebench.datasets import Dataset, Frame
    from denoisebench.denoisers.registry import Card
    from denoisebench.running.evaluation import Scene

_SPLITS = ("val", "train")


@dataclass(frozen=True)
class Search:
    """Grid search: a method, frames and noise levels.

    Attributes:
        card: the method's card.
        dataset: the source of the frames.
        split: ``val`` or ``train``, never ``test``.
        frames: the frames of the split that are used.
        sigmas: standard deviations of the noise on the 8-bit scale.
        device: ``cpu`` or ``cuda``.
    """

    card: Card
    dataset: Dataset
    split: str
    frames: list[Frame]
    sigmas: tuple[float, ...]
    device: str = "cpu"

    @property
    def space(self) -> dict[str, tuple[Any, ...]]:
        """Values to try for each parameter: the class attribute ``search`` of the method."""
        return getattr(self.card.factory, "search", {})

    @property
    def grid(self) -> list[dict[str, Any]]:
        """All combinations of the values, as parameters by name."""
        values = product(*self.space.values())
        return [dict(zip(self.space, combination, strict=True)) for combination in values]

    @property
    def libraries(self) -> dict[str, str]:
        """Versions of the libraries behind the method."""
        return environment.versions(("numpy", *self.card.requires, *self.card.uses))

    @cached_property
    def identity(self) -> str:
        """Digest of everything except the parameters that decides a score."""
        parts = [
            registry.source_digest(self.card),
            self.libraries,
            protocol.digest(),
            self.dataset.name,
            [(frame.id, frame.digest) for frame in self.frames],
            self.sigmas,
            self.device,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class GridTrial:
    """Measured combination of parameters.

    Attributes:
        parameters: values of the searched parameters.
        psnr: mean PSNR over the frames in dB, for each sigma.
        ms: median time of a frame in milliseconds, on one thread.

    Examples:
        >>> GridTrial({"h": 0.8}, (32.0, 29.0), 12.5).mean
        30.5
    """

    parameters: dict[str, Any]
    psnr: tuple[float, ...]
    ms: float

    @property
    def mean(self) -> float:
        """Mean PSNR over the sigmas, in dB."""
        return fmean(self.psnr)


def make_search(
    card: Card,
    dataset: Dataset,
    split: str,
    *,
    sigmas: tuple[float, ...],
    count: int | None = None,
    device: str = "cpu",
) -> Search:
    """Build a search, and check that it can be carried out.

    Args:
        card: the method's card.
        dataset: the source of the frames.
        split: ``val`` or ``train``.
        sigmas: standard deviations of the noise on the 8-bit scale.
        count: number of frames, spread evenly over the split; None takes all.
        device: ``cpu`` or ``cuda``.

    Raises:
        UsageError: the split is not for tuning, or the method cannot be tuned here.
    """
    if split not in _SPLITS:
        raise UsageError(f"--split {split}: parameters are chosen on val or train frames only")
    if split not in dataset.splits:
        has = ", ".join(dataset.splits)
        raise UsageError(f"{dataset.name} has no {split} split to tune on, only {has}")
    if card.unavailable is not None:
        raise UsageError(f"{card.name}: {card.unavailable}")
    if not hasattr(card.factory, "search"):
        raise UsageError(f"{card.name} declares no parameters to search: nothing to tune")
    if device not in card.devices:
        raise UsageError(f"{card.name} does not run on {device}, only on {', '.join(card.devices)}")
    if device == "cuda" and not environment.has_cuda():
        raise UsageError("--device cuda: torch finds no CUDA device here")
    return Search(card, dataset, split, spread(dataset.frames(split), count), sigmas, device)


def search_grid(search: Search, path: Path, tell: Callable[[str], None]) -> list[GridTrial]:
    """Measure the whole grid; the trials are saved after each combination.

    Args:
        search: the search.
        path: the CSV file; combinations that it holds for the same identity are not repeated.
        tell: function that gets a line after each combination.

    Returns:
        The trials, in the order of the grid.

    Raises:
        UsageError: the method fails on a frame, or the file cannot be read or written.
    """
    grid = {_key(parameters): parameters for parameters in search.grid}
    measured = _read(search, path)
    _prepare(search.card)
    for number, (key, parameters) in enumerate(grid.items(), start=1):
        if key not in measured:
            measured[key] = _measure(search, parameters)
        trials = [measured[k] for k in grid if k in measured]
        files.write_text(path, _table(search, trials))
        now = f"[{number}/{len(grid)}] {trial_in_words(measured[key])}"
        tell(f"{now}; best so far {best_trial(trials).mean:.2f} dB")
    return trials


def best_trial(trials: list[GridTrial]) -> GridTrial:
    """Return the trial of highest mean PSNR over the sigmas; of equal trials, the first.

    Examples:
        >>> trials = [GridTrial({"h": 1}, (30.0,), 5), GridTrial({"h": 2}, (31.0,), 5)]
        >>> best_trial(trials).parameters
        {'h': 2}
    """
    return max(trials, key=lambda trial: trial.mean)


def trial_in_words(trial: GridTrial) -> str:
    """Write a trial in one line.

    Examples:
        >>> trial_in_words(GridTrial({"h": 0.8}, (32.0, 29.0), 12.5))
        'h=0.8: 30.50 dB, 12.5 ms'
    """
    parameters = ", ".join(f"{name}={value}" for name, value in trial.parameters.items())
    return f"{parameters}: {trial.mean:.2f} dB, {trial.ms:g} ms"


def advice(search: Search, chosen: GridTrial) -> list[str]:
    """List changes that a search suggests: other defaults, or a wider search.

    Args:
        search: the search.
        chosen: its best trial.

    Returns:
        Lines for the method's author; empty if nothing should change.
    """
    source = registry.source_file(search.card)
    lines = [
        f"{source.name if source else search.card.name}: {name} = {value!r}, was {default!r}"
        for name, value in chosen.parameters.items()
        if value != (default := search.card.parameters[name])
    ]
    lines += [
        f"{name} = {value!r} is at the edge of its search: widen it"
        for name, value in chosen.parameters.items()
        if type(value) is float and value in (min(search.space[name]), max(search.space[name]))
    ]
    return lines


def record(search: Search, chosen: GridTrial, command: str) -> str:
    """Write a choice and its grounds as TOML.

    Args:
        search: the search.
        chosen: its best trial.
        command: the command that repeats the search.
    """
    head = {
        "method": search.card.name,
        "command": command,
        "dataset": search.dataset.name,
        "split": search.split,
        "frames": len(search.frames),
        "sigmas": list(search.sigmas),
        "psnr": list(chosen.psnr),
        "protocol": protocol.digest(),
        "identity": search.identity,
    }
    tables = {"parameters": chosen.parameters, "libraries": search.libraries}
    return "\n".join([_toml(head), *(f"[{k}]\n{_toml(values)}" for k, values in tables.items())])


def _toml(values: dict[str, Any]) -> str:
    """Write lines of TOML; strings, numbers, booleans and lists look the same in JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def _prepare(card: Card) -> None:
    """Import the method's libraries before any timing, and limit them to one thread."""
    for module in card.requires:
        importlib.import_module(module)
    threads.pin(1)


def _measure(search: Search, parameters: dict[str, Any]) -> GridTrial:
    """Measure a combination of parameters on all frames and sigmas."""
    method = _Method(search, parameters)
    observation = Drawn(WHITE_GAUSSIAN, search.dataset.name)
    scores = []
    with without_gradients(search.card, search.device):
        for sigma in search.sigmas:
            level, name = Level(sigma), search.card.name
            cells = ((level.cell(name, search.device, f.id, 0), f) for f in search.frames)
            found = evaluate(cells, observation, method.denoise)
            psnr = protocol.mean_psnr([e.score(metrics.psnr) or 0.0 for e in found])
            scores.append(round(psnr, 4))
    return GridTrial(parameters, tuple(scores), round(median(method.times) / 1e6, 1))


class _Method:
    """Method with a combination of parameters.

    Attributes:
        times: times of its calls so far, in nanoseconds.
    """

    def __init__(self, search: Search, parameters: dict[str, Any]) -> None:
        assert search.card.factory is not None
        self._card = search.card
        self._denoiser = search.card.factory(**parameters)
        if hasattr(self._denoiser, "load"):
            self._denoiser.load(search.device)
            threads.pin(1)  # also what it has imported
        self._device = device_of(search.card, search.device)
        self.times: list[int] = []

    def denoise(self, scene: Scene) -> np.ndarray:
        """Denoise a frame, and keep the time; return the estimate, float32 (H, W, C).

        Raises:
            UsageError: the method fails.
        """
        given, _ = self._device.upload(scene.noisy)
        call = partial(self._denoiser.denoise, given, self._card.told(scene.sigma))
        try:
            output, ns, _ = self._device.clock.time(call)
        except Exception as error:  # a method may raise anything
            where = f"{self._card.name} on {scene.frame.id} at sigma {scene.sigma:g}"
            raise UsageError(f"{where}: {plugins.describe_error(error)}") from error
        self.times.append(ns)
        return self._device.download(output)[0]


def _table(search: Search, trials: list[GridTrial]) -> str:
    """Write the trials as CSV."""
    rows = [
        {
            **{name: str(value) for name, value in trial.parameters.items()},
            **dict(zip(_columns(search), trial.psnr, strict=True)),
            "mean": round(trial.mean, 4),
            "ms": trial.ms,
            "identity": search.identity,
        }
        for trial in trials
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _read(search: Search, path: Path) -> dict[tuple[str, ...], GridTrial]:
    """Read the trials of an earlier search with the same identity, by key.

    Raises:
        UsageError: the file is no CSV of a search.
    """
    if not path.is_file():
        return {}
    grid = {_key(parameters): parameters for parameters in search.grid}
    trials = {}
    try:
        for row in csv.DictReader(io.StringIO(files.read_text(path, f"{path}"))):
            key = tuple(row.get(name, "") for name in search.space)
            if row.get("identity") == search.identity and key in grid:
                scores = tuple(float(row[column]) for column in _columns(search))
                if not all(map(math.isfinite, scores)):
                    raise ValueError("a score is not finite")
                trials[key] = GridTrial(grid[key], scores, float(row["ms"]))
    except (UsageError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UsageError(
            f"{path} is not what a search left ({plugins.describe_error(error)}); move it away, or "
            "choose another --out"
        ) from error
    return trials


def _columns(search: Search) -> list[str]:
    """Name the columns of PSNR, one for each sigma."""
    return [f"psnr_{sigma:g}" for sigma in search.sigmas]


def _key(parameters: dict[str, Any]) -> tuple[str, ...]:
    """Return the parameters' values as texts, as the CSV holds them."""
    return tuple(map(str, parameters.values()))
