"""Histories as Markdown and as SVG: pure functions of their courses."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate

from denoisebench.comparing.judging import TIME_LEVEL
from denoisebench.plotting import load_matplotlib
from denoisebench.reporting.escaping import escape_markdown
from denoisebench.reporting.formatting import NONE, decimals, three_digits
from denoisebench.statistics import LEVEL
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from denoisebench.comparing.history import Course

_UNITS = {"psnr": "PSNR in dB", "ssim": "SSIM", "time": "Time as a multiple of the reference's"}
_UNITS |= {"ms": "Time in ms a frame", "memory": "Peak memory in MB"}
_HEIGHTS = "▁▂▃▄▅▆▇█"
_WIDTH = 40  # the most runs that a sketch in the table shows
_TICKS = 30  # the most runs that are named on the axis
_FLAT = 2  # a sketch spans at least so many sizes to each side: smaller changes look flat


def figure_title(metric: str) -> str:
    """Name a metric or a cost, with its unit.

    Examples:
        >>> figure_title("psnr"), figure_title("flip")
        ('PSNR in dB', 'flip')
    """
    return _UNITS.get(metric, metric)


def history_markdown(courses: Sequence[Course], labels: Sequence[str], metric: str) -> str:
    """Render a Markdown table: each course's ends, its sketch, its change, scatter and verdict.

    Args:
        courses: the courses, of one metric.
        labels: the runs' names, at least one.
        metric: name of the metric or cost.
    """
    headers = [
        "Method",
        escape_markdown(labels[0]),
        "…",
        escape_markdown(labels[-1]),
        "Change",
        "Interval",
        "Scatter",
        "Verdict",
        "Changed with",
    ]
    body = [
        [
            escape_markdown(course.name),
            value_in_words(course, course.values[0]),
            _sketch(course.drift[-_WIDTH:], course.size),
            value_in_words(course, course.values[-1]),
            drift_in_words(course, course.drift[-1]),
            interval_in_words(course),
            _scatter_in_words(course),
            NONE if course.verdict is None else str(course.verdict),
            ", ".join(step_in_words(course, i, escape_markdown(labels[i])) for i in course.changes),
        ]
        for course in courses
    ]
    alignment = ["left", "right", "left", "right", "right", "right", "right", "left", "left"]
    grid = tabulate(body, headers, "github", disable_numparse=True, colalign=alignment)
    shown = "" if len(labels) <= _WIDTH else f", of which the latest {_WIDTH} are sketched"
    unit = f"{figure_title(metric)}, in {counted(len(labels), 'run')}{shown}."
    return f"{grid}\n\n{unit}  \n{_explained(courses[0])}\n"


def _explained(course: Course) -> str:
    """Explain the columns of the table's right half."""
    level = TIME_LEVEL if course.relative else LEVEL
    return (
        f"Interval: {100 * level:g} % of the change, over frames. Scatter: from run to run. "
        "Verdict: that of bench compare on the first and the last run."
    )


def interval_in_words(course: Course) -> str:
    """Print the interval of the last run's change; a dash where it has none."""
    low, high = course.interval[:, -1]
    if math.isnan(low):
        return NONE
    return f"{drift_in_words(course, low).removesuffix(' %')} to {drift_in_words(course, high)}"


def _scatter_in_words(course: Course) -> str:
    """Print the scatter from run to run."""
    scatter = course.scatter
    if math.isnan(scatter):
        return NONE
    return f"±{100 * scatter:.1f} %" if course.relative else f"±{scatter:.3f}"


def value_in_words(course: Course, value: float) -> str:
    """Print a value of a course, in the unit of `figure_title`."""
    return three_digits(value) if course.relative else decimals(3)(value)


def drift_in_words(course: Course, drift: float) -> str:
    """Print a change of a course: a cost's in percent, a score's in its unit."""
    if math.isnan(drift):
        return NONE
    return f"{decimals(1, sign=True)(100 * drift)} %" if course.relative else _signed(drift)


_signed = decimals(3, sign=True)


def step_in_words(course: Course, at: int, label: str) -> str:
    """Write a change of level: its direction, its run and its size.

    Args:
        course: the course.
        at: one of its changes.
        label: the name of the run with which it changed.
    """
    edges = [0, *course.changes, len(course.values)]
    place = edges.index(at)
    before = float(np.nanmean(course.values[edges[place - 1] : at]))
    after = float(np.nanmean(course.values[at : edges[place + 1]]))
    drift = after / before - 1 if course.relative else after - before
    return f"{'▲' if after > before else '▼'} {label}: {drift_in_words(course, drift)}"


def _sketch(drift: np.ndarray, size: float) -> str:
    """Sketch a course, a character for each run; changes too small to matter look flat."""
    known = drift[np.isfinite(drift)]
    if not len(known):
        return ""
    low, high = float(known.min()), float(known.max())
    span = max(high - low, 2 * _FLAT * size)
    steps = (drift - (low + high) / 2) / span + 0.5
    last = len(_HEIGHTS) - 1
    return "".join(_HEIGHTS[round(s * last)] if math.isfinite(s) else " " for s in steps)


def history_svg(courses: Sequence[Course], labels: Sequence[str], metric: str) -> str:
    """Draw each course's change since its first run, as SVG with the same bytes every time.

    Courses that changed have colours, with a ring at the run that changed them; others are grey.
    A band about each course is the interval of its change.

    Args:
        courses: the courses, of one metric, at least one.
        labels: the runs' names.
        metric: name of the metric or cost.
    """
    load_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    changed = [course for course in courses if course.changes]
    steady = [course for course in courses if not course.changes]
    scale = 100 if courses[0].relative else 1
    size = scale * courses[0].size
    with mpl.rc_context({"svg.hashsalt": "denoisebench", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, max(4.5, 0.2 * len(changed) + 1)), layout="constrained")
        axes = figure.subplots()
        axes.axhspan(-size, size, color="0.92", lw=0, label="too little to matter")
        for number, course in enumerate(steady):
            label = f"{len(steady)} that did not change" if number == 0 else None
            axes.plot(scale * course.drift, color="0.6", lw=1, label=label)
            _draw_interval(axes, course, scale, "0.6")
        for course in changed:
            name = course.name.replace("$", "\\$")
            [line] = axes.plot(scale * course.drift, marker=".", label=name)
            _draw_interval(axes, course, scale, line.get_color())
            ringed = scale * course.drift[course.changes]
            axes.plot(course.changes, ringed, "o", ms=11, mfc="none", color=line.get_color())
        names = [label[:12].replace("$", "\\$") for label in labels]
        ticks = range(0, len(names), math.ceil(len(names) / _TICKS))
        axes.set_xticks(ticks, [names[i] for i in ticks])
        axes.tick_params(axis="x", labelrotation=45)
        axes.set_title(figure_title(metric), loc="left", fontsize="medium")
        axes.set_ylabel(f"change since {names[0]}{', %' if courses[0].relative else ''}")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -_FLAT * size), max(high, _FLAT * size))
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _draw_interval(axes: Axes, course: Course, scale: float, colour: Any) -> None:
    """Draw the interval of a course's change as a band, where it has one."""
    low, high = scale * course.interval
    finite = np.isfinite(low) & np.isfinite(high)
    if finite.any():
        runs = np.arange(len(low))
        axes.fill_between(runs, low, high, where=finite, color=colour, alpha=0.15, lw=0)
        axes.vlines(runs[finite], low[finite], high[finite], color=colour, lw=1, alpha=0.5)
