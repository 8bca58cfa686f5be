"""Scores by frame, as statistics take them: the same frames for every method, paired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench import statistics
from denoisebench.cells import Status
from denoisebench.metrics.registry import PROTOCOL
from denoisebench.store.results import score

if TYPE_CHECKING:
    from denoisebench.cells import Level, Measurement
    from denoisebench.store.results import Results


def frame_scores(results: Results, level: Level, metric: dict[str, Any]) -> dict[str, np.ndarray]:
    """The scores of the methods that scored every cell of a level, by method.

    Of a method that ran on several devices, the first device's count.

    Args:
        metric: one of `Results.metrics`.

    Returns:
        (frames,), means over noise draws; frames for which the metric is not defined are left out.
    """
    found: dict[str, np.ndarray] = {}
    for row in results.manifest["rows"]:
        if row["method"] not in found:
            scores = _row_scores(results, row, level, metric)
            if scores is not None:
                found[row["method"]] = scores
    if not found:
        return {}
    defined = ~np.all([np.isnan(scores) for scores in found.values()], axis=0)
    kept = {method: scores[defined] for method, scores in found.items()}
    return {m: s for m, s in kept.items() if s.size and not np.isnan(s).any()}


def contestants(results: Results) -> list[str]:
    """The methods that compete: all but the controls, in the order of the run."""
    rows = results.manifest["rows"]
    return list(dict.fromkeys(row["method"] for row in rows if row["family"] != "control"))


def not_worse(results: Results, level: Level, metric: dict[str, Any]) -> set[str]:
    """The best method by a metric at a level, and those that cannot be told to be worse."""
    scores = frame_scores(results, level, metric)
    rivals = [method for method in contestants(results) if method in scores]
    if len(rivals) < 2:
        return set()
    matrix = np.array([scores[method] for method in rivals])
    equal = statistics.not_worse(statistics.gains(matrix, metric["direction"]))
    return {method for method, good in zip(rivals, equal, strict=True) if good}


def _row_scores(
    results: Results, row: dict[str, Any], level: Level, metric: dict[str, Any]
) -> np.ndarray | None:
    """(frames,), or None if a cell failed or is missing."""
    planned = results.cells(row, level)
    measured = [results.measurements.get(cell) for cell in planned]
    if not all(m is not None and m.status is Status.OK for m in measured):
        return None
    values = [_value(m, metric) for m in measured if m is not None]
    table = np.array(values, float).reshape(-1, results.manifest["options"]["seeds"])
    return statistics.over_seeds(table)


def _value(m: Measurement, metric: dict[str, Any]) -> float | None:
    if metric["name"] in PROTOCOL:
        return m.psnr if metric["name"] == "psnr" else m.ssim
    found = score(m, metric)
    return None if found is None else found.value
