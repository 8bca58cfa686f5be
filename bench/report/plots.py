"""A run's figures: pure functions of its summary."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from denoisebench.report import labels
from denoisebench.report.drawing import BACK, FAINT, INK, NARROW, SERIES, WIDE, Tips, log_scale, svg
from denoisebench.report.summary import costs
from denoisebench.report.words import DEVICE_NAMES, interval, one_line, three_digits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text

_DEVICE_LOOKS = {"cpu": (SERIES[0], "o"), "cuda": (SERIES[1], "D")}
_STAGES = {
    "load_ms": ("load", SERIES[5], "s"),
    "cold_ms": ("first call", SERIES[3], "^"),
    "ms_per_frame": ("warm call", SERIES[0], "o"),
    "transfer_ms": ("transfer", SERIES[1], "D"),
}
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))
_MARKERS = "os^DvPX<"
_NAME_SIZE = 9  # points
_LONGEST_TITLE = 42
_FOLD = 26
_MOST_DOTS = 100
"""Frames that are shown one by one; of more, only those far out."""


@dataclass(frozen=True)
class Plot:
    """One figure.

    Attributes:
        kind: ``frontier``, ``course``, ``frames``, ``forest``, ``ranks`` or ``times``.
        level: which of the summary's levels it shows; None if all.
        title: what it shows.
        alt: what it says, in words.
        svg: the file's content, in the colours of a light page.
    """

    kind: str
    level: int | None
    title: str
    alt: str
    svg: str

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.kind if self.level is None else f"{self.kind}-{self.level + 1}"


def plots(run: dict[str, Any]) -> Iterator[Plot]:
    """The figures that the summary of a run has data for."""
    for number, level in enumerate(run["levels"]):
        rows = [row for row in _competing(run) if row["level"] == number and _finite_psnr(row)]
        timed = [row for row in rows if row["ms_per_megapixel"]]
        if len(timed) > 1:
            yield _frontier(run, number, level["label"], timed)
        if any(len(row["psnr_by_frame"]) > 1 for row in rows):
            yield _frames(run, number, level["label"], rows)
        compared = [line for line in run["differences"] if line["level"] == number]
        if finite := [line for line in compared if isinstance(line["mean"], float)]:
            yield _forest(run, number, level["label"], finite)
    for ranks in run["ranks"]:
        yield _ranks(run, ranks)
    if lines := _lines(run):
        yield _course(run, lines)
    if timed := [row for row in costs(run) if row["ms_per_frame"] and _competes(run, row)]:
        yield _times(run, timed)


def _competing(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in run["table"] if _competes(run, row)]


def _competes(run: dict[str, Any], row: dict[str, Any]) -> bool:
    return row["method"] not in {m["method"] for m in run["methods"] if m["family"] == "control"}


def _finite_psnr(row: dict[str, Any]) -> bool:
    return isinstance(row["scores"].get("psnr"), float)


def _titles(run: dict[str, Any]) -> dict[str, str]:
    """Of every method; of a long one both ends, for methods often differ in the last words."""
    titles = {m["method"]: one_line(m["title"]) for m in run["methods"]}
    half = _LONGEST_TITLE // 2
    return {
        method: title if len(title) <= _LONGEST_TITLE else f"{title[:half]}…{title[-half:]}"
        for method, title in titles.items()
    }


def _names(run: dict[str, Any], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Of rows: the methods' titles, with the device where there are several."""
    titles = _titles(run)
    several = len({row["device"] for row in rows}) > 1
    return [
        titles[row["method"]] + (f" ({DEVICE_NAMES[row['device']]})" if several else "")
        for row in rows
    ]


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, gain) than which none costs less and gains as much, by cost."""
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def _frontier(run: dict[str, Any], number: int, label: str, rows: list[dict[str, Any]]) -> Plot:
    """PSNR against the time for a megapixel: who gives most for the time it takes."""
    points = [(row["ms_per_megapixel"], row["scores"]["psnr"]) for row in rows]
    names = _names(run, rows)
    devices = list(dict.fromkeys(row["device"] for row in rows))
    front = pareto(points)
    steps = [points[front[0]]]
    for x, y in (points[i] for i in front[1:]):
        steps += [(x, steps[-1][1]), (x, y)]

    def draw(axes: Axes, tips: Tips) -> None:
        axes.plot(*zip(*steps, strict=True), color=INK, lw=1, ls=(0, (4, 3)), zorder=1)
        for index, (row, (x, y), name) in enumerate(zip(rows, points, names, strict=True)):
            color, marker = _DEVICE_LOOKS[row["device"]]
            face = color if index in front else BACK
            [dot] = axes.plot(x, y, marker, ms=8, color=face, mec=color, mew=1.6, zorder=3)
            tips.add(dot, f"{name}: {y:.2f} dB, {three_digits(x)} ms per megapixel")
        axes.margins(x=0.1, y=0.1)
        log_scale(axes)
        axes.set_xlabel("ms per megapixel (log scale)")
        axes.set_ylabel(f"PSNR, dB ({label})")
        if len(devices) > 1:
            looks = {DEVICE_NAMES[device]: _DEVICE_LOOKS[device] for device in devices}
            _legend(axes, looks)
        _label_points(axes, points, names, steps)

    best = "; ".join(
        f"{names[i]} {points[i][1]:.2f} dB at {three_digits(points[i][0])} ms" for i in front
    )
    return Plot(
        "frontier",
        number,
        f"PSNR against time per megapixel, {label}",
        f"{len(rows)} points on {' and '.join(DEVICE_NAMES[d] for d in devices)}. "
        f"On the Pareto front, from fast to slow: {best}.",
        svg(draw, (WIDE, 4.9), f"frontier{number}"),
    )


def _legend(axes: Axes, looks: dict[str, tuple[str, str]]) -> None:
    """What colours and marks mean, above the figure."""
    for words, (color, marker) in looks.items():
        axes.plot([], [], marker, color=color, label=words)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(looks), columnspacing=1.4)


def _label_points(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    steps: Sequence[tuple[float, float]],
) -> None:
    """Write each name beside its point, or a little off with a line to it."""
    figure = axes.figure
    texts = _names_of(axes, names, va="bottom")
    figure.draw_without_rendering()  # type: ignore[union-attr]
    sizes = [(box.width, box.height) for box in (text.get_window_extent() for text in texts)]
    spots = [(float(x), float(y)) for x, y in axes.transData.transform(points)]
    corners = [(float(x), float(y)) for x, y in axes.transData.transform(steps)]
    inside = axes.get_window_extent()
    room = (inside.x0, inside.y0, float(figure.bbox.x1), inside.y1)  # type: ignore[union-attr]
    boxes = labels.beside(spots, sizes, list(pairwise(corners)), room)
    for text, spot, box in zip(texts, spots, boxes, strict=True):
        text.set_position(box[:2])
        end = labels.nearest(box, spot)
        if math.dist(spot, end) > labels.NEAR + 1:
            _draw_leader(axes, [spot, end], INK)


def _names_of(axes: Axes, names: Sequence[str], va: str) -> list[Text]:
    """Texts that take no part in the layout, to be measured and then put in their places."""
    look: dict[str, Any] = {"fontsize": _NAME_SIZE, "va": va, "in_layout": False}
    return [axes.text(0, 0, name, transform=None, **look) for name in names]


def _draw_leader(axes: Axes, corners: Sequence[tuple[float, float]], color: str) -> None:
    """A thin line from a point to its name, in points of type."""
    from matplotlib.lines import Line2D

    line = Line2D(*zip(*corners, strict=True), color=color, lw=0.7, transform=None)
    line.set(clip_on=False, in_layout=False, zorder=2)
    axes.add_artist(line)


def _frames(run: dict[str, Any], number: int, label: str, rows: list[dict[str, Any]]) -> Plot:
    """Every frame's PSNR: whether a mean stands for all frames, or hides bad ones."""
    rows = list({row["method"]: row for row in reversed(rows)}.values())[::-1]
    names = [_titles(run)[row["method"]] for row in rows]
    values = [
        {f: v for f, v in row["psnr_by_frame"].items() if isinstance(v, float)} for row in rows
    ]
    many = any(len(frames) > _MOST_DOTS for frames in values)

    def draw(axes: Axes, tips: Tips) -> None:
        thin: dict[str, Any] = {"color": INK, "linewidth": 0.8}
        axes.boxplot(
            [list(frames.values()) for frames in values],
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
        for place, frames in enumerate([] if many else values):
            for i, (frame, psnr) in enumerate(frames.items()):
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
            f"{name} {_three_of(list(frames.values()))} dB"
            for name, frames in zip(names, values, strict=True)
            if frames
        )
        + ".",
        svg(draw, _size(names), f"frames{number}"),
    )


