"""What a run will do: the methods, frames and sigmas that its options name, as cells."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from denoisebench import devices, threads
from denoisebench.cells import Cell
from denoisebench.datasets import catalogue
from denoisebench.datasets.base import spread
from denoisebench.denoisers import registry
from denoisebench.errors import UsageError
from denoisebench.metrics.registry import PROTOCOL, Metric
from denoisebench.metrics.registry import select as select_metrics
from denoisebench.timing import TimingRules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from denoisebench.datasets import Dataset, Frame
    from denoisebench.denoisers.registry import Method


@dataclass(frozen=True)
class Options:
    """What the user asked for; the defaults are those of ``bench run``.

    Attributes:
        methods: expressions, see `registry.select`.
        dataset: what to open; None takes the default.
        split: which of its splits.
        sigmas: on the 8-bit scale.
        seeds: how many noise draws.
        frames: how many frames, spread evenly over the split; None takes all.
        metrics: expressions, see `metrics.registry.select`: what the table shows.
        device: ``auto`` (every device that a method can use here), ``cpu`` or ``cuda``.
        timeout: seconds for a cell, and for loading a method.
        memory_limit: GB that a method's process may hold; None is 80 % of what is free.
        threads: for every library; None is the number of cores.
        plugins: Python files with further methods.
        force: expressions of methods to measure again.
        out: the run's folder; None is ``results/DATASET``.
        fresh: set aside what the folder holds.
    """

    methods: tuple[str, ...] = ("all",)
    dataset: str | None = None
    split: str = "test"
    sigmas: tuple[float, ...] = (15.0, 25.0, 50.0)
    seeds: int = 1
    frames: int | None = None
    metrics: tuple[str, ...] = PROTOCOL
    device: str = "auto"
    timeout: float = 600.0
    memory_limit: float | None = None
    threads: int | None = None
    plugins: tuple[Path, ...] = ()
    force: tuple[str, ...] = ()
    out: Path | None = None
    fresh: bool = False

    @property
    def command(self) -> str:
        """The command that asks for the same run; ``--fresh`` and ``--force`` are not repeated."""
        words = ["bench", "run"]
        for option in fields(self):
            value = getattr(self, option.name)
            implied = value == option.default and option.name != "methods"
            if implied or option.name in ("fresh", "force"):
                continue
            flag = {"sigmas": "--sigma", "plugins": "--plugin"}.get(
                option.name, f"--{option.name.replace('_', '-')}"
            )
            if option.name == "plugins":
                words += [word for path in value for word in (flag, str(path))]
            elif isinstance(value, tuple):
                words += [flag, ",".join(f"{v:g}" if type(v) is float else v for v in value)]
            else:
                words += [flag, f"{value:g}" if type(value) is float else str(value)]
        return shlex.join(words)


@dataclass(frozen=True)
class Row:
    """A method on a device: one supervised process, one row of the table.

    Attributes:
        asked_by_name: False if a pattern such as ``all`` brought it in.
    """

    method: Method
    device: str
    asked_by_name: bool


@dataclass(frozen=True)
class Plan:
    """A run, before it is carried out."""

    options: Options
    dataset: Dataset
    frames: list[Frame]
    rows: list[Row]
    metrics: list[Metric]
    forced: frozenset[str]
    threads: int
    rules: TimingRules

    def cells(self, row: Row) -> Iterator[tuple[Cell, Frame]]:
        """A row's cells, each frame's together."""
        for frame in self.frames:
            for sigma in self.options.sigmas:
                for seed in range(self.options.seeds):
                    yield Cell(row.method.spec, row.device, frame.id, sigma, seed), frame

    @property
    def default_name(self) -> str:
        """What the run's folder is called by default."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.dataset.name)
        return name if self.options.split == "test" else f"{name}-{self.options.split}"

    @property
    def size(self) -> int:
        options = self.options
        return len(self.rows) * len(self.frames) * len(options.sigmas) * options.seeds


def make_plan(options: Options) -> tuple[Plan, str]:
    """Resolve the options; return the plan, and one line that says which frames it takes and why.

    Raises:
        UsageError: something asked for does not exist or cannot be had.
    """
    for plugin in options.plugins:
        registry.load_file(plugin)
    rows = _rows(options)
    metrics = select_metrics(options.metrics)
    forced = frozenset(method.spec for method in registry.select(options.force))
    if unused := forced - {row.method.spec for row in rows}:
        raise UsageError(f"--force {', '.join(sorted(unused))}: not among --methods; add it there")
    if options.dataset is None:
        dataset, line = catalogue.default_dataset(options.split)
        options = replace(options, dataset=dataset.name)
    else:
        dataset = catalogue.open_dataset(options.dataset)
        line = f"Frames: {dataset.title}"
    frames = spread(dataset.frames(options.split), options.frames)
    count = options.threads or threads.available()
    return Plan(options, dataset, frames, rows, metrics, forced, count, TimingRules()), line


def _rows(options: Options) -> list[Row]:
    methods = registry.select(options.methods)
    named = [e for e in options.methods if not registry.is_pattern(e)]
    by_name = {method.spec for method in registry.select(named)}
    rows = [
        Row(method, device, method.spec in by_name)
        for method in methods
        for device in _devices(method, options.device, method.spec in by_name)
    ]
    if not rows:
        raise UsageError(f"none of these methods runs on {options.device}; `bench list` shows all")
    return rows


def _devices(method: Method, wanted: str, asked_by_name: bool) -> Sequence[str]:
    if wanted == "cuda" and not devices.has_cuda():
        raise UsageError("--device cuda: torch finds no CUDA device here; use --device cpu")
    if wanted in method.card.devices:
        return [wanted]
    if wanted == "auto":
        here = {"cpu", "cuda"} if devices.has_cuda() else {"cpu"}
        return [d for d in method.card.devices if d in here] or ["cpu"]
    if asked_by_name:
        runs_on = ", ".join(method.card.devices)
        raise UsageError(f"{method.spec} does not run on {wanted}, only on {runs_on}")
    return []
