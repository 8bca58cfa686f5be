"""When launches in turn say that one version is slower: the rule, as pure functions of times.

The unit is the launch of a process: where its memory comes to lie, and what the machine does just
then, moves all times of a launch alike, so that repeats within one say nothing about it. Each
launch of BASE is paired with its neighbour in time, a launch of HEAD. What drifts slowly is taken
out by measuring each pair from the middle of it and its neighbours. HEAD is slower if the change is

- significant: had the two launches of a pair changed places, the ranks would hardly ever have come
  out as uneven (an exact test of the swaps within pairs, on aligned ranks: Hodges & Lehmann 1962,
  "Rank methods for combination of independent experiments in analysis of variance"). Ranks, so that
  a launch that went wrong counts as one launch, however wrong it went;
- large: the median of all differences between a launch of HEAD and one of BASE (Hodges & Lehmann
  1963, "Estimates of location based on rank tests") is at least the share asked for;
- found again, by the same two tests, in a second look at launches of its own.

Both looks being independent, a change that is none passes the first test of both in the wrong
direction in (0.05 / 2)² = 0.06 % of all cases, and the second one rarely after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SIGNIFICANT = 0.05
"""Of each look, two-sided."""

FEWEST_PAIRS = 6
"""Fewer cannot be significant, whatever they are: 2 / 2⁵ is above `SIGNIFICANT`."""

_ALL_SWAPS = 12  # pairs, up to which every way to swap them is tried
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Look:
    """What one series of paired launches says.

    Attributes:
        log_change: (…,), estimate of ``log(head / base)``.
        pvalue: (…,), of the test that there is no change.
    """

    log_change: np.ndarray
    pvalue: np.ndarray

    def slower(self, share: float) -> np.ndarray:
        """Whether HEAD takes longer than BASE by that share of BASE's time, or more."""
        found: np.ndarray = (self.pvalue <= SIGNIFICANT) & (self.log_change >= np.log1p(share))
        return found

    def faster(self, share: float) -> np.ndarray:
        """Whether BASE takes longer than HEAD, by the same measure."""
        found: np.ndarray = (self.pvalue <= SIGNIFICANT) & (self.log_change <= -np.log1p(share))
        return found


def look(base: ArrayLike, head: ArrayLike) -> Look:
    """Judge paired launches.

    Args:
        base, head: times (…, pairs), above 0, neighbours in time paired.
    """
    from scipy import stats

    both = np.log(np.stack([np.asarray(base, float), np.asarray(head, float)], axis=-1))
    aligned = both - _middle(both)[..., None]
    flat = (*aligned.shape[:-2], -1)
    ranks = stats.rankdata(aligned.reshape(flat), axis=-1).reshape(aligned.shape)
    differences = aligned[..., :, None, 1] - aligned[..., None, :, 0]
    estimate = np.median(differences.reshape(flat), axis=-1)
    return Look(estimate, _swap_test(ranks[..., 1] - ranks[..., 0]))


def _middle(both: np.ndarray) -> np.ndarray:
    """The median of each pair and the pairs beside it: (…, pairs, 2) to (…, pairs).

    It does not know which launch was whose, so that a swap leaves it as it is.
    """
    pairs = both.shape[-2]
    near = [both[..., max(0, i - 1) : i + 2, :] for i in range(pairs)]
    middles = [np.median(values, axis=(-2, -1)) for values in near]
    return np.stack(middles, axis=-1)


def _swap_test(differences: np.ndarray) -> np.ndarray:
    """How often the sum of differences (…, pairs) is as far from 0 if their signs are drawn."""
    sums = differences @ _signs(differences.shape[-1]).T
    found = np.abs(differences.sum(axis=-1, keepdims=True))
    shares: np.ndarray = np.mean(np.abs(sums) >= found - _ROUNDING, axis=-1)
    return shares


@cache
def _signs(pairs: int) -> np.ndarray:
    """Ways to swap the launches of pairs, (ways, pairs) of -1 and 1, the one without swaps first:
    all, or as many as twelve pairs have."""
    if pairs <= _ALL_SWAPS:
        bits = np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, (2**_ALL_SWAPS, pairs))
        bits[0] = 0
    return (1 - 2 * bits).astype(float)
