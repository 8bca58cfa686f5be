"""Check of the harness against published figures: plan the runs, and compare the results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from denoisebench import protocol
from denoisebench.cells import Status
from denoisebench.denoisers import registry
from denoisebench.errors import UsageError, unknown
from denoisebench.machine.timing import TimingRules
from denoisebench.parameters import matching
from denoisebench.running.plan import make_plan
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from denoisebench.cells import Cell, Measurement
    from denoisebench.running.plan import Plan, PlannedRow, RunOptions
    from denoisebench.verifying.published import Expectation, Quick

_RULES = TimingRules(warmup_s=0.0, max_rounds=1)
"""Every frame is denoised once: scores are wanted here, not times."""


class Agreement(StrEnum):
    """Verdict on a printed figure and ours. The vocabulary is closed: exit codes rely on it."""

    AGREES = "agrees"
    OFF = "off"
    NOT_COMPARABLE = "not comparable"
    FAILED = "failed"  # the method did not denoise every frame
    INCOMPLETE = "incomplete"  # interrupted before every frame was measured


@dataclass(frozen=True)
class FigureComparison:
    """Comparison of one printed figure with ours.

    Attributes:
        expectation: the printed figures of the method.
        sigma: the noise level of this figure, on the 8-bit scale; None where none was printed.
        device: the device that measured ours; empty if it was not measured.
        verdict: the result.
        measured: our mean over the frames, in dB; None without one.
        frames: number of frames that were measured.
        worst: id of the single image that differs most from its print, and the difference in dB;
            None where no single images were printed.
        reason: one line that says why the verdict is not ``agrees``; else empty.
    """

    expectation: Expectation
    sigma: float | None
    device: str
    verdict: Agreement
    measured: float | None = None
    frames: int = 0
    worst: tuple[str, float] | None = None
    reason: str = ""

    @property
    def printed(self) -> float | None:
        """Printed mean PSNR in dB; None where none was printed."""
        return None if self.sigma is None else self.expectation.psnr[self.sigma]

    @property
    def image_tolerance(self) -> float:
        """Tolerance for a single image in dB; 0 where no single images were printed."""
        return 0.0 if self.sigma is None else self.expectation.image_tolerance.get(self.sigma, 0.0)

    @property
    def difference(self) -> float | None:
        """Our mean minus the printed one, in dB; None if one of them is missing."""
        if self.measured is None or self.printed is None:
            return None
        return self.measured - self.printed


def choose_expectations(
    expectations: Sequence[Expectation],
    methods: Sequence[str] = ("all",),
    datasets: Sequence[str] = (),
    sigmas: tuple[float, ...] = (),
    quick: Quick | None = None,
) -> list[Expectation]:
    """Choose the expectations that are asked for.

    Args:
        expectations: all expectations.
        methods: names or globs; ``all`` takes every method.
        datasets: names; empty takes every data set.
        sigmas: noise levels on the 8-bit scale; empty takes every one that was printed.
        quick: the part that is quick to verify; None takes everything.

    Returns:
        The chosen ones, in their order.

    Raises:
        UsageError: nothing was printed of a method or data set, or nothing is left.
    """
    names = _matching(methods, list(dict.fromkeys(e.method for e in expectations)))
    known = list(dict.fromkeys(e.dataset for e in expectations))
    for name in datasets:
        if name not in known:
            raise UsageError(f"--dataset: {unknown('data set of published figures', name, known)}")
    chosen = [e for e in expectations if e.method in names and e.dataset in (datasets or known)]
    if sigmas:
        chosen = [part for e in chosen if (part := e.at(sigmas)).psnr]
    if quick is not None:
        chosen = [quick.part(e) for e in chosen if e.dataset == quick.dataset]
    if not chosen:
        raise UsageError("no figures were published of this choice; take fewer options")
    return chosen


def _matching(methods: Sequence[str], known: list[str]) -> set[str]:
    """Return the methods that names or globs match.

    Raises:
        UsageError: one of them matches no method.
    """
    found: set[str] = set()
    for pattern in methods:
        names = matching(pattern, known)
        if not names:
            raise UsageError(
                f"--methods: {unknown('method with published figures', pattern, known)}"
            )
        found.update(names)
    return found


def unavailable(expectation: Expectation) -> str:
    """Return the reason why an expectation cannot be checked here; empty if it can."""
    if expectation.incomparable:
        return expectation.incomparable
    card = registry.cards().get(expectation.method)
    if card is None:
        return "the method is not in this installation"
    return card.unavailable or ""


def plans(
    expectations: Iterable[Expectation], options: RunOptions, quick: Quick | None = None
) -> list[Plan]:
    """Plan the runs, one for each data set, in the order of the expectations.

    Args:
        expectations: those of `choose_expectations` that are not `unavailable`.
        options: the options of the runs; methods, data set, sigmas and folder are replaced.
        quick: the part that is quick to verify, whose frames are taken; None takes all frames.

    Raises:
        UsageError: a data set is not available.
    """
    by_dataset: dict[str, list[Expectation]] = {}
    for expectation in expectations:
        by_dataset.setdefault(expectation.dataset, []).append(expectation)
    return [_plan(group, options, quick) for group in by_dataset.values()]


def _plan(group: list[Expectation], options: RunOptions, quick: Quick | None) -> Plan:
    """Plan a run on one data set: every method at every sigma that was printed of one of them."""
    plan, _ = make_plan(
        replace(
            options,
            methods=tuple(dict.fromkeys(e.method for e in group)),
            dataset=group[0].dataset,
            sigmas=tuple(sorted({sigma for e in group for sigma in e.psnr})),
        )
    )
    _check_frames(plan, group)
    frames = [f for f in plan.frames if quick is None or f.id in quick.frames]
    return replace(plan, frames=frames, rules=_RULES)


def _check_frames(plan: Plan, group: list[Expectation]) -> None:
    """Check that the plan has every single image that was printed; they are found by id.

    Raises:
        UsageError: an image is missing.
    """
    named = {frame for e in group for frame in e.images}
    if absent := named - {frame.id for frame in plan.frames}:
        raise UsageError(
            f"{plan.dataset.name} has no frame {', '.join(sorted(absent))}, "
            "which published figures name; its manifest was changed"
        )


def folder(out: Path, plan: Plan) -> Path:
    """Return the folder of a plan's measurements, within the folder of the verification."""
    return out / plan.default_name


