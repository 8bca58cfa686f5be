"""Scores by frame, paired for statistics: the same frames for every method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from denoisebench import statistics
from denoisebench.store.results import score_column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from denoisebench.cells import Level
    from denoisebench.store.manifest import MetricRecord, Row
    from denoisebench.store.results import Results


def frame_scores(results: Results, level: Level, metric: MetricRecord) -> dict[str, np.ndarray]:
    """Collect the scores of the contestants that scored every cell of a noise level.

    If a method ran on several devices, its first device's scores are taken.

    Args:
        results: the stored run.
        level: the noise level.
        metric: a metric of the run.

    Returns:
        By method, the mean over noise draws of each frame, float (frames,), in the metric's unit.
        Frames for which the metric is not defined are left out.
    """
    found: dict[str, np.ndarray] = {}
    for row in results.rows:
        if row.method not in found and not row.is_control:
            scores = _row_scores(results, row, level, metric)
            if scores is not None:
                found[row.method] = scores
    if not found:
        return {}
    defined = ~np.all([np.isnan(scores) for scores in found.values()], axis=0)
    kept = {method: scores[defined] for method, scores in found.items()}
    return {m: s for m, s in kept.items() if s.size and not np.isnan(s).any()}


def best_methods(results: Results, level: Level, metric: MetricRecord) -> set[str]:
    """Return the best method by a metric at a noise level, and those not significantly worse.

    Returns:
        Specs of methods; empty if fewer than two compete.
    """
    scores = frame_scores(results, level, metric)
    without = unranked_methods(results, level, metric)
    rivals = [m for m in results.contestants if m in scores and m not in without]
    if len(rivals) < 2:
        return set()
    matrix = np.array([scores[method] for method in rivals])
    equal = statistics.not_worse(statistics.gains(matrix, metric.direction))
    return {method for method, good in zip(rivals, equal, strict=True) if good}


def standard_errors(results: Results, level: Level, metric: MetricRecord) -> dict[str, float]:
    """Return the standard errors of means over frames, by method, where they are defined.

    Noise draws of a frame are averaged first. Of several devices the first with scores counts.
    """
    found: dict[str, float] = {}
    for row in results.rows:
        scores = _row_scores(results, row, level, metric)
        if row.method in found or scores is None:
            continue
        scores = scores[~np.isnan(scores)]
        if len(scores) > 1 and np.isfinite(scores).all():
            found[row.method] = float(scores.std(ddof=1) / np.sqrt(len(scores)))
    return found


def unranked_methods(results: Results, level: Level, metric: MetricRecord) -> set[str]:
    """Return the methods whose mean is infinite because of some frames: it ranks nobody.

    Args:
        results: the stored run.
        level: the noise level.
        metric: a metric of the run.
    """
    return {
        row.method
        for row in results.rows
        if is_partly_infinite(score_column(results, metric).values[results.places(row, level)])
    }


def is_partly_infinite(scores: Iterable[float]) -> bool:
    """Return True if some scores are infinite and some are not; missing ones, nan, do not count.

    Examples:
        >>> is_partly_infinite([float("inf"), 30.0]), is_partly_infinite([float("inf")])
        (True, False)
    """
    values = np.fromiter(scores, float)
    return bool(np.isinf(values).any() and np.isfinite(values).any())


def _row_scores(
    results: Results, row: Row, level: Level, metric: MetricRecord
) -> np.ndarray | None:
    """Return a row's scores, (frames,); None if a cell failed or is missing."""
    if not results.is_complete(row, level):
        return None
    values = score_column(results, metric).values[results.places(row, level)]
    return statistics.over_seeds(values.reshape(-1, results.manifest.seeds))
