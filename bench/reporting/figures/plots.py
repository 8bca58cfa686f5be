"""A run's figures: pure functions of its summary."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from denoisebench.reporting.figures import labels, row_plots
from denoisebench.reporting.figures.drawing import (
    BACK,
    DARK,
    FAINT,
    SERIES,
    WIDE,
    Plot,
    Tips,
    draw_legend,
    log_scale,
    svg,
)
from denoisebench.reporting.formatting import DEVICE_NAMES, three_digits
from denoisebench.reporting.summary import RowSummary, Summary, costs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text

_DEVICE_LOOKS = {"cpu": (SERIES[0], "o"), "cuda": (SERIES[1], "D")}
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))
_MARKERS = "os^DvPX<"


def plots(run: Summary) -> Iterator[Plot]:
    """Draw the figures for which a run has data, and yield them."""
    for number in range(len(run.levels)):
        rows = [row for row in run.competing if row.level == number]
        scored = [row for row in rows if row.has_finite_psnr]
        timed = [row for row in scored if row.ms_per_megapixel]
        remark = _sentence(_without_mean(run, rows))
        if len(timed) > 1:
            lacking = [*_without_mean(run, rows), *_untimed(run, scored)]
            yield replace(_frontier(run, number, timed), remark=_sentence(lacking))
        if any(len(row.psnr_by_frame) > 1 for row in scored):
            yield replace(row_plots.frames(run, number, scored), remark=remark)
        compared = [line for line in run.differences if line.level == number]
        if finite := [line for line in compared if line.is_finite]:
            infinite = [run.titles[line.method] for line in compared if not line.is_finite]
            reasons = [f"{title} (infinite on some frames)" for title in infinite]
            yield replace(row_plots.forest(run, number, finite), remark=_sentence(reasons))
    for ranks in run.ranks:
        yield row_plots.ranks(run, ranks)
    if lines := _lines(run):
        remark = _sentence(_without_mean(run, run.competing))
        yield replace(_course(run, lines), remark=remark)
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


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the points of the Pareto front: no other point costs less and gains as much.

    Args:
        points: cost and gain of each point.

    Returns:
        Indices of the front's points, from the lowest cost to the highest.

    Examples:
        >>> pareto([(1.0, 30.0), (5.0, 32.0), (6.0, 31.0)])
        [0, 1]
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def _frontier(run: Summary, number: int, timed: list[RowSummary]) -> Plot:
    """Draw PSNR against the time for a megapixel, at one noise level."""
    label = run.levels[number].label
    points = [(row.ms_per_megapixel or 0.0, row.psnr or 0.0) for row in timed]
    names = labels.row_names(run, timed)
    devices = list(dict.fromkeys(row.device for row in timed))
    front = pareto(points)
    steps = [points[front[0]]]
    for x, y in (points[i] for i in front[1:]):
        steps += [(x, steps[-1][1]), (x, y)]

    def draw(axes: Axes, tips: Tips) -> None:
        axes.plot(*zip(*steps, strict=True), color=DARK, lw=1, ls=(0, (4, 3)), zorder=1)
        for index, (row, (x, y), name) in enumerate(zip(timed, points, names, strict=True)):
            color, marker = _DEVICE_LOOKS[row.device]
            face = color if index in front else BACK
            [dot] = axes.plot(x, y, marker, ms=8, color=face, mec=color, mew=1.6, zorder=3)
            tips.add(dot, f"{name}: {y:.2f} dB, {three_digits(x)} ms per megapixel")
        axes.margins(x=0.1, y=0.1)
        log_scale(axes)
        axes.set_xlabel("ms per megapixel (log scale)")
        axes.set_ylabel(f"PSNR, dB ({label})")
        if len(devices) > 1:
            looks = {DEVICE_NAMES[device]: _DEVICE_LOOKS[device] for device in devices}
            draw_legend(axes, looks)
        _label_points(axes, points, names, steps)

    best = "; ".join(
        f"{names[i]} {points[i][1]:.2f} dB at {three_digits(points[i][0])} ms" for i in front
    )
    return Plot(
        "frontier",
        number,
        f"PSNR against time per megapixel, {label}",
        f"{len(timed)} points on {' and '.join(DEVICE_NAMES[d] for d in devices)}. "
        f"On the Pareto front, from fast to slow: {best}.",
        svg(draw, (WIDE, 4.9), f"frontier{number}"),
    )


def _label_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    steps: Sequence[tuple[float, float]],
) -> None:
    """Write each name beside its point, or further away with a line to it."""
    figure = axes.figure
    texts = _names_of(axes, names, va="bottom")
    figure.draw_without_rendering()  # type: ignore[union-attr]
    sizes = [(box.width, box.height) for box in (text.get_window_extent() for text in texts)]
    spots = [(float(x), float(y)) for x, y in axes.transData.transform(points)]
    corners = [(float(x), float(y)) for x, y in axes.transData.transform(steps)]
    inside = axes.get_window_extent()
    room = (inside.x0, inside.y0, float(figure.bbox.x1), inside.y1)
    boxes = labels.beside(spots, sizes, list(pairwise(corners)), room)
    for text, spot, box in zip(texts, spots, boxes, strict=True):
        text.set_position(box[:2])
        end = labels.nearest(box, spot)
        if math.dist(spot, end) > labels.NEAR + 1:
            _draw_leader(axes, [spot, end], DARK)


def _names_of(axes: Axes, names: Sequence[str], va: str) -> list[Text]:
    """Return texts to measure and to place; the layout of the figure ignores them."""
    look: dict[str, Any] = {"fontsize": labels.NAME_SIZE, "va": va, "in_layout": False}
    return [axes.text(0, 0, name, transform=None, **look) for name in names]


def _draw_leader(axes: Axes, corners: Sequence[tuple[float, float]], color: str) -> None:
    """Draw a thin line from a point to its name, in points of type."""
    from matplotlib.lines import Line2D

    line = Line2D(*zip(*corners, strict=True), color=color, lw=0.7, transform=None)
    line.set(clip_on=False, in_layout=False, zorder=2)
    axes.add_artist(line)


def _lines(run: Summary) -> dict[str, list[tuple[float, float]]]:
    """Return points (sigma, PSNR in dB) of the methods that have at least two.

    Levels at which methods are told a sigma are left out.
    """
    found: dict[str, dict[float, float]] = {}
    for row in run.competing:
        level = run.levels[row.level]
        if level.sigma is not None and level.told is None and row.has_finite_psnr:
            found.setdefault(row.method, {}).setdefault(level.sigma, row.psnr or 0.0)
    return {m: sorted(points.items()) for m, points in found.items() if len(points) > 1}


def _course(run: Summary, lines: dict[str, list[tuple[float, float]]]) -> Plot:
    """Draw PSNR against sigma, a line for each method."""
    titles = labels.short_titles(run)
    names = [titles[method] for method in lines]

    def draw(axes: Axes, tips: Tips) -> None:
        for index, (name, points) in enumerate(zip(names, lines.values(), strict=True)):
            xs, ys = zip(*points, strict=True)
            turn, number = divmod(index, len(SERIES))
            look: dict[str, Any] = {"color": SERIES[number], "marker": _MARKERS[number], "ms": 4.5}
            [line] = axes.plot(xs, ys, linestyle=_DASHES[turn % len(_DASHES)], lw=1.4, **look)
            shown = ", ".join(f"{y:.2f} dB at {x:g}" for x, y in points)
            tips.add(line, f"{name}: {shown}")
        sigmas = sorted({x for points in lines.values() for x, _ in points})
        axes.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
        axes.set_xlabel("sigma of the noise, of 255")
        axes.set_ylabel("PSNR, dB")
        _label_ends(axes, [points[-1] for points in lines.values()], names)

    return Plot(
        "course",
        None,
        "Mean PSNR at each sigma",
        "; ".join(
            f"{name} " + ", ".join(f"{y:.2f} dB at sigma {x:g}" for x, y in points)
            for name, points in zip(names, lines.values(), strict=True)
        )
        + ".",
        svg(draw, (WIDE, max(4.8, 1 + 0.19 * len(lines))), "course"),
    )


def _label_ends(axes: Axes, ends: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write names to the right of the figure, near the heights of their lines' ends."""
    figure = axes.figure
    texts = _names_of(axes, names, va="center")
    room = 15 + max(text.get_window_extent().width for text in texts)
    share = 1 - room / figure.bbox.width
    figure.set_layout_engine("constrained", rect=(0, 0, share, 1))  # type: ignore[union-attr]
    figure.draw_without_rendering()  # type: ignore[union-attr]
    inside = axes.get_window_extent()
    spots = axes.transData.transform(ends)
    gap = 1.3 * labels.NAME_SIZE
    heights = labels.spread_heights([y for _, y in spots], gap, inside.y0, inside.y1)
    for line, text, (x, y), height in zip(axes.get_lines(), texts, spots, heights, strict=True):
        text.set(position=(inside.x1 + 14, height), color=line.get_color())
        _draw_leader(axes, [(x + 4, y), (inside.x1, y), (inside.x1 + 12, height)], FAINT)
