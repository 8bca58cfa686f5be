"""A run's figures as SVG: pure functions of its summary, drawn by matplotlib.

Text stays text, so that it can be read out, searched and scaled. A figure is drawn once, in the
colours of a light page; on a page that can be dark, they become the page's own variables.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from denoisebench.report.table import DEVICE_NAMES, three_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, BACK = "#1f2329", "#c9ced6", "#fdfdfc"
_SERIES = ("#2f6fb5", "#c9561d", "#3a8a4d", "#8a5ab5", "#a8760e", "#118a94", "#c23b6e", "#6c7480")
_VARIABLES = {INK: "--ink", FAINT: "--line", BACK: "--page"} | {
    color: f"--series-{number}" for number, color in enumerate(_SERIES, 1)
}
_DEVICE_LOOKS = {"cpu": (_SERIES[0], "o"), "cuda": (_SERIES[1], "D")}
_STAGES = {
    "load_ms": ("load", _SERIES[5], "s"),
    "cold_ms": ("first call", _SERIES[3], "^"),
    "ms_per_frame": ("warm call", _SERIES[0], "o"),
    "transfer_ms": ("transfer", _SERIES[1], "D"),
}
_WIDTH = 7.6  # inches, at 72 units each
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a method's name is a dollar
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Plot:
    """One figure.

    Attributes:
        kind: ``frontier``, ``course``, ``frames``, ``forest`` or ``times``.
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

    @property
    def inline(self) -> str:
        """For a page: without prolog, in the page's colours."""
        svg = self.svg[self.svg.index("<svg") :].replace(_backdrop(), "", 1)
        return re.sub("|".join(_VARIABLES), lambda found: f"var({_VARIABLES[found[0]]})", svg)


def plots(run: dict[str, Any]) -> Iterator[Plot]:
    """The figures that the summary of a run has data for."""
    for number, level in enumerate(run["levels"]):
        rows = [row for row in _competing(run) if row["level"] == number and _finite_psnr(row)]
        timed = [row for row in rows if row["ms_per_megapixel"]]
        if timed:
            yield _frontier(run, number, level["label"], timed)
        if rows:
            yield _frames(run, number, level["label"], rows)
        compared = [line for line in run["differences"] if line["level"] == number]
        if bounded := [d for d in compared if not isinstance(d["mean"], str | None)]:
            yield _forest(run, number, level["label"], bounded)
    if lines := _lines(run):
        yield _course(run, lines)
    if timed := _first_level(run):
        yield _times(run, timed)


def _competing(run: dict[str, Any]) -> list[dict[str, Any]]:
    controls = {m["method"] for m in run["methods"] if m["family"] == "control"}
    return [row for row in run["table"] if row["method"] not in controls]


def _finite_psnr(row: dict[str, Any]) -> bool:
    return isinstance(row["scores"].get("psnr"), float)


