"""The report as one HTML page that needs no network, no other file and no library."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup, escape

from denoisebench.plotting import load_matplotlib
from denoisebench.reporting import formatting
from denoisebench.reporting.advice import advise_on
from denoisebench.reporting.advice_text import claims
from denoisebench.reporting.contents import SECTIONS
from denoisebench.reporting.escaping import escape_comment
from denoisebench.reporting.figures.drawing import inline
from denoisebench.reporting.footnotes import parts
from denoisebench.reporting.summary import costs
from denoisebench.reporting.templates import template_environment
from denoisebench.reporting.viewer import extremes, leaders, notable_frames, viewer
from denoisebench.text import one_line
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jinja2

    from denoisebench.reporting.contents import Contents
    from denoisebench.reporting.differences import Difference
    from denoisebench.reporting.figures.drawing import Plot
    from denoisebench.reporting.summary import Failure, Summary
    from denoisebench.reporting.table import Column, Table
    from denoisebench.store.manifest import FrameRecord

MOST_LISTED = 200
"""Most lines of a list of frames or failures: more than anybody reads. ``frames.csv`` has all."""

_SCRIPTS = (
    *("dom", "tables", "state", "levels", "filter", "marks"),
    *("pixels", "lens", "gestures", "viewer", "start"),
)
"""The page's scripts, each after those whose names it uses."""

_TICKS = 5
"""Approximate number of ticks on the axis of the differences."""


def table_html(table: Table) -> str:
    """Render Table 1 with its footnotes and legend, as a part of a page."""
    return _environment().get_template("table.html").render(table=table)


def page(runs: Iterable[Contents]) -> str:
    """Render the HTML page of one or more runs."""
    template = _environment().get_template("page.html")
    several = list(runs)
    sections = [
        _section(run, f"run-{number}", run.name if len(several) > 1 else "")
        for number, run in enumerate(several, 1)
    ]
    return template.render(
        runs=sections,
        style=Markup(_asset("page.css")),
        script=Markup("\n".join(_asset(f"{name}.js") for name in _SCRIPTS)),
        devices=formatting.DEVICE_NAMES,
    )


def _environment() -> jinja2.Environment:
    """Return the environment of our templates, with their filters."""
    environment = template_environment(_asset)
    environment.filters |= {
        "code": _code,
        "comment": lambda text: Markup(escape_comment(text)),
        "grouped": _grouped_columns,
        "counted": counted,
    }
    environment.filters |= {"digits": formatting.three_digits, "decibels": formatting.decibels}
    environment.filters |= {"hundredths": formatting.decimals(2), "interval": formatting.interval}
    environment.filters |= {"percent": formatting.percent, "pvalue": formatting.pvalue}
    environment.filters |= {"megabytes": formatting.megabytes}
    return environment


def _asset(name: str) -> str:
    """Read one of the page's own files; its content is trusted."""
    return (resources.files("denoisebench.reporting") / "assets" / name).read_text(encoding="utf-8")


def _section(run: Contents, id: str, folder: str) -> dict[str, Any]:
    """Collect the values that the template needs for a run.

    Args:
        run: the run.
        id: the section's id on the page.
        folder: folder beside the page with the run's other reports; empty for the page's own.
    """
    of = run.summary
    plots = {
        section.kind: [_shown(plot, id) for plot in run.plots if plot.kind == section.kind]
        for section in SECTIONS
    }
    forests = _forests(run)
    filled = {kind for kind, shown in plots.items() if shown and kind != "forest"}
    filled |= {"forest"} if forests else set()
    return {
        "id": id,
        "summary": of,
        "advice": claims(advise_on(run.results)),
        "titles": of.titles,
        "table": run.table,
        "sections": [s for s in SECTIONS if s.always or s.kind in filled],
        "plots": plots,
        "forests": forests,
        "extremes": extremes(of),
        "failures": _grouped(of.failures),
        "frames": _listed(of),
        "most": MOST_LISTED,
        "csv": f"{quote(folder)}/frames.csv" if folder else "frames.csv",
        "leaders": leaders(of),
        "viewer": viewer(run),
        "about": _about(of),
        "costs": costs(of),
        "parts": parts(run.results.manifest),
    }


