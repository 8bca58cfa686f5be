"""Figure of quality against time, with the Pareto front."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from denoisebench.reporting.figures import families, labels
from denoisebench.reporting.figures.drawing import (
    BACK,
    DARK,
    NARROW,
    WIDE,
    Parts,
    Plot,
    draw_leader,
    draw_legend,
    log_scale,
    svg,
)
from denoisebench.reporting.formatting import DEVICE_NAMES, three_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from denoisebench.reporting.figures.labels import Box, Spot
    from denoisebench.reporting.summary import RowSummary, Summary

_MARKERS = {"cpu": "o", "cuda": "D"}


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


def frontier(run: Summary, number: int, timed: list[RowSummary]) -> Plot:
    """Draw PSNR against the time for a megapixel, at one noise level.

    Args:
        run: the run.
        number: index of the noise level.
        timed: the rows that have a finite mean PSNR and a time.
    """
    label = run.levels[number].label
    names = labels.row_names(run, timed)
    points = _points(timed)
    front = pareto(points)
    devices = dict.fromkeys(DEVICE_NAMES[row.device] for row in timed)
    best = "; ".join(
        f"{names[i]} {points[i][1]:.2f} dB at {three_digits(points[i][0])} ms" for i in front
    )
    draw = partial(_draw, run, timed)
    return Plot(
        "frontier",
        number,
        f"PSNR against time per megapixel, {label}",
        f"{len(timed)} points on {' and '.join(devices)}. "
        f"On the Pareto front, from fast to slow: {best}.",
        svg(draw, (WIDE, 5.4), f"frontier{number}"),
        svg(partial(draw, is_narrow=True), (NARROW, 5.4), f"frontier{number}-narrow"),
    )


def _points(timed: list[RowSummary]) -> list[tuple[float, float]]:
    """Return milliseconds for a megapixel and mean PSNR of each row."""
    return [(row.ms_per_megapixel or 0.0, row.psnr or 0.0) for row in timed]


def _draw(
    run: Summary, timed: list[RowSummary], axes: Axes, parts: Parts, is_narrow: bool = False
) -> None:
    """Draw the points in their families' colours; filled ones are on the front."""
    points, looks = _points(timed), families.method_looks(run)
    names = labels.row_names(run, timed, labels.SHORTEST if is_narrow else labels.LONGEST)
    front = pareto(points)
    steps = _steps([points[i] for i in front])
    [line] = axes.plot(*zip(*steps, strict=True), color=DARK, lw=1, ls=(0, (4, 3)), zorder=1)
    parts.add(line, role="front")
    for index, (row, (x, y), name) in enumerate(zip(timed, points, names, strict=True)):
        color, _ = looks[row.method]
        face, marker = color if index in front else BACK, _MARKERS[row.device]
        [dot] = axes.plot(x, y, marker, ms=8, color=face, mec=color, mew=1.6, zorder=3)
        text = f"{name}: {y:.2f} dB, {three_digits(x)} ms per megapixel"
        parts.add(dot, text, method=row.method, device=row.device, role="point")
    axes.margins(x=0.1, y=0.1)
    log_scale(axes)
    axes.set_xlabel("ms per megapixel (log scale)")
    axes.set_ylabel(f"PSNR, dB ({run.levels[timed[0].level].label})")
    _draw_key(axes, run, timed, 3 if is_narrow else 8)
    _write_names(axes, parts, timed, names, front if is_narrow else range(len(timed)))


def _steps(front: list[Spot]) -> list[Spot]:
    """Return the corners of the front's line."""
    steps = front[:1]
    for x, y in front[1:]:
        steps += [(x, steps[-1][1]), (x, y)]
    return steps


def _draw_key(axes: Axes, run: Summary, timed: list[RowSummary], columns: int) -> None:
    """Draw the legend of the families' colours and, if there are several, the devices' markers."""
    looks = families.method_looks(run)
    used = {looks[row.method] for row in timed}
    known = families.family_looks(run)
    devices = dict.fromkeys(row.device for row in timed)
    key: dict[str, families.FamilyLook] = {}
    if len(used) > 1:
        key |= {family: (look[0], "o") for family, look in known.items() if look in used}
    if len(devices) > 1:
        key |= {DEVICE_NAMES[device]: (DARK, _MARKERS[device]) for device in devices}
    if key:
        draw_legend(axes, key, min(columns, len(key)))


def _write_names(
    axes: Axes, parts: Parts, timed: list[RowSummary], names: list[str], shown: Sequence[int]
) -> None:
    """Write names beside their points, or further away with a line to it.

    Args:
        axes: the axes.
        parts: the figure's parts.
        timed: the row of each point.
        names: the name of each point.
        shown: indices of the names that always show. A page shows each other one when its method
            is marked, so these may cover anything.
    """
    points = _points(timed)
    texts = labels.texts_of(axes, names, va="bottom")
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    sizes = [(box.width, box.height) for box in (text.get_window_extent() for text in texts)]
    spots = _places(axes, points)
    corners = list(pairwise(_places(axes, _steps([points[i] for i in pareto(points)]))))
    inside = axes.get_window_extent()
    room = (inside.x0, inside.y0, float(axes.figure.bbox.x1), inside.y1)
    placed = labels.beside([spots[i] for i in shown], [sizes[i] for i in shown], corners, room)
    boxes: dict[int, Box] = dict(zip(shown, placed, strict=True))
    for index, (row, text, spot) in enumerate(zip(timed, texts, spots, strict=True)):
        box = boxes.get(index) or labels.beside([spot], [sizes[index]], [], room)[0]
        text.set_position(box[:2])
        role = "name" if index in boxes else "quiet"
        parts.add(text, method=row.method, device=row.device, role=role)
        end = labels.nearest(box, spot)
        if math.dist(spot, end) > labels.NEAR + 1:
            leader = draw_leader(axes, [spot, end], DARK)
            parts.add(leader, method=row.method, device=row.device, role=role)


def _places(axes: Axes, points: Sequence[Spot]) -> list[Spot]:
    """Return points of the data in points of type."""
    return [(float(x), float(y)) for x, y in axes.transData.transform(points)]
