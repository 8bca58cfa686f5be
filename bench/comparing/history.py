"""Courses of a figure over stored runs, and the runs with which they changed.

Two runs are judged as ``bench compare`` judges them. A score's course changed with a run that
compares as worse or better than the run before it. Times and memory scatter from launch to launch,
which two launches do not show: where there are three or more, levels are found in all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.cells import Status
from denoisebench.comparing.findings import JUDGED, Finding, Verdict
from denoisebench.comparing.limits import (
    DEFAULT_SHARES,
    FLOORS,
    UNITS_OF_THE_LAST_DIGIT,
    ComparisonLimits,
)
from denoisebench.comparing.stored_runs import compare_runs
from denoisebench.errors import UsageError, unknown
from denoisebench.store.results import Results, load_run
from denoisebench.store.tables import named_lines
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_COMPARED = {"time": "time", "ms": "time", "memory": "memory"}
"""The cost of a comparison that judges a cost of a history."""

_LIMITS = ComparisonLimits(gated=frozenset(), allow_missing=True)
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
    def machine(self) -> str:
        """The properties of the machine that measured it which tell machines apart."""
        return str(self.results.manifest.environment.identity)


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
        findings: each run's comparison with the first run that has a value, by the run's index.

    Examples:
        >>> Course("bm3d cpu", np.array([10.0, 10.0, 12.0]), True, 0.05, [2]).drift
        array([0. , 0. , 0.2])
    """

    name: str
    values: np.ndarray
    relative: bool
    size: float
    changes: list[int]
    findings: dict[int, Finding] = field(default_factory=dict)

    @property
    def drift(self) -> np.ndarray:
        """Change of each value from the first, in its unit or as a share; nan where unknown."""
        known = self.values[~np.isnan(self.values)]
        first = known[0] if len(known) else math.nan
        with np.errstate(divide="ignore", invalid="ignore"):  # a method may need no memory at all
            changed = self.values / first - 1 if self.relative else self.values - first
        drift: np.ndarray = np.where(self.values == first, 0.0, changed)
        for run, finding in self._judged.items():
            drift[run] = finding.change
        return drift

    @property
    def interval(self) -> np.ndarray:
        """Ends of the confidence interval of `drift`, (2, runs); nan where there is none."""
        ends = np.full((2, len(self.values)), math.nan)
        for run, finding in self._judged.items():
            if finding.low is not None and finding.high is not None:
                ends[:, run] = finding.low, finding.high
        return ends

    @property
    def scatter(self) -> float:
        """Robust standard deviation from run to run, in the terms of `drift`; nan for two runs."""
        with np.errstate(divide="ignore"):
            course = np.log(self.values) if self.relative else self.values
        known = course[np.isfinite(course)]
        return _scatter(known) if len(known) > 2 else math.nan

    @property
    def verdict(self) -> Verdict | None:
        """Verdict of ``bench compare`` on the last run against the first that has a value."""
        last = self.findings.get(len(self.values) - 1)
        return None if last is None else last.verdict

    @cached_property
    def _judged(self) -> dict[int, Finding]:
        """The findings on runs that have a value, and rest on figures of both runs."""
        return {
            run: finding
            for run, finding in self.findings.items()
            if finding.verdict in JUDGED and not math.isnan(self.values[run])
        }


def read_history(folders: Sequence[Path]) -> list[HistoryPoint]:
    """Read runs, and sort them by the time when they were measured.

    Args:
        folders: folders of runs, at least one.

    Raises:
        UsageError: a folder holds no run, or the runs differ in protocol, data or noise draws.
    """
    runs = [HistoryPoint(folder.resolve().name, load_run(folder)) for folder in folders]
    _check_alike(runs, _measured_on)
    return sorted(runs, key=lambda run: run.results.manifest.written or "")


def _check_alike(
    runs: Sequence[HistoryPoint], conditions: Callable[[HistoryPoint], dict[str, object]]
) -> None:
    """Raise UsageError if runs differ in conditions, which are given by their names."""
    first: dict[str, tuple[str, object]] = {}
    for run in runs:
        found = conditions(run)
        before = {what: first.setdefault(what, (run.label, found[what])) for what in found}
        if differ := [what for what, (_, value) in before.items() if value != found[what]]:
            raise UsageError(
                f"{before[differ[0]][0]} and {run.label} are no history of the same; "
                f"other {' and '.join(differ)}"
            )


