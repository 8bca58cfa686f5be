"""Names in a figure: their lengths, and places where none covers another."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.reporting.formatting import DEVICE_NAMES
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from denoisebench.reporting.summary import CostSummary, RowSummary, Summary

Spot = tuple[float, float]
"""Place or size in points of type: x and y."""
Box = tuple[float, float, float, float]
"""Box in points of type: x0, y0, x1, y1."""

NAME_SIZE = 10
"""Size of names in points of type."""
NEAR = 9.0
"""Distance of a name from its point, in points of type; a name further away needs a line."""

_DISTANCES = (NEAR, 17.0, 27.0, 39.0, 53.0, 69.0)
_DIRECTIONS = tuple(math.tau * turn for turn in (0, 0.5, 0.25, 0.75, *(i / 16 for i in range(16))))
LONGEST = 42
"""Letters of a title."""
SHORTEST = 24
"""Letters of a title that has little room."""
_FOLD = 26  # letters in a line
_MARK = 6.0  # half the side of a point's own square
_SWEEPS = 3  # rounds in which every name is placed again


def short_titles(summary: Summary, letters: int = LONGEST) -> dict[str, str]:
    """Return the methods' titles, of long ones both ends: methods often differ in the last words.

    Args:
        summary: the run.
        letters: the most letters of a title; one that is cut has an ellipsis more.
    """
    found = {method: one_line(title) for method, title in summary.titles.items()}
    half = letters // 2
    return {
        method: title if len(title) <= letters else f"{title[:half]}…{title[-half:]}"
        for method, title in found.items()
    }


def row_names(
    summary: Summary, rows: Sequence[RowSummary | CostSummary], letters: int = LONGEST
) -> list[str]:
    """Name rows by the methods' titles, with the device if there are several."""
    shown = short_titles(summary, letters)
    several = len({row.device for row in rows}) > 1
    return [
        shown[row.method] + (f" ({DEVICE_NAMES[row.device]})" if several else "") for row in rows
    ]


def texts_of(axes: Axes, names: Sequence[str], va: str) -> list[Text]:
    """Return texts to measure and to place; the layout of the figure ignores them."""
    look: dict[str, Any] = {"fontsize": NAME_SIZE, "va": va, "in_layout": False}
    return [axes.text(0, 0, name, transform=None, **look) for name in names]


def folded(name: str) -> str:
    """Fold a long name into two lines.

    Examples:
        >>> folded("Weighted nuclear norm minimisation").splitlines()
        ['Weighted nuclear norm', 'minimisation']
    """
    lines = textwrap.wrap(name, _FOLD)
    half = len(name) // 2
    return "\n".join(lines if len(lines) <= 2 else [name[:half], name[half:]])


def beside(
    points: Sequence[Spot], sizes: Sequence[Spot], lines: Sequence[tuple[Spot, Spot]], room: Box
) -> list[Box]:
    """Place each point's name in a box near it, clear of points, lines and other names.

    Each name in turn takes the place of least cost, given the places of the others; a few rounds
    suffice. All lengths are in points of type.

    Args:
        points: the points.
        sizes: width and height of each point's name.
        lines: lines that names should not cover.
        room: box that names should not leave.

    Returns:
        The box of each name.
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
    """Return the box of least cost for one point's name.

    The cost is the distance, and more for each overlap and for leaving the room.
    """
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
    """Yield boxes around a point, near ones first, each with its distance."""
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
    """Yield the lines from points to names that are not near, except one point's."""
    for index, box in enumerate(boxes):
        end = nearest(box, points[index])
        if index != without and math.dist(points[index], end) > NEAR + 1:
            yield points[index], end


def nearest(box: Box, point: Spot) -> Spot:
    """Return the place in a box that is nearest to a point.

    Examples:
        >>> nearest((0, 0, 2, 1), (3, 0.5))
        (2, 0.5)
    """
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _overlap(one: Box, other: Box) -> float:
    """Return the common area of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _outside(box: Box, room: Box) -> float:
    """Return the length by which a box leaves the room."""
    before = max(0.0, room[0] - box[0]) + max(0.0, room[1] - box[1])
    return before + max(0.0, box[2] - room[2]) + max(0.0, box[3] - room[3])


def _within(line: tuple[Spot, Spot], box: Box) -> float:
    """Return the length of a line inside a box (Liang & Barsky 1984)."""
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
    """Move heights apart by a gap, in the same order and as little as possible.

    The result is the least squares solution: isotonic regression of the heights less the gaps
    below them.

    Args:
        heights: the wanted heights, in any order, at least one.
        gap: smallest distance between two heights.
        low: lower end of the room.
        high: upper end of the room; heights are above it if there is no room for all.

    Examples:
        >>> spread_heights([5.0, 5.0], gap=2.0, low=0.0, high=10.0)
        [4.0, 6.0]
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(heights, kind="stable")
    gaps = gap * np.arange(len(order))
    placed = isotonic_regression(np.asarray(heights, float)[order] - gaps).x
    found = np.empty(len(order))
    found[order] = np.clip(placed, low, max(low, high - gaps[-1])) + gaps
    return [float(height) for height in found]