def _titles(run: dict[str, Any]) -> dict[str, str]:
    """Of every method, on one line and not too long for a figure."""
    shown = {m["method"]: " ".join(m["title"].split()) for m in run["methods"]}
    return {m: title if len(title) <= 34 else f"{title[:33]}…" for m, title in shown.items()}


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, gain) than which none costs less and gains as much, by cost."""
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def _frontier(run: dict[str, Any], number: int, label: str, rows: list[dict[str, Any]]) -> Plot:
    """PSNR against the time for a megapixel: who gives most for the time it takes."""
    titles = _titles(run)
    several = len({row["device"] for row in rows}) > 1
    points = [(row["ms_per_megapixel"], row["scores"]["psnr"]) for row in rows]
    names = [
        titles[row["method"]] + (f" ({DEVICE_NAMES[row['device']]})" if several else "")
        for row in rows
    ]
    front = pareto(points)

    def draw(axes: Axes, tips: _Tips) -> None:
        xs, ys = zip(*(points[i] for i in front), strict=True)
        axes.step(xs, ys, where="post", color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        for index, (row, (x, y), name) in enumerate(zip(rows, points, names, strict=True)):
            color, marker = _DEVICE_LOOKS[row["device"]]
            face = color if index in front else BACK
            [dot] = axes.plot(x, y, marker, ms=8, color=face, mec=color, mew=1.6, zorder=3)
            tips.add(dot, f"{name}: {y:.2f} dB, {three_digits(x)} ms per megapixel")
        _log_scale(axes)
        axes.margins(x=0.13, y=0.12)
        axes.set_xlabel("ms per megapixel (log scale)")
        axes.set_ylabel(f"PSNR, dB ({label})")
        if several:
            _device_legend(axes, [row["device"] for row in rows])
        _label_points(axes, points, names)

    devices = ", ".join(DEVICE_NAMES[d] for d in dict.fromkeys(row["device"] for row in rows))
    best = "; ".join(
        f"{names[i]} {points[i][1]:.2f} dB at {three_digits(points[i][0])} ms" for i in front
    )
    return Plot(
        "frontier",
        number,
        f"PSNR against time per megapixel, {label}",
        f"{len(rows)} points on {devices}. On the Pareto front, from fast to slow: {best}.",
        _svg(draw, 4.6, f"frontier{number}"),
    )


def _device_legend(axes: Axes, devices: list[str]) -> None:
    for device in dict.fromkeys(devices):
        color, marker = _DEVICE_LOOKS[device]
        axes.plot([], [], marker, color=color, label=DEVICE_NAMES[device])
    axes.legend(loc="lower right")


def _label_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write each name beside its point, where it covers least."""
    figure = axes.figure
    figure.draw_without_rendering()  # type: ignore[union-attr]
    inside = axes.get_window_extent()
    spots = axes.transData.transform(points)
    taken: list[Sequence[float]] = [(x - 6, y - 6, x + 6, y + 6) for x, y in spots]
    for point, name in zip(points, names, strict=True):
        best, least = None, math.inf
        for penalty, (dx, dy, across, up) in enumerate(_PLACES):
            text = axes.annotate(
                name, point, (dx, dy), textcoords="offset points", ha=across, va=up, fontsize=9
            )
            box = text.get_window_extent().extents
            outside = max(0, box[2] - inside.x1) + max(0, inside.x0 - box[0])
            cost = sum(_overlap(box, other) for other in taken) + 20 * outside + penalty
            if cost < least:
                if best is not None:
                    best.remove()
                best, least, chosen = text, cost, tuple(box)
            else:
                text.remove()
        taken.append(chosen)


