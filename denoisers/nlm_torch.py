"""Non-local means as whole-frame tensor operations: the same filter on CPU and GPU."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np

from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

CUTOFF = 5.0


@register(
    "nlm-torch",
    title="NLM (torch)",
    family="patch",
    reference="Buades, Coll & Morel 2005",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
)
@dataclass(frozen=True)
class NonLocalMeansTorch:
    """A mean over the pixels nearby, each weighted by how alike its patch is.

    Froment, "Parameter-free fast pixelwise non-local means denoising", IPOL 2014: for one offset
    at a time, the distances of all patches are a box filter of the squared difference between the
    frame and its shifted self. It computes what scikit-image's fast mode does, so that one may be
    timed against the other: a patch is one pixel narrower than its name, yet divided by its full
    area, and distances above 5 count for nothing. Only the exponential is exact here, where
    scikit-image has one that is off by up to 4 %.

    Attributes:
        patch_size: side of a patch in pixels, odd.
        patch_distance: farthest offset searched, in pixels.
        h: filter strength in units of sigma.
    """

    patch_size: Literal[3, 5, 7] = 3
    patch_distance: int = 6
    h: float = 0.5

    def denoise(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        if sigma == 0:
            return noisy.clone()
        margin = self.patch_distance + self.patch_size // 2
        padded = _reflect(noisy, margin)
        total, weights = padded, padded.new_ones(())
        for dy, dx in self._offsets():
            # The roll wraps around, but what it wraps stays in the margin.
            there = padded.roll((-dy, -dx), (2, 3))
            weight = self._weight(padded - there, sigma)
            # A pair of patches has one distance, which serves both of its ends.
            total = total + weight * there + (weight * padded).roll((dy, dx), (2, 3))
            weights = weights + weight + weight.roll((dy, dx), (2, 3))
        estimate: torch.Tensor = (total / weights)[..., margin:-margin, margin:-margin]
        return estimate

    def _offsets(self) -> Iterator[tuple[int, int]]:
        """One of each pair of opposite offsets, without the null."""
        reach = range(-self.patch_distance, self.patch_distance + 1)
        return ((dy, dx) for dx, dy in product(reach, reach) if (dx, dy) > (0, 0))

    def _weight(self, difference: torch.Tensor, sigma: float) -> torch.Tensor:
        """The weight of each pixel's partner, (1, 1, H, W)."""
        from torch.nn.functional import avg_pool2d

        excess = difference.square().mean(1, keepdim=True) - 2 * sigma**2
        side = self.patch_size - 1
        mean = avg_pool2d(excess, side, stride=1, padding=side // 2)[..., 1:, 1:]
        distance = mean.clamp(min=0) * (side / (self.patch_size * self.h * sigma)) ** 2
        return (-distance).exp() * (distance <= CUTOFF)


def _reflect(image: torch.Tensor, margin: int) -> torch.Tensor:
    """Pad as numpy does: torch's own reflection needs frames larger than the margin."""
    import torch

    def mirrored(size: int) -> torch.Tensor:
        index = np.pad(np.arange(size), margin, mode="reflect")
        return torch.from_numpy(index).to(image.device)

    rows, columns = (mirrored(size) for size in image.shape[2:])
    return image[:, :, rows][..., columns]
