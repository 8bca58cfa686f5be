"""Stored runs in the formats of other tools: pure functions that return the files' texts.

To add a format, write a function that returns the text of each file by its name, and enter it in
`EXPORTS`.
"""

from __future__ import annotations

import math
import re
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from denoisebench.cells import Status
from denoisebench.reporting.junit import JunitSuite
from denoisebench.text import as_json, first_of
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from denoisebench.cells import Measurement
    from denoisebench.store.results import Results

__all__ = [
    "EXPORTS",
    "bencher",
    "github_action_benchmark",
    "gitlab",
    "junit",
    "left_out",
    "pytest_benchmark",
]


def github_action_benchmark(results: Results) -> dict[str, str]:
    """Write ``bigger-is-better.json`` and ``smaller-is-better.json`` for github-action-benchmark.

    Its tools for them are ``customBiggerIsBetter`` and ``customSmallerIsBetter``. A metric whose
    best is zero goes to the second as its distance from zero.
    """
    bigger: list[dict[str, Any]] = []
    smaller: list[dict[str, Any]] = []
    for name, figure, value in _figures(results):
        value = abs(value) if figure.direction == "zero" else value
        entry = {"name": f"{name} {figure.title}", "unit": figure.unit, "value": value}
        (bigger if figure.direction == "higher" else smaller).append(entry)
    return {"bigger-is-better.json": _json(bigger), "smaller-is-better.json": _json(smaller)}


def bencher(results: Results) -> dict[str, str]:
    """Write ``bencher.json``, the Bencher Metric Format: a value by benchmark and measure."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, figure, value in _figures(results):
        found.setdefault(name, {})[figure.name] = {"value": value}
    return {"bencher.json": _json(found)}


@dataclass(frozen=True)
class _Figure:
    """A column of `table1` that other tools get.

    Attributes:
        column: the column's name in `columns.TABLE1_COLUMNS`.
        name: the figure's name in files that scripts read.
        title: its name in files that people read.
        unit: its unit; empty for none.
        direction: ``higher``, ``lower`` or ``zero`` is best.
    """

    column: str
    name: str
    title: str
    unit: str
    direction: str


_COSTS = (
    _Figure("ms_per_frame", "time", "time", "ms/frame", "lower"),
    _Figure("peak_memory_mb", "memory", "memory", "MB", "lower"),
)


def _figures(results: Results) -> Iterator[tuple[str, _Figure, float]]:
    """Yield each row's name, figure and value, where it is finite: JSON has no other numbers."""
    return (known for known in _known_figures(results) if math.isfinite(known[2]))


def _known_figures(results: Results) -> Iterator[tuple[str, _Figure, float]]:
    """Yield each row's name, figure and value, infinite ones, too; `table1` says what is known."""
    scores = [_Figure(m.column, m.name, m.title, m.unit, m.direction) for m in results.metrics]
    for name, line in _named_lines(results).items():
        for figure in (*scores, *_COSTS):
            value = line.get(figure.column)
            if value is not None and not math.isnan(value):
                yield name, figure, float(value)


def left_out(results: Results) -> list[str]:
    """Say what the files of figures leave out: a line for each reason, none if nothing is."""
    infinite = [
        f"{name} {figure.title}"
        for name, figure, value in _known_figures(results)
        if math.isinf(value)
    ]
    lacking = [
        f"{name} ({line['status']}, {line['frames']} of {counted(len(results.frames()), 'frame')})"
        for name, line in _named_lines(results).items()
        if line["status"] != Status.OK
    ]
    reasons = {"infinite, which JSON cannot hold": infinite, "without a mean": lacking}
    return [f"Left out, {why}: {first_of(names)}" for why, names in reasons.items() if names]


def junit(results: Results) -> dict[str, str]:
    """Write ``junit.xml``: a test case for each method, device and noise level.

    A row that failed is a failure, and says what went wrong; one that could not be tried is
    skipped.
    """
    suite = JunitSuite("bench run")
    for name, line in _named_lines(results).items():
        kind = {Status.OK: "", Status.UNAVAILABLE: "skipped"}.get(line["status"], "failure")
        message = (line["note"] or line["status"]) if kind else ""
        ms = line["ms_per_frame"] or math.nan
        seconds = ms / 1000 if math.isfinite(ms) else None
        suite.add(name, line["device"], kind, message, seconds=seconds)
    return {"junit.xml": suite.xml()}