_PLACES = (
    (8, 0, "left", "center"),
    (-8, 0, "right", "center"),
    (0, 8, "center", "bottom"),
    (0, -8, "center", "top"),
    (6, 6, "left", "bottom"),
    (6, -6, "left", "top"),
    (-6, 6, "right", "bottom"),
    (-6, -6, "right", "top"),
    (0, 20, "center", "bottom"),
    (0, -20, "center", "top"),
)


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Common area of two boxes (x0, y0, x1, y1)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _frames(run: dict[str, Any], number: int, label: str, rows: list[dict[str, Any]]) -> Plot:
    """Every frame's PSNR: whether a mean stands for all frames, or hides bad ones."""
    titles = _titles(run)
    rows = list({row["method"]: row for row in reversed(rows)}.values())[::-1]
    values = [
        {f: v for f, v in row["psnr_by_frame"].items() if isinstance(v, float)} for row in rows
    ]

    def draw(axes: Axes, tips: _Tips) -> None:
        thin: dict[str, Any] = {"color": INK, "linewidth": 0.8}
        axes.boxplot(
            [list(v.values()) for v in values],
            positions=range(len(rows)),
            orientation="horizontal",
            widths=0.55,
            showfliers=False,
            boxprops=thin,
            whiskerprops=thin,
            capprops=thin,
            medianprops={"color": INK, "linewidth": 2},
        )
        for place, (row, frames) in enumerate(zip(rows, values, strict=True)):
            spread = [place + 0.2 * math.sin(2.4 * i) for i in range(len(frames))]
            for (frame, psnr), y in zip(frames.items(), spread, strict=True):
                [dot] = axes.plot(psnr, y, "o", ms=3.6, color=_SERIES[0], alpha=0.75, mew=0)
                tips.add(dot, f"{titles[row['method']]}, {frame}: {psnr:.2f} dB")
        axes.set_yticks(range(len(rows)), [titles[row["method"]] for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"PSNR of single frames, dB ({label})")

    return Plot(
        "frames",
        number,
        f"PSNR by frame, {label}",
        "Lowest, median and highest PSNR of a frame: "
        + "; ".join(
            f"{titles[row['method']]} {_three_of(list(v.values()))} dB"
            for row, v in zip(rows, values, strict=True)
            if v
        )
        + ".",
        _svg(draw, 0.9 + 0.33 * len(rows), f"frames{number}"),
    )


def _three_of(values: list[float]) -> str:
    from statistics import median

    return f"{min(values):.2f}, {median(values):.2f}, {max(values):.2f}"


def _forest(run: dict[str, Any], number: int, label: str, lines: list[dict[str, Any]]) -> Plot:
    """Mean differences from the reference with their confidence intervals."""
    titles = _titles(run)
    lines = sorted(lines, key=lambda line: -line["mean"])
    reference = titles[run["reference"]]

    def draw(axes: Axes, tips: _Tips) -> None:
        axes.axvline(0, color=INK, linewidth=1)
        for place, line in enumerate(lines):
            mean, title = line["mean"], titles[line["method"]]
            color = _SERIES[7] if line["low"] <= 0 <= line["high"] else _SERIES[int(mean < 0)]
            axes.plot([line["low"], line["high"]], [place] * 2, color=color, linewidth=2)
            [dot] = axes.plot(mean, place, "s", ms=6, color=color)
            tips.add(dot, f"{title}: {interval(line)}")
        axes.set_yticks(range(len(lines)), [titles[line["method"]] for line in lines])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"PSNR less that of {reference}, dB ({label}), with 95 % intervals")

    return Plot(
        "forest",
        number,
        f"Differences from {reference}, {label}",
        "; ".join(f"{titles[line['method']]} {interval(line)}" for line in lines) + ".",
        _svg(draw, 0.9 + 0.33 * len(lines), f"forest{number}"),
    )


def interval(line: dict[str, Any]) -> str:
    """A difference with its confidence interval, in words."""
    mean, low, high = (signed(line[key]) for key in ("mean", "low", "high"))
    return f"{mean} dB [{low}, {high}]"