def _shown(plot: Plot, scope: str) -> tuple[Plot, Markup, Markup]:
    """Return a figure with its drawings for a wide and for a narrow place; the latter may be ''."""
    narrow = inline(plot.narrow, scope) if plot.narrow else ""
    return plot, Markup(inline(plot.svg, scope)), Markup(narrow)


def _about(summary: Summary) -> dict[str, Any]:
    """Return what the page's script needs: names of levels and devices, and cards for the filter.

    Controls have no card: no filter hides them.
    """
    rows = [row for row in summary.competing if row.level == 0]
    cards = {
        one_line(m.method): {
            "family": [one_line(m.family)],
            "licence": [one_line(m.licence)],
            "device": [row.device for row in rows if row.method == m.method],
        }
        for m in summary.methods
        if not m.is_control
    }
    levels = [level.label for level in summary.levels]
    return {"levels": levels, "devices": formatting.DEVICE_NAMES, "methods": cards}


def _listed(summary: Summary) -> list[FrameRecord]:
    """Return the frames to list, in the order of the run: of many, the worst and the best ones."""
    kept = {frame.id for frame in notable_frames(summary)[:MOST_LISTED]}
    return [frame for frame in summary.dataset.frames if frame.id in kept]


@dataclass(frozen=True)
class _Forest:
    """Differences of all methods from a reference."""

    reference: str
    lines: list[Difference]

    @property
    def axis(self) -> _Axis:
        """The axis that all lines share."""
        return _axis(self.lines)


def _forests(run: Contents) -> list[_Forest]:
    """Return a forest for each possible reference; the reader chooses one on the page."""
    first = run.summary.reference
    listed = [m.method for m in run.summary.methods]
    others = [m for m in run.results.contestants if m != first]
    references = [] if first is None else [first, *sorted(others, key=listed.index)]
    found = ((ref, run.differences.against(ref)) for ref in references)
    return [_Forest(ref, sorted(lines, key=_place)) for ref, lines in found if lines]


def _place(line: Difference) -> tuple[int, bool, float]:
    """Return a key that sorts by level, then from best to worst mean; unknown means come last."""
    mean = math.nan if line.mean is None else line.mean
    return line.level, math.isnan(mean), -mean


@dataclass(frozen=True)
class _Axis:
    """Axis that all differences from a reference share.

    Attributes:
        low: left end in dB.
        high: right end in dB.
        ticks: evenly spaced values in dB.
    """

    low: float
    high: float
    ticks: list[float]

    def at(self, value: float) -> str:
        """Return a value's place on the axis in percent, as text."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}"

    @property
    def style(self) -> str:
        """Places of the ticks and of zero, for the style sheet."""
        step = 100 * (self.ticks[1] - self.ticks[0]) / (self.high - self.low)
        return f"--first: {self.at(self.ticks[0])}%; --step: {step:.4f}%; --zero: {self.at(0)}%"


def _axis(lines: Iterable[Difference]) -> _Axis:
    """Return an axis that holds zero and all finite ends of the differences."""
    load_matplotlib()
    from matplotlib.ticker import MaxNLocator

    ends = [end for line in lines for end in (line.mean, line.low, line.high)]
    known = [0.0, *(end for end in ends if end is not None and math.isfinite(end))]
    margin = 0.04 * (max(known) - min(known)) or 0.1
    low, high = min(known) - margin, max(known) + margin
    ticks = MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
    return _Axis(low, high, [float(tick) for tick in ticks if low < tick < high])


def _grouped(failures: Iterable[Failure]) -> list[tuple[Failure, int]]:
    """Group equal failures: return the first of each group, and their number."""
    counts = Counter((f.method, f.device, f.status, f.reason) for f in failures)
    first = {(f.method, f.device, f.status, f.reason): f for f in reversed([*failures])}
    return [(first[alike], count) for alike, count in counts.items()]


def _grouped_columns(columns: Iterable[Column]) -> list[tuple[str, list[Column]]]:
    """Group neighbouring columns that share a head."""
    return [(group, list(same)) for group, same in groupby(columns, lambda c: c.group)]


def _code(text: str) -> Markup:
    """Mark text between backticks as code."""
    parts = one_line(text).split("`")
    wrapped = (
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )
    return Markup("").join(wrapped)
