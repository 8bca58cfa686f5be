"""Non-local means as tensor operations, on any device; `nlm` has the equations."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import avg_pool2d

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["nlm_by_torch"]

_BAND = 2**22  # values of the frame that are filtered at once


def nlm_by_torch(
    frame: torch.Tensor, sigma: float, patch_size: int, distance: int, h: float
) -> torch.Tensor:
    """Filter a frame in bands of rows, so that memory is bounded.

    Args:
        frame: float (1, C, H, W) on any device.
        sigma: standard deviation of the noise on the frame's scale, above 0.
        patch_size: side of a patch, odd.
        distance: farthest offset, in pixels.
        h: strength of the filter in units of sigma.

    Returns:
        The estimate, of the same shape and type.

    Examples:
        >>> frame = torch.zeros(1, 1, 8, 8)
        >>> frame[0, 0, 3, 3] = 0.1
        >>> estimate = nlm_by_torch(frame, 1.0, 3, 1, 1.0)
        >>> round(float(estimate[0, 0, 3, 3]), 4)
        0.0111
    """
    _, C, H, W = frame.shape
    margin = distance + patch_size // 2
    columns = _mirrored(-margin, W + margin, W, frame.device)
    height = max(1, _BAND // (C * W))
    estimate = torch.empty_like(frame)
    for top in range(0, H, height):
        bottom = min(top + height, H)
        rows = _mirrored(top - margin, bottom + margin, H, frame.device)
        band = frame[:, :, rows][..., columns]
        estimate[:, :, top:bottom] = _filter_band(band, sigma, patch_size, distance, h)
    return estimate


def _mirrored(start: int, stop: int, size: int, device: torch.device) -> torch.Tensor:
    """Return indices into an axis that is mirrored at its ends, which are not repeated."""
    period = max(2 * (size - 1), 1)
    index = torch.arange(start, stop, device=device) % period
    return torch.minimum(index, period - index).clamp(max=size - 1)


def _filter_band(
    band: torch.Tensor, sigma: float, patch_size: int, distance: int, h: float
) -> torch.Tensor:
    """Filter a band (1, C, H, W) that has a margin; return it without the margin."""
    margin = distance + patch_size // 2
    total, weights = band, torch.ones_like(band[:, :1])
    for offset in _half_of_the_offsets(distance):
        # The roll wraps around, but what it wraps stays in the margin.
        there = band.roll((-offset[0], -offset[1]), (2, 3))
        weight = _weight(band - there, sigma, patch_size, h)
        # A pair of patches has one distance, which serves both of its ends.
        total = total + weight * there + (weight * band).roll(offset, (2, 3))
        weights = weights + weight + weight.roll(offset, (2, 3))
    return (total / weights)[..., margin:-margin, margin:-margin]


def _half_of_the_offsets(distance: int) -> Iterator[tuple[int, int]]:
    """Yield one of each pair of opposite offsets, without the null."""
    reach = range(-distance, distance + 1)
    return ((dy, dx) for dy, dx in product(reach, reach) if (dy, dx) > (0, 0))


def _weight(difference: torch.Tensor, sigma: float, patch_size: int, h: float) -> torch.Tensor:
    """Return the weight of each pixel's partner, (1, 1, H, W), of differences (1, C, H, W)."""
    squares = difference.square().mean(1, keepdim=True)
    mean = avg_pool2d(squares, patch_size, stride=1, padding=patch_size // 2)
    unit = max((h * sigma) ** 2, 1e-35)  # keeps the quotient finite
    return (-(mean - 2 * sigma**2).clamp(min=0) / unit).exp()
