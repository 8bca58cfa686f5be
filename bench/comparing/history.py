"""The course of a figure over runs, and its changes: pure functions of stored runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.cells import Status
from denoisebench.comparing.limits import DEFAULT_SHARES, UNITS_OF_THE_LAST_DIGIT
from denoisebench.errors import UsageError, unknown
from denoisebench.store.results import Results, load_run
from denoisebench.store.tables import named_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COSTS = ("time", "ms", "memory")
_PENALTY = 3.0  # times the variance and the logarithm of the length


@dataclass(frozen=True)
class HistoryPoint:
    """One point of a history.

    Attributes:
        label: the folder's name.
        results: what it holds.
    """

    label: str
    results: Results

    @property
    def reference_ns(self) -> dict[int, float]:
        """The reference work's median time by session, in ns; see `machine.timing`."""
        timed = self.results.reference_ns.items()
        return {session: float(median(rounds)) for session, rounds in timed}


@dataclass(frozen=True)
class Course:
    """A figure of one method over runs.

    Attributes:
        name: the method, its device and, of a score, the noise level, in words.
        values: one a run; nan where the run has none.
        relative: changes are taken as shares of the values, as those of costs are.
        size: the smallest change that matters, in the terms of `drift`.
        changes: where it changed: indices of the first run after each change.
    """

    name: str
    values: np.ndarray
    relative: bool
    size: float
    changes: list[int]

    @property
    def drift(self) -> np.ndarray:
        """Each value's distance from the first, in its unit or as a share; nan where unknown."""
        finite = np.where(np.isfinite(self.values), self.values, math.nan)
        known = finite[np.isfinite(finite)]
        first = known[0] if len(known) else math.nan
        if not self.relative:
            found: np.ndarray = finite - first
            return found
        with np.errstate(divide="ignore", invalid="ignore"):  # a method may need no memory at all
            return np.where(finite == first, 0.0, finite / first - 1)


def read_history(folders: Sequence[Path]) -> list[HistoryPoint]:
    """Read runs, and sort them by the time when they were measured.

    Raises:
        UsageError: a folder holds no run, or not all were measured on the same.
    """
    runs = [HistoryPoint(folder.resolve().name, load_run(folder)) for folder in folders]
    first = _measured_on(runs[0])
    for run in runs[1:]:
        if differ := [what for what, value in _measured_on(run).items() if value != first[what]]:
            raise UsageError(
                f"{runs[0].label} and {run.label} are no history of the same; "
                f"other {' and '.join(differ)}"
            )
    return sorted(runs, key=lambda run: run.results.manifest.written or "")


def _measured_on(run: HistoryPoint) -> dict[str, object]:
    """The conditions that must be the same in all runs, by their names."""
    manifest, data = run.results.manifest, run.results.manifest.dataset
    return {
        "protocol": manifest.protocol_digest,
        "data set": (data.name, data.split),
        "frames": [(frame.id, frame.digest) for frame in data.frames],
        "noise draws": manifest.seeds,
    }


def courses(runs: Sequence[HistoryPoint], metric: str) -> list[Course]:
    """Follow a metric or a cost over runs: a course a method, device and, of scores, level.

    The costs are ``time`` as a ratio to the reference's, ``ms`` a frame on one machine, and the
    peak ``memory`` in MB.

    Raises:
        UsageError: there is no such metric, or ``ms`` of several machines.
    """
    known = {m.name: m for run in runs for m in run.results.metrics}
    if metric not in known and metric not in _COSTS:
        raise UsageError(unknown("metric", metric, [*known, *_COSTS]))
    machines = {run.results.manifest.environment.machine for run in runs}
    if metric == "ms" and len(machines) > 1:
        raise UsageError("these runs are from several machines; take --metric time")
    points = [_points(run, metric) for run in runs]
    names = list(dict.fromkeys(name for point in points for name in point))
    values = {name: np.array([p.get(name, math.nan) for p in points]) for name in names}
    if metric in known:
        size = UNITS_OF_THE_LAST_DIGIT * 10.0 ** -known[metric].decimals
        return [Course(name, v, False, size, changes(v, size)) for name, v in values.items()]
    share = DEFAULT_SHARES["memory" if metric == "memory" else "time"]
    with np.errstate(divide="ignore"):
        found = {name: changes(np.log(v), math.log1p(share)) for name, v in values.items()}
    return [Course(name, v, True, share, found[name]) for name, v in values.items()]


