"""Figures with a row a method: pure functions of a run's summary."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from denoisebench.reporting.figures import labels
from denoisebench.reporting.figures.drawing import (
    FAINT,
    INK,
    NARROW,
    SERIES,
    Plot,
    Tips,
    legend,
    log_scale,
    svg,
)
from denoisebench.reporting.words import interval, three_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_STAGES = {
    "load_ms": ("load", SERIES[5], "s"),
    "cold_ms": ("first call", SERIES[3], "^"),
    "ms_per_frame": ("warm call", SERIES[0], "o"),
    "transfer_ms": ("transfer", SERIES[1], "D"),
}
_MOST_DOTS = 100
"""Frames that are shown one by one; of more, only those far out."""


def frames(run: dict[str, Any], number: int, label: str, rows: list[dict[str, Any]]) -> Plot:
    """Every frame's PSNR: whether a mean stands for all frames, or hides bad ones."""
    rows = list({row["method"]: row for row in reversed(rows)}.values())[::-1]
    names = [labels.titles(run)[row["method"]] for row in rows]
    values = [
        {f: v for f, v in row["psnr_by_frame"].items() if isinstance(v, float)} for row in rows
    ]
    many = any(len(scores) > _MOST_DOTS for scores in values)

    def draw(axes: Axes, tips: Tips) -> None:
        thin: dict[str, Any] = {"color": INK, "linewidth": 0.8}
        axes.boxplot(
            [list(scores.values()) for scores in values],
            positions=range(len(values)),
            orientation="horizontal",
            widths=0.55,
            showfliers=many,
            flierprops={"marker": "o", "ms": 3, "mfc": SERIES[0], "mec": "none"},
            boxprops=thin,
            whiskerprops=thin,
            capprops=thin,
            medianprops={"color": INK, "linewidth": 2},
        )
        for place, scores in enumerate([] if many else values):
            for i, (frame, psnr) in enumerate(scores.items()):
                y = place + 0.2 * math.sin(2.4 * i)
                [dot] = axes.plot(psnr, y, "o", ms=3.6, color=SERIES[0], mew=0, clip_on=False)
                tips.add(dot, f"{frame}: {psnr:.2f} dB")
        _rows(axes, names, f"PSNR of single frames, dB ({label})")

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


def _three_of(values: list[float]) -> str:
    return f"{min(values):.2f}, {median(values):.2f}, {max(values):.2f}"


def _rows(axes: Axes, names: Sequence[str], words: str) -> None:
    """A row a name, the first on top, and what the horizontal axis is."""
    axes.set_yticks(
        range(len(names)), [labels.folded(name) for name in names], fontsize=labels.SIZE
    )
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(words)


def _size(rows: Sequence[Any]) -> tuple[float, float]:
    """Of a figure of rows, in inches: width and height."""
    return NARROW, 1 + 0.31 * len(rows)


def forest(run: dict[str, Any], number: int, label: str, lines: list[dict[str, Any]]) -> Plot:
    """Mean differences from the reference with their confidence intervals."""
    titles = labels.titles(run)
    lines = sorted(lines, key=lambda line: -line["mean"])
    names = [titles[line["method"]] for line in lines]
    reference = titles[run["reference"]]

    def draw(axes: Axes, tips: Tips) -> None:
        axes.axvline(0, color=INK, lw=1)
        for place, (line, name) in enumerate(zip(lines, names, strict=True)):
            mean, low, high = (line[key] for key in ("mean", "low", "high"))
            ends = [end for end in (low, high) if isinstance(end, float)]
            is_tie = len(ends) < 2 or low <= 0 <= high
            color = SERIES[7] if is_tie else SERIES[int(mean < 0)]
            axes.plot(ends, [place] * len(ends), color=color, lw=2)
            [dot] = axes.plot(mean, place, "s", ms=6, color=color)
            tips.add(dot, f"{name}: {interval(line)}")
        axes.figure.suptitle(f"Against {reference}", fontsize=labels.SIZE)
        _rows(axes, names, f"difference in PSNR, dB ({label}, 95 % intervals)")

    return Plot(
        "forest",
        number,
        f"Differences from {reference}, {label}",
        "; ".join(f"{n} {interval(line)}" for n, line in zip(names, lines, strict=True)) + ".",
        svg(draw, _size(names), f"forest{number}"),
    )


def ranks(run: dict[str, Any], found: dict[str, Any]) -> Plot:
    """Average ranks; bars as long as the critical difference overlap where it is not reached."""
    average = found["average"]
    names = [labels.titles(run)[method] for method in average]
    number, reach = found["level"], found["critical_difference"] / 2
    label = run["levels"][number]["label"]

    def draw(axes: Axes, tips: Tips) -> None:
        for place, (name, rank) in enumerate(zip(names, average.values(), strict=True)):
            axes.plot([rank - reach, rank + reach], [place] * 2, color=SERIES[0], lw=2)
            [dot] = axes.plot(rank, place, "s", ms=6, color=SERIES[0])
            tips.add(dot, f"{name}: {rank:.2f}")
        count = len(names)
        axes.set_xticks(range(1, count + 1) if count < 10 else [1, *range(5, count + 1, 5)])
        _rows(axes, names, f"average rank by PSNR ({label}); 1 is best")

    return Plot(
        "ranks",
        number,
        f"Average ranks, {label}",
        f"Critical difference {2 * reach:.2f}; "
        + ", ".join(f"{n} {rank:.2f}" for n, rank in zip(names, average.values(), strict=True))
        + ".",
        svg(draw, _size(names), f"ranks{number}"),
    )


def times(run: dict[str, Any], rows: list[dict[str, Any]]) -> Plot:
    """Where the time goes: loading, the first call, a warm call, transfer."""
    names = labels.names(run, rows)
    stages = {stage: look for stage, look in _STAGES.items() if any(row[stage] for row in rows)}

    def draw(axes: Axes, tips: Tips) -> None:
        for place, (row, name) in enumerate(zip(rows, names, strict=True)):
            known = [row[stage] for stage in stages if row[stage]]
            axes.plot([min(known), max(known)], [place] * 2, color=FAINT, lw=2)
            for stage, (words, color, marker) in stages.items():
                if row[stage]:
                    [dot] = axes.plot(row[stage], place, marker, ms=6.5, color=color)
                    tips.add(dot, f"{name}, {words}: {three_digits(row[stage])} ms")
        log_scale(axes)
        _rows(axes, names, "ms (log scale)")
        legend(axes, {words: (color, marker) for words, color, marker in stages.values()})

    return Plot(
        "times",
        None,
        "Where the time goes",
        "; ".join(
            f"{name}: "
            + ", ".join(
                f"{words} {three_digits(row[stage])} ms"
                for stage, (words, _, _) in stages.items()
                if row[stage]
            )
            for row, name in zip(rows, names, strict=True)
        )
        + ".",
        svg(draw, _size(names), "times"),
    )
