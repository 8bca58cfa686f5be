"""Comparison of two stored runs; only what was measured alike is compared.

Scores are compared cell by cell: the same frame under the same noise. A method that returns the
same bits has a difference of exactly zero, so only methods that scatter have noise to allow for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.cells import Status
from denoisebench.comparing.findings import JUDGED, Finding, Verdict
from denoisebench.comparing.judging import judge_memory, judge_score, judge_time
from denoisebench.comparing.limits import COSTS, ComparisonLimits
from denoisebench.errors import UsageError, unknown
from denoisebench.store.results import score_value
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from denoisebench.cells import Cell, Level, Measurement
    from denoisebench.store.manifest import MetricRecord, Row
    from denoisebench.store.results import Results

_COST_UNITS = {"time": "ms", "memory": "MB"}

_Measured = dict["Cell", "Measurement"]
_Pairs = list[tuple["Measurement", "Measurement"]]
"""BASE's and HEAD's measurement of the same cell on the same pixels; both are ok."""


def compare_runs(
    base: Results, head: Results, limits: ComparisonLimits, only: str | None = None
) -> list[Finding]:
    """Judge each method, device, metric and noise level of either run, in HEAD's order.

    Args:
        base: the run to compare with.
        head: the run that is judged. What it lacks of ``base`` is missing; the rest is compared.
        limits: the sizes of change that count, and whether anything may be missing.
        only: the metric or cost to judge; None for all.

    Raises:
        UsageError: a comparison is to fail on a metric that not both runs measured.
    """
    comparison = _Comparison(base, head, limits, only)
    comparison.check_gated()
    return [finding for row in comparison.rows for finding in comparison.of_row(row)]


@dataclass(frozen=True)
class _Comparison:
    """Comparison of two runs under the same limits."""

    base: Results
    head: Results
    limits: ComparisonLimits
    only: str | None

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of either run, HEAD's first."""
        rows = [*self.head.rows, *self.base.rows]
        first = {row.key: row for row in reversed(rows)}
        return [first[key] for key in dict.fromkeys(row.key for row in rows)]

    @cached_property
    def metrics(self) -> list[MetricRecord]:
        """The metrics that both runs scored."""
        theirs = {metric.name for metric in self.base.metrics}
        return [metric for metric in self.head.metrics if metric.name in theirs]

    def check_gated(self) -> None:
        """Raise UsageError if a gated metric is not one that both runs scored."""
        known = [*(metric.name for metric in self.metrics), *COSTS]
        for name in sorted(self.limits.gated.difference(known)):
            for run, results in (("BASE", self.head), ("HEAD", self.base)):
                if name in (metric.name for metric in results.metrics):
                    raise UsageError(
                        f"--fail-on {name}: {run} has no such scores; give it --metrics {name}"
                    )
            raise UsageError(f"--fail-on: {unknown('metric', name, known)}")

    @cached_property
    def scores_differ(self) -> str:
        """Reason why no score can be compared; empty if scores can."""
        ours, theirs = self.head.manifest, self.base.manifest
        return (
            _differ("noise", theirs.noise.spec, ours.noise.spec)
            or _differ("protocol", theirs.protocol_digest, ours.protocol_digest)
            or _differ("data set", theirs.dataset.name, ours.dataset.name)
            or _differ("split", theirs.dataset.split, ours.dataset.split)
        )

    def costs_differ(self, cost: str, device: str) -> str:
        """Return the reason why a cost cannot be compared on a device; empty if it can."""
        ours, theirs = self.head.manifest, self.base.manifest
        here, there = ours.environment, theirs.environment
        cuda = _entries_differ("CUDA device", there.cuda, here.cuda)
        timing = _entries_differ("timing", theirs.timing or {}, ours.timing or {})
        return (
            _entries_differ("machine", there.identity, here.identity)
            or (cuda if device == "cuda" else "")
            or _differ("thread count", theirs.threads, ours.threads)
            or (timing if cost == "time" else "")
            or self.scores_differ
        )

    @cached_property
    def changed_frames(self) -> set[str]:
        """Ids of the frames that have other pixels in the other run."""
        before = {frame.id: frame.digest for frame in self.base.manifest.dataset.frames}
        now = {frame.id: frame.digest for frame in self.head.manifest.dataset.frames}
        return {frame for frame in before.keys() & now.keys() if before[frame] != now[frame]}

    @cached_property
    def failures(self) -> list[Measurement]:
        """HEAD's failed measurements."""
        return self.head.failures()

    def of_row(self, row: Row) -> Iterator[Finding]:
        """Yield the findings of a method on a device."""
        ours, theirs = _measured(self.head, row), _measured(self.base, row)
        gone = self._gone(ours, theirs)
        for metric in (m for m in self.metrics if self.only in (None, m.name)):
            for level in dict.fromkeys(cell.level for cell in (*ours, *theirs)):
                finding = self._finding(row, metric.name, metric.title, metric.unit)
                finding = replace(finding, level=str(level))
                if gone is not None:
                    yield replace(finding, verdict=gone[0], reason=gone[1])
                elif self.scores_differ:
                    yield replace(finding, reason=self.scores_differ)
                else:
                    yield self._score(finding, metric, _at(ours, level), _at(theirs, level))
        for cost in (cost for cost in COSTS if self.only in (None, cost)):
            finding = self._finding(row, cost, cost, _COST_UNITS[cost])
            if gone is not None:
                yield replace(finding, verdict=gone[0], reason=gone[1])
            elif obstacle := self.costs_differ(cost, row.device):
                yield replace(finding, reason=obstacle)
            else:
                yield self._cost(finding, ours, theirs)

    def _finding(self, row: Row, metric: str, title: str, unit: str) -> Finding:
        """Return a finding that is yet to be judged."""
        return Finding(
            row.method,
            row.title,
            row.device,
            metric,
            title,
            unit=unit,
            gated=metric in self.limits.gated,
            optional=self.limits.allow_missing,
        )

    def _gone(self, ours: _Measured, theirs: _Measured) -> tuple[Verdict, str] | None:
        """Return verdict and reason for cells without figures in one run; None for others."""
        if failed := [m for m in self.failures if m.cell in ours]:
            first = f"{failed[0].status.value}: {failed[0].reason}"
            return Verdict.FAILED, f"{len(failed)} of {counted(len(ours), 'cell')} failed: {first}"
        if _ok(ours) and _ok(theirs):
            return None
        here, there = _first_reason(ours, "HEAD"), _first_reason(theirs, "BASE")
        if _ok(theirs):
            return Verdict.MISSING, here
        return (Verdict.NEW, there) if _ok(ours) else (Verdict.NOT_COMPARABLE, f"{there}; {here}")

    def _in_part(self, finding: Finding, compared: int, known: int) -> Finding:
        """Turn the verdict on a part of BASE's cells into missing; worse stays worse.

        Args:
            finding: a finding, judged or not.
            compared: number of cells that it was judged by.
            known: number of cells of BASE that have a figure.
        """
        if compared == known or finding.verdict not in JUDGED:
            return finding
        part = f"{compared} of BASE's {known} cells could be compared"
        if finding.verdict is Verdict.WORSE or self.limits.allow_missing:
            return replace(finding, reason="; ".join(filter(None, [finding.reason, part])))
        return replace(finding, verdict=Verdict.MISSING, reason=f"{part}: {finding.verdict}")

    def _pairs(self, ours: _Measured, theirs: _Measured) -> _Pairs:
        """Return the measurements that can be compared, BASE's first."""
        return [
            (theirs[cell], m)
            for cell, m in ours.items()
            if cell in theirs
            and cell.frame not in self.changed_frames
            and m.status is theirs[cell].status is Status.OK
        ]

    def _score(
        self, finding: Finding, metric: MetricRecord, ours: _Measured, theirs: _Measured
    ) -> Finding:
        """Judge a score at one noise level, or say why it cannot be compared."""
        pairs = self._pairs(ours, theirs)
        if not pairs:
            return self._without_pairs(finding, ours, theirs)
        if drawn := [b.cell.frame for b, h in pairs if b.noisy_digest != h.noisy_digest]:
            return replace(finding, reason=f"the noise of {drawn[0]} differs")
        if differ := _definitions_differ(pairs, metric.name):
            return replace(finding, reason=differ)
        values = [(b.cell.frame, score_value(b, metric), score_value(h, metric)) for b, h in pairs]
        scored = [(f, b, h) for f, b, h in values if b is not None and h is not None]
        known = sum(score_value(m, metric) is not None for m in _ok(theirs))
        if not scored:
            verdict = Verdict.MISSING if known else Verdict.NOT_COMPARABLE
            return replace(finding, verdict=verdict, reason="no frame has a score in both")
        return self._in_part(judge_score(finding, metric, scored, self.limits), len(scored), known)

    def _cost(self, finding: Finding, ours: _Measured, theirs: _Measured) -> Finding:
        """Judge times or memory."""
        pairs, known = self._pairs(ours, theirs), _ok(theirs)
        if finding.metric == "memory":
            return self._in_part(_memory(finding, pairs, self.limits), len(pairs), len(known))
        timed = [(b, h) for b, h in pairs if b.call_ns and h.call_ns]
        count = sum(bool(m.call_ns) for m in known)
        return self._in_part(_time(finding, timed, self.limits), len(timed), count)

    def _without_pairs(self, finding: Finding, ours: _Measured, theirs: _Measured) -> Finding:
        """Say why no cell of a noise level can be compared."""
        if changed := sorted({cell.frame for cell in ours} & self.changed_frames):
            return replace(finding, reason=f"the pixels of {changed[0]} differ")
        if _ok(ours) and _ok(theirs):
            return replace(finding, verdict=Verdict.MISSING, reason="no frame in common")
        gone = self._gone(ours, theirs)
        assert gone is not None
        return replace(finding, verdict=gone[0], reason=f"{finding.level}: {gone[1]}")


