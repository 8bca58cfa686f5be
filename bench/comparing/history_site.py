"""A history as a site of static files: a page, a badge, and the figures as JSON and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.comparing.findings import JUDGED, Verdict
from denoisebench.comparing.history import Course, courses
from denoisebench.comparing.history_report import (
    drift_in_words,
    figure_title,
    interval_in_words,
    step_in_words,
    value_in_words,
)
from denoisebench.errors import UsageError
from denoisebench.reporting.formatting import NONE
from denoisebench.reporting.templates import template_environment
from denoisebench.text import as_cell, as_json
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from denoisebench.comparing.history import HistoryPoint

_COSTS = ("time", "memory")
_LOST = (Verdict.WORSE, Verdict.FAILED, Verdict.MISSING)
_JSON_VERSION = 1
_COLUMNS = ("run", "written", "metric", "course", "value", "change", "low", "high", "changed")
_WIDTH, _HEIGHT, _EDGE = 300, 56, 7  # of a course's drawing, in units of its view box


@dataclass(frozen=True)
class HistorySite:
    """All figures of a history that can be followed.

    Attributes:
        points: the runs in the order of time.
        figures: the courses of each metric and cost, by its name.
        remarks: for each that cannot be followed over these runs, the reason.
    """

    points: Sequence[HistoryPoint]
    figures: dict[str, list[Course]]
    remarks: tuple[str, ...]

    def files(self) -> dict[str, str]:
        """Render the site: the texts of its files by their names."""
        return {
            "index.html": self._page(),
            "badge.json": as_json(self.badge()) + "\n",
            "history.json": as_json(self._content()) + "\n",
            "history.csv": self._csv(),
        }

    def badge(self) -> dict[str, Any]:
        """Return the badge in the form of shields.io's endpoint.

        It counts the methods whose scores in the last run are worse than in the first, failed or
        missing, by the verdicts of ``bench compare``.
        """
        kinds, compared = self._last_verdicts()
        lost = ", ".join(f"{kinds[verdict]} {verdict}" for verdict in _LOST if kinds[verdict])
        methods = counted(compared, "method")
        if lost:
            message, colour = f"{lost} of {methods}", "red"
        elif compared:
            message, colour = f"no loss in {methods}", "brightgreen"
        else:
            message, colour = counted(len(self.points), "run"), "lightgrey"
        return {
            "schemaVersion": 1,
            "label": "denoise bench",
            "message": message,
            "color": colour,
        }

    def _last_verdicts(self) -> tuple[Counter[Verdict], int]:
        """Count the rows of the last run by their worst verdict on scores, and those with any."""
        last = len(self.points) - 1
        worst: dict[tuple[str, str], Verdict] = {}
        order = list(Verdict)
        for metric, found in self.figures.items():
            for finding in (c.findings.get(last) for c in found if metric not in _COSTS):
                if finding is not None and finding.verdict in (*_LOST, *JUDGED):
                    before = worst.get(finding.row, finding.verdict)
                    worst[finding.row] = min(before, finding.verdict, key=order.index)
        return Counter(worst.values()), len(worst)

    def _content(self) -> dict[str, Any]:
        """Return the content of ``history.json``; what is not finite becomes null."""
        return {
            "history": _JSON_VERSION,
            "protocol": self.points[0].results.manifest.protocol_digest,
            "runs": [_about(point) for point in self.points],
            "figures": {
                metric: [_course_content(course) for course in found]
                for metric, found in self.figures.items()
            },
            "remarks": list(self.remarks),
        }

    def _csv(self) -> str:
        """Write a line for each run, figure and course that has a value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for metric, found in self.figures.items():
            for course in found:
                ends = np.vstack([course.values, course.drift, course.interval]).T.tolist()
                for run, (point, numbers) in enumerate(zip(self.points, ends, strict=True)):
                    if not math.isnan(numbers[0]):
                        place = (as_cell(point.label), point.results.manifest.written or "", metric)
                        shown = ("" if math.isnan(number) else number for number in numbers)
                        writer.writerow(
                            [*place, as_cell(course.name), *shown, run in course.changes]
                        )
        return text.getvalue()

    def _page(self) -> str:
        folder = resources.files("denoisebench.comparing")
        environment = template_environment(lambda name: (folder / name).read_text("utf-8"))
        labels = [point.label for point in self.points]
        manifest = self.points[-1].results.manifest
        return environment.get_template("history.html").render(
            runs=[_about(point) for point in self.points],
            manifest=manifest,
            frames=counted(len(manifest.dataset.frames), "frame"),
            badge=self.badge(),
            figures=[
                (figure_title(metric), [_row(course, labels) for course in _by_loss(found)])
                for metric, found in self.figures.items()
            ],
            remarks=self.remarks,
        )


