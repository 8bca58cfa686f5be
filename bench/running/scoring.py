"""Scoring by the metrics that were asked for beyond the protocol's PSNR and SSIM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from denoisebench import plugins
from denoisebench.cells import Score
from denoisebench.metrics.registry import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from denoisebench.metrics.registry import Metric
    from denoisebench.store.measurements import Measurements


class Scorer:
    """Further metrics of a run that are available on this machine.

    If a metric fails on a frame, only its own score is missing, with the reason.

    Args:
        metrics: metrics of the run; the protocol's and unavailable ones are left out.
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = [m for m in metrics if m.name not in PROTOCOL and m.unavailable is None]

    def is_complete(self, known: Mapping[str, Score]) -> bool:
        """Return True if no score is missing, failed, or under another definition.

        Args:
            known: scores by metric.
        """
        return all(_holds(known, metric) for metric in self._metrics)

    def complete(self, measured: Measurements) -> np.ndarray:
        """Return True for each measurement that is ok and lacks no score, bool (cells,)."""
        found = measured.ok.copy()
        for metric in self._metrics:
            reasons = measured.scores(metric.name, metric.key).reasons
            found &= np.array([reason == "" for reason in reasons], bool)
        return found

    def score(
        self, clean: np.ndarray, estimate: np.ndarray, known: Mapping[str, Score]
    ) -> dict[str, Score]:
        """Return the known scores of an estimate, with the missing ones computed.

        Args:
            clean: the clean frame, uint8 (H, W, C).
            estimate: the estimate, uint8 (H, W, C).
            known: known scores of the same estimate, by metric.
        """
        missing = [metric for metric in self._metrics if not _holds(known, metric)]
        return dict(known) | {m.name: _score(m, clean, estimate) for m in missing}


def _holds(known: Mapping[str, Score], metric: Metric) -> bool:
    """Return True if a metric's score is known under its definition and did not fail."""
    score = known.get(metric.name)
    return score is not None and score.key == metric.key and not score.reason


def _score(metric: Metric, clean: np.ndarray, estimate: np.ndarray) -> Score:
    """Score an estimate; an error becomes the score's reason."""
    try:
        return Score(metric(clean, estimate), metric.key)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's metric may raise anything
        return Score(None, metric.key, plugins.describe_error(error))
