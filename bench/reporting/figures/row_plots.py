"""Figures with a row for each method: pure functions of a run's summary."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.reporting.figures import labels
from denoisebench.reporting.figures.drawing import (
    DARK,
    FAINT,
    NARROW,
    SERIES,
    Parts,
    Plot,
    draw_legend,
    log_scale,
    svg,
)
from denoisebench.reporting.formatting import interval, three_digits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from denoisebench.reporting.differences import Difference
    from denoisebench.reporting.summary import CostSummary, Ranks, RowSummary, Summary

_STAGES = {
    "load_ms": ("load", SERIES[5], "s"),
    "cold_ms": ("first call", SERIES[3], "^"),
    "ms_per_frame": ("warm call", SERIES[0], "o"),
    "transfer_ms": ("transfer", SERIES[1], "D"),
}
_MOST_DOTS = 100
"""Most frames that are shown one by one; of more, as many of the worst and the best far out are."""


def frames(run: Summary, number: int, rows: list[RowSummary]) -> Plot:
    """Draw every frame's PSNR at one noise level: it shows the bad frames that a mean hides.

    Args:
        run: the run.
        number: index of the noise level.
        rows: the methods at that level; the first device of each is drawn.
    """
    label = run.levels[number].label
    rows = list({row.method: row for row in reversed(rows)}.values())[::-1]
    names = [labels.short_titles(run)[row.method] for row in rows]
    values = [row.finite_psnr_by_frame for row in rows]
    many = any(len(scores) > _MOST_DOTS for scores in values)

    def draw(axes: Axes, parts: Parts) -> None:
        for artists in _boxes(axes, values, many):
            for number, artist in enumerate(artists):
                place = number * len(rows) // len(artists)  # a box has two whiskers
                parts.add(artist, method=rows[place].method, row=place)
        for place, scores in enumerate([] if many else values):
            for i, (frame, psnr) in enumerate(scores.items()):
                y = place + 0.2 * math.sin(2.4 * i)
                [dot] = axes.plot(psnr, y, "o", ms=3.6, color=SERIES[0], mew=0, clip_on=False)
                text = f"{frame}: {psnr:.2f} dB"
                parts.add(dot, text, method=rows[place].method, row=place)
        _rows(axes, parts, names, [{"method": row.method} for row in rows])
        axes.set_xlabel(f"PSNR of single frames, dB ({label})")

    return Plot(
        "frames",
        number,
        f"PSNR by frame, {label}",
        "Lowest, median and highest PSNR of a frame: "
        + "; ".join(
            f"{name} {_three_of(list(scores.values()))} dB"
            for name, scores in zip(names, values, strict=True)
            if scores
        )
        + ".",
        svg(draw, _size(names), f"frames{number}"),
    )


def _boxes(
    axes: Axes, values: Sequence[dict[str, float]], many: bool
) -> Iterator[Sequence[Line2D]]:
    """Draw a box for each row; yield their parts, kind by kind, each in the order of the rows.

    Args:
        axes: the axes.
        values: the scores of each row, by frame.
        many: True to draw the frames that are far out.
    """
    thin: dict[str, Any] = {"color": DARK, "linewidth": 0.8}
    drawn = axes.boxplot(
        [list(scores.values()) for scores in values],
        positions=range(len(values)),
        orientation="horizontal",
        widths=0.55,
        showfliers=many,
        flierprops={"marker": "o", "ms": 3, "mfc": SERIES[0], "mec": "none"},
        boxprops=thin,
        whiskerprops=thin,
        capprops=thin,
        medianprops={"color": DARK, "linewidth": 2},
    )
    for dots in drawn["fliers"]:
        _thin_out(dots)
    yield from drawn.values()


def _thin_out(dots: Line2D) -> None:
    """Keep the lowest and the highest of very many dots."""
    xs, ys = (np.asarray(values) for values in dots.get_data())
    if len(xs) > 2 * _MOST_DOTS:
        order = np.argsort(xs)
        kept = np.r_[order[:_MOST_DOTS], order[-_MOST_DOTS:]]
        dots.set_data(xs[kept], ys[kept])


def _three_of(values: list[float]) -> str:
    """Write the lowest, the median and the highest value."""
    return f"{min(values):.2f}, {median(values):.2f}, {max(values):.2f}"


def _rows(axes: Axes, parts: Parts, names: Sequence[str], owners: Sequence[dict[str, str]]) -> None:
    """Set up axes with a row for each name, the first on top below the horizontal axis.

    Args:
        axes: the axes.
        parts: the figure's parts, to which the names are added.
        names: the rows' names.
        owners: method, and device if it matters, of each row.
    """
    axes.set_yticks(
        range(len(names)), [labels.folded(name) for name in names], fontsize=labels.NAME_SIZE
    )
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.spines["top"].set_visible(True)
    axes.spines["bottom"].set_visible(False)
    parts.has_rows = True
    for place, (text, owner) in enumerate(zip(axes.get_yticklabels(), owners, strict=True)):
        parts.add(text, row=place, **owner)


def _size(rows: Sequence[Any]) -> tuple[float, float]:
    """Return width and height of a figure of rows, in inches."""
    return NARROW, 1 + 0.31 * len(rows)


def forest(run: Summary, number: int, lines: list[Difference]) -> Plot:
    """Draw mean differences from the reference with their confidence intervals.

    Args:
        run: the run; it has a reference.
        number: index of the noise level.
        lines: finite differences at that level.
    """
    label, titles = run.levels[number].label, labels.short_titles(run)
    lines = sorted(lines, key=lambda line: -(line.mean or 0.0))
    names = [titles[line.method] for line in lines]
    assert run.reference is not None
    reference = titles[run.reference]

    def draw(axes: Axes, parts: Parts) -> None:
        axes.axvline(0, color=DARK, lw=1)
        for place, (line, name) in enumerate(zip(lines, names, strict=True)):
            mean = line.mean or 0.0
            ends = [end for end in (line.low, line.high) if end is not None and math.isfinite(end)]
            color = SERIES[7] if line.is_tie else SERIES[int(mean < 0)]
            axes.plot(ends, [place] * len(ends), color=color, lw=2)
            axes.plot(mean, place, "s", ms=6, color=color)
            for mark in axes.get_lines()[-2:]:
                parts.add(mark, f"{name}: {interval(line)}", method=line.method, row=place)
        axes.figure.suptitle(f"Against {reference}", fontsize=labels.NAME_SIZE)
        _rows(axes, parts, names, [{"method": line.method} for line in lines])
        axes.set_xlabel(f"difference in PSNR, dB ({label}, 95 % intervals)")

    return Plot(
        "forest",
        number,
        f"Differences from {reference}, {label}",
        "; ".join(f"{n} {interval(line)}" for n, line in zip(names, lines, strict=True)) + ".",
        svg(draw, _size(names), f"forest{number}"),
    )


def ranks(run: Summary, found: Ranks) -> Plot:
    """Draw average ranks with bars as long as the critical difference.

    The bars of two methods overlap if their ranks differ by less.
    """
    average = found.average
    names = [labels.short_titles(run)[method] for method in average]
    number, reach = found.level, found.critical_difference / 2
    label = run.levels[number].label

    def draw(axes: Axes, parts: Parts) -> None:
        for place, (name, (method, rank)) in enumerate(zip(names, average.items(), strict=True)):
            axes.plot([rank - reach, rank + reach], [place] * 2, color=SERIES[0], lw=2)
            axes.plot(rank, place, "s", ms=6, color=SERIES[0])
            for mark in axes.get_lines()[-2:]:
                parts.add(mark, f"{name}: {rank:.2f}", method=method, row=place)
        count = len(names)
        axes.set_xticks(range(1, count + 1) if count < 10 else [1, *range(5, count + 1, 5)])
        _rows(axes, parts, names, [{"method": method} for method in average])
        axes.set_xlabel(f"average rank by PSNR ({label}); 1 is best")

    return Plot(
        "ranks",
        number,
        f"Average ranks, {label}",
        f"Critical difference {2 * reach:.2f}; "
        + ", ".join(f"{n} {rank:.2f}" for n, rank in zip(names, average.values(), strict=True))
        + ".",
        svg(draw, _size(names), f"ranks{number}"),
    )


def times(run: Summary, rows: list[CostSummary]) -> Plot:
    """Draw each row's times: loading, first call, warm call and transfer, in ms."""
    names = labels.row_names(run, rows)
    owners = [{"method": row.method, "device": row.device} for row in rows]
    measured = [_stages(row) for row in rows]
    stages = {s: look for s, look in _STAGES.items() if any(s in known for known in measured)}

    def draw(axes: Axes, parts: Parts) -> None:
        for place, (known, name) in enumerate(zip(measured, names, strict=True)):
            ends = [min(known.values()), max(known.values())]
            [line] = axes.plot(ends, [place] * 2, color=FAINT, lw=2)
            parts.add(line, row=place, **owners[place])
            for stage, ms in known.items():
                words, color, marker = _STAGES[stage]
                [dot] = axes.plot(ms, place, marker, ms=6.5, color=color)
                text = f"{name}, {words}: {three_digits(ms)} ms"
                parts.add(dot, text, row=place, **owners[place])
        log_scale(axes)
        _rows(axes, parts, names, owners)
        axes.set_xlabel("ms (log scale)")
        looks = {words: (color, marker) for words, color, marker in stages.values()}
        draw_legend(axes, looks, len(looks))

    in_words = (
        ", ".join(f"{_STAGES[stage][0]} {three_digits(ms)} ms" for stage, ms in known.items())
        for known in measured
    )
    return Plot(
        "times",
        None,
        "Where the time goes",
        "; ".join(f"{n}: {words}" for n, words in zip(names, in_words, strict=True)) + ".",
        svg(draw, _size(names), "times"),
    )


def _stages(row: CostSummary) -> dict[str, float]:
    """Return the stages that took time, in milliseconds."""
    known = {stage: getattr(row, stage) for stage in _STAGES}
    return {stage: ms for stage, ms in known.items() if ms}
