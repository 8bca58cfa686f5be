"""One step of NL-Bayes: each group of similar patches taken as samples of a Gaussian.

The frame is cut into tiles of reference patches. Within a tile they are visited in turn, and one
that an earlier group has estimated already is left out. Tiles that could add to the same pixels
never run at once, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.linalg  # noqa: F401 - its BLAS, which numba calls, must be loaded to be limited
from numba import prange
from threadpoolctl import threadpool_limits

from denoisebench.denoisers.classic.compiled import kernel
from denoisebench.denoisers.classic.gaussian_groups import centre, shrink, variance
from denoisebench.denoisers.classic.grids import Tiles, block_grid, cuts, tiles_in_turns
from denoisebench.denoisers.classic.similar_patches import (
    add_patches,
    find_similar,
    gather_patches,
)

__all__ = ["BayesStep", "estimate_patches"]

_TILE = 32  # reference patches along its sides, or more


class BayesStep(NamedTuple):
    """Parameters of a step.

    Attributes:
        size: side of a patch in pixels.
        least: number of patches of a group, if the window has so many.
        radius: farthest offset of a patch from its reference, along an axis in pixels.
        noise: variance of the noise, times a factor near 1.
        flat: a group of a smaller variance is flat: its estimate is the mean of its pixels.
        reach: squared distance of patches that belong to a group beyond ``least``.
        joint: compare, and take as one vector, the patches of all planes of the pilot, which then
            gives the Gaussian; else compare on the first plane, and learn each plane's Gaussian
            from the noisy patches.
    """

    size: int
    least: int
    radius: int
    noise: float
    flat: float
    reach: float
    joint: bool


@kernel()
def _add_group(
    noisy: np.ndarray,
    pilot: np.ndarray,
    step: BayesStep,
    found: np.ndarray,
    group: np.ndarray,
    samples: np.ndarray,
    mean: np.ndarray,
    total: np.ndarray,
) -> None:
    """Estimate the patches of one group, as vectors of all planes given, and add them up."""
    gather_patches(noisy, step.size, found, group)
    centre(group, mean)
    if variance(group, mean) < step.flat:
        group[:] = 0
        mean[:] = mean.mean()
    elif step.joint:
        gather_patches(pilot, step.size, found, samples)
        # The scratch of the pilot's own mean; the noisy mean is less biased.
        centre(samples, np.empty_like(mean))
        shrink(group, samples, step.noise, step.noise)
    else:
        shrink(group, group, step.noise, 0)
    add_patches(group, mean, step.size, found, total)


@kernel()
def _add_tile(
    noisy: np.ndarray,
    pilot: np.ndarray,
    step: BayesStep,
    rows: np.ndarray,
    columns: np.ndarray,
    total: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Add the estimates of all groups of a tile's reference patches."""
    planes = len(noisy) if step.joint else 1
    guide = pilot if step.joint else pilot[:1]
    window, d = (2 * step.radius + 1) ** 2, planes * step.size**2
    limit = window if step.reach > 0 else min(step.least, window)
    distance, found = np.empty(window, np.float32), np.empty((limit, 2), np.int64)
    group, samples = np.empty((limit, d), np.float32), np.empty((limit, d), np.float32)
    mean, ones = np.empty(d, np.float32), np.ones((limit, step.size**2), np.float32)
    no_mean = np.zeros(step.size**2, np.float32)
    top, left = rows[0], columns[0]
    done = np.zeros((rows[-1] - top + 1, columns[-1] - left + 1), np.bool_)
    for y in rows:
        for x in columns:
            if done[y - top, x - left]:
                continue
            n = find_similar(
                guide, step.size, y, x, step.radius, step.least, step.reach, distance, found
            )
            for p in range(0, len(noisy), planes):
                part = slice(p, p + planes)
                _add_group(
                    noisy[part], pilot[part], step, found, group[:n], samples[:n], mean, total[part]
                )
            add_patches(ones[:n], no_mean, step.size, found, weights)
            for q in range(n):
                v, u = found[q, 0] - top, found[q, 1] - left
                if 0 <= v < done.shape[0] and 0 <= u < done.shape[1]:
                    done[v, u] = True


@kernel(parallel=True)
def _add_tiles(
    noisy: np.ndarray,
    pilot: np.ndarray,
    step: BayesStep,
    rows: np.ndarray,
    columns: np.ndarray,
    tiles: Tiles,
    total: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Add up all tiles, turn by turn."""
    for turn in range(4):
        for tile in prange(tiles.turns[turn], tiles.turns[turn + 1]):
            top, bottom, left, right = tiles.bounds[tile]
            _add_tile(noisy, pilot, step, rows[top:bottom], columns[left:right], total, weights)


def estimate_patches(
    noisy: np.ndarray, pilot: np.ndarray, step: BayesStep, stride: int
) -> np.ndarray:
    """Estimate a frame by one step of NL-Bayes: the mean of the estimates of all groups.

    Args:
        noisy: float32 (C, H, W); H and W at least the patch's size.
        pilot: an earlier estimate, or the noisy frame itself.
        step: see `BayesStep`.
        stride: from one reference patch to the next in pixels, at most the patch's size.

    Returns:
        float32 (C, H, W).

    Examples:
        >>> import numpy as np
        >>> noisy = np.random.default_rng(0).normal(0.5, 0.1, (1, 40, 40)).astype(np.float32)
        >>> step = BayesStep(5, 45, 11, 0.01, 0.011, 0.0, False)
        >>> bool(estimate_patches(noisy, noisy, step, 2).std() < 0.03)
        True
    """
    rows, columns = (block_grid(size, step.size, stride) for size in noisy.shape[1:])
    # Tiles of one turn are a tile apart, and a group reaches beyond its tile by a radius.
    side = max(_TILE, math.ceil((2 * step.radius + step.size) / stride))
    tiles = tiles_in_turns(cuts(len(rows), side), cuts(len(columns), side))
    total, weights = np.zeros_like(noisy), np.zeros((1, *noisy.shape[1:]), np.float32)
    # The threads share the tiles. BLAS would start its own for the larger of the small matrices.
    with threadpool_limits(1, user_api="blas"):
        _add_tiles(noisy, pilot, step, rows, columns, tiles, total, weights)
    total /= weights
    return total
