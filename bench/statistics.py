"""Statistics of paired scores: pure functions of arrays, in which scipy does the statistics.

All methods see the same noise on the same frames, so differences are taken frame by frame. Frames
are the sample: a method's scores under several noise draws of one frame are averaged first, because
they are alike and would make any interval look too narrow. Everywhere a greater score is a better
one: `gains` turns the scores of other metrics over. Resampling starts from a fixed seed: the same
scores always give the same figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.95
"""Level of confidence intervals, and 1 minus the error rate of tests."""

_RESAMPLES = 9999
_SEED = 20200
_BLOCK = 1_000_000  # draws at a time, which bounds memory
_MOST_DRAWN = 2000  # values that are resampled; their draws are kept, 40 MB
_ALIKE = 1e-9  # scores that differ by less differ by rounding


@dataclass(frozen=True)
class Interval:
    """Mean with its confidence interval, in the unit of the scores.

    Attributes:
        mean: the mean; nan where infinite differences have both signs.
        low: lower end of the interval.
        high: upper end of the interval.

    Examples:
        >>> Interval(0.3, 0.1, 0.5).excludes_zero
        True
    """

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """True if the whole interval lies above zero, or below it."""
        return self.low > 0 or self.high < 0


def gains(scores: ArrayLike, direction: Literal["higher", "lower", "zero"]) -> np.ndarray:
    """Turn scores so that greater is better.

    Args:
        scores: any shape.
        direction: the metric's best value: the highest, the lowest, or the one closest to zero.

    Returns:
        Same shape as ``scores``.

    Examples:
        >>> gains([0.5, -0.25], "lower").tolist()
        [-0.5, 0.25]
        >>> gains([0.5, -0.25], "zero").tolist()
        [-0.5, -0.25]
    """
    values = np.asarray(scores, float)
    if direction == "higher":
        return values
    return -values if direction == "lower" else -np.abs(values)


def over_seeds(scores: ArrayLike) -> np.ndarray:
    """Average scores over noise draws.

    Args:
        scores: (…, frames, seeds).

    Returns:
        Means, (…, frames).

    Examples:
        >>> over_seeds([[30.0, 31.0], [28.0, 28.5]]).tolist()
        [30.5, 28.25]
    """
    means: np.ndarray = np.mean(np.asarray(scores, float), axis=-1)
    return means


def paired_differences(scores: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Subtract a reference's scores frame by frame.

    Equal scores differ by 0, also infinite ones. Scores that differ by rounding alone are equal.

    Args:
        scores: (…, frames).
        reference: (…, frames), in the same order of frames.

    Returns:
        ``scores - reference``, (…, frames).

    Raises:
        ValueError: a score is missing (nan), or there is no frame.

    Examples:
        >>> paired_differences([30.0, np.inf], [29.5, np.inf]).tolist()
        [0.5, 0.0]
    """
    ours, theirs = np.broadcast_arrays(np.asarray(scores, float), np.asarray(reference, float))
    if not ours.size:
        raise ValueError("there is no frame to compare on")
    if np.isnan(ours).any() or np.isnan(theirs).any():
        raise ValueError("a score is missing: leave out the frames that not all methods scored")
    equal = np.isclose(ours, theirs, rtol=0, atol=_ALIKE)
    return np.where(equal, 0.0, np.where(equal, 0.0, ours) - np.where(equal, 0.0, theirs))


def mean_interval(differences: ArrayLike, level: float = LEVEL) -> Interval:
    """Compute the mean over frames with its bootstrap confidence interval.

    The interval is bias-corrected and accelerated (Efron 1987, "Better bootstrap confidence
    intervals"); frames are drawn with replacement. With few frames it is somewhat too narrow: of
    95 % intervals over 20 normal differences 93 % hold the mean, over 6 frames 87 %. For one frame
    the interval is its difference. Over thousands of frames its limits are computed without
    resampling: DiCiccio & Efron 1992, "More accurate confidence intervals in exponential families".

    Args:
        differences: (frames,), as `paired_differences` gives them.
        level: the share of such intervals that should hold the true mean.

    Returns:
        The mean and its interval, which is unbounded where single differences are infinite.

    Examples:
        >>> interval = mean_interval([0.1, 0.2, 0.3, 0.4])
        >>> round(interval.mean, 3), interval.excludes_zero
        (0.25, True)
    """
    values = np.asarray(differences, float)
    if not np.isfinite(values).all():
        return _unbounded(values)
    mean = float(np.mean(values))
    if np.ptp(values) < _ALIKE:  # or one frame: there is nothing to resample
        return Interval(mean, mean, mean)
    if len(values) > _MOST_DRAWN:
        return _approximate(values, mean, level)
    from scipy import stats

    drawn: Any = SimpleNamespace(bootstrap_distribution=_resampled_means(values))
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=0,
        confidence_level=level,
        method="BCa",
        bootstrap_result=drawn,
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def _approximate(values: np.ndarray, mean: float, level: float) -> Interval:
    """Return the interval to which the bootstrap's tends as resamples and values grow in number.

    For a mean, the bias correction equals the acceleration, a sixth of the mean's skewness.
    """
    from scipy import stats

    away = values - mean
    squares = np.sum(away**2)
    acceleration = np.sum(away**3) / (6 * squares**1.5)
    z = acceleration + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = mean + np.sqrt(squares) / len(values) * z / (1 - acceleration * z) ** 2
    return Interval(mean, float(low), float(high))


def _resampled_means(values: np.ndarray) -> np.ndarray:
    """Return the means of resamples, (resamples,): the same draws for all values of one length."""
    blocks = _draws(len(values))
    return np.concatenate([block.astype(float) @ values for block in blocks]) / len(values)


