"""Runs as one document, ready for JSON: what every report shows, and what scripts read.

Its JSON Schema is published by ``bench schema``. Infinite figures are the strings ``inf`` and
``-inf``; what is not known is null.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench import statistics
from denoisebench.cells import Status
from denoisebench.reporting.table import at_level, head
from denoisebench.store import scores
from denoisebench.store.tables import frames_table, table1

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from denoisebench.cells import Level, Measurement
    from denoisebench.reporting.table import Table
    from denoisebench.store.results import Results

SCHEMA = "denoisebench-report-1"
_MANIFEST = ("command", "written", "state", "threads", "busy_percent", "environment", "protocol")
_METHOD = ("method", "title", "family", "reference", "licence", "note", "parameters")
_COSTS = ("ms_per_frame", "ms_per_megapixel", "transfer_ms", "cold_ms", "peak_memory_mb")


def document(summaries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Several runs, each for itself: what was measured under different conditions is not merged."""
    return {"schema": SCHEMA, "runs": list(summaries)}


def summary(name: str, results: Results, table: Table, against: str | None) -> dict[str, Any]:
    """One run.

    Args:
        name: what the run is called.
        table: its Table 1.
        against: the method that others are compared with; the best by PSNR if it is None, or if the
            run does not have it.
    """
    manifest = results.manifest
    order = [line.method for line in table.lines]
    rows = {row["method"]: row for row in reversed(manifest["rows"])}
    reference = against if against in rows else _best(results, order)
    found = {
        "name": name,
        **{key: manifest.get(key) for key in _MANIFEST},
        "dataset": manifest["dataset"],
        "seeds": manifest["options"]["seeds"],
        "noise": results.noise,
        "levels": [_level(level, results) for level in results.levels],
        "metrics": [_metric(metric) for metric in results.metrics],
        "methods": [{key: rows[m].get(key) for key in _METHOD} for m in order],
        "reference": reference,
        "table": _rows(results, order),
        "best": _best_of_all(results, table),
        "differences": [] if reference is None else differences(results, reference),
        "ranks": _ranks(results),
        "failures": [_failure(m) for m in results.failures()],
        "remarks": [*table.legend, *table.origin],
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def differences(results: Results, reference: str) -> list[dict[str, Any]]:
    """How every method differs from a reference by PSNR, level by level, paired by frame.

    P-values are Holm's, over the methods of a level.
    """
    return [
        line
        for number, level in enumerate(results.levels)
        for line in _level_differences(results, number, level, reference)
    ]


def _level_differences(
    results: Results, number: int, level: Level, reference: str
) -> list[dict[str, Any]]:
    found = _psnr(results, level)
    rivals = [m for m in scores.contestants(results) if m in found and m != reference]
    if reference not in found or not rivals:
        return []
    paired = {m: statistics.paired_differences(found[m], found[reference]) for m in rivals}
    pvalues = statistics.holm([statistics.wilcoxon(paired[m]) for m in rivals])
    return [
        {
            "level": number,
            "method": method,
            **_interval(paired[method]),
            "win_rate": statistics.win_rate(paired[method]),
            "p": float(p),
            "frames": len(paired[method]),
        }
        for method, p in zip(rivals, pvalues, strict=True)
    ]


def _interval(differences: np.ndarray) -> dict[str, float | None]:
    """The mean with its confidence interval; from one frame nobody knows how frames differ."""
    found = statistics.mean_interval(differences)
    if len(differences) == 1:
        return {"mean": found.mean, "low": None, "high": None}
    return {"mean": found.mean, "low": found.low, "high": found.high}


def _psnr(results: Results, level: Level) -> dict[str, np.ndarray]:
    """PSNR by frame of those methods that compete; scored by every run that has clean frames."""
    found = scores.frame_scores(results, level, {"name": "psnr"})
    return {m: found[m] for m in scores.contestants(results) if m in found}


def _best(results: Results, order: Iterable[str]) -> str | None:
    """The first in the table that can be compared at some level."""
    comparable = {method for level in results.levels for method in _psnr(results, level)}
    return next((method for method in order if method in comparable), None)


def _best_of_all(results: Results, table: Table) -> list[dict[str, Any]]:
    """By metric and level: the methods that the table has in bold."""
    return [
        {
            "metric": column.metric["name"],
            "level": results.levels.index(column.level),
            "methods": [
                line.method
                for line in table.lines
                if (entry := line.entries[place]) is not None and entry.best
            ],
        }
        for place, column in enumerate(table.columns)
        if column.metric is not None and column.level is not None
    ]


def _ranks(results: Results) -> list[dict[str, Any]]:
    """Average ranks by PSNR at each level, 1 is best, with Nemenyi's critical difference."""
    found = []
    for number, level in enumerate(results.levels):
        psnr = _psnr(results, level)
        scores_by_frame = np.array(list(psnr.values()))
        if min(scores_by_frame.shape) > 1:  # methods, and frames
            ranking = statistics.ranking(scores_by_frame)
            average = dict(zip(psnr, map(float, ranking.average), strict=True))
            found.append(
                {
                    "level": number,
                    "average": dict(sorted(average.items(), key=lambda item: item[1])),
                    "critical_difference": ranking.critical_difference,
                }
            )
    return found


def _rows(results: Results, order: list[str]) -> list[dict[str, Any]]:
    """The tidy table with each row's PSNR by frame, methods in the order of Table 1."""
    tidy, frames = table1(results), frames_table(results)
    means = [f"{m['name']}_mean" for m in results.metrics if not m["unavailable"]]
    found = []
    for number, level in enumerate(results.levels):
        for _, line in tidy[at_level(tidy, level)].iterrows():
            loads = frames[
                (frames["method"] == line["method"]) & (frames["device"] == line["device"])
            ]["load_ms"].dropna()
            found.append(
                {
                    "method": line["method"],
                    "device": line["device"],
                    "level": number,
                    "status": str(line["status"]),
                    "note": line["note"],
                    "frames": line["frames"],
                    "scores": {key.removesuffix("_mean"): line.get(key) for key in means},
                    "psnr_std": line["psnr_std"],
                    "psnr_paper": line["psnr_paper"],
                    **{key: line[key] for key in _COSTS},
                    "load_ms": None if loads.empty else loads.median(),
                    "psnr_by_frame": _by_frame(results, line, level),
                }
            )
    return sorted(found, key=lambda row: (order.index(row["method"]), row["device"], row["level"]))


def _by_frame(results: Results, line: pd.Series[Any], level: Level) -> dict[str, float]:
    """Mean PSNR over noise draws of the frames that were scored."""
    row = next(
        row
        for row in results.manifest["rows"]
        if (row["method"], row["device"]) == (line["method"], line["device"])
    )
    found: dict[str, list[float]] = {}
    for m in results.measured(row, level):
        if m.status is Status.OK and m.psnr is not None:
            found.setdefault(m.cell.frame, []).append(m.psnr)
    return {frame: float(np.mean(values)) for frame, values in found.items()}


def costs(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Times and memory from a summary, a row a method and device: medians over levels."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in run["table"]:
        rows.setdefault((row["method"], row["device"]), []).append(row)
    return [
        {"method": method, "device": device}
        | {cost: _median(row[cost] for row in same) for cost in ("load_ms", *_COSTS)}
        for (method, device), same in rows.items()
    ]


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _level(level: Level, results: Results) -> dict[str, Any]:
    return {"sigma": level.sigma, "told": level.told, "label": head(level, results) or "recorded"}


def _metric(metric: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metric.items() if key != "key"}


def _failure(m: Measurement) -> dict[str, Any]:
    cell = {"method": m.cell.method, "device": m.cell.device, "frame": m.cell.frame}
    where = {"sigma": m.cell.sigma, "told": m.cell.told, "seed": m.cell.seed}
    return {**cell, **where, "status": m.status.value, "reason": m.reason}


def _plain(value: Any) -> Any:
    """Dictionaries, lists, text and numbers only; six significant digits of each measurement."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    number = float(value)
    if math.isnan(number):
        return None
    return float(f"{number:.6g}") if math.isfinite(number) else str(number)
