"""Rules that decide from two stored runs whether a score, a time or a memory peak is worse."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from denoisebench import statistics
from denoisebench.comparing.findings import Finding, Verdict
from denoisebench.comparing.limits import FLOORS, ComparisonLimits
from denoisebench.reporting.formatting import decimals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.store.manifest import MetricRecord

_BROKEN_FRAME = 25
"""A frame that loses this many times the limit (0.5 dB of PSNR) is broken, not scattered. Its loss
counts, though the interval over frames may not exclude 0."""

TIME_LEVEL = 0.99
"""Level of the interval of a change of time: high, as times scatter and methods are many."""

_signed = decimals(3, sign=True)


def judge_score(
    finding: Finding,
    metric: MetricRecord,
    scored: Sequence[tuple[str, float, float]],
    limits: ComparisonLimits,
) -> Finding:
    """Judge a score.

    It is worse if the mean over frames lost at least the limit, and either the loss is significant
    or one frame alone lost 25 times the limit.

    Args:
        finding: the finding to complete.
        metric: HEAD's record of the metric.
        scored: frame id, BASE's score and HEAD's, an entry for each noise draw; not empty.
        limits: the sizes of change that count.

    Returns:
        The finding with its verdict, means, change and interval, in the metric's unit.
    """
    gains = {
        frame: float(np.mean([_gain(metric, b, h) for f, b, h in scored if f == frame]))
        for frame in dict.fromkeys(frame for frame, _, _ in scored)
    }
    interval = statistics.mean_interval(list(gains.values()))
    size = limits.score(metric)
    worst = min(gains, key=gains.__getitem__)
    broken = gains[worst] <= -_BROKEN_FRAME * size
    sign = 1 if metric.direction == "higher" else -1
    low, high = sorted([sign * interval.low, sign * interval.high])
    finding = replace(
        finding,
        verdict=Verdict.SAME,
        base=float(np.mean([b for _, b, _ in scored])),
        head=float(np.mean([h for _, _, h in scored])),
        change=sign * interval.mean,
        low=low,
        high=high,
        limit=size,
        frames=len(gains),
    )
    # A frame that became exact gained infinitely, and says nothing of the others.
    others = [gain for gain in gains.values() if gain != math.inf]
    loss_interval = statistics.mean_interval(others) if 0 < len(others) < len(gains) else interval
    # Written so that a mean of infinities of both signs, which is nan, passes for no gain.
    if not loss_interval.mean > -size and (loss_interval.high < 0 or broken):
        loss = f"frame {worst} alone: {_signed(sign * gains[worst])} {finding.unit}".strip()
        return replace(finding, verdict=Verdict.WORSE, reason=loss if broken else "")
    if interval.mean >= size and (interval.low > 0 or gains[worst] >= 0):
        return replace(finding, verdict=Verdict.BETTER)
    return finding


def _gain(metric: MetricRecord, base: float, head: float) -> float:
    """Return the change of a score, above 0 where HEAD is better."""
    before, now = (statistics.gains([score], metric.direction) for score in (base, head))
    return float(statistics.paired_differences(now, before)[0])


def judge_time(
    finding: Finding,
    frames: Sequence[str],
    base: np.ndarray,
    head: np.ndarray,
    limits: ComparisonLimits,
) -> Finding:
    """Judge the times of one launch each: worse if the same frames take clearly longer.

    The frames show how a launch's times scatter, but not how launches do; the reason says so.

    Args:
        finding: the finding to complete.
        frames: frame id of each pair of times.
        base: BASE's times in ns, (pairs,), above 0.
        head: HEAD's times in ns, (pairs,), above 0.
        limits: the sizes of change that count.

    Returns:
        The finding with its verdict, times in ms, and change as a share.
    """
    interval = statistics.mean_interval(np.log(head) - np.log(base), TIME_LEVEL)
    share = limits.share("time", finding.method)
    before, now = float(median(base)), float(median(head))
    finding = replace(
        finding,
        verdict=Verdict.SAME,
        base=before / 1e6,
        head=now / 1e6,
        change=math.expm1(interval.mean),
        low=math.expm1(interval.low),
        high=math.expm1(interval.high),
        limit=share,
        frames=len(set(frames)),
        reason=limits.calibrated_words(finding.method),
    )
    clear = interval.excludes_zero and abs(now - before) >= FLOORS["time"]
    if not clear or abs(interval.mean) < math.log1p(share):
        return finding
    verdict = Verdict.WORSE if interval.mean > 0 else Verdict.BETTER
    reason = "one launch each: `bench ab` tells a slow launch from slow code"
    return replace(finding, verdict=verdict, reason=reason)


def judge_memory(finding: Finding, base: float, head: float, limits: ComparisonLimits) -> Finding:
    """Judge a peak of memory: worse if it grew by the limit's share.

    Args:
        finding: the finding to complete.
        base: BASE's peak in bytes.
        head: HEAD's peak in bytes.
        limits: the sizes of change that count.

    Returns:
        The finding with its verdict, peaks in MB, and change as a share.

    Examples:
        >>> peak = Finding("bm3d", "BM3D", "cpu", "memory", "memory", unit="MB")
        >>> judge_memory(peak, 100e6, 130e6, ComparisonLimits()).verdict.value
        'worse'
    """
    share = limits.share("memory")
    verdict = Verdict.SAME
    if abs(head - base) >= FLOORS["memory"]:
        if head >= base * (1 + share):
            verdict = Verdict.WORSE
        elif base >= head * (1 + share):
            verdict = Verdict.BETTER
    return replace(
        finding,
        verdict=verdict,
        base=base / 1e6,
        head=head / 1e6,
        change=head / base - 1 if base else math.inf if head else 0.0,
        limit=share,
        frames=1,
    )