def history_site(points: Sequence[HistoryPoint]) -> HistorySite:
    """Follow all scores, times and peaks of memory over runs.

    Args:
        points: the runs in the order of time, at least one.

    Raises:
        UsageError: no figure can be followed over these runs.
    """
    figures: dict[str, list[Course]] = {}
    remarks = []
    metrics = dict.fromkeys(m.name for point in points for m in point.results.metrics)
    for metric in (*metrics, *_COSTS):
        try:
            found = courses(points, metric)
        except UsageError as error:
            remarks.append(f"{metric}: {error}")
        else:
            figures |= {metric: found} if found else {}
    if not figures:
        raise UsageError("none of these runs has a figure; measure them again")
    return HistorySite(points, figures, tuple(remarks))


def _about(point: HistoryPoint) -> dict[str, str]:
    """Describe a run."""
    manifest = point.results.manifest
    return {
        "label": point.label,
        "written": manifest.written or "",
        "denoisebench": manifest.environment.denoisebench,
        "machine": f"{manifest.environment.cpu}, {counted(manifest.environment.cores, 'core')}",
    }


def _course_content(course: Course) -> dict[str, Any]:
    """Return a course as JSON can hold it."""
    low, high = course.interval
    numbers = {"values": course.values, "change": course.drift, "low": low, "high": high}
    return {
        "course": course.name,
        "change_is_a_share": course.relative,
        "smallest_change": course.size,
        **{name: [_finite(x) for x in array.tolist()] for name, array in numbers.items()},
        "changed_with": course.changes,
        "verdict": None if course.verdict is None else str(course.verdict),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _by_loss(found: Sequence[Course]) -> list[Course]:
    """Put courses that are worse first, then others that changed."""
    return sorted(found, key=lambda course: (course.verdict not in _LOST, not course.changes))


def _row(course: Course, labels: Sequence[str]) -> dict[str, Any]:
    """Return what the page shows of a course."""
    interval = interval_in_words(course)
    return {
        "name": course.name,
        "value": value_in_words(course, course.values[-1]),
        "change": drift_in_words(course, course.drift[-1]),
        "interval": "" if interval == NONE else interval,
        "verdict": "" if course.verdict is None else str(course.verdict),
        "is_lost": course.verdict in _LOST,
        "steps": [step_in_words(course, run, labels[run]) for run in course.changes],
        "lines": list(_lines(course)),
        "dots": list(_dots(course, labels)),
        "band": _band(course),
    }


def _places(course: Course) -> np.ndarray:
    """Return the places of the runs in a course's drawing, (runs, 2); nan where it has no value.

    Changes too small to matter look flat.
    """
    drift = np.where(np.isfinite(course.drift), course.drift, math.nan)
    across = np.linspace(_EDGE, _WIDTH - _EDGE, len(drift))
    return np.column_stack([across, _height(course, drift)])


def _height(course: Course, drift: np.ndarray) -> np.ndarray:
    """Return the heights of changes in a course's drawing, from its top."""
    known = course.drift[np.isfinite(course.drift)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    span = max(high - low, 4 * course.size)
    heights: np.ndarray = _HEIGHT / 2 - (drift - (low + high) / 2) / span * (_HEIGHT - 2 * _EDGE)
    return heights


def _lines(course: Course) -> Iterator[str]:
    """Yield the points of each line: a line for each row of runs that have a value."""
    places = _places(course)
    known = np.isfinite(places[:, 1])
    starts = np.flatnonzero(known & ~np.concatenate([[False], known[:-1]]))
    for start in starts.tolist():
        length = int(np.argmin(np.append(known[start:], False)))
        yield " ".join(f"{x:.1f},{y:.1f}" for x, y in places[start : start + length])


def _dots(course: Course, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the dot of each run that has a value."""
    for run, (x, y) in enumerate(_places(course).tolist()):
        if math.isfinite(y):
            words = value_in_words(course, course.values[run])
            title = f"{labels[run]}: {words} ({drift_in_words(course, course.drift[run])})"
            yield {"x": f"{x:.1f}", "y": f"{y:.1f}", "title": title, "step": run in course.changes}


def _band(course: Course) -> dict[str, str]:
    """Return the band of changes that are too small to matter."""
    top, bottom = np.clip(_height(course, np.array([course.size, -course.size])), 0, _HEIGHT)
    return {"y": f"{top:.1f}", "height": f"{bottom - top:.1f}"}
