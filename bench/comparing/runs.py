"""Two stored runs: is the second worse? Only what was measured alike is compared.

Scores are compared cell by cell: the same frame under the same noise. A method that gives the same
bits differs by nothing at all, so there is no noise to allow for but that of methods that scatter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.cells import Status
from denoisebench.comparing.findings import Finding, Verdict
from denoisebench.comparing.judging import judge_memory, judge_score, judge_time
from denoisebench.comparing.limits import COSTS, Limits
from denoisebench.errors import UsageError, unknown
from denoisebench.store.results import Results, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from denoisebench.cells import Cell, Level, Measurement

_COST_UNITS = {"time": "ms", "memory": "MB"}

Measured = dict["Cell", "Measurement"]
Pairs = list[tuple["Measurement", "Measurement"]]
"""BASE's measurement and HEAD's of the same cell of the same pixels, both without fault."""


def load_finished(folder: Path) -> Results:
    """Read a run that came to its end: what an unfinished one lacks would not be missed.

    Raises:
        UsageError: the folder holds no run, or one that was interrupted.
    """
    results = load(folder)
    if results.manifest.get("state", "complete") != "complete":
        planned = sum(len(results.cells(row)) for row in results.manifest["rows"])
        raise UsageError(
            f"{folder} is unfinished: {len(results.measurements)} of {planned} cells are measured; "
            f"to go on: {results.manifest['command']}"
        )
    return results


def compare_runs(base: Results, head: Results, limits: Limits) -> list[Finding]:
    """A finding for each method, device, metric and level of either run, in HEAD's order.

    Raises:
        UsageError: a comparison is to fail on what not both runs measured.
    """
    comparison = _Comparison(base, head, limits)
    comparison.check_gated()
    return [finding for row in comparison.rows for finding in comparison.of_row(row)]


@dataclass(frozen=True)
class _Comparison:
    base: Results
    head: Results
    limits: Limits

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of either run, HEAD's first."""
        rows = [*self.head.manifest["rows"], *self.base.manifest["rows"]]
        first = {(row["method"], row["device"]): row for row in reversed(rows)}
        return [first[key] for key in dict.fromkeys((r["method"], r["device"]) for r in rows)]

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The metrics that both runs scored."""
        theirs = {metric["name"] for metric in self.base.metrics}
        return [metric for metric in self.head.metrics if metric["name"] in theirs]

    def check_gated(self) -> None:
        known = [*(metric["name"] for metric in self.metrics), *COSTS]
        for name in sorted(self.limits.gated.difference(known)):
            for run, results in (("BASE", self.head), ("HEAD", self.base)):
                if name in (metric["name"] for metric in results.metrics):
                    raise UsageError(
                        f"--fail-on {name}: {run} has no such scores; give it --metrics {name}"
                    )
            raise UsageError(f"--fail-on: {unknown('metric', name, known)}")

    @cached_property
    def scores_differ(self) -> str:
        """Why no score can be compared, or nothing."""
        ours, theirs = self.head.manifest, self.base.manifest
        return (
            _differ("noise", self.base.noise, self.head.noise)
            or _differ("protocol", theirs["protocol"]["digest"], ours["protocol"]["digest"])
            or _differ("data set", theirs["dataset"]["name"], ours["dataset"]["name"])
            or _differ("split", theirs["dataset"]["split"], ours["dataset"]["split"])
        )

    def costs_differ(self, cost: str, device: str) -> str:
        """Why no time, or no memory, can be compared, or nothing."""
        ours, theirs = self.head.manifest, self.base.manifest
        here, there = ours["environment"], theirs["environment"]
        cuda = _entries_differ("CUDA device", there["cuda"], here["cuda"])
        timing = _entries_differ("timing", theirs.get("timing", {}), ours.get("timing", {}))
        return (
            _differ("machine", _machine(there), _machine(here))
            or (cuda if device == "cuda" else "")
            or _differ("thread count", theirs["threads"], ours["threads"])
            or (timing if cost == "time" else "")
            or self.scores_differ
        )

    @cached_property
    def changed_frames(self) -> set[str]:
        """Frames of one name and different pixels."""
        before = {f["id"]: f.get("digest") for f in self.base.manifest["dataset"]["frames"]}
        now = {f["id"]: f.get("digest") for f in self.head.manifest["dataset"]["frames"]}
        return {frame for frame in before.keys() & now.keys() if before[frame] != now[frame]}

    @cached_property
    def failures(self) -> list[Measurement]:
        return self.head.failures()

    def of_row(self, row: dict[str, Any]) -> Iterator[Finding]:
        ours, theirs = _measured(self.head, row), _measured(self.base, row)
        gone = self._gone(ours, theirs)
        for metric in self.metrics:
            for level in dict.fromkeys(cell.level for cell in ours or theirs):
                finding = self._finding(row, metric["name"], metric["title"], metric["unit"])
                finding = replace(finding, level=str(level))
                if gone is not None:
                    yield replace(finding, verdict=gone[0], reason=gone[1])
                elif self.scores_differ:
                    yield replace(finding, reason=self.scores_differ)
                else:
                    yield self._score(finding, metric, _at(ours, level), _at(theirs, level))
        for cost in COSTS:
            finding = self._finding(row, cost, cost, _COST_UNITS[cost])
            if gone is not None:
                yield replace(finding, verdict=gone[0], reason=gone[1])
            elif obstacle := self.costs_differ(cost, row["device"]):
                yield replace(finding, reason=obstacle)
            else:
                judge = _time if cost == "time" else _memory
                yield judge(finding, self._pairs(ours, theirs), self.limits)

    def _finding(self, row: dict[str, Any], metric: str, title: str, unit: str) -> Finding:
        gated = metric in self.limits.gated
        return Finding(
            row["method"], row["title"], row["device"], metric, title, unit=unit, gated=gated
        )

    def _gone(self, ours: Measured, theirs: Measured) -> tuple[Verdict, str] | None:
        """What there is to say of a row that one of the runs cannot show, if it is one."""
        if failed := [m for m in self.failures if m.cell in ours]:
            first = f"{failed[0].status.value}: {failed[0].reason}"
            return Verdict.FAILED, f"{len(failed)} of {len(ours)} cells failed: {first}"
        ok = [[m for m in found.values() if m.status is Status.OK] for found in (ours, theirs)]
        if not ok[0]:
            return Verdict.MISSING, next((m.reason for m in ours.values()), "not in HEAD")
        if not ok[1]:
            reason = next((f"BASE: {m.reason}" for m in theirs.values()), "not in BASE")
            return Verdict.NEW, reason
        return None

    def _pairs(self, ours: Measured, theirs: Measured) -> Pairs:
        return [
            (theirs[cell], m)
            for cell, m in ours.items()
            if cell in theirs
            and cell.frame not in self.changed_frames
            and m.status is theirs[cell].status is Status.OK
        ]

    def _score(
        self, finding: Finding, metric: dict[str, Any], ours: Measured, theirs: Measured
    ) -> Finding:
        if not theirs:
            return replace(finding, verdict=Verdict.NEW, reason="this noise level is not in BASE")
        pairs = self._pairs(ours, theirs)
        if not pairs:
            changed = sorted({cell.frame for cell in ours} & self.changed_frames)
            what = f"the pixels of {changed[0]} differ" if changed else "no frame in common"
            return replace(finding, reason=what)
        if drawn := [b.cell.frame for b, h in pairs if b.noisy_digest != h.noisy_digest]:
            return replace(finding, reason=f"the noise of {drawn[0]} differs")
        if differ := _definitions_differ(pairs, metric["name"]):
            return replace(finding, reason=differ)
        values = [(b.cell.frame, _value(b, metric), _value(h, metric)) for b, h in pairs]
        scored = [(f, b, h) for f, b, h in values if b is not None and h is not None]
        if not scored:
            return replace(finding, reason="no frame has a score in both")
        return judge_score(finding, metric, scored, self.limits)


def _time(finding: Finding, pairs: Pairs, limits: Limits) -> Finding:
    pairs = [(b, h) for b, h in pairs if b.call_ns and h.call_ns]
    if not pairs:
        return replace(finding, reason="no time was measured in both")
    before, now = (np.array([median(m.call_ns) for m in side]) for side in zip(*pairs, strict=True))
    return judge_time(finding, [b.cell.frame for b, _ in pairs], before, now, limits)


def _memory(finding: Finding, pairs: Pairs, limits: Limits) -> Finding:
    """Peaks of the largest frame that both measured: each process measures a size once."""
    before, now = (_peaks(side) for side in zip(*pairs, strict=True)) if pairs else ({}, {})
    common = before.keys() & now.keys()
    if not common:
        return replace(finding, reason="no memory was measured in both")
    return judge_memory(finding, before[max(common)], now[max(common)], limits)


def _peaks(measurements: tuple[Measurement, ...]) -> dict[int, int]:
    """The peak memory by the frame's pixels."""
    peaks: dict[int, int] = {}
    for m in measurements:
        peak = m.peak_memory if m.cell.device == "cpu" else m.peak_device_memory
        if peak is not None:
            peaks[m.pixels] = max(peak, peaks.get(m.pixels, 0))
    return peaks