def _three_of(values: list[float]) -> str:
    return f"{min(values):.2f}, {median(values):.2f}, {max(values):.2f}"


def _rows(axes: Axes, names: Sequence[str], words: str) -> None:
    """A row a name, the first on top, and what the horizontal axis is."""
    axes.set_yticks(range(len(names)), [_folded(name) for name in names], fontsize=_NAME_SIZE)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(words)


def _folded(name: str) -> str:
    """On two lines if it is long."""
    lines = textwrap.wrap(name, _FOLD)
    half = len(name) // 2
    return "\n".join(lines if len(lines) <= 2 else [name[:half], name[half:]])


def _size(rows: Sequence[Any]) -> tuple[float, float]:
    """Of a figure of rows, in inches: width and height."""
    return NARROW, 1 + 0.31 * len(rows)


def _forest(run: dict[str, Any], number: int, label: str, lines: list[dict[str, Any]]) -> Plot:
    """Mean differences from the reference with their confidence intervals."""
    titles = _titles(run)
    lines = sorted(lines, key=lambda line: -line["mean"])
    names = [titles[line["method"]] for line in lines]
    reference = titles[run["reference"]]

    def draw(axes: Axes, tips: Tips) -> None:
        axes.axvline(0, color=INK, lw=1)
        for place, (line, name) in enumerate(zip(lines, names, strict=True)):
            mean, low, high = (line[key] for key in ("mean", "low", "high"))
            ends = [end for end in (low, high) if isinstance(end, float)]
            is_tie = len(ends) == 2 and low <= 0 <= high
            color = SERIES[7] if is_tie else SERIES[int(mean < 0)]
            axes.plot(ends, [place] * len(ends), color=color, lw=2)
            [dot] = axes.plot(mean, place, "s", ms=6, color=color)
            tips.add(dot, f"{name}: {interval(line)}")
        _rows(axes, names, f"PSNR less that of {reference}, dB\n({label}, 95 % intervals)")

    return Plot(
        "forest",
        number,
        f"Differences from {reference}, {label}",
        "; ".join(f"{n} {interval(line)}" for n, line in zip(names, lines, strict=True)) + ".",
        svg(draw, _size(names), f"forest{number}"),
    )


