"""What a comparison finds: a verdict for each method, metric and noise level."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """The vocabulary is closed: exit codes and exports rely on it."""

    WORSE = "worse"
    FAILED = "failed"  # the method did, in HEAD
    BETTER = "better"
    NOT_COMPARABLE = "not comparable"  # the reason names what differs
    NEW = "new"  # BASE has nothing to compare with
    MISSING = "missing"  # HEAD has nothing to compare
    SAME = "same"


JUDGED = (Verdict.WORSE, Verdict.BETTER, Verdict.SAME)
"""The verdicts that rest on figures of both."""


@dataclass(frozen=True)
class Finding:
    """One verdict, and what it rests on.

    Attributes:
        method, title, device: a row of the runs.
        metric, metric_title: a metric, or the cost ``time`` or ``memory``.
        verdict: of HEAD against BASE; until it is judged, there is nothing to compare.
        level: the noise level in words; empty for costs, which take all levels together.
        unit: of ``base`` and ``head``.
        base, head: means over what was compared.
        change: HEAD less BASE; for costs as a share of BASE.
        low, high: the confidence interval of the change, where it has one.
        limit: the size of a change that counts, in the terms of ``change``.
        frames: how many frames (for times of launches: pairs of launches) were compared.
        reason: what differs, what failed, or what else a reader must know.
        gated: a comparison fails on it.
    """

    method: str
    title: str
    device: str
    metric: str
    metric_title: str
    verdict: Verdict = Verdict.NOT_COMPARABLE
    level: str = ""
    unit: str = ""
    base: float | None = None
    head: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    frames: int = 0
    reason: str = ""
    gated: bool = False

    @property
    def row(self) -> tuple[str, str]:
        return self.method, self.device

    @property
    def fails(self) -> bool:
        """True for a regression that was asked to be one."""
        return self.gated and self.verdict is Verdict.WORSE


EXIT_REGRESSION = 1
EXIT_BLIND = 2
EXIT_FAILED = 3


def exit_code(findings: Iterable[Finding]) -> int:
    """0: fine; else the first that holds. 1: something gated got worse; 3: methods failed; 2:
    something gated could not be judged of any method: what guards nothing must not pass for fine.
    """
    findings = list(findings)
    if any(finding.fails for finding in findings):
        return EXIT_REGRESSION
    if any(f.verdict is Verdict.FAILED for f in findings):
        return EXIT_FAILED
    return EXIT_BLIND if unguarded(findings) else 0


def unguarded(findings: Iterable[Finding]) -> set[str]:
    """The gated metrics of which nothing could be compared, though both versions have it."""
    gated = [f for f in findings if f.gated]
    judged = {f.metric for f in gated if f.verdict in JUDGED}
    return {f.metric for f in gated if f.verdict is Verdict.NOT_COMPARABLE} - judged
