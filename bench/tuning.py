"""Choosing a method's parameters: a grid search, on frames that no result is reported for."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from denoisebench import files, metrics, plugins, protocol
from denoisebench.datasets.base import spread
from denoisebench.denoisers import registry
from denoisebench.errors import UsageError
from denoisebench.machine import environment, threads
from denoisebench.machine.transfer import device_of, without_gradients
from denoisebench.running import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

    from denoisebench.datasets import Dataset, Frame
    from denoisebench.denoisers.registry import Card

SPLITS = ("val", "train")


@dataclass(frozen=True)
class Search:
    """What is searched, and on which frames.

    Attributes:
        card: the method.
        dataset: whose frames decide.
        split: ``val`` or ``train``, never ``test``.
        frames: those of the split that are used.
        sigmas: on the 8-bit scale.
        device: where the method runs.
    """

    card: Card
    dataset: Dataset
    split: str
    frames: list[Frame]
    sigmas: tuple[float, ...]
    device: str = "cpu"

    @property
    def space(self) -> dict[str, tuple[Any, ...]]:
        """The values to try for each parameter, as the plugin's ``search`` lists them."""
        return getattr(self.card.factory, "search", {})

    @property
    def grid(self) -> list[dict[str, Any]]:
        """Every combination of them."""
        values = product(*self.space.values())
        return [dict(zip(self.space, combination, strict=True)) for combination in values]

    @property
    def libraries(self) -> dict[str, str]:
        return environment.versions(("numpy", *self.card.requires))

    @cached_property
    def identity(self) -> str:
        """Digest of all that decides a score, but for the parameters."""
        parts = [
            identity.source_digest(self.card),
            self.libraries,
            protocol.digest(),
            self.dataset.name,
            [(frame.id, frame.digest) for frame in self.frames],
            self.sigmas,
            self.device,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Trial:
    """One combination of parameters, measured.

    Attributes:
        parameters: the searched parameters' values.
        psnr: mean over the frames for each sigma, in dB.
        ms: median time of a frame, on one thread.
    """

    parameters: dict[str, Any]
    psnr: tuple[float, ...]
    ms: float

    @property
    def mean(self) -> float:
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
    """Check what is asked for.

    Args:
        count: how many frames, evenly over the split; None takes all.

    Raises:
        UsageError: the split is not for tuning, or the method cannot be tuned here.
    """
    if split not in SPLITS:
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


def carry_out(search: Search, path: Path, tell: Callable[[str], None]) -> list[Trial]:
    """Measure the whole grid, saving after each combination what was measured so far.

    Args:
        path: the CSV file; combinations that it holds for the same identity are not repeated.
        tell: is given a line after each combination.

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
        now = f"[{number}/{len(grid)}] {words(measured[key])}"
        tell(f"{now}; best so far {best(trials).mean:.2f} dB")
    return trials


def best(trials: list[Trial]) -> Trial:
    """The trial of highest mean PSNR over the sigmas; of equals, the first."""
    return max(trials, key=lambda trial: trial.mean)


def words(trial: Trial) -> str:
    """A trial in one line."""
    parameters = ", ".join(f"{name}={value}" for name, value in trial.parameters.items())
    return f"{parameters}: {trial.mean:.2f} dB, {trial.ms:g} ms"


def advice(search: Search, chosen: Trial) -> list[str]:
    """What to change in the plugin: its defaults, or a search whose edge was the best."""
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


def record(search: Search, chosen: Trial, command: str) -> str:
    """The choice and how it was made, as TOML."""
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
    """Strings, numbers, booleans and lists of them read the same in JSON and TOML."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def _prepare(card: Card) -> None:
    """Load the method's libraries, so that no time includes it, and hold them to one thread."""
    for module in card.requires:
        importlib.import_module(module)
    threads.pin(1)


def _measure(search: Search, parameters: dict[str, Any]) -> Trial:
    card = search.card
    assert card.factory is not None
    denoiser, device = card.factory(**parameters), device_of(card, search.device)
    times, scores = [], []
    for sigma in search.sigmas:
        of_sigma = []
        for frame in search.frames:
            clean = frame.read()
            given, _ = device.upload(_noisy(search, frame, clean, sigma))
            call = partial(denoiser.denoise, given, card.told(sigma))
            with _blamed(f"{card.name} on {frame.id} at sigma {sigma:g}"), without_gradients(card):
                output, ns, _ = device.clock.time(call)
                estimate = protocol.quantise(device.download(output)[0])
            times.append(ns)
            of_sigma.append(metrics.psnr(clean, estimate))
        scores.append(round(protocol.mean_psnr(of_sigma), 4))
    return Trial(parameters, tuple(scores), round(median(times) / 1e6, 1))


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    """Say what failed, in one line."""
    try:
        yield
    except Exception as error:  # a method may raise anything
        raise UsageError(f"{what}: {plugins.describe_error(error)}") from error


def _noisy(search: Search, frame: Frame, clean: np.ndarray, sigma: float) -> np.ndarray:
    name = search.dataset.name
    return protocol.add_noise(clean, sigma, dataset=name, frame=frame.id, seed=0)


def _table(search: Search, trials: list[Trial]) -> str:
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


def _read(search: Search, path: Path) -> dict[tuple[str, ...], Trial]:
    """The trials that an earlier search left, if it was this one."""
    if not path.is_file():
        return {}
    grid = {_key(parameters): parameters for parameters in search.grid}
    trials = {}
    try:
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            key = tuple(row.get(name, "") for name in search.space)
            if row.get("identity") == search.identity and key in grid:
                scores = tuple(float(row[column]) for column in _columns(search))
                trials[key] = Trial(grid[key], scores, float(row["ms"]))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UsageError(
            f"{path} is not what a search left ({plugins.describe_error(error)}); move it away, or "
            "choose another --out"
        ) from error
    return trials


def _columns(search: Search) -> list[str]:
    return [f"psnr_{sigma:g}" for sigma in search.sigmas]


def _key(parameters: dict[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, parameters.values()))