def _time(finding: Finding, pairs: _Pairs, limits: ComparisonLimits) -> Finding:
    """Judge a row's times, or say why they cannot be compared."""
    if not pairs:
        return replace(finding, reason="no time was measured in both")
    before, now = (np.array([median(m.call_ns) for m in side]) for side in zip(*pairs, strict=True))
    return judge_time(finding, [b.cell.frame for b, _ in pairs], before, now, limits)


def _memory(finding: Finding, pairs: _Pairs, limits: ComparisonLimits) -> Finding:
    """Judge the peak memory of the largest frame that both runs measured.

    Only one size is compared, since a process measures each size once.
    """
    before, now = (_peaks(side) for side in zip(*pairs, strict=True)) if pairs else ({}, {})
    common = before.keys() & now.keys()
    if not common:
        return replace(finding, reason="no memory was measured in both")
    return judge_memory(finding, before[max(common)], now[max(common)], limits)


def _peaks(measurements: tuple[Measurement, ...]) -> dict[int, int]:
    """Return the peak memory in bytes by number of pixels."""
    peaks: dict[int, int] = {}
    for m in measurements:
        if m.peak is not None:
            peaks[m.pixels] = max(m.peak, peaks.get(m.pixels, 0))
    return peaks


def _measured(results: Results, row: Row) -> _Measured:
    """Return a row's measurements by cell; none if the run does not have the row."""
    same = [mine for mine in results.rows if mine.key == row.key]
    return {m.cell: m for mine in same for m in results.measured(mine)}