def gitlab(results: Results) -> dict[str, str]:
    """Write ``metrics.txt``, a metrics report of GitLab, in the OpenMetrics text format.

    A metric of OpenMetrics has the values of all rows next to each other.
    """
    found: dict[str, list[str]] = {}
    for name, figure, value in _figures(results):
        metric = "denoisebench_" + re.sub(r"\W", "_", figure.name, flags=re.ASCII)
        label = name.replace("\\", "\\\\").replace('"', '\\"')
        samples = found.setdefault(metric, [f"# TYPE {metric} gauge"])
        samples.append(f'{metric}{{row="{label}"}} {value}')
    lines = [line for samples in found.values() for line in samples]
    return {"metrics.txt": "\n".join([*lines, "# EOF"]) + "\n"}


def pytest_benchmark(results: Results) -> dict[str, str]:
    """Write ``pytest-benchmark.json``, which ``pytest-benchmark compare`` reads.

    It holds a benchmark for each method, device and noise level that has all frames; the rounds are
    the warm calls on all frames, in seconds. An infinite PSNR is the text ``inf``.
    """
    machine = results.manifest.environment
    content = {
        "machine_info": {
            "node": machine.machine,
            "machine": machine.system.split()[-1],
            "system": machine.system.split()[0],
            "python_version": machine.python,
            "cpu": {"brand_raw": machine.cpu, "count": machine.cores},
        },
        "commit_info": {"id": "unknown", "time": results.manifest.written},
        "benchmarks": list(_benchmarks(results)),
        "datetime": results.manifest.written,
        "version": "5.1.0",
    }
    return {"pytest-benchmark.json": _json(content)}


def _benchmarks(results: Results) -> Iterator[dict[str, Any]]:
    """Yield the entries of a pytest-benchmark file."""
    for row in results.rows:
        measured = [m for m in results.measured(row) if m.status is Status.OK]
        for level in dict.fromkeys(m.cell.level for m in measured if m.call_ns):
            if not results.is_complete(row, level):
                continue
            cells = [m for m in measured if m.cell.level == level]
            name = row.label(level)
            psnr = _mean_psnr(cells)
            yield {
                "group": str(level),
                "name": name,
                "fullname": f"denoisebench::{name}",
                "params": None,
                "param": None,
                "extra_info": {} if psnr is None else {"psnr": psnr},
                "options": {},
                "stats": _stats([ns / 1e9 for m in cells for ns in m.call_ns]),
            }


def _mean_psnr(cells: Sequence[Measurement]) -> float | str | None:
    """Return the mean PSNR in dB; None where it is unknown."""
    values = [m.psnr for m in cells if m.psnr is not None]
    mean = statistics.fmean(values) if values else None
    return str(mean) if mean == math.inf else mean


def _stats(seconds: Sequence[float]) -> dict[str, Any]:
    """Return pytest-benchmark's statistics of the rounds."""
    q1, middle, q3 = (
        statistics.quantiles(seconds, n=4, method="inclusive")
        if len(seconds) > 1
        else [seconds[0]] * 3
    )
    mean = statistics.fmean(seconds)
    deviation = statistics.stdev(seconds) if len(seconds) > 1 else 0.0
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    far = sum(abs(s - mean) > deviation for s in seconds)
    out = sum(not low <= s <= high for s in seconds)
    return {
        "min": min(seconds),
        "max": max(seconds),
        "mean": mean,
        "stddev": deviation,
        "rounds": len(seconds),
        "median": middle,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": out,
        "stddev_outliers": far,
        "outliers": f"{far};{out}",
        "ld15iqr": min(s for s in seconds if s >= low),
        "hd15iqr": max(s for s in seconds if s <= high),
        "ops": 1 / mean,
        "total": sum(seconds),
        "iterations": 1,
    }


def _json(content: object) -> str:
    """Write a JSON file."""
    return as_json(content) + "\n"


def _named_lines(results: Results) -> dict[str, dict[str, Any]]:
    """Return the lines of `table1` by name; pandas is imported only for this."""
    from denoisebench.store.tables import named_lines

    return named_lines(results)


EXPORTS: Mapping[str, Callable[[Results], dict[str, str]]] = {
    "github-action-benchmark": github_action_benchmark,
    "bencher": bencher,
    "junit": junit,
    "gitlab": gitlab,
    "pytest-benchmark": pytest_benchmark,
}
"""The formats of ``bench export``: functions that return the files' texts by file name."""
