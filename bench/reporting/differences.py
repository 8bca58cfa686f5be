"""Paired differences in PSNR between a run's methods, each computed once."""

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
    """A method's mean difference in PSNR from a reference, at one noise level.

    Attributes:
        level: index of the level.
        method: the method's spec.
        mean: in dB.
        low, high: 95 % confidence interval in dB; None where there is a single frame, from which
            nobody knows how frames differ.
        win_rate: share of frames, in [0, 1], on which the method is better.
        p: Wilcoxon's p-value, corrected by Holm's method over the methods of the level.
        frames: number of frames that were compared.
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
        """True if these frames can show no difference."""
        if self.low is None or self.high is None or not self.is_bounded:
            return True
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class _Pair:
    """Statistics of one method's differences from another."""

    interval: statistics.Interval
    win_rate: float
    p: float
    frames: int

    @classmethod
    def of(cls, differences: np.ndarray) -> _Pair:
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
        interval = statistics.Interval(-i.mean, -i.high, -i.low)
        return _Pair(interval, 1 - self.win_rate, self.p, self.frames)


class Differences:
    """Computes the differences of all methods from any reference, each pair once.

    Args:
        results: the run. Methods compete where they scored every cell of a level.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._psnr: dict[int, dict[str, np.ndarray]] = {}
        self._pairs: dict[tuple[int, str, str], _Pair] = {}

    def psnr(self, level: int) -> dict[str, np.ndarray]:
        """PSNR by frame of the methods that compete at a level, by method."""
        if level not in self._psnr:
            metric = next((m for m in self._results.metrics if m.name == "psnr"), None)
            self._psnr[level] = {} if metric is None else self._scores(level, metric)
        return self._psnr[level]

    def _scores(self, level: int, metric: MetricRecord) -> dict[str, np.ndarray]:
        found = frame_scores(self._results, self._results.levels[level], metric)
        return {m: found[m] for m in self._results.contestants if m in found}

    def against(self, reference: str) -> list[Difference]:
        """Compare all methods with a reference, level by level."""
        levels = range(len(self._results.levels))
        return [line for level in levels for line in self._at(level, reference)]

    def _at(self, level: int, reference: str) -> list[Difference]:
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
        if (level, reference, method) in self._pairs:
            return self._pairs[level, reference, method].turned
        key = level, method, reference
        if key not in self._pairs:
            psnr = self.psnr(level)
            paired = statistics.paired_differences(psnr[method], psnr[reference])
            self._pairs[key] = _Pair.of(paired)
        return self._pairs[key]


def _difference(level: int, method: str, pair: _Pair, p: float) -> Difference:
    single = pair.frames == 1
    low, high = (None, None) if single else (pair.interval.low, pair.interval.high)
    mean = pair.interval.mean
    return Difference(level, method, mean, low, high, pair.win_rate, p, pair.frames)
