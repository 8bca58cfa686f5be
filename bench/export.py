"""Formats of other tools: github-action-benchmark, Bencher, JUnit and pytest-benchmark.

Pure functions of a stored run, or of a comparison's findings, that return text.
"""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from denoisebench.cells import Status
from denoisebench.comparing.findings import Verdict
from denoisebench.comparing.findings_report import (
    change_in_words,
    figures_in_words,
    grounds_in_words,
)
from denoisebench.reporting.formatting import one_line
from denoisebench.store.tables import named_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from denoisebench.cells import Measurement
    from denoisebench.comparing.findings import Finding
    from denoisebench.store.results import Results


def github_action_benchmark(results: Results) -> tuple[str, str]:
    """Write its two files: ``customBiggerIsBetter`` and ``customSmallerIsBetter``.

    A metric whose best is zero goes to the second as its distance from zero.
    """
    bigger: list[dict[str, Any]] = []
    smaller: list[dict[str, Any]] = []
    for name, figure, value in _figures(results):
        value = abs(value) if figure.direction == "zero" else value
        entry = {"name": f"{name} {figure.title}", "unit": figure.unit, "value": value}
        (bigger if figure.direction == "higher" else smaller).append(entry)
    return _json(bigger), _json(smaller)


def bencher(results: Results) -> str:
    """Write the Bencher Metric Format: by benchmark, by measure, a value."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, figure, value in _figures(results):
        found.setdefault(name, {})[figure.name] = {"value": value}
    return _json(found)


@dataclass(frozen=True)
class _Figure:
    """A figure of `table1`, as other tools are told of it."""

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
    """Each finite mean over all cells of a row: the row in words, the figure, and its value."""
    scores = [_Figure(m.column, m.name, m.title, m.unit, m.direction) for m in results.metrics]
    for name, line in named_lines(results).items():
        if line["status"] != Status.OK:
            continue
        for figure in (*scores, *_COSTS):
            value = line.get(figure.column)
            if value is not None and math.isfinite(value):
                yield name, figure, float(value)


def junit_of_run(results: Results) -> str:
    """Write a test case a method, device and noise level; a failure says what went wrong."""
    suite = ElementTree.Element("testsuite", name="bench run")
    for name, line in named_lines(results).items():
        case = _case(suite, name, line["device"])
        if math.isfinite(line["ms_per_frame"] or math.nan):
            case.set("time", f"{line['ms_per_frame'] / 1000:.6f}")
        if line["status"] not in (Status.OK, Status.UNAVAILABLE):
            _outcome(case, "failure", line["note"] or line["status"])
        elif line["status"] == Status.UNAVAILABLE:
            _outcome(case, "skipped", line["note"])
    return _xml(suite)


def junit_of_comparison(findings: Sequence[Finding]) -> str:
    """Write a test case a finding: regressions fail, methods that failed are errors."""
    suite = ElementTree.Element("testsuite", name="bench compare")
    kinds = {Verdict.FAILED: "error", Verdict.NOT_COMPARABLE: "skipped", Verdict.MISSING: "skipped"}
    for finding in findings:
        words = [finding.method, finding.metric, finding.level]
        case = _case(suite, " ".join(filter(None, words)), finding.device)
        if finding.fails:
            message = f"{finding.verdict}: {change_in_words(finding)}"
            details = f"{figures_in_words(finding)}; {grounds_in_words(finding)}"
            _outcome(case, "failure", message, details)
        elif finding.verdict in kinds:
            _outcome(case, kinds[finding.verdict], f"{finding.verdict}: {finding.reason}")
    return _xml(suite)


def _case(suite: ElementTree.Element, name: str, device: str) -> ElementTree.Element:
    where = f"denoisebench.{device}"
    return ElementTree.SubElement(suite, "testcase", name=one_line(name), classname=where)


def _outcome(case: ElementTree.Element, kind: str, message: str, details: str = "") -> None:
    """Some viewers show the message, others the text."""
    outcome = ElementTree.SubElement(case, kind, message=one_line(message))
    outcome.text = one_line(details or message)


def _xml(suite: ElementTree.Element) -> str:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(kind) is not None for case in cases)))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def pytest_benchmark(results: Results) -> str:
    """Write what ``pytest --benchmark-json`` writes, for ``pytest-benchmark compare``.

    A benchmark a method, device and noise level; its rounds are the warm calls on all frames.
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
    return _json(content)


def _benchmarks(results: Results) -> Iterator[dict[str, Any]]:
    for row in results.rows:
        measured = [m for m in results.measured(row) if m.status is Status.OK and m.call_ns]
        for level in dict.fromkeys(m.cell.level for m in measured):
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


def _mean_psnr(cells: Sequence[Measurement]) -> float | None:
    values = [m.psnr for m in cells if m.psnr is not None]
    return statistics.fmean(values) if values and all(map(math.isfinite, values)) else None


def _stats(seconds: Sequence[float]) -> dict[str, Any]:
    """pytest-benchmark's statistics of the rounds."""
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
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