def _ok(measured: _Measured) -> list[Measurement]:
    """List the measurements that have figures."""
    return [m for m in measured.values() if m.status is Status.OK]


def _first_reason(measured: _Measured, run: str) -> str:
    """Say why a run has no figures of some cells."""
    return next((f"{run}: {m.reason}" for m in measured.values() if m.reason), f"not in {run}")


def _at(measured: _Measured, level: Level) -> _Measured:
    """Return the measurements at a noise level."""
    return {cell: m for cell, m in measured.items() if cell.level == level}


def _definitions_differ(pairs: _Pairs, metric: str) -> str:
    """Say so if scores stand under different definitions of the metric; else return ''."""
    for b, h in pairs:
        before, now = b.scores.get(metric), h.scores.get(metric)
        if before is not None and now is not None and before.key != now.key:
            return _differ("definition of the metric", before.key, now.key)
    return ""


def _differ(what: str, base: object, head: object) -> str:
    """Say so if two values differ; else return ''."""
    return "" if base == head else f"{what} differs: {base} and {head}"


def _entries_differ(what: str, base: Mapping[str, object], head: Mapping[str, object]) -> str:
    """Name the first entry in which two descriptions differ; '' if there is none."""
    found = (_differ(f"{what} ({k})", base.get(k), head.get(k)) for k in {**base, **head})
    return next(filter(None, found), "")
