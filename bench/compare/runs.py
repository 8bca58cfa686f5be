"""Two stored runs: is the second worse? Only what was measured alike is compared.

Scores are compared cell by cell: the same frame under the same noise. A method that gives the same
bits differs by nothing at all, so there is no noise to allow for but that of methods that scatter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench import statistics
from denoisebench.cells import Status
from denoisebench.compare.findings import Finding, Verdict
from denoisebench.compare.limits import COSTS, FLOORS, Limits
from denoisebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from denoisebench.cells import Cell, Level, Measurement
    from denoisebench.report.results import Results

BROKEN_FRAME = 25
"""A frame that loses so many times what its mean may lose (0.5 dB of PSNR) is no scatter: a loss
that it alone brings about counts, though an interval over frames would put it down to chance."""

TIME_LEVEL = 0.99
"""Of the interval of a change of time: times scatter, and there are many methods."""

Pairs = list[tuple["Measurement", "Measurement"]]


def compare_runs(base: Results, head: Results, limits: Limits) -> list[Finding]:
    """A finding for each method, device, metric and level of either run, in HEAD's order.

    Raises:
        UsageError: a comparison is to fail on what neither run measured.
    """
    comparison = _Comparison(base, head, limits)
    known = [m["name"] for m in comparison.metrics] + list(COSTS)
    if absent := limits.gated - set(known):
        raise UsageError(f"--fail-on: {unknown('metric', min(absent), known)}")
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

    @cached_property
    def scores_differ(self) -> str:
        """Why no score can be compared, or nothing."""
        ours, theirs = self.head.manifest, self.base.manifest
        return (
            _differ("protocol", theirs["protocol"]["digest"], ours["protocol"]["digest"])
            or _differ("data set", theirs["dataset"]["name"], ours["dataset"]["name"])
            or _differ("split", theirs["dataset"]["split"], ours["dataset"]["split"])
        )

    def costs_differ(self, cost: str, device: str) -> str:
        """Why no time, or no memory, can be compared, or nothing."""
        ours, theirs = self.head.manifest, self.base.manifest
        here, there = ours["environment"], theirs["environment"]
        return (
            _differ("machine", _machine(there), _machine(here))
            or (device == "cuda" and _differ("CUDA device", there["cuda"], here["cuda"]))
            or _differ("thread count", theirs["threads"], ours["threads"])
            or (cost == "time" and _differ("timing", theirs.get("timing"), ours.get("timing")))
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
        gone = self._gone(row, ours, theirs)
        for metric in self.metrics:
            for level in dict.fromkeys(cell.level for cell in ours or theirs):
                at = {"level": str(level), "unit": metric["unit"]}
                finding = self._finding(row, metric["name"], **at)
                if gone is not None:
                    yield finding(*gone)
                elif self.scores_differ:
                    yield finding(Verdict.NOT_COMPARABLE, self.scores_differ)
                else:
                    yield self._score(finding, metric, _at(ours, level), _at(theirs, level))
        for cost in COSTS:
            finding = self._finding(row, cost, unit={"time": "ms", "memory": "MB"}[cost])
            if gone is not None:
                yield finding(*gone)
            elif obstacle := self.costs_differ(cost, row["device"]):
                yield finding(Verdict.NOT_COMPARABLE, obstacle)
            else:
                judge = _time if cost == "time" else _memory
                yield judge(finding, row["method"], self._pairs(ours, theirs), self.limits)

    def _finding(self, row: dict[str, Any], metric: str, **place: Any) -> Callable[..., Finding]:
        def make(verdict: Verdict, reason: str = "", **figures: Any) -> Finding:
            return Finding(
                method=row["method"],
                title=row["title"],
                device=row["device"],
                metric=metric,
                verdict=verdict,
                reason=reason,
                gated=metric in self.limits.gated,
                **place,
                **figures,
            )

        return make

    def _gone(
        self,
        row: dict[str, Any],
        ours: dict[Cell, Measurement],
        theirs: dict[Cell, Measurement],
    ) -> tuple[Verdict, str] | None:
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

    def _pairs(self, ours: dict[Cell, Measurement], theirs: dict[Cell, Measurement]) -> Pairs:
        """Measurements of the same cell of the same pixels; BASE's first."""
        return [
            (theirs[cell], m)
            for cell, m in ours.items()
            if cell in theirs
            and cell.frame not in self.changed_frames
            and m.status is theirs[cell].status is Status.OK
        ]

    def _score(
        self,
        finding: Callable[..., Finding],
        metric: dict[str, Any],
        ours: dict[Cell, Measurement],
        theirs: dict[Cell, Measurement],
    ) -> Finding:
        if not theirs:
            return finding(Verdict.NEW, "this noise level is not in BASE")
        pairs = self._pairs(ours, theirs)
        if not pairs:
            changed = sorted({cell.frame for cell in ours} & self.changed_frames)
            what = f"the pixels of {changed[0]} differ" if changed else "no frame in common"
            return finding(Verdict.NOT_COMPARABLE, what)
        if drawn := [b.cell.frame for b, h in pairs if b.noisy_digest != h.noisy_digest]:
            return finding(Verdict.NOT_COMPARABLE, f"the noise of {drawn[0]} differs")
        if differ := _definitions_differ(pairs, metric["name"]):
            return finding(Verdict.NOT_COMPARABLE, differ)
        values = [(b.cell.frame, _value(b, metric), _value(h, metric)) for b, h in pairs]
        scored = [(f, b, h) for f, b, h in values if b is not None and h is not None]
        if not scored:
            return finding(Verdict.NOT_COMPARABLE, "no frame has a score in both")
        return _judge_score(finding, metric, scored, self.limits.score(metric))


