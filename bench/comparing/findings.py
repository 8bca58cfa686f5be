"""Findings of a comparison: a verdict for each method, metric and noise level."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """Verdict on HEAD. The vocabulary is closed: exit codes and exports rely on it."""

    WORSE = "worse"
    FAILED = "failed"  # the method failed in HEAD
    MISSING = "missing"  # HEAD lacks figures that BASE has, of all cells or of some
    BETTER = "better"
    NOT_COMPARABLE = "not comparable"  # the reason names what differs
    NEW = "new"  # BASE has no figures of it
    UNCERTAIN = "cannot tell"  # a change that counts could not have been seen
    SAME = "same"


JUDGED = (Verdict.WORSE, Verdict.BETTER, Verdict.UNCERTAIN, Verdict.SAME)
"""The verdicts that rest on all figures of both versions."""


@dataclass(frozen=True)
class Finding:
    """One verdict and its grounds.

    Attributes:
        method: the method's spec, ``name[param=value,…]``.
        title: the method's name in tables.
        device: ``cpu`` or ``cuda``.
        metric: name of a metric, or the cost ``time`` or ``memory``.
        metric_title: its name in tables.
        verdict: verdict on HEAD against BASE; ``not comparable`` until it is judged.
        level: the noise level in words; empty for costs, which take all levels together.
        unit: unit of ``base`` and ``head``: the metric's, ms for time, MB for memory.
        base: BASE's mean (of a cost, median or peak) over what was compared; None if nothing was.
        head: the same of HEAD.
        change: HEAD less BASE in the metric's unit; for costs as a share of BASE.
        low: lower end of the confidence interval of ``change``; None where it has none.
        high: upper end of that interval.
        limit: size of a change that counts, in the terms of ``change``.
        frames: number of frames (for times of launches: pairs of launches) that were compared.
        reason: one line for the reader, such as what differs or what failed; may be empty.
        gated: True if a comparison fails when this figure gets worse, or is missing.
        optional: True if a comparison passes when this figure is missing.
        detectable: smallest change that would have been seen, in the terms of ``change``; None
            where it is not known.
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
    optional: bool = False
    detectable: float | None = None

    @property
    def row(self) -> tuple[str, str]:
        """Method and device; see `store.manifest.Row.key`."""
        return self.method, self.device

    @property
    def fails(self) -> bool:
        """True if the comparison fails on it: it got worse, or is missing and may not be."""
        lost = self.verdict is Verdict.MISSING and not self.optional
        return self.gated and (self.verdict is Verdict.WORSE or lost)

    @property
    def is_compared(self) -> bool:
        """True if figures of both versions were compared, of some cells at least."""
        in_part = self.verdict is Verdict.MISSING and self.base is not None
        return self.verdict in JUDGED or in_part


EXIT_REGRESSION = 1
EXIT_BLIND = 2
EXIT_FAILED = 3


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the exit code of a comparison.

    Returns:
        The first that holds: 1 if a gated metric got worse or is missing, 3 if methods failed, 2 if
        a gated metric could be compared for no method (a guard that guards nothing must not pass),
        else 0.

    Examples:
        >>> worse = Finding("bm3d", "BM3D", "cpu", "psnr", "PSNR", Verdict.WORSE, gated=True)
        >>> exit_code([worse]), exit_code([])
        (1, 0)
    """
    findings = list(findings)
    if any(finding.fails for finding in findings):
        return EXIT_REGRESSION
    if any(f.verdict is Verdict.FAILED for f in findings):
        return EXIT_FAILED
    return EXIT_BLIND if unguarded(findings) else 0


def unguarded(findings: Iterable[Finding]) -> set[str]:
    """Return the gated metrics that could be compared for no method."""
    gated = [f for f in findings if f.gated]
    return {f.metric for f in gated} - {f.metric for f in gated if f.is_compared}