def _measured_on(run: HistoryPoint) -> dict[str, object]:
    """Return the conditions that must be the same in all runs, by their names."""
    manifest, data = run.results.manifest, run.results.manifest.dataset
    return {
        "protocol": manifest.protocol_digest,
        "noise": manifest.noise.spec,
        "data set": (data.name, data.split),
        "frames": [(frame.id, frame.digest) for frame in data.frames],
        "noise draws": manifest.seeds,
    }


def courses(runs: Sequence[HistoryPoint], metric: str) -> list[Course]:
    """Follow a metric or a cost over runs.

    Args:
        runs: the runs in the order of time, at least one.
        metric: a metric's name, or a cost: ``time`` as a multiple of the reference work's time,
            ``ms`` per frame on one machine, or the peak ``memory`` in MB on one machine.

    Returns:
        A course for each method and device; of a metric, for each noise level, too.

    Raises:
        UsageError: there is no such metric, or the runs measured it in ways that differ.
    """
    known = {m.name: m for run in runs for m in run.results.metrics}
    if metric not in known and metric not in _COMPARED:
        raise UsageError(unknown("metric", metric, [*known, *_COMPARED]))
    _check_alike(runs, _costs_measured_by(metric) if metric in _COMPARED else _scored_by(metric))
    points = _points(runs, metric)
    names = list(dict.fromkeys(name for point in points for name in point))
    values = {name: np.array([p.get(name, math.nan) for p in points]) for name in names}
    judge = _Judge(runs, _COMPARED.get(metric, metric))
    if metric in known:
        size = UNITS_OF_THE_LAST_DIGIT * 10.0 ** -known[metric].decimals
        return [judge.course(name, v, size) for name, v in values.items()]
    floor = _floor(runs, metric)
    return [judge.cost_course(name, v, floor) for name, v in values.items()]


def _costs_measured_by(metric: str) -> Callable[[HistoryPoint], dict[str, object]]:
    """Return a function of a run: the conditions of a cost that must be the same in all runs."""

    def conditions(run: HistoryPoint) -> dict[str, object]:
        manifest = run.results.manifest
        found: dict[str, object] = {"thread count": manifest.threads}
        if metric != "time":
            found["machine; take --metric time"] = run.machine
        if metric != "memory":
            found["timing"] = manifest.timing
            found["number of frames that are timed"] = len(run.results.timed_frames)
        return found

    return conditions


def _scored_by(metric: str) -> Callable[[HistoryPoint], dict[str, object]]:
    """Return a function of a run: the definition of a metric, if the run was scored by it."""

    def conditions(run: HistoryPoint) -> dict[str, object]:
        scored = [m for m in run.results.metrics if m.name == metric and not m.unavailable]
        return {f"definition of {metric}": m.key for m in scored}

    return conditions


class _Judge:
    """Comparisons of a history's runs with each other, each made once.

    Args:
        runs: the runs in the order of time.
        figure: the metric or cost to judge.
    """

    def __init__(self, runs: Sequence[HistoryPoint], figure: str) -> None:
        self._runs = runs
        self._figure = figure
        self._found: dict[tuple[int, int], dict[str, Finding]] = {}

    def course(self, name: str, values: np.ndarray, size: float) -> Course:
        """Return the course of a score: it changed where a run is worse or better than the last."""
        return Course(
            name, values, False, size, self._steps(name, values), self._since(name, values)
        )

    def cost_course(self, name: str, values: np.ndarray, floor: float) -> Course:
        """Return the course of a cost.

        Args:
            name: the course's name.
            values: the cost in each run, (runs,); nan where a run has none.
            floor: the smallest change that counts whatever its share, in the unit of the values.
        """
        share = DEFAULT_SHARES[self._figure]
        if np.count_nonzero(~np.isnan(values)) < 3:
            found = self._steps(name, values)
        else:
            with np.errstate(divide="ignore"):
                found = changes(np.log(values), math.log1p(share))
            found = [run for run, step in _level_steps(values, found) if step >= floor]
        return Course(name, values, True, share, found, self._since(name, values))

    def _steps(self, name: str, values: np.ndarray) -> list[int]:
        """List the runs that are worse or better than the run before them that has a value."""
        known = np.flatnonzero(~np.isnan(values)).tolist()
        return [
            run
            for before, run in pairwise(known)
            if (finding := self._of(before, run).get(name)) is not None
            and finding.verdict in (Verdict.WORSE, Verdict.BETTER)
        ]

    def _since(self, name: str, values: np.ndarray) -> dict[int, Finding]:
        """Return the findings on all runs after the first that has a value."""
        first = int(np.flatnonzero(~np.isnan(values))[0])
        found = {run: self._of(first, run).get(name) for run in range(first + 1, len(self._runs))}
        return {run: finding for run, finding in found.items() if finding is not None}

    def _of(self, base: int, head: int) -> dict[str, Finding]:
        """Return the findings on a run against another, by the names of courses."""
        if (base, head) not in self._found:
            before, now = self._runs[base].results, self._runs[head].results
            self._found[base, head] = {
                " ".join(filter(None, [f.method, f.device, f.level])): f
                for f in compare_runs(before, now, _LIMITS, self._figure)
            }
        return self._found[base, head]


