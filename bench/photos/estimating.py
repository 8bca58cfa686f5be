"""Sigma of the noise in a photograph, from its pixels alone, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.protocol.estimation import estimate_sigma, of_white_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SIDE = 96  # of a block in pixels
_MOST = 144  # blocks of a picture
_SMOOTH = 25  # percentile: the smoothest quarter of the blocks has the least texture
_SHOWN = (16, _SMOOTH, 84)  # percentiles: the outer ones are a standard deviation from the median
_WHITE = 1.25  # largest ratio of the two estimators in the smoothest quarter, if noise is white


@dataclass(frozen=True)
class NoiseEstimate:
    """Estimate of sigma on the 8-bit scale.

    Attributes:
        sigma: the estimate.
        low: the 16th percentile of the estimates in blocks of the picture.
        high: the 84th percentile.
        white: True if neighbouring pixels' noise seems independent; a camera's is correlated.

    Examples:
        >>> str(NoiseEstimate(8.34, 6.91, 11.2, white=False))
        'sigma 8.3 (6.9 to 11, correlated or texture)'
    """

    sigma: float
    low: float
    high: float
    white: bool

    def __str__(self) -> str:
        """Write it in words."""
        kind = "white" if self.white else "correlated or texture"
        return f"sigma {self.sigma:.2g} ({self.low:.2g} to {self.high:.2g}, {kind})"


def blocks_of(
    shape: Sequence[int], read: Callable[[slice, slice], np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield at most 144 blocks, spread evenly over a picture.

    Args:
        shape: the picture's, (H, W, C).
        read: reads a part of it, float32 in [0, 1].
    """
    sides = [min(_SIDE, max(16, size // 4), size) for size in shape[:2]]
    counts = [max(1, size // side) for size, side in zip(shape[:2], sides, strict=True)]
    total = counts[0] * counts[1]
    for number in np.linspace(0, total - 1, min(total, _MOST)).astype(int):
        top, left = (
            int(i) * side for i, side in zip(divmod(number, counts[1]), sides, strict=True)
        )
        yield read(slice(top, top + sides[0]), slice(left, left + sides[1]))


def estimate_noise(blocks: Iterator[np.ndarray]) -> NoiseEstimate:
    """Estimate sigma from blocks of a picture.

    Two estimators look at each block: one takes neighbouring pixels' noise for independent, the
    other (`protocol.estimation.estimate_sigma`) does not, and takes more of the texture for noise.
    Where both agree in the smoothest quarter of the blocks, the noise is white, and the first one
    is right, else the second. Its value there, where texture is least, is the estimate. Neither
    knows that noise may grow with brightness.

    Args:
        blocks: float32 (h, w, C) in [0, 1] each.

    Returns:
        The estimate; 0 if all blocks are flat.

    Examples:
        >>> noise = np.random.default_rng(1).normal(0.5, 25 / 255, (256, 256, 3)).astype("float32")
        >>> found = estimate_noise(blocks_of(noise.shape, lambda rows, cols: noise[rows, cols]))
        >>> found.white, bool(abs(found.sigma - 25) < 2)
        (True, True)
    """
    values = [_both(255 * block) for block in blocks]
    found = np.array([value for value in values if min(value) > 0])
    if not len(found):
        return NoiseEstimate(0.0, 0.0, 0.0, white=True)
    independent, any_noise = found.T
    smooth, smooth_of_any = np.percentile(found, _SMOOTH, axis=0)
    white = bool(smooth_of_any < _WHITE * smooth)
    low, sigma, high = np.percentile(independent if white else any_noise, _SHOWN)
    return NoiseEstimate(float(sigma), float(low), float(high), white)


def _both(block: np.ndarray) -> tuple[float, float]:
    """Estimate sigma as that of white noise, and as that of any."""
    white = np.mean([of_white_noise(block[..., c]) for c in range(block.shape[2])])
    return float(white), estimate_sigma(block)
