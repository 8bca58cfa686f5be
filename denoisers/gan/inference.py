"""Denoising with trained weights, whole or by tiles, in full or half precision."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import nn

WEIGHTS = Path(__file__).parents[1] / "weights"

# What a pixel of the estimate depends on lies within 42 pixels of it: the U-Net's blocks 1–12 reach
# 2 + 2·2 + 4·4 + 2·4 + 6 pixels, its pooling and upsampling 6. A multiple of 4 keeps the pooling
# grid of a tile on that of the frame.
OVERLAP = 48
GRID = 4


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator with shipped weights; its rows differ by their weights' file alone.

    Attributes:
        precision: of the convolutions; half precision is faster where the device has it.
        tile: side in pixels of the tiles that a larger frame is denoised by, a multiple of 4.
    """

    weights: ClassVar[Path]

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    tile: int = 1024

    def __post_init__(self) -> None:
        if self.tile < GRID or self.tile % GRID:
            raise ValueError(f"tile is a positive multiple of {GRID}")

    def load(self, device: str) -> None:
        """Have the weights on the device, so that no call is timed with their loading."""
        load_generator(self.weights, device)

    def denoise(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """A grey frame is repeated to three channels, and their estimates are averaged.

        Its noise is then the same in all three: √3 times stronger along the grey axis than the
        independent noise of sigma that the network has learned, so it is told √3 sigma.
        """
        import torch

        if sigma == 0:
            return noisy.clone()
        grey = noisy.shape[1] == 1
        told = sigma * math.sqrt(3) if grey else sigma
        network = load_generator(self.weights, noisy.device.type)
        precision = getattr(torch, self.precision)
        mixes = precision is not torch.float32

        def run(image: torch.Tensor) -> torch.Tensor:
            with torch.autocast(image.device.type, precision, enabled=mixes):
                estimate: torch.Tensor = network(image, image.new_tensor([told]))
            return estimate.float()

        estimate = by_tiles(run, noisy.expand(-1, 3, -1, -1), self.tile)
        return estimate.mean(1, keepdim=True) if grey else estimate


@cache
def load_generator(weights: Path, device: str) -> nn.Module:
    """The network that a safetensors file holds, for inference on a device; read once.

    Args:
        weights: its header says how the network is built.
        device: ``cpu`` or ``cuda``.
    """
    import torch
    from safetensors import safe_open

    from denoisebench.denoisers.gan.networks import generator_from

    with safe_open(weights, framework="pt", device=device) as file:
        network = generator_from(json.loads(file.metadata()["generator"]))
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return network.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()


def by_tiles(
    run: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, tile: int
) -> torch.Tensor:
    """Denoise a large image tile by tile, without seams: tiles see as far beyond as they depend.

    Args:
        run: denoises an image (1, C, H, W) of any size.
        image: (1, C, H, W).
        tile: side of a tile, a multiple of 4; an image no larger is denoised whole.
    """
    height, width = image.shape[2:]
    if max(height, width) <= tile:
        return run(image)
    estimate = image.new_empty(image.shape)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = max(0, top - OVERLAP), max(0, left - OVERLAP)
            seen = image[..., above : top + tile + OVERLAP, before : left + tile + OVERLAP]
            inner = run(seen)[..., top - above :, left - before :]
            estimate[..., top : top + tile, left : left + tile] = inner[..., :tile, :tile]
    return estimate