@lru_cache(maxsize=4)
def _draws(count: int) -> list[np.ndarray]:
    """Return blocks of counts: how often each value is in a resample, uint16 (resamples, count).

    A mean is then a product with the values: a table asks for hundreds, over the same frames.
    """
    rng = np.random.default_rng(_SEED)
    most = max(1, _BLOCK // count)
    blocks = []
    for first in range(0, _RESAMPLES, most):
        rows = min(most, _RESAMPLES - first)
        places = rng.integers(0, count, (rows, count)) + count * np.arange(rows)[:, np.newaxis]
        found = np.bincount(places.ravel(), minlength=rows * count)
        blocks.append(found.reshape(rows, count).astype(np.uint16))
    return blocks


def _unbounded(values: np.ndarray) -> Interval:
    """Return the interval of differences of which some are infinite.

    Where one estimate is perfect and the other is not, only the sign of the mean is known.
    """
    infinite = values[np.isinf(values)]
    mean = float(infinite[0]) if (infinite == infinite[0]).all() else math.nan
    if len(infinite) == len(values) and not math.isnan(mean):
        return Interval(mean, mean, mean)
    return Interval(mean, -math.inf, math.inf)


def win_rate(differences: ArrayLike) -> float:
    """Return the share of frames on which the difference is positive; equal ones count half.

    Args:
        differences: (frames,).

    Returns:
        A share in [0, 1].

    Examples:
        >>> win_rate([0.5, -0.2, 0.0, 0.1])
        0.625
    """
    return float(np.mean((np.sign(np.asarray(differences, float)) + 1) / 2))


def wilcoxon(differences: ArrayLike) -> float:
    """Test that differences are symmetric about 0, by Wilcoxon's signed-rank test.

    Frames that do not differ are left out, as Wilcoxon did. scipy computes the p-value exactly for
    up to 50 frames, or up to 13 if differences are tied.

    Args:
        differences: (frames,). With fewer than 6 frames the p-value cannot fall below 0.05.

    Returns:
        The two-sided p-value; 1 where no frame differs.

    Examples:
        >>> round(wilcoxon([1, 2, 3, 4, 5, 6]), 5)
        0.03125
    """
    values = np.asarray(differences, float)
    differing = values[values != 0]
    if not len(differing):
        return 1.0
    from scipy import stats

    return float(stats.wilcoxon(differing).pvalue)


def holm(pvalues: ArrayLike) -> np.ndarray:
    """Correct p-values for the number of tests, by Holm's method.

    Holm 1979, "A simple sequentially rejective multiple test procedure". Rejecting those at or
    below alpha keeps the chance of any false rejection at or below alpha.

    Args:
        pvalues: (tests,).

    Returns:
        Corrected p-values, (tests,), in the same order, at most 1.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(pvalues, float)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected


@dataclass(frozen=True)
class Ranking:
    """Average ranks of methods over frames.

    Attributes:
        average: (methods,), mean rank of each; 1 is best, equals share the mean of their ranks.
        critical_difference: two methods whose average ranks differ by less cannot be told apart.
    """

    average: np.ndarray
    critical_difference: float


def ranking(scores: ArrayLike, level: float = LEVEL) -> Ranking:
    """Rank methods frame by frame, and average the ranks, with Nemenyi's critical difference.

    Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", Sec. 3.2.2. The
    critical difference is ``q · sqrt(k (k + 1) / (6 N))`` for k methods on N frames. q is the
    studentised range's quantile for k means and infinitely many degrees of freedom, divided by the
    square root of 2.

    Args:
        scores: (methods, frames), two methods at least.
        level: 1 minus the error rate.

    Examples:
        >>> found = ranking([[30, 31, 29], [28, 29, 27]])
        >>> found.average.tolist(), round(found.critical_difference, 2)
        ([1.0, 2.0], 1.13)
    """
    from scipy import stats

    values = np.asarray(scores, float)
    methods, frames = values.shape
    average = stats.rankdata(-values, axis=0).mean(axis=1)
    q = stats.studentized_range.ppf(level, methods, np.inf) / math.sqrt(2)
    return Ranking(average, float(q * math.sqrt(methods * (methods + 1) / (6 * frames))))


def behind_best(scores: ArrayLike, level: float = LEVEL) -> list[Interval]:
    """Compare all methods with the one of the best mean; the intervals hold together.

    Intervals are made wider for the number of methods (Bonferroni), so that the chance that any of
    them misses its mean stays near ``1 - level``.

    Args:
        scores: (methods, frames).
        level: level of all intervals together.

    Returns:
        For each method the mean of its differences from the best, with its interval
        (`mean_interval`); zeros for the best.

    Examples:
        >>> behind = behind_best([[30.0, 31.0, 29.0, 32.0], [28.0, 29.1, 27.0, 30.0]])
        >>> [round(interval.mean, 3) for interval in behind]
        [0.0, -1.975]
    """
    values = np.asarray(scores, float)
    best = values[int(np.argmax(values.mean(axis=1)))]
    each = 1 - (1 - level) / max(1, len(values) - 1)
    return [mean_interval(d, each) for d in paired_differences(values, best)]


def not_worse(scores: ArrayLike, level: float = LEVEL) -> np.ndarray:
    """Mark the method with the best mean, and all that are not significantly worse.

    Tables show these in bold. A method is worse if its interval in `behind_best` lies below zero:
    the chance of leaving out any that equals the best stays near ``1 - level``.

    Args:
        scores: (methods, frames).
        level: level of all intervals together.

    Returns:
        bool (methods,).

    Examples:
        >>> not_worse([[30.0, 31.0, 29.0, 32.0], [28.0, 29.1, 27.0, 30.0]]).tolist()
        [True, False]
    """
    return np.array([interval.high >= 0 for interval in behind_best(scores, level)])
