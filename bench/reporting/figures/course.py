"""Figure of the gain in PSNR at each sigma, a line for each method."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.cells import NOISY_CONTROL
from denoisebench.reporting.figures import families, labels
from denoisebench.reporting.figures.drawing import (
    FAINT,
    NARROW,
    WIDE,
    Parts,
    Plot,
    draw_leader,
    draw_legend,
    svg,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from denoisebench.reporting.summary import Summary

_Course = dict[str, list[tuple[float, float]]]
"""By method, sigma and decibels at each level, from low to high sigma."""

_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)))


def course_of(run: Summary) -> _Course:
    """Return the mean PSNR of the competing methods that have it at two sigmas or more."""
    controls = run.controls
    return {m: line for m, line in _psnr(run).items() if m not in controls and len(line) > 1}


def _psnr(run: Summary) -> _Course:
    """Return the mean PSNR of each method; levels at which a sigma is told are left out."""
    found: dict[str, dict[float, float]] = {}
    for row in run.table:
        level = run.levels[row.level]
        if level.sigma is not None and level.told is None and row.has_finite_psnr:
            found.setdefault(row.method, {}).setdefault(level.sigma, row.psnr or 0.0)
    return {method: sorted(points.items()) for method, points in found.items()}


def course(run: Summary, lines: _Course) -> Plot:
    """Draw the gain over the noisy input; the PSNR itself if the run has no such row everywhere.

    PSNR falls by many decibels from level to level, by less than one from method to method. Less
    the noisy input's, it leaves the methods room.

    Args:
        run: the run.
        lines: see `course_of`.
    """
    noisy = dict(_psnr(run).get(NOISY_CONTROL, []))
    is_gain = noisy.keys() >= {sigma for points in lines.values() for sigma, _ in points}
    if is_gain:
        lines = {m: [(x, y - noisy[x]) for x, y in points] for m, points in lines.items()}
    what = "Gain over the noisy input" if is_gain else "Mean PSNR"
    titles = labels.short_titles(run)
    height = max(4.8, 1.3 + 0.19 * len(lines))
    draw = partial(_draw, run, lines, f"{what}, dB")
    return Plot(
        "course",
        None,
        f"{what} at each sigma",
        "; ".join(
            f"{titles[method]} " + ", ".join(f"{y:.2f} dB at sigma {x:g}" for x, y in points)
            for method, points in lines.items()
        )
        + ".",
        svg(draw, (WIDE, height), "course"),
        svg(partial(draw, letters=labels.SHORTEST), (NARROW, height), "course-narrow"),
    )


def _draw(
    run: Summary,
    lines: _Course,
    words: str,
    axes: Axes,
    parts: Parts,
    letters: int = labels.LONGEST,
) -> None:
    """Draw the lines in the looks of their families, with their names at the ends."""
    titles, looks = labels.short_titles(run, letters), families.method_looks(run)
    seen: dict[families.FamilyLook, int] = {}
    drawn = []
    for method, points in lines.items():
        color, marker = look = looks[method]
        seen[look] = seen.get(look, -1) + 1
        dashes = _DASHES[seen[look] % len(_DASHES)]
        pairs = zip(*points, strict=True)
        [line] = axes.plot(*pairs, color=color, marker=marker, ms=4.5, ls=dashes, lw=1.4)
        shown = ", ".join(f"{y:.2f} dB at {x:g}" for x, y in points)
        parts.add(line, f"{titles[method]}: {shown}", method=method, role="line")
        drawn.append(line)
    sigmas = sorted({x for points in lines.values() for x, _ in points})
    axes.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
    axes.set_xlabel("sigma of the noise, of 255")
    axes.set_ylabel(words)
    used = {family: look for family, look in families.family_looks(run).items() if look in seen}
    if len(used) > 1:
        draw_legend(axes, used, len(used) if letters == labels.LONGEST else 3)
    _label_ends(axes, parts, drawn, {method: titles[method] for method in lines})


def _label_ends(axes: Axes, parts: Parts, lines: Sequence[Line2D], names: dict[str, str]) -> None:
    """Write names to the right of the figure, near the heights of their lines' ends."""
    figure = axes.figure
    texts = labels.texts_of(axes, list(names.values()), va="center")
    room = 21 + max(text.get_window_extent().width for text in texts)
    share = 1 - room / figure.bbox.width
    figure.set_layout_engine("constrained", rect=(0, 0, share, 1))  # type: ignore[union-attr]
    figure.draw_without_rendering()  # type: ignore[union-attr]
    inside = axes.get_window_extent()
    ends = [np.asarray(line.get_xydata())[-1] for line in lines]
    spots = axes.transData.transform(ends)
    gap = min(1.3 * labels.NAME_SIZE, inside.height / max(1, len(ends) - 1))
    heights = labels.spread_heights([y for _, y in spots], gap, inside.y0, inside.y1)
    for line, method, text, (x, y), height in zip(lines, names, texts, spots, heights, strict=True):
        text.set(position=(inside.x1 + 20, height), color=line.get_color())
        corners = [(x + 4, y), (inside.x1, y), (inside.x1 + 18, height)]
        leader = draw_leader(axes, corners, FAINT)
        for part in (text, leader):
            parts.add(part, method=method, role="name")