def _floor(runs: Sequence[HistoryPoint], metric: str) -> float:
    """Return the smallest change of a cost that counts, in the unit of its values."""
    if metric == "time":
        references = _references(runs).values()
        return FLOORS["time"] / max(references) if references else 0.0
    return FLOORS[_COMPARED[metric]] / 1e6


def _level_steps(values: np.ndarray, starts: Sequence[int]) -> list[tuple[int, float]]:
    """Return the starts of levels, each with the size of its step, in the unit of the values."""
    edges = [0, *starts, len(values)]
    levels = [float(np.nanmean(values[a:b])) for a, b in pairwise(edges)]
    return [
        (run, abs(after - before))
        for run, (before, after) in zip(starts, pairwise(levels), strict=True)
    ]


def _points(runs: Sequence[HistoryPoint], metric: str) -> list[dict[str, float]]:
    """Return each run's values by the names of their courses."""
    if metric != "time":
        return [_table_values(run, metric) for run in runs]
    references = _references(runs)
    return [
        _relative_times(run.results, references[run.machine]) if run.machine in references else {}
        for run in runs
    ]


def _table_values(run: HistoryPoint, metric: str) -> dict[str, float]:
    """Return a run's values by the name of their course, as its table has them."""
    # A mean over some of the frames is another figure.
    lines = {n: line for n, line in named_lines(run.results).items() if line["status"] == Status.OK}
    if metric not in _COMPARED:
        known = {name: line.get(f"{metric}_mean") for name, line in lines.items()}
        return {n: float(v) for n, v in known.items() if v is not None and not math.isnan(v)}
    column = {"ms": "ms_per_frame", "memory": "peak_memory_mb"}[metric]
    found: dict[str, list[float]] = {}
    for line in lines.values():
        value = line[column]
        if value is not None and math.isfinite(value):
            name = f"{line['method']} {line['device']}"
            found.setdefault(name, []).append(float(value))
    return {name: median(values) for name, values in found.items()}


def _references(runs: Sequence[HistoryPoint]) -> dict[str, float]:
    """Return the median time of the reference work in ns by machine; see `machine.timing`.

    All runs of a machine have the same one, so that their times change as the times themselves do.
    """
    rounds: dict[str, list[int]] = {}
    for run in runs:
        for ns in run.results.reference_ns.values():
            rounds.setdefault(run.machine, []).extend(ns)
    return {machine: float(median(ns)) for machine, ns in rounds.items()}


def _relative_times(results: Results, reference_ns: float) -> dict[str, float]:
    """Return each row's time over the reference's: the geometric mean over the cells to time."""
    found = {}
    for row in results.rows:
        ns = results.columns.times("call_ns").ns[results.places(row)]
        times = ns[~np.isnan(ns)].tolist()
        to_time = results.planned(row) * len(results.timed_frames) // len(results.frames())
        if times and len(times) == to_time:
            found[row.label()] = math.exp(fmean(map(math.log, times))) / reference_ns
    return found


def lacking_frames(runs: Sequence[HistoryPoint]) -> list[str]:
    """Name the rows that lack frames in a run, and hence have no figure there.

    Args:
        runs: the runs.

    Returns:
        A sentence for each, with the number of frames; methods that were not tried are left out.
    """
    return [
        f"{name} in {run.label} ({line['frames']} of {counted(len(run.results.frames()), 'frame')})"
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
    variance = max(_scatter(course), size / 4) ** 2
    found = _partition(course, _PENALTY * variance * math.log(len(course)))
    edges = [0, *found, len(course)]
    levels = [float(course[a:b].mean()) for a, b in pairwise(edges)]
    steps = zip(found, pairwise(levels), strict=True)
    return [int(where[i]) for i, (before, after) in steps if abs(after - before) >= size]


def _scatter(course: np.ndarray) -> float:
    """Estimate the standard deviation of a course about its levels, from successive differences.

    A normal variable's median distance from its mean is 0.6745 standard deviations; a difference
    of two values scatters by the square root of 2 more than one of them.
    """
    return float(np.median(np.abs(np.diff(course)))) / 0.6745 / math.sqrt(2)


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
