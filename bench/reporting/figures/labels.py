"""The names in a figure: how long they are, and where they go so that none covers another."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.reporting.formatting import DEVICE_NAMES, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from denoisebench.reporting.summary import CostSummary, RowSummary, Summary

Spot = tuple[float, float]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1."""

NAME_SIZE = 9  # points
NEAR = 9.0
"""How far a name is from its point, in points of type; further off it needs a line."""

_DISTANCES = (NEAR, 17.0, 27.0, 39.0, 53.0, 69.0)
_DIRECTIONS = tuple(math.tau * turn for turn in (0, 0.5, 0.25, 0.75, *(i / 16 for i in range(16))))
_LONGEST_TITLE = 42
_FOLD = 26
_MARK = 6.0  # half the side of a point's own square
_SWEEPS = 3


def short_titles(summary: Summary) -> dict[str, str]:
    """Shorten long titles to both ends, for methods often differ in the last words."""
    found = {method: one_line(title) for method, title in summary.titles.items()}
    half = _LONGEST_TITLE // 2
    return {
        method: title if len(title) <= _LONGEST_TITLE else f"{title[:half]}…{title[-half:]}"
        for method, title in found.items()
    }


def row_names(summary: Summary, rows: Sequence[RowSummary | CostSummary]) -> list[str]:
    """Name rows by the methods' titles, with the device where there are several."""
    shown = short_titles(summary)
    several = len({row.device for row in rows}) > 1
    return [
        shown[row.method] + (f" ({DEVICE_NAMES[row.device]})" if several else "") for row in rows
    ]


def folded(name: str) -> str:
    """Fold a long name into two lines."""
    lines = textwrap.wrap(name, _FOLD)
    half = len(name) // 2
    return "\n".join(lines if len(lines) <= 2 else [name[:half], name[half:]])


def beside(
    points: Sequence[Spot], sizes: Sequence[Spot], lines: Sequence[tuple[Spot, Spot]], room: Box
) -> list[Box]:
    """Place each point's name in a box near it, clear of points, lines and other names.

    Each name in turn takes the place that costs least, given those of the others; a few rounds
    suffice. All in points of type.

    Args:
        sizes: width and height of each name.
        lines: what should not be written over.
        room: what names should not leave.
    """
    marks = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in points]
    boxes: list[Box] = []
    for _ in range(_SWEEPS):
        for index, (point, size) in enumerate(zip(points, sizes, strict=True)):
            others = [*marks[:index], *marks[index + 1 :]]
            others += [box for i, box in enumerate(boxes) if i != index]
            best = _cheapest(point, size, others, [*lines, *_leaders(points, boxes, index)], room)
            boxes[index : index + 1] = [best]
    return boxes


def _cheapest(
    point: Spot, size: Spot, others: list[Box], lines: list[tuple[Spot, Spot]], room: Box
) -> Box:
    best, least = None, math.inf
    for distance, box in _candidates(point, size):
        if distance > least:
            break
        leader = point, nearest(box, point)
        cost = distance + 20 * _outside(box, room)
        cost += sum(_overlap(box, other) + 2 * _within(leader, other) for other in others)
        cost += sum(3 * _within(line, box) for line in lines)
        if cost < least:
            best, least = box, cost
    assert best is not None
    return best


def _candidates(point: Spot, size: Spot) -> Iterator[tuple[float, Box]]:
    """Boxes around a point, near ones first, each with its distance."""
    (x, y), (width, height) = point, size
    for distance in _DISTANCES:
        for turn in _DIRECTIONS:
            right, up = math.cos(turn), math.sin(turn)
            left = x + distance * right - width * (1 - right) / 2
            bottom = y + distance * up - height * (1 - up) / 2
            yield distance, (left, bottom, left + width, bottom + height)


def _leaders(
    points: Sequence[Spot], boxes: Sequence[Box], without: int
) -> Iterator[tuple[Spot, Spot]]:
    """The lines from points to their names that have one."""
    for index, box in enumerate(boxes):
        end = nearest(box, points[index])
        if index != without and math.dist(points[index], end) > NEAR + 1:
            yield points[index], end


def nearest(box: Box, point: Spot) -> Spot:
    """The place in a box that is nearest to a point."""
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _overlap(one: Box, other: Box) -> float:
    """Common area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _outside(box: Box, room: Box) -> float:
    """The length by which a box leaves the room."""
    before = max(0.0, room[0] - box[0]) + max(0.0, room[1] - box[1])
    return before + max(0.0, box[2] - room[2]) + max(0.0, box[3] - room[3])


def _within(line: tuple[Spot, Spot], box: Box) -> float:
    """The length of a line inside a box (Liang & Barsky 1984)."""
    start, end = 0.0, 1.0
    for axis in (0, 1):
        origin, step = line[0][axis], line[1][axis] - line[0][axis]
        low, high = box[axis] - origin, box[axis + 2] - origin
        if step:
            enters, leaves = sorted((low / step, high / step))
            start, end = max(start, enters), min(end, leaves)
        elif low > 0 or high < 0:
            return 0.0
    return math.dist(*line) * max(0.0, end - start)


def spread_heights(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights that are a gap apart, in the same order and as near to the given ones as can be.

    The least squares solution: isotonic regression of the heights less the gaps below them.

    Args:
        low, high: where they should stay; above ``high`` where there is no room for all.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(heights, kind="stable")
    gaps = gap * np.arange(len(order))
    placed = isotonic_regression(np.asarray(heights, float)[order] - gaps).x
    found = np.empty(len(order))
    found[order] = np.clip(placed, low, max(low, high - gaps[-1])) + gaps
    return [float(height) for height in found]
