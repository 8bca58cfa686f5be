"""Scores estimates by the metrics that were asked for beyond the protocol's PSNR and SSIM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisebench import plugins
from denoisebench.cells import Score
from denoisebench.metrics.registry import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

    from denoisebench.metrics.registry import Metric


class Scorer:
    """The further metrics that can be had here; the others are left out.

    A metric that fails on a frame costs its own score, and nothing else.
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = [m for m in metrics if m.name not in PROTOCOL and m.unavailable is None]

    def is_complete(self, known: Mapping[str, Score]) -> bool:
        """Return True if no score is missing among these."""
        return all(_holds(known, metric) for metric in self._metrics)

    def score(
        self, clean: np.ndarray, estimate: np.ndarray, known: Mapping[str, Score]
    ) -> dict[str, Score]:
        """Complete the known scores.

        Args:
            clean, estimate: uint8 (H, W, C).
            known: what was known of this very estimate.
        """
        missing = [metric for metric in self._metrics if not _holds(known, metric)]
        return dict(known) | {m.name: _score(m, clean, estimate) for m in missing}


def _holds(known: Mapping[str, Score], metric: Metric) -> bool:
    score = known.get(metric.name)
    return score is not None and score.key == metric.key and not score.reason


def _score(metric: Metric, clean: np.ndarray, estimate: np.ndarray) -> Score:
    try:
        return Score(metric(clean, estimate), metric.key)
    except (Exception, SystemExit) as error:  # a stranger's metric may raise anything
        return Score(None, metric.key, plugins.describe_error(error))
