"""A history as Markdown and as a drawing: pure functions of its courses."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.history import Course

_UNITS = {"psnr": "PSNR in dB", "time": "time, × the reference's", "ms": "ms/frame"}
_UNITS |= {"memory": "peak memory in MB", "ssim": "SSIM"}


def history_markdown(courses: Sequence[Course], labels: Sequence[str], metric: str) -> str:
    """A column a course, a row a run; ``▲`` and ``▼`` mark the first run after a change."""
    body = [
        [label.replace("|", "\\|"), *(_cell(course, i) for course in courses)]
        for i, label in enumerate(labels)
    ]
    headers = ["Run", *(course.name.replace("|", "\\|") for course in courses)]
    alignment = ["left", *["right"] * len(courses)]
    grid = tabulate(body, headers, "github", disable_numparse=True, colalign=alignment)
    return f"{grid}\n\n{_unit(metric)}. ▲ and ▼: changed here.\n"


def _unit(metric: str) -> str:
    return _UNITS.get(metric, metric)


def _cell(course: Course, i: int) -> str:
    value = course.values[i]
    if math.isnan(value):
        return "–"
    text = "∞" if math.isinf(value) else f"{value:.5g}"
    if i not in course.changes:
        return text
    before = next(v for v in reversed(course.values[:i]) if math.isfinite(v))
    return f"{text} {'▲' if value > before else '▼'}"


def history_svg(courses: Sequence[Course], labels: Sequence[str], metric: str) -> str:
    """One line a course; a ring marks the first run after a change. The same SVG every time."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "denoisebench", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, max(4.5, 0.2 * len(courses) + 1)), layout="constrained")
        axes = figure.subplots()
        for course in courses:
            [line] = axes.plot(course.values, marker=".", label=course.name.replace("$", "\\$"))
            at = course.changes
            axes.plot(at, course.values[at], "o", ms=11, mfc="none", color=line.get_color())
        axes.set_xticks(range(len(labels)), [label[:12].replace("$", "\\$") for label in labels])
        axes.tick_params(axis="x", labelrotation=45)
        axes.set_ylabel(_unit(metric))
        if metric in ("time", "ms", "memory"):
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
