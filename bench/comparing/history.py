"""Courses of a figure over stored runs, and the runs with which they changed."""

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
_PENALTY = 3.0  # the cost of a change, in units of the variance times the log of the length


@dataclass(frozen=True)
class HistoryPoint:
    """One run of a history.

    Attributes:
        label: name of the run's folder.
        results: the stored run.
    """

    label: str
    results: Results

    @property
    def reference_ns(self) -> dict[int, float]:
        """Median time of the reference work by session, in ns; see `machine.timing`."""
        timed = self.results.reference_ns.items()
        return {session: float(median(rounds)) for session, rounds in timed}


@dataclass(frozen=True)
class Course:
    """Values of one method's figure over runs.

    Attributes:
        name: method, device and, for a score, noise level, in words.
        values: the figure in each run, (runs,); nan where the run has none.
        relative: True if changes are shares of the values, as for costs; False if they are
            differences, as for scores.
        size: the smallest change that matters, in the terms of `drift`.
        changes: indices of the first run after each change, ascending.

    Examples:
        >>> Course("bm3d cpu", np.array([10.0, 10.0, 12.0]), True, 0.05, [2]).drift
        array([0. , 0. , 0.2])
    """

    name: str
    values: np.ndarray
    relative: bool
    size: float
    changes: list[int]

    @property
    def drift(self) -> np.ndarray:
        """Change of each value from the first, in its unit or as a share; nan where unknown."""
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

    Args:
        folders: folders of runs, at least one.

    Raises:
        UsageError: a folder holds no run, or the runs differ in protocol, data or noise draws.
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
    """Return the conditions that must be the same in all runs, by their names."""
    manifest, data = run.results.manifest, run.results.manifest.dataset
    return {
        "protocol": manifest.protocol_digest,
        "data set": (data.name, data.split),
        "frames": [(frame.id, frame.digest) for frame in data.frames],
        "noise draws": manifest.seeds,
    }


def courses(runs: Sequence[HistoryPoint], metric: str) -> list[Course]:
    """Follow a metric or a cost over runs.

    Args:
        runs: the runs in the order of time, at least one.
        metric: a metric's name, or a cost: ``time`` as a multiple of the reference work's time,
            ``ms`` per frame on one machine, or the peak ``memory`` in MB.

    Returns:
        A course for each method and device; of a metric, for each noise level, too.

    Raises:
        UsageError: there is no such metric, or ``ms`` is asked of runs from several machines.
    """
    known = {m.name: m for run in runs for m in run.results.metrics}
    if metric not in known and metric not in _COSTS:
        raise UsageError(unknown("metric", metric, [*known, *_COSTS]))
    machines = [run.results.manifest.environment.identity for run in runs]
    if metric == "ms" and any(machine != machines[0] for machine in machines):
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
    """Return a run's values by the name of their course."""
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
    """Return each row's time over the reference's in the same process.

    It is the geometric mean over cells; rows with a cell that has none are left out.
    """
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


def lacking_frames(runs: Sequence[HistoryPoint]) -> list[str]:
    """Name the rows that lack frames in a run, and hence have no figure there.

    Args:
        runs: the runs.

    Returns:
        A sentence for each, with the number of frames; methods that were not tried are left out.
    """
    return [
        f"{name} in {run.label} ({line['frames']} of {len(run.results.frames())} frames)"
        for run in runs
        for name, line in named_lines(run.results).items()
        if line["status"] not in (Status.OK, Status.UNAVAILABLE)
    ]


def changes(values: np.ndarray, size: float) -> list[int]:
    """Find the runs with which a course changed its level.

    The levels are the piecewise constant ones of least cost: the squared distances from them, plus
    ``3 · variance · log(length)`` for each change (optimal partitioning: Jackson et al. 2005, "An
    algorithm for optimal partitioning of data on an interval"). The variance is estimated from the
    median of successive differences, which changes of level do not move. It is at least the square
    of a quarter of ``size``, so that a smooth course shows no changes too small to matter. Changes
    smaller than ``size`` are left out.

    Args:
        values: the course, (runs,); nan where a run has no value.
        size: the smallest change that matters, in the unit of the values.

    Returns:
        Indices of the first run after each change, ascending.

    Examples:
        >>> changes(np.array([30.0, 30.0, 30.0, 29.5, 29.5, 29.5]), size=0.02)
        [3]
    """
    where = np.flatnonzero(np.isfinite(values))
    course = values[where]
    if len(course) < 2:
        return []
    # A normal variable's median distance from its mean is 0.6745 standard deviations; a
    # difference of two values scatters by the square root of 2 more than one of them.
    step = float(np.median(np.abs(np.diff(course)))) / 0.6745 / math.sqrt(2)
    variance = max(step, size / 4) ** 2
    found = _partition(course, _PENALTY * variance * math.log(len(course)))
    edges = [0, *found, len(course)]
    levels = [float(course[a:b].mean()) for a, b in pairwise(edges)]
    steps = zip(found, pairwise(levels), strict=True)
    return [int(where[i]) for i, (before, after) in steps if abs(after - before) >= size]


def _partition(course: np.ndarray, penalty: float) -> list[int]:
    """Return the starts of all segments but the first, of the partition of least cost."""
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
