"""The report as one page that needs nothing else: no network, no other file, no library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from denoisebench.reporting import summary, words
from denoisebench.reporting.chapters import CHAPTERS
from denoisebench.reporting.figures.drawing import inline
from denoisebench.reporting.viewer import extremes, leaders, viewer
from denoisebench.store import scores

if TYPE_CHECKING:
    from collections.abc import Iterable

    from denoisebench.reporting.contents import Contents
    from denoisebench.reporting.table import Column

_TICKS = 5
"""About so many on the axis of the differences."""


def page(runs: Iterable[Contents]) -> str:
    """The page, as HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        finalize=lambda value: words.one_line(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"code": _code, "grouped": _grouped_columns, "counted": words.counted}
    environment.filters |= {"digits": words.three_digits, "decibels": words.decibels}
    environment.filters |= {"hundredths": words.decimals(2), "interval": words.interval}
    environment.filters |= {"percent": words.percent, "pvalue": words.pvalue}
    environment.filters |= {"megabytes": words.megabytes}
    return environment.get_template("page.html").render(
        runs=[_section(run, f"run-{number}") for number, run in enumerate(runs, 1)],
        chapters={chapter.kind: chapter for chapter in CHAPTERS},
        style=Markup(_asset("page.css")),
        script=Markup(_asset("page.js")),
        devices=words.DEVICE_NAMES,
    )


def _asset(name: str) -> str:
    """A file of ours: what it holds is trusted."""
    return (resources.files("denoisebench.reporting") / "assets" / name).read_text(encoding="utf-8")


def _section(run: Contents, id: str) -> dict[str, Any]:
    """What the template shows of a run."""
    return {
        "id": id,
        "summary": run.summary,
        "titles": {method["method"]: method["title"] for method in run.summary["methods"]},
        "table": run.table,
        "plots": {
            kind: [(plot, Markup(inline(plot.svg, id))) for plot in run.plots if plot.kind == kind]
            for kind in (chapter.kind for chapter in CHAPTERS)
        },
        "forests": _forests(run),
        "extremes": extremes(run.summary),
        "failures": _grouped(run.summary["failures"]),
        "leaders": leaders(run.summary),
        "viewer": viewer(run),
        "costs": summary.costs(run.summary),
    }


def _forests(run: Contents) -> list[dict[str, Any]]:
    """The differences of all methods from each, so that the reader can choose the reference."""
    first = run.summary["reference"]
    listed = [m["method"] for m in run.summary["methods"]]
    others = [m for m in scores.contestants(run.results) if m != first]
    references = [] if first is None else [first, *sorted(others, key=listed.index)]
    found = []
    for reference in references:
        lines = summary.differences(run.results, reference)
        if lines:
            lines.sort(key=lambda line: (line["level"], math.isnan(line["mean"]), -line["mean"]))
            shown = [line | _drawn(line) for line in lines]
            found.append({"reference": reference, "lines": shown, "axis": _axis(lines)})
    return found


def _drawn(line: dict[str, Any]) -> dict[str, bool]:
    """Whether a difference has a place on an axis, and whether its interval has."""
    is_finite = math.isfinite(line["mean"])
    is_bounded = line["low"] is not None and math.isfinite(line["low"])
    return {"is_finite": is_finite, "is_bounded": is_finite and is_bounded}


@dataclass(frozen=True)
class _Axis:
    """The axis that all differences from a reference share, in dB.

    Attributes:
        low, high: its ends.
        ticks: evenly spaced.
    """

    low: float
    high: float
    ticks: list[float]

    def at(self, value: float) -> str:
        """Where a value is, in per cent of the axis."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}"

    @property
    def style(self) -> str:
        """Where the style sheet draws the ticks and zero."""
        step = 100 * (self.ticks[1] - self.ticks[0]) / (self.high - self.low)
        return f"--first: {self.at(self.ticks[0])}%; --step: {step:.4f}%; --zero: {self.at(0)}%"


def _axis(lines: Iterable[dict[str, Any]]) -> _Axis:
    """An axis that holds zero and all that is finite."""
    from matplotlib.ticker import MaxNLocator

    ends = [line[end] for line in lines for end in ("mean", "low", "high")]
    known = [0.0, *(end for end in ends if end is not None and math.isfinite(end))]
    margin = 0.04 * (max(known) - min(known)) or 0.1
    low, high = min(known) - margin, max(known) + margin
    ticks = MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
    return _Axis(low, high, [float(tick) for tick in ticks if low < tick < high])


def _grouped(failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Failures alike in one line, with how many there are and on which frame first."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for failure in failures:
        key = tuple(failure[name] for name in ("method", "device", "status", "reason"))
        found.setdefault(key, failure | {"count": 0})["count"] += 1
    return list(found.values())


def _grouped_columns(columns: Iterable[Column]) -> list[tuple[str, list[Column]]]:
    """Neighbours that share a group, together."""
    return [(group, list(same)) for group, same in groupby(columns, lambda c: c.group)]


def _code(text: str) -> Markup:
    """What stands between backticks is code."""
    parts = words.one_line(text).split("`")
    wrapped = (
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )
    return Markup("").join(wrapped)
