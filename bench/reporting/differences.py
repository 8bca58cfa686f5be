"""Paired differences in PSNR between the methods of a run; each pair is computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench import statistics
from denoisebench.store.scores import frame_scores

if TYPE_CHECKING:
    import numpy as np

    from denoisebench.store.manifest import MetricRecord
    from denoisebench.store.results import Results


@dataclass(frozen=True)
class Difference:
    """Mean difference of a method's PSNR from a reference's, at one noise level.

    Attributes:
        level: index of the noise level.
        method: the method's spec.
        mean: mean difference over frames in dB; infinite if it is so on all frames; None where
            it is so on some frames, since the others do not count in such a mean.
        low: lower end of the 95 % confidence interval in dB; None for a single frame, which does
            not show how frames differ.
        high: upper end of the interval.
        win_rate: share of frames, in [0, 1], on which the method is better.
        p: Wilcoxon's p-value, corrected by Holm's method over the methods of the level.
        frames: number of frames that were compared.

    Examples:
        >>> Difference(0, "bm3d", 0.3, -0.1, 0.7, 0.8, 0.2, 10).is_tie
        True
    """

    level: int
    method: str
    mean: float | None
    low: float | None
    high: float | None
    win_rate: float
    p: float
    frames: int

    @property
    def is_finite(self) -> bool:
        """True if the mean has a place on an axis."""
        return self.mean is not None and math.isfinite(self.mean)

    @property
    def is_bounded(self) -> bool:
        """True if the mean and its interval have a place on an axis."""
        return self.is_finite and self.low is not None and math.isfinite(self.low)

    @property
    def is_tie(self) -> bool:
        """True if the frames show no difference: the interval holds 0, or there is none."""
        if self.low is None or self.high is None or not self.is_bounded:
            return True
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class _Pair:
    """Statistics of one method's differences from another's PSNR."""

    interval: statistics.Interval
    win_rate: float
    p: float
    frames: int

    @classmethod
    def of(cls, differences: np.ndarray) -> _Pair:
        """Compute the statistics of differences in dB, (frames,)."""
        return cls(
            statistics.mean_interval(differences),
            statistics.win_rate(differences),
            statistics.wilcoxon(differences),
            len(differences),
        )

    @property
    def turned(self) -> _Pair:
        """The same pair from the other method's side."""
        i = self.interval
        interval = statistics.Interval(0.0 - i.mean, 0.0 - i.high, 0.0 - i.low)
        return _Pair(interval, 1 - self.win_rate, self.p, self.frames)


class Differences:
    """Differences of all methods of a run from any reference, computed when asked for.

    Args:
        results: the stored run. A method competes at the levels at which it scored every cell.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._psnr: dict[int, dict[str, np.ndarray]] = {}
        self._pairs: dict[tuple[int, str, str], _Pair] = {}

    def psnr(self, level: int) -> dict[str, np.ndarray]:
        """Return the PSNR in dB, (frames,), of each method that competes at a level.

        Args:
            level: index of the noise level.
        """
        if level not in self._psnr:
            metric = next((m for m in self._results.metrics if m.name == "psnr"), None)
            self._psnr[level] = {} if metric is None else self._scores(level, metric)
        return self._psnr[level]

    def _scores(self, level: int, metric: MetricRecord) -> dict[str, np.ndarray]:
        """Return the scores of the contestants, in the order of the run."""
        found = frame_scores(self._results, self._results.levels[level], metric)
        return {m: found[m] for m in self._results.contestants if m in found}

    def against(self, reference: str) -> list[Difference]:
        """Compare all methods with a reference, level by level.

        Args:
            reference: spec of the method with which the others are compared.
        """
        levels = range(len(self._results.levels))
        return [line for level in levels for line in self._at(level, reference)]

    def _at(self, level: int, reference: str) -> list[Difference]:
        """Compare the methods with the reference at one level; empty where it does not compete."""
        psnr = self.psnr(level)
        rivals = [method for method in psnr if method != reference]
        if reference not in psnr or not rivals:
            return []
        pairs = {method: self._pair(level, method, reference) for method in rivals}
        pvalues = statistics.holm([pair.p for pair in pairs.values()])
        return [
            _difference(level, method, pair, float(p))
            for (method, pair), p in zip(pairs.items(), pvalues, strict=True)
        ]

    def _pair(self, level: int, method: str, reference: str) -> _Pair:
        """Return the statistics of a pair, from its other side if they are known."""
        if (level, reference, method) in self._pairs:
            return self._pairs[level, reference, method].turned
        key = level, method, reference
        if key not in self._pairs:
            psnr = self.psnr(level)
            paired = statistics.paired_differences(psnr[method], psnr[reference])
            self._pairs[key] = _Pair.of(paired)
        return self._pairs[key]


def _difference(level: int, method: str, pair: _Pair, p: float) -> Difference:
    """Return a pair's statistics as a difference, with its corrected p-value."""
    single = pair.frames == 1
    low, high = (None, None) if single else (pair.interval.low, pair.interval.high)
    is_known = single or low != -math.inf or high != math.inf
    mean = pair.interval.mean if is_known else None
    return Difference(level, method, mean, low, high, pair.win_rate, p, pair.frames)