def compare_with_print(
    expectation: Expectation, plan: Plan, known: Mapping[Cell, Measurement]
) -> list[FigureComparison]:
    """Compare printed figures with measurements.

    Args:
        expectation: the printed figures of one method on one data set.
        plan: the plan of the run that measured the method, among others.
        known: the measurements of that run by cell; empty if it was interrupted.

    Returns:
        One comparison for each sigma and device.
    """
    rows = [row for row in plan.rows if row.method.spec == expectation.method]
    return [
        _judge(expectation, sigma, row, plan, known) for row in rows for sigma in expectation.psnr
    ]


def _judge(
    expectation: Expectation,
    sigma: float,
    row: PlannedRow,
    plan: Plan,
    known: Mapping[Cell, Measurement],
) -> FigureComparison:
    """Compare one printed figure with the measurements of one method on one device."""
    cells = [cell for cell, _ in plan.cells(row) if cell.sigma == sigma]
    found = [known[cell] for cell in cells if cell in known]
    result = FigureComparison(
        expectation, sigma, row.device, Agreement.INCOMPLETE, frames=len(found)
    )
    if failed := [m for m in found if m.status is not Status.OK]:
        first = f"{failed[0].status.value}: {failed[0].reason}"
        reason = f"{len(failed)} of {counted(len(cells), 'frame')} failed; the first: {first}"
        return replace(result, verdict=Agreement.FAILED, reason=reason)
    if len(found) < len(cells):
        return replace(result, reason="interrupted")
    psnr = {m.cell.frame: m.psnr for m in found if m.psnr is not None}
    measured = protocol.mean_psnr(list(psnr.values()))
    return _decide(replace(result, measured=measured, worst=_worst(expectation, sigma, psnr)))


def _worst(
    expectation: Expectation, sigma: float, psnr: Mapping[str, float]
) -> tuple[str, float] | None:
    """Return the image that differs most from its print, and the difference in dB."""
    differences = {
        frame: psnr[frame] - printed[sigma] for frame, printed in expectation.images.items()
    }
    return max(differences.items(), key=lambda item: abs(item[1]), default=None)


def _decide(result: FigureComparison) -> FigureComparison:
    """Give the verdict: the mean must agree and, where printed, every single image."""
    assert result.difference is not None
    if not abs(result.difference) <= result.expectation.tolerance:  # nan is no agreement
        reason = f"off by {result.difference:+.2f} dB"
    elif result.worst is not None and not abs(result.worst[1]) <= result.image_tolerance:
        reason = f"{result.worst[0]} is off by {result.worst[1]:+.2f} dB"
    else:
        return replace(result, verdict=Agreement.AGREES)
    return replace(result, verdict=Agreement.OFF, reason=reason)


def not_compared(expectation: Expectation, reason: str) -> list[FigureComparison]:
    """Return comparisons without a measurement: one for each printed sigma, at least one."""
    return [
        FigureComparison(expectation, sigma, "", Agreement.NOT_COMPARABLE, reason=reason)
        for sigma in expectation.psnr or (None,)
    ]
