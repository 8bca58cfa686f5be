"""The rules by which a figure is worse: scores, and times and memory of one launch each."""

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
"""A frame that loses so many times what its mean may lose (0.5 dB of PSNR) is no scatter: a loss
that it alone brings about counts, though an interval over frames would put it down to chance."""

TIME_LEVEL = 0.99
"""Of the interval of a change of time: times scatter, and there are many methods."""

_signed = decimals(3, sign=True)


def judge_score(
    finding: Finding,
    metric: MetricRecord,
    scored: Sequence[tuple[str, float, float]],
    limits: ComparisonLimits,
) -> Finding:
    """Judge a score: worse if its mean lost as much as the limit, and not by chance of the frames.

    Args:
        finding: what is judged.
        metric: the run's record of it.
        scored: frame, BASE's score and HEAD's, one for each noise draw.
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
    # Written so that a mean of infinities of both signs, which is nan, passes for no gain.
    if not interval.mean > -size and (interval.high < 0 or broken):
        loss = f"frame {worst} alone: {_signed(sign * gains[worst])} {finding.unit}".strip()
        return replace(finding, verdict=Verdict.WORSE, reason=loss if broken else "")
    if interval.mean >= size and (interval.low > 0 or gains[worst] >= 0):
        return replace(finding, verdict=Verdict.BETTER)
    return finding


def _gain(metric: MetricRecord, base: float, head: float) -> float:
    before, now = (statistics.gains([score], metric.direction) for score in (base, head))
    return float(statistics.paired_differences(now, before)[0])


def judge_time(
    finding: Finding,
    frames: Sequence[str],
    base: np.ndarray,
    head: np.ndarray,
    limits: ComparisonLimits,
) -> Finding:
    """Judge a time: worse if it is clearly longer on the same frames.

    Frames vouch for each other, not for the launch.

    Args:
        finding: what is judged.
        frames: of each pair of times.
        base, head: times (pairs,) in ns.
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
        finding: what is judged.
        base, head: peaks in bytes.
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
