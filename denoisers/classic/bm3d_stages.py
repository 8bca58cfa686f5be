"""Stages of BM3D: settings by profile, and the constants that follow; the engines share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from denoisebench.denoisers.classic.block_transforms import (
    SIDE,
    bior15_matrix,
    block_covariance,
    dct_matrix,
)
from denoisebench.denoisers.classic.grids import search_offsets

__all__ = ["PROFILES", "Profile", "Stage", "bm3d_stages"]


@dataclass(frozen=True)
class Profile:
    """Settings of the two stages; pairs are of the first and the second stage.

    Attributes:
        step: from a reference block to the next in pixels.
        count: most blocks of a group, a power of two.
        radius: farthest offset of a match in pixels.
        threshold: of the first stage's coefficients, in standard deviations of their noise.
        wiener: noise variance in the second stage's Wiener factor, relative to the true one.
        beta: shape of the Kaiser window that weights a block's pixels.
    """

    step: tuple[int, int] = (3, 3)
    count: tuple[int, int] = (16, 32)
    radius: int = 19
    threshold: float = 2.9
    wiener: float = 0.45
    beta: float = 2.0


PROFILES = {
    "normal": Profile(),
    "fast": Profile(step=(4, 4), count=(16, 16)),
    "high": Profile(step=(2, 2), count=(16, 64)),
}
"""Profiles by name."""


class Stage(NamedTuple):
    """Constants of a stage, in the form that kernels take.

    Attributes:
        forward: float32 (64), the matrix of the blocks' transform.
        inverse: float32 (64), its inverse.
        window: float32 (64), weights of a block's pixels.
        covariance: float32 (T, 2 n + 1, 2 n + 1, 64), a table for all channels, or one for each.
        step: from a reference block to the next in pixels.
        offsets: int64 (N, 2), those searched.
        blocks: most blocks of a group.
        strength: factor of the noise's variance in threshold or Wiener factor.
        is_wiener: True for the second stage.
    """

    forward: np.ndarray
    inverse: np.ndarray
    window: np.ndarray
    covariance: np.ndarray
    step: int
    offsets: np.ndarray
    blocks: int
    strength: float
    is_wiener: bool

    @property
    def radius(self) -> int:
        """Farthest offset along an axis in pixels."""
        return int(self.offsets.max())


def bm3d_stages(profile: str, correlation: np.ndarray) -> tuple[Stage, Stage]:
    """Prepare the two stages.

    Args:
        profile: name of the settings, see `PROFILES`.
        correlation: autocorrelation of the noise at displacements up to r, for all channels or for
            each: (1 or C, 2 r + 1, 2 r + 1). White noise: [[[sigma²]]].

    Examples:
        >>> [stage.is_wiener for stage in bm3d_stages("normal", np.full((1, 1, 1), 0.01))]
        [False, True]
    """
    settings = PROFILES[profile]
    first, second = bior15_matrix(), dct_matrix()
    strengths = settings.threshold**2, settings.wiener
    return (
        _stage(settings, 0, first, np.linalg.inv(first), correlation, strengths[0]),
        _stage(settings, 1, second, second.T, correlation, strengths[1]),
    )


def _stage(
    settings: Profile,
    number: int,
    matrix: np.ndarray,
    inverse: np.ndarray,
    correlation: np.ndarray,
    strength: float,
) -> Stage:
    """Prepare a stage with a transform; ``number`` is 0 or 1."""
    kaiser = np.kaiser(SIDE, settings.beta)
    return Stage(
        matrix.astype(np.float32).ravel(),
        inverse.astype(np.float32).ravel(),
        np.outer(kaiser, kaiser).astype(np.float32).ravel(),
        np.stack([block_covariance(matrix, one) for one in correlation]),
        settings.step[number],
        search_offsets(settings.radius),
        settings.count[number],
        strength,
        number == 1,
    )
