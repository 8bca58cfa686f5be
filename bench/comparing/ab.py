"""Verdicts on two versions that were launched in turn: scores, memory and time."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.comparing import decision, launches
from denoisebench.comparing.findings import JUDGED, Finding, Verdict
from denoisebench.comparing.judging import judge_memory
from denoisebench.comparing.limits import FLOORS, ComparisonLimits
from denoisebench.comparing.stored_runs import compare_runs
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from denoisebench.comparing.launches import Pair


def judge(
    pairs: Sequence[Pair], limits: ComparisonLimits, again: Callable[[list[str]], list[Pair]]
) -> list[Finding]:
    """Judge launches: scores by the first pair, memory and time by all.

    Args:
        pairs: the launches of a first look.
        limits: the sizes of change that count.
        again: function that launches the methods of the given specs for a second look. It is called
            once, and only if the first look shows a method that is slower.

    Returns:
        A finding for each method, device, metric and noise level.

    Raises:
        UsageError: a comparison is to fail on what not both versions measured.
    """
    known = set(launches.common_rows(pairs))
    findings = compare_runs(pairs[0].base, pairs[0].head, limits)
    timed = [f for f in findings if f.metric == "time" and f.row in known and f.verdict in JUDGED]
    first = {f.row: _time_finding(f, pairs, limits) for f in timed}
    failed = launches.failures(pairs)
    if suspects := [f.method for f in first.values() if f.fails]:
        second = again(list(dict.fromkeys(suspects)))
        failed = launches.failures(second) | failed
        first |= {
            row: _confirmed(f, _time_finding(f, second, limits))
            for row, f in first.items()
            if f.fails
        }
    judged = [
        first.get(f.row, f) if f.metric == "time" else _memory(f, pairs, limits) for f in findings
    ]
    return [_failed(f, failed) for f in judged]


def _failed(finding: Finding, failed: Mapping[tuple[str, str], str]) -> Finding:
    """Turn the verdict on a method into failed if any of HEAD's launches failed."""
    if finding.verdict is Verdict.FAILED or finding.row not in failed:
        return finding
    return replace(finding, verdict=Verdict.FAILED, reason=failed[finding.row])


def _time_finding(finding: Finding, pairs: Sequence[Pair], limits: ComparisonLimits) -> Finding:
    """Judge a row's time by one look at its launches."""
    times = launches.launch_times(pairs, finding.row)
    count = times.shape[1]
    if count < decision.FEWEST_PAIRS:
        reason = f"only {counted(count, 'pair')} of launches measured all cells"
        return replace(finding, verdict=Verdict.NOT_COMPARABLE, reason=reason)
    base, head = (float(median(side)) for side in times)
    look = decision.look(*times)
    share = limits.share("time", finding.method)
    finding = replace(
        finding,
        verdict=Verdict.SAME,
        reason=limits.calibrated_words(finding.method),
        base=base / 1e6,
        head=head / 1e6,
        change=float(np.expm1(look.log_change)),
        low=None,
        high=None,
        limit=share,
        frames=count,
        detectable=float(decision.detectable(*times)),
    )
    if abs(head - base) >= FLOORS["time"]:
        if look.slower(share):
            return replace(finding, verdict=Verdict.WORSE, reason="")
        if look.faster(share):
            return replace(finding, verdict=Verdict.BETTER, reason="")
    return _certain(finding, max(share, FLOORS["time"] / base))


def _certain(finding: Finding, size: float) -> Finding:
    """Turn the verdict into cannot tell if a slowdown of a size could have been overlooked.

    Args:
        finding: finding of a time that is neither worse nor better.
        size: the smallest change that counts, as a share of BASE's time.
    """
    assert finding.change is not None
    assert finding.detectable is not None
    if finding.detectable > size:
        reason = "as large a change as the limit could be overlooked: give more --launches"
    elif abs(finding.change) >= size:
        reason = "as large a change as the limit was measured, but it is not significant"
    else:
        return finding
    return replace(finding, verdict=Verdict.UNCERTAIN, reason=reason)


def _confirmed(first: Finding, second: Finding) -> Finding:
    """Return the verdict of the second look, with its figures.

    The first look's figures are not shown: it was chosen because they are large.
    """
    assert first.change is not None
    if second.verdict in (Verdict.WORSE, Verdict.NOT_COMPARABLE):
        return second
    reason = f"a first look showed {100 * first.change:+.1f} %, a second did not confirm it"
    verdict = second.verdict if second.verdict is Verdict.UNCERTAIN else Verdict.SAME
    return replace(second, verdict=verdict, reason=reason)


def _memory(finding: Finding, pairs: Sequence[Pair], limits: ComparisonLimits) -> Finding:
    """Judge memory by its medians over launches; return other findings as they are."""
    if finding.metric != "memory" or finding.verdict not in JUDGED:
        return finding
    peaks = launches.launch_peaks(pairs, finding.row)
    if not peaks.size:
        return finding
    base, head = (float(median(side)) for side in peaks)
    return replace(judge_memory(finding, base, head, limits), frames=peaks.shape[1])