def _measured(results: Results, row: dict[str, Any]) -> Measured:
    """A row's measurements; none if the run does not have the row."""
    name = row["method"], row["device"]
    rows = [r for r in results.manifest["rows"] if (r["method"], r["device"]) == name]
    return {m.cell: m for r in rows for m in results.measured(r)}


def _at(measured: Measured, level: Level) -> Measured:
    return {cell: m for cell, m in measured.items() if cell.level == level}


def _value(m: Measurement, metric: dict[str, Any]) -> float | None:
    if metric["name"] in ("psnr", "ssim"):
        return m.psnr if metric["name"] == "psnr" else m.ssim
    score = m.scores.get(metric["name"])
    return None if score is None else score.value


def _definitions_differ(pairs: Pairs, metric: str) -> str:
    for b, h in pairs:
        before, now = b.scores.get(metric), h.scores.get(metric)
        if before is not None and now is not None and before.key != now.key:
            return _differ("definition of the metric", before.key, now.key)
    return ""


def _differ(what: str, base: object, head: object) -> str:
    return "" if base == head else f"{what} differs: {base} and {head}"


def _entries_differ(what: str, base: Mapping[str, object], head: Mapping[str, object]) -> str:
    """The first entry of two descriptions that is not the same."""
    found = (_differ(f"{what} ({k})", base.get(k), head.get(k)) for k in {**base, **head})
    return next(filter(None, found), "")


def _machine(environment: dict[str, Any]) -> str:
    return f"{environment['cpu']} ({environment.get('machine', 'unknown')})"
