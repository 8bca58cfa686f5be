"""Batches of noisy and clean crops, made on the training's device, which holds the frames."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.denoisers.gan.recipe import DataSpec


class Batch(NamedTuple):
    """Crops and their noise.

    Attributes:
        clean: float32 (N, 3, P, P) in [0, 1].
        noisy: ``clean + sigma · n``, neither clipped nor quantised.
        sigma: (N,), on the same scale.
    """

    clean: torch.Tensor
    noisy: torch.Tensor
    sigma: torch.Tensor


def random_key(seed: int, *position: int) -> int:
    """Compute the seed of a draw from the training's seed and the place in the training alone.

    So a training that goes on from a checkpoint draws the same numbers as one that was never
    interrupted, and no state of a generator has to be kept.

    Args:
        seed: of the training.
        position: the iteration, and other numbers that tell draws apart.
    """
    key = np.random.SeedSequence([seed, *position]).generate_state(1, np.uint64)[0]
    return int(key) >> 1


class Crops:
    """Source of batches, drawn from frames that it keeps on the device.

    Args:
        frames: uint8 (H, W, C), of any sizes; grey ones are repeated to three channels.
        spec: the recipe's part on batches.
        sigma: standard deviation of the noise on the 8-bit scale, where the recipe names none.
        device: device of the frames and the batches.

    Attributes:
        bounds: least and greatest sigma, on the 8-bit scale; equal where it is constant.
        digest: of the frames' pixels.

    Raises:
        UsageError: a frame is smaller than a crop.
    """

    def __init__(
        self, frames: Sequence[np.ndarray], spec: DataSpec, sigma: float, device: torch.device
    ) -> None:
        self.spec = spec
        self.device = device
        self.bounds = spec.sigma_range or (sigma, sigma)
        sizes = np.array([frame.shape[:2] for frame in frames])
        if sizes.min() < spec.patch:
            raise UsageError(
                f"a frame has a side of {sizes.min()} pixels, shorter than the recipe's crops of "
                f"{spec.patch}; leave it out, or lower data.patch in a recipe of your own"
            )
        stack = np.zeros((len(frames), *sizes.max(0), 3), np.uint8)
        for slot, frame in zip(stack, frames, strict=True):
            slot[: frame.shape[0], : frame.shape[1]] = frame
        self.digest = hashlib.sha256(stack.tobytes()).hexdigest()[:16]
        self.stack = torch.from_numpy(stack).to(device)
        self.room = torch.from_numpy(sizes - spec.patch + 1).to(device)

    def draw(self, random: torch.Generator) -> Batch:
        """Draw a batch, in one gathering operation and without waiting for the device."""
        clean = self._crops(random).permute(0, 3, 1, 2) / 255
        low, high = (bound / 255 for bound in self.bounds)
        sigma = low + (high - low) * self._uniform(random, self.spec.batch).float()
        noise = torch.randn(clean.shape, generator=random, device=self.device)
        return Batch(clean, clean + sigma.view(-1, 1, 1, 1) * noise, sigma)

    def _crops(self, random: torch.Generator) -> torch.Tensor:
        """Draw crops, uint8 (N, P, P, 3)."""
        n, side = self.spec.batch, self.spec.patch
        frame = torch.randint(len(self.stack), (n,), generator=random, device=self.device)
        corner = (self._uniform(random, n, 2) * self.room[frame]).long()
        reach = torch.arange(side, device=self.device).expand(n, 2, side)
        if self.spec.symmetries:
            mirrored, turned = self._coins(random, n, 2), self._coins(random, n)
            reach = torch.where(mirrored[..., None], side - 1 - reach, reach)
        places = corner[..., None] + reach
        rows, columns = places[:, 0, :, None], places[:, 1, None, :]
        crops = self.stack[frame[:, None, None], rows, columns]
        if self.spec.symmetries:
            crops = torch.where(turned.view(n, 1, 1, 1), crops.transpose(1, 2), crops)
        return crops

    def _uniform(self, random: torch.Generator, *shape: int) -> torch.Tensor:
        # In double precision, so that a product with a size is never rounded up to the size.
        return torch.rand(shape, generator=random, device=self.device, dtype=torch.float64)

    def _coins(self, random: torch.Generator, *shape: int) -> torch.Tensor:
        return torch.randint(2, shape, generator=random, device=self.device).bool()
