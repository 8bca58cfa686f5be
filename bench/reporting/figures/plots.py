"""A run's figures: pure functions of its summary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from denoisebench.reporting.figures import row_plots
from denoisebench.reporting.figures.course import course, course_of
from denoisebench.reporting.figures.frontier import frontier
from denoisebench.reporting.formatting import DEVICE_NAMES
from denoisebench.reporting.summary import RowSummary, Summary, costs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from denoisebench.reporting.figures.drawing import Plot


def plots(run: Summary) -> Iterator[Plot]:
    """Draw the figures for which a run has data, and yield them."""
    for number in range(len(run.levels)):
        rows = [row for row in run.competing if row.level == number]
        scored = [row for row in rows if row.has_finite_psnr]
        timed = [row for row in scored if row.ms_per_megapixel]
        remark = _sentence(_without_mean(run, rows))
        if len(timed) > 1:
            lacking = [*_without_mean(run, rows), *_untimed(run, scored)]
            yield replace(frontier(run, number, timed), remark=_sentence(lacking))
        if any(len(row.psnr_by_frame) > 1 for row in scored):
            yield replace(row_plots.frames(run, number, scored), remark=remark)
        compared = [line for line in run.differences if line.level == number]
        if finite := [line for line in compared if line.is_finite]:
            infinite = [run.titles[line.method] for line in compared if not line.is_finite]
            reasons = [f"{title} (infinite on some frames)" for title in infinite]
            yield replace(row_plots.forest(run, number, finite), remark=_sentence(reasons))
    for ranks in run.ranks:
        yield row_plots.ranks(run, ranks)
    if lines := course_of(run):
        remark = _sentence(_without_mean(run, run.competing))
        yield replace(course(run, lines), remark=remark)
    if costly := [c for c in costs(run) if c.ms_per_frame and c.method not in run.controls]:
        remark = _sentence(_untimed(run, run.competing))
        yield replace(row_plots.times(run, costly), remark=remark)


def _without_mean(run: Summary, rows: Sequence[RowSummary]) -> list[str]:
    """Name the rows that have frames but no mean on an axis, each with the reason."""
    total = len(run.dataset.frames)
    reasons = []
    for row in rows:
        if row.frames and not row.has_finite_psnr:
            why = "infinite" if row.is_complete else f"{row.frames} of {total} frames"
            reasons.append(f"{run.titles[row.method]} ({why}, {run.levels[row.level].label})")
    return reasons


def _untimed(run: Summary, rows: Sequence[RowSummary]) -> list[str]:
    """Name the methods that have all frames at a level of noise, but no time."""
    lacking = [row for row in rows if row.is_complete and row.ms_per_frame is None]
    return [
        f"{run.titles[row.method]} on {DEVICE_NAMES[row.device]} (not timed)" for row in lacking
    ]


def _sentence(reasons: Sequence[str]) -> str:
    """Say what is not shown; '' if all is."""
    return f"Not shown: {'; '.join(dict.fromkeys(reasons))}." if reasons else ""
