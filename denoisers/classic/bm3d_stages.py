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
from denoisebench.denoisers.opponent import BASIS

__all__ = ["PROFILES", "Profile", "Stage", "bm3d_stages", "gaussian_kernel"]


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

    step: tuple[int, int] = (3, 4)
    count: tuple[int, int] = (16, 32)
    radius: int = 19
    threshold: float = 2.9
    wiener: float = 0.45
    beta: float = 2.0


PROFILES = {
    "normal": Profile(),
    "fast": Profile(step=(4, 4), count=(16, 16), radius=14),
    "high": Profile(step=(2, 2), threshold=2.8),
}
"""Profiles by name, chosen on documentary's val frames and on crops of BSDS500's train images."""

_ROUNDING = 1e-7  # of values near 1 in float32


class Stage(NamedTuple):
    """Constants of a stage, in the form that kernels take.

    Attributes:
        forward: float32 (64), the matrix of the blocks' transform.
        inverse: float32 (64), its inverse.
        window: float32 (64), weights of a block's pixels.
        covariance: float32 (T, 2 n + 1, 2 n + 1, 64), a table for all channels, or one for each.
        step: from a reference block to the next in pixels.
        offsets: int64 (N, 2), those searched.
        most: blocks of a group.
        strength: factor of the noise's variance in threshold or Wiener factor.
        is_wiener: True for the second stage.
    """

    forward: np.ndarray
    inverse: np.ndarray
    window: np.ndarray
    covariance: np.ndarray
    step: int
    offsets: np.ndarray
    most: int
    strength: float
    is_wiener: bool

    @property
    def radius(self) -> int:
        """Farthest offset along an axis in pixels."""
        return int(self.offsets.max())


def bm3d_stages(
    sigma: float,
    channels: int,
    *,
    kernel: np.ndarray | None = None,
    psd: np.ndarray | None = None,
    profile: str | Profile = "normal",
) -> tuple[Stage, ...]:
    """Prepare the two stages; none where noise is weaker than the rounding of float32.

    Args:
        sigma: standard deviation of the noise, on the frame's scale.
        channels: of the frame, C: 1 or 3.
        kernel: (h, w), or (h, w, C) for one a channel, for noise that is white noise convolved
            with it. Its scale does not matter.
        psd: (H, W), or (H, W, C), for noise of this power spectral density, as of the discrete
            Fourier transform. Its scale does not matter. Without either, the noise is white.
        profile: the settings, or their name in `PROFILES`.

    Raises:
        ValueError: both a kernel and a PSD are given.

    Examples:
        >>> [stage.is_wiener for stage in bm3d_stages(0.1, 1)]
        [False, True]
    """
    if kernel is not None and psd is not None:
        raise ValueError("give a kernel or a PSD of the noise, not both")
    if sigma < _ROUNDING:
        return ()
    settings = PROFILES[profile] if isinstance(profile, str) else profile
    basis = BASIS if channels == 3 else np.eye(channels)
    correlation = sigma**2 * _correlation(kernel, psd, basis, 2 * settings.radius)
    first, second = bior15_matrix(), dct_matrix()
    strengths = settings.threshold**2, settings.wiener
    return (
        _stage(settings, 0, first, np.linalg.inv(first), correlation, strengths[0]),
        _stage(settings, 1, second, second.T, correlation, strengths[1]),
    )


def gaussian_kernel(width: float) -> np.ndarray:
    """Return a Gaussian kernel (h, h) of a standard deviation in pixels.

    Examples:
        >>> gaussian_kernel(1.0).shape
        (9, 9)
    """
    reach = int(np.ceil(4 * width))
    line = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * width**2))
    return np.outer(line, line)


def _correlation(
    kernel: np.ndarray | None, psd: np.ndarray | None, basis: np.ndarray, reach: int
) -> np.ndarray:
    """Return the noise's autocorrelation, (T, n, n): one for all channels, or one for each.

    Noise of different channels is taken to be independent. Displacements up to ``reach`` count.
    """
    if kernel is None and psd is None:
        return np.ones((1, 1, 1))
    if psd is None:
        assert kernel is not None
        size = 2 * max(kernel.shape[:2]) - 1
        psd = np.abs(np.fft.fft2(kernel, (size, size), axes=(0, 1))) ** 2
    every = np.atleast_3d(psd).transpose(2, 0, 1)
    rings = np.fft.fftshift(np.fft.ifft2(every).real, axes=(1, 2))
    middle = [size // 2 for size in rings.shape[1:]]
    near = min(reach, *((size - 1) // 2 for size in rings.shape[1:]))
    square = [slice(at - near, at + near + 1) for at in middle]
    found = rings[:, square[0], square[1]]
    found = found / found[:, near : near + 1, near : near + 1]
    mixed: np.ndarray = np.tensordot(basis**2, found, 1) if len(found) > 1 else found
    return mixed


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