def _points(run: HistoryPoint, metric: str) -> dict[str, float]:
    if metric == "time":
        return _relative_times(run)
    # A mean over some of the frames is another figure.
    lines = {n: line for n, line in named_lines(run.results).items() if line["status"] == Status.OK}
    if metric not in _COSTS:
        known = {name: line.get(f"{metric}_mean") for name, line in lines.items()}
        return {n: float(v) for n, v in known.items() if v is not None and math.isfinite(v)}
    column = {"ms": "ms_per_frame", "memory": "peak_memory_mb"}[metric]
    found: dict[str, list[float]] = {}
    for line in lines.values():
        value = line[column]
        if value is not None and math.isfinite(value):
            name = f"{line['method']} {line['device']}"
            found.setdefault(name, []).append(float(value))
    return {name: median(values) for name, values in found.items()}


def _relative_times(run: HistoryPoint) -> dict[str, float]:
    """A row's time over the reference's in the same process; the geometric mean over cells."""
    found = {}
    references = run.reference_ns
    for row in run.results.rows:
        ratios = [
            median(m.call_ns) / references[m.session]
            for m in run.results.measured(row)
            if m.status is Status.OK and m.session in references
        ]
        if ratios and len(ratios) == len(run.results.cells(row)):
            found[row.label()] = math.exp(fmean(map(math.log, ratios)))
    return found


def changes(values: np.ndarray, size: float) -> list[int]:
    """Find the runs with which a course changed its level.

    The levels are the piecewise constant ones that cost least: the squared distances from them,
    plus ``3 · variance · log(length)`` for each change (optimal partitioning: Jackson et al. 2005,
    "An algorithm for optimal partitioning of data on an interval"). The variance is that of
    successive differences, by their median, which changes do not move; or a quarter of the size
    squared, where the course is smoother than it matters. A change by less than the size is none.

    Args:
        values: (runs,); nan where there is none.
        size: the smallest change that matters, in the unit of the values.

    Returns:
        Indices of the first run after each change, ascending.
    """
    where = np.flatnonzero(np.isfinite(values))
    course = values[where]
    if len(course) < 2:
        return []
    step = float(np.median(np.abs(np.diff(course)))) / 0.6745 / math.sqrt(2)
    variance = max(step, size / 4) ** 2
    found = _partition(course, _PENALTY * variance * math.log(len(course)))
    edges = [0, *found, len(course)]
    levels = [float(course[a:b].mean()) for a, b in pairwise(edges)]
    steps = zip(found, pairwise(levels), strict=True)
    return [int(where[i]) for i, (before, after) in steps if abs(after - before) >= size]


def _partition(course: np.ndarray, penalty: float) -> list[int]:
    """The starts of all segments but the first, of the partition that costs least."""
    sums = np.concatenate([[0.0], np.cumsum(course - course[0])])
    squares = np.concatenate([[0.0], np.cumsum((course - course[0]) ** 2)])
    costs, starts = [-penalty], [0]
    for end in range(1, len(course) + 1):
        start = np.arange(end)
        spread = squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / (end - start)
        total = np.array(costs) + spread + penalty
        starts.append(int(np.argmin(total)))
        costs.append(float(total.min()))
    found: list[int] = []
    end = len(course)
    while starts[end] > 0:
        end = starts[end]
        found.insert(0, end)
    return found
