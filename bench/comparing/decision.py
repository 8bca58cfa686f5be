"""The rule that decides from launches in turn whether a version is slower: pure functions.

The unit is the launch of a process. The place of its memory and the state of the machine move all
times of a launch alike, so repeats within one launch do not show this scatter. Each launch of BASE
is paired with its neighbour in time, a launch of HEAD. Each pair is measured from the middle of it
and its neighbours, which removes slow drift. HEAD is slower if the change is

- significant: if the launches of pairs are swapped at random, the ranks are rarely as uneven (an
  exact test of the swaps within pairs, on aligned ranks: Hodges & Lehmann 1962, "Rank methods for
  combination of independent experiments in analysis of variance"). With ranks, one bad launch
  counts as one launch, however bad it is;
- large: the median of all differences between a launch of HEAD and one of BASE (Hodges & Lehmann
  1963, "Estimates of location based on rank tests") is at least the share that is asked for;
- found again, by the same two tests, in a second look at other launches.

The two looks are independent: without a change, both find a significant slowdown in
(0.05 / 2)² = 0.06 % of all cases, and the slowdown is rarely large enough then.

A slowdown that is not found may still be there. `detectable` estimates from the launches' own
scatter the smallest one that both looks would have found significant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SIGNIFICANT = 0.05
"""The largest p-value of a significant change, in each look; the test is two-sided."""

FEWEST_PAIRS = 6
"""The fewest pairs that can be significant: with 5, the smallest p-value is 2 / 2⁵ = 0.0625."""

_DETECTED = 0.95
"""Share of slowdowns of the detectable size that one look finds, if the scatter is known."""

_ALL_SWAPS = 12  # the most pairs of which every way to swap them is tried
_ROUNDING = 1e-9  # sums of ranks that differ by less are equal


@dataclass(frozen=True)
class Look:
    """Result of one series of paired launches, or of several in an array.

    Attributes:
        log_change: estimate of ``log(head / base)``, (…,).
        pvalue: p-value of the test that there is no change, (…,), in [0, 1].
    """

    log_change: np.ndarray
    pvalue: np.ndarray

    def slower(self, share: float) -> np.ndarray:
        """Return True, (…,), where HEAD takes longer than BASE by the share of its time or more."""
        found: np.ndarray = (self.pvalue <= SIGNIFICANT) & (self.log_change >= np.log1p(share))
        return found

    def faster(self, share: float) -> np.ndarray:
        """Return True, (…,), where BASE takes longer than HEAD by the share of its time or more."""
        found: np.ndarray = (self.pvalue <= SIGNIFICANT) & (self.log_change <= -np.log1p(share))
        return found


def look(base: ArrayLike, head: ArrayLike) -> Look:
    """Estimate and test the change of time between paired launches.

    Args:
        base: times of BASE's launches, (…, pairs), above 0, in any unit.
        head: times of HEAD's launches in the same unit; each is its pair's neighbour in time.

    Examples:
        >>> base = [10.0, 10.1, 9.9, 10.0, 10.2, 9.8]
        >>> found = look(base, [1.2 * time for time in base])
        >>> bool(found.slower(0.05)), bool(found.slower(0.50))
        (True, False)
    """
    from scipy import stats

    both = np.log(np.stack([np.asarray(base, float), np.asarray(head, float)], axis=-1))
    aligned = both - _middle(both)[..., None]
    flat = (*aligned.shape[:-2], -1)
    ranks = stats.rankdata(aligned.reshape(flat), axis=-1).reshape(aligned.shape)
    differences = aligned[..., :, None, 1] - aligned[..., None, :, 0]
    estimate = np.median(differences.reshape(flat), axis=-1)
    return Look(estimate, _swap_test(ranks[..., 1] - ranks[..., 0]))


def detectable(base: ArrayLike, head: ArrayLike) -> np.ndarray:
    """Estimate the smallest slowdown that two looks at such launches find significant.

    It is ``exp(w · (1 + z(0.95) / z(0.975))) - 1``. w is half the width of the 95 % interval of the
    pairs' change, made of the means of all two pairs that the signed-rank test does not reject
    (Tukey's; Hollander & Wolfe 1999, "Nonparametric statistical methods", Sec. 3.3). z are normal
    quantiles. With z(0.95) for each look, both find the slowdown in 90 % of comparisons if w is
    known. As w is estimated from a few launches, they find it in about 80 % with ten pairs, 70 %
    with six and 85 % with twenty.

    The pairs' changes are taken to be independent and symmetric about the true change, and the
    launches of a second look to scatter as those of the first. A bad launch counts as one launch.

    Args:
        base: times of BASE's launches, (…, pairs), above 0, in any unit; six pairs at least.
        head: times of HEAD's launches in the same unit; each is its pair's neighbour in time.

    Returns:
        Shares of BASE's time, (…,). They do not depend on the change between the versions.

    Examples:
        >>> base = [10.0, 10.1, 9.9, 10.0, 10.2, 9.8]
        >>> head = [10.2, 10.0, 10.1, 9.9, 10.2, 10.0]
        >>> round(float(detectable(base, head)), 3)
        0.028
    """
    from scipy import stats

    changes = np.log(np.asarray(head, float)) - np.log(np.asarray(base, float))
    first, second = np.triu_indices(changes.shape[-1])
    means = np.sort((changes[..., first] + changes[..., second]) / 2, axis=-1)
    cut = _rejected(changes.shape[-1])
    half = (means[..., -1 - cut] - means[..., cut]) / 2
    wider = 1 + stats.norm.ppf(_DETECTED) / stats.norm.ppf(1 - SIGNIFICANT / 2)
    shares: np.ndarray = np.expm1(half * wider)
    return shares


@cache
def _rejected(pairs: int) -> int:
    """Return the number of means of two pairs that the signed-rank test rejects on each side.

    Without a change, the sum of the positive ranks is the sum of those ranks, from 1 to ``pairs``,
    that fair coins choose.
    """
    shares = np.ones(1)
    for rank in range(1, pairs + 1):
        shares = np.convolve(shares, [0.5, *([0.0] * (rank - 1)), 0.5])
    return int(np.searchsorted(np.cumsum(shares), SIGNIFICANT / 2, side="right")) - 1


def _middle(both: np.ndarray) -> np.ndarray:
    """Return the median of each pair and the pairs beside it: (…, pairs, 2) to (…, pairs).

    A swap within a pair does not change it, as the test requires.
    """
    pairs = both.shape[-2]
    near = [both[..., max(0, i - 1) : i + 2, :] for i in range(pairs)]
    middles = [np.median(values, axis=(-2, -1)) for values in near]
    return np.stack(middles, axis=-1)


def _swap_test(differences: np.ndarray) -> np.ndarray:
    """Return the share of sign changes that leave the sum of differences as far from 0.

    Args:
        differences: (…, pairs).

    Returns:
        p-values, (…,).
    """
    sums = differences @ _signs(differences.shape[-1]).T
    found = np.abs(differences.sum(axis=-1, keepdims=True))
    shares: np.ndarray = np.mean(np.abs(sums) >= found - _ROUNDING, axis=-1)
    return shares


@cache
def _signs(pairs: int) -> np.ndarray:
    """Return ways to swap the launches of pairs, as -1 and 1, (ways, pairs).

    The way without swaps comes first. Up to twelve pairs, these are all ways; of more pairs, as
    many ways as twelve have are drawn.
    """
    if pairs <= _ALL_SWAPS:
        bits = np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, (2**_ALL_SWAPS, pairs))
        bits[0] = 0
    return (1 - 2 * bits).astype(float)