def _ranks(run: dict[str, Any], ranks: dict[str, Any]) -> Plot:
    """Average ranks; bars as long as the critical difference overlap where it is not reached."""
    average = ranks["average"]
    names = [_titles(run)[method] for method in average]
    number, reach = ranks["level"], ranks["critical_difference"] / 2
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


def _lines(run: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Points (sigma, PSNR) of the methods that have two at least, where no sigma was told."""
    found: dict[str, dict[float, float]] = {}
    for row in _competing(run):
        level = run["levels"][row["level"]]
        if level["sigma"] is not None and level["told"] is None and _finite_psnr(row):
            found.setdefault(row["method"], {}).setdefault(level["sigma"], row["scores"]["psnr"])
    return {m: sorted(points.items()) for m, points in found.items() if len(points) > 1}


def _course(run: dict[str, Any], lines: dict[str, list[tuple[float, float]]]) -> Plot:
    titles = _titles(run)
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
    """Write names to the right of the figure, level with their lines' ends or near to it."""
    figure = axes.figure
    texts = _names_of(axes, names, va="center")
    room = 15 + max(text.get_window_extent().width for text in texts)
    share = 1 - room / figure.bbox.width
    figure.set_layout_engine("constrained", rect=(0, 0, share, 1))  # type: ignore[union-attr]
    figure.draw_without_rendering()  # type: ignore[union-attr]
    inside = axes.get_window_extent()
    spots = axes.transData.transform(ends)
    gap = 1.3 * _NAME_SIZE
    heights = labels.spread([y for _, y in spots], gap, inside.y0, inside.y1)
    for line, text, (x, y), height in zip(axes.get_lines(), texts, spots, heights, strict=True):
        text.set(position=(inside.x1 + 14, height), color=line.get_color())
        _draw_leader(axes, [(x + 4, y), (inside.x1, y), (inside.x1 + 12, height)], FAINT)


def _times(run: dict[str, Any], rows: list[dict[str, Any]]) -> Plot:
    """Where the time goes: loading, the first call, a warm call, transfer."""
    names = _names(run, rows)
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
        _legend(axes, {words: (color, marker) for words, color, marker in stages.values()})

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