def _judge_score(
    finding: Callable[..., Finding],
    metric: dict[str, Any],
    scored: list[tuple[str, float, float]],
    size: float,
) -> Finding:
    """Worse: the mean lost as much as the size, and that is no chance of which frames there are.

    Args:
        scored: frame, BASE's score and HEAD's, one for each noise draw.
        size: the loss of the mean that is too much.
    """
    gains = {
        frame: float(np.mean([_gain(metric, b, h) for f, b, h in scored if f == frame]))
        for frame in dict.fromkeys(frame for frame, _, _ in scored)
    }
    interval = statistics.mean_interval(list(gains.values()))
    worst = min(gains, key=gains.__getitem__)
    broken = gains[worst] <= -BROKEN_FRAME * size
    sign = 1 if metric["direction"] == "higher" else -1
    low, high = sorted([sign * interval.low, sign * interval.high])
    figures = {
        "base": float(np.mean([b for _, b, _ in scored])),
        "head": float(np.mean([h for _, _, h in scored])),
        "change": sign * interval.mean,
        "low": low,
        "high": high,
        "frames": len(gains),
    }
    # Written so that a mean of infinities of both signs, which is nan, passes for no gain.
    if not interval.mean > -size and (interval.high < 0 or broken):
        reason = f"{worst} {sign * gains[worst]:+.3g}" if broken else ""
        return finding(Verdict.WORSE, reason, **figures)
    if interval.mean >= size and (interval.low > 0 or gains[worst] >= 0):
        return finding(Verdict.BETTER, **figures)
    return finding(Verdict.SAME, **figures)


def _gain(metric: dict[str, Any], base: float, head: float) -> float:
    before, now = (statistics.gains([score], metric["direction"]) for score in (base, head))
    return float(statistics.paired_differences(now, before)[0])


def _time(finding: Callable[..., Finding], method: str, pairs: Pairs, limits: Limits) -> Finding:
    """Times of one process launch each: the frames vouch for each other, not for the launch."""
    pairs = [(b, h) for b, h in pairs if b.call_ns and h.call_ns]
    if not pairs:
        return finding(Verdict.NOT_COMPARABLE, "no time was measured in both")
    before, now = ([float(median(m.call_ns)) for m in side] for side in zip(*pairs, strict=True))
    ratios = np.log(now) - np.log(before)
    interval = statistics.mean_interval(ratios, TIME_LEVEL)
    figures = {
        "base": median(before) / 1e6,
        "head": median(now) / 1e6,
        "change": math.expm1(interval.mean),
        "low": math.expm1(interval.low),
        "high": math.expm1(interval.high),
        "frames": len({b.cell.frame for b, _ in pairs}),
    }
    size = math.log1p(limits.share("time", method))
    clear = interval.excludes_zero and abs(median(now) - median(before)) >= FLOORS["time"]
    if not clear or abs(interval.mean) < size:
        return finding(Verdict.SAME, **figures)
    reason = "one launch each: `bench ab` tells a slow launch from slow code"
    return finding(Verdict.WORSE if interval.mean > 0 else Verdict.BETTER, reason, **figures)


def _memory(finding: Callable[..., Finding], method: str, pairs: Pairs, limits: Limits) -> Finding:
    """Peaks of the largest frame that both measured: each process measures a size once."""
    before, now = (_peaks(side) for side in zip(*pairs, strict=True)) if pairs else ({}, {})
    common = before.keys() & now.keys()
    if not common:
        return finding(Verdict.NOT_COMPARABLE, "no memory was measured in both")
    return judge_memory(finding, before[max(common)], now[max(common)], limits)


def judge_memory(
    finding: Callable[..., Finding], base: float, head: float, limits: Limits
) -> Finding:
    """A verdict on two peaks, in bytes."""
    change = head / base - 1 if base else math.inf if head else 0.0
    figures = {"base": base / 1e6, "head": head / 1e6, "change": change, "frames": 1}
    if abs(head - base) >= FLOORS["memory"] and change >= limits.share("memory"):
        return finding(Verdict.WORSE, **figures)
    if abs(head - base) >= FLOORS["memory"] and base >= head * (1 + limits.share("memory")):
        return finding(Verdict.BETTER, **figures)
    return finding(Verdict.SAME, **figures)


def _peaks(measurements: tuple[Measurement, ...]) -> dict[int, int]:
    """The peak memory by the frame's pixels."""
    peaks: dict[int, int] = {}
    for m in measurements:
        peak = m.peak_memory if m.cell.device == "cpu" else m.peak_device_memory
        if peak is not None:
            peaks[m.pixels] = max(peak, peaks.get(m.pixels, 0))
    return peaks


def _measured(results: Results, row: dict[str, Any]) -> dict[Cell, Measurement]:
    """A row's measurements; none if the run does not have the row."""
    name = row["method"], row["device"]
    rows = [r for r in results.manifest["rows"] if (r["method"], r["device"]) == name]
    return {m.cell: m for r in rows for m in results.measured(r)}


def _at(measured: dict[Cell, Measurement], level: Level) -> dict[Cell, Measurement]:
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


def _machine(environment: dict[str, Any]) -> str:
    return f"{environment['cpu']} ({environment.get('machine', 'unknown')})"