def signed(value: float | str | None) -> str:
    """Decibels with their sign."""
    if value is None or math.isnan(float(value)):
        return "–"
    return f"{float(value):+.2f}".replace("inf", "∞").replace("-", "−")


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

    def draw(axes: Axes, tips: _Tips) -> None:
        for index, (method, points) in enumerate(lines.items()):
            xs, ys = zip(*points, strict=True)
            color = _SERIES[index % len(_SERIES)]
            style = ("-", (0, (5, 2)), (0, (1, 1.5)))[index // len(_SERIES) % 3]
            [line] = axes.plot(xs, ys, color=color, linestyle=style, marker="o", ms=4)
            shown = ", ".join(f"{y:.2f} dB at {x:g}" for x, y in points)
            tips.add(line, f"{titles[method]}: {shown}")
        sigmas = sorted({x for points in lines.values() for x, _ in points})
        axes.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
        axes.set_xlabel("sigma of the noise, of 255")
        axes.set_ylabel("PSNR, dB")
        _label_ends(axes, {titles[m]: points[-1] for m, points in lines.items()})

    return Plot(
        "course",
        None,
        "Mean PSNR at each sigma",
        "; ".join(
            f"{titles[m]} " + ", ".join(f"{y:.2f} dB at sigma {x:g}" for x, y in points)
            for m, points in lines.items()
        )
        + ".",
        _svg(draw, 4.8, "course"),
    )


def _label_ends(axes: Axes, ends: dict[str, tuple[float, float]]) -> None:
    """Write names to the right of their lines' ends, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    right = max(x for x, _ in ends.values())
    start = min(axes.get_xlim()[0], right)
    gap = (high - low) * 0.047
    colors = {}
    for line, name in zip(axes.get_lines(), ends, strict=True):
        colors[name] = line.get_color()
    place = math.inf
    for name, (x, y) in sorted(ends.items(), key=lambda item: -item[1][1]):
        place = min(y, place - gap)
        axes.annotate(
            name,
            (x, y),
            (right + (right - start) * 0.05, place),
            va="center",
            fontsize=9,
            color=colors[name],
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.7, "relpos": (0, 0.5)},
        )
    axes.set_xlim(start, right + (right - start) * 0.42)
    axes.set_ylim(min(low, place - gap), high)


def _first_level(run: dict[str, Any]) -> list[dict[str, Any]]:
    """A timed row of each method and device: where it was timed first."""
    timed = [row for row in _competing(run) if row["ms_per_frame"]]
    return list({(row["method"], row["device"]): row for row in reversed(timed)}.values())[::-1]


def _times(run: dict[str, Any], rows: list[dict[str, Any]]) -> Plot:
    """Where the time goes: loading, the first call, a warm call, transfer."""
    titles = _titles(run)
    names = [f"{titles[row['method']]} ({DEVICE_NAMES[row['device']]})" for row in rows]

    def draw(axes: Axes, tips: _Tips) -> None:
        for place, (row, name) in enumerate(zip(rows, names, strict=True)):
            known = [row[stage] for stage in _STAGES if row[stage]]
            axes.plot([min(known), max(known)], [place] * 2, color=FAINT, linewidth=2)
            for stage, (words, color, marker) in _STAGES.items():
                if row[stage]:
                    [dot] = axes.plot(row[stage], place, marker, ms=6.5, color=color)
                    tips.add(dot, f"{name}, {words}: {three_digits(row[stage])} ms")
        for stage, (words, color, marker) in _STAGES.items():
            if any(row[stage] for row in rows):
                axes.plot([], [], marker, color=color, label=words)
        _log_scale(axes)
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("ms (log scale)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4)

    return Plot(
        "times",
        None,
        "Where the time goes",
        "; ".join(
            f"{name}: "
            + ", ".join(
                f"{words} {three_digits(row[stage])} ms"
                for stage, (words, _, _) in _STAGES.items()
                if row[stage]
            )
            for row, name in zip(rows, names, strict=True)
        )
        + ".",
        _svg(draw, 1.2 + 0.33 * len(rows), "times"),
    )


def _log_scale(axes: Axes) -> None:
    """Powers of ten, written out."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.10g}".replace(",", " "))
    )
    axes.xaxis.set_minor_formatter(NullFormatter())


class _Tips:
    """What a figure's parts say when they are pointed at."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def add(self, artist: Any, text: str) -> None:
        name = f"tip{len(self.texts)}"
        artist.set_gid(name)
        self.texts[name] = text


def _svg(draw: Callable[[Axes, _Tips], None], height: float, salt: str) -> str:
    """Draw a figure; the same data give the same bytes.

    Args:
        draw: draws on the axes it is given.
        height: in inches.
        salt: tells the figures of a page apart.
    """
    import matplotlib
    from matplotlib.figure import Figure

    tips = _Tips()
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": salt}):  # type: ignore[arg-type]
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        draw(axes, tips)
        return _cleaned(_saved(figure), tips, salt)


def _saved(figure: Figure) -> str:
    file = io.StringIO()
    nobody: dict[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nobody)
    return file.getvalue()


def _cleaned(svg: str, tips: _Tips, salt: str) -> str:
    """Leave out what no reader needs, keep names apart from other figures', and add the tips."""
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<!DOCTYPE.*?>", "", svg, flags=re.DOTALL)
    for name, text in tips.texts.items():
        svg = svg.replace(f'<g id="{name}">', f"<g><title>{escape(text)}</title>", 1)
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", svg)
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{salt}-", svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    start = svg.index(">", svg.index("<svg")) + 1
    return svg[:start] + _halo() + _backdrop() + svg[start:]


def _backdrop() -> str:
    return f'<rect width="100%" height="100%" fill="{BACK}"/>'


def _halo() -> str:
    """Keeps text readable where it crosses a line."""
    look = f"paint-order: stroke; stroke: {BACK}; stroke-width: 3px; stroke-linejoin: round"
    return f"<style>svg text {{ {look} }}</style>"
