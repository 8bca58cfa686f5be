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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    if suspects := [f.method for f in first.values() if f.fails]:
        second = again(list(dict.fromkeys(suspects)))
        first |= {
            row: _confirmed(f, _time_finding(f, second, limits))
            for row, f in first.items()
            if f.fails
        }
    return [
        first.get(f.row, f) if f.metric == "time" else _memory(f, pairs, limits) for f in findings
    ]


def _time_finding(finding: Finding, pairs: Sequence[Pair], limits: ComparisonLimits) -> Finding:
    """Judge a row's time by one look at its launches."""
    times = launches.launch_times(pairs, finding.row)
    count = times.shape[1]
    if count < decision.FEWEST_PAIRS:
        reason = f"only {count} pairs of launches measured all cells"
        return replace(finding, verdict=Verdict.NOT_COMPARABLE, reason=reason)
    base, head = (float(median(side)) for side in times)
    look = decision.look(*times)
    share = limits.share("time", finding.method)
    verdict = Verdict.SAME
    if abs(head - base) >= FLOORS["time"]:
        if look.slower(share):
            verdict = Verdict.WORSE
        elif look.faster(share):
            verdict = Verdict.BETTER
    return replace(
        finding,
        verdict=verdict,
        reason=limits.calibrated_words(finding.method) if verdict is Verdict.SAME else "",
        base=base / 1e6,
        head=head / 1e6,
        change=float(np.expm1(look.log_change)),
        low=None,
        high=None,
        limit=share,
        frames=count,
    )


def _confirmed(first: Finding, second: Finding) -> Finding:
    """Return the verdict of the second look, with its figures.

    The first look's figures are not shown: it was chosen because they are large.
    """
    assert first.change is not None
    if second.verdict in (Verdict.WORSE, Verdict.NOT_COMPARABLE):
        return second
    reason = f"a first look showed {100 * first.change:+.1f} %, a second did not confirm it"
    return replace(second, verdict=Verdict.SAME, reason=reason)


def _memory(finding: Finding, pairs: Sequence[Pair], limits: ComparisonLimits) -> Finding:
    """Judge memory by its medians over launches; return other findings as they are."""
    if finding.metric != "memory" or finding.verdict not in JUDGED:
        return finding
    peaks = launches.launch_peaks(pairs, finding.row)
    if not peaks.size:
        return finding
    base, head = (float(median(side)) for side in peaks)
    return replace(judge_memory(finding, base, head, limits), frames=peaks.shape[1])
