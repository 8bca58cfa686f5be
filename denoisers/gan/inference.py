"""Denoising with trained weights, whole or by tiles, in full or half precision."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

WEIGHTS = Path(__file__).parents[1] / "weights"

# What a pixel of the estimate depends on lies within 42 pixels of it: the U-Net's blocks 1–12 reach
# 2 + 2·2 + 4·4 + 2·4 + 6 pixels, its pooling and upsampling 6. A multiple of 4 keeps the pooling
# grid of a tile on that of the frame.
OVERLAP = 48
GRID = 4

REACH = 1.2  # how many times sigma may be what weights were trained for, or the other way round


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator with shipped weights for every sigma; rows differ by their weights' file alone.

    Attributes:
        precision: of the convolutions; half precision is faster where the device has it.
        tile: side in pixels of the tiles that a larger frame is denoised by, a multiple of 4.
        compiled: translate the network by ``torch.compile``, once for each shape of frame. It
            needs a C++ compiler on a CPU, and the first frame of a shape takes a minute.
        self_ensemble: take the mean of the estimates for the frame turned and mirrored in all
            eight ways (Timofte, Rothe & Van Gool 2016): eight times the work.
    """

    weights: ClassVar[Path]

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    tile: int = 1024
    compiled: bool = False
    self_ensemble: bool = False

    def __post_init__(self) -> None:
        if self.tile < GRID or self.tile % GRID:
            raise ValueError(f"tile is a positive multiple of {GRID}")

    def load(self, device: str) -> None:
        """Have the weights on the device, so that no call is timed with their loading."""
        load_generator(self.weights, device, self.compiled)

    def denoise(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """Denoise one frame or several of one size, (N, C, H, W).

        A grey frame is repeated to three channels, and their estimates are averaged. Its noise is
        then the same in all three: √3 times stronger along the grey axis than the independent
        noise of sigma that the network has learned, so it is told √3 sigma.
        """
        import torch

        if sigma == 0:
            return noisy.clone()
        grey = noisy.shape[1] == 1
        told = sigma * math.sqrt(3) if grey else sigma
        network = load_generator(self._weights_for(sigma, told), noisy.device.type, self.compiled)
        precision = getattr(torch, self.precision)
        mixes = precision is not torch.float32

        def run(image: torch.Tensor) -> torch.Tensor:
            with torch.autocast(image.device.type, precision, enabled=mixes):
                estimate: torch.Tensor = network(image, image.new_full((len(image),), told))
            return estimate.float()

        def denoise(image: torch.Tensor) -> torch.Tensor:
            return by_tiles(run, image, self.tile)

        colour = noisy.expand(-1, 3, -1, -1)
        estimate = by_symmetries(denoise, colour) if self.self_ensemble else denoise(colour)
        return estimate.mean(1, keepdim=True) if grey else estimate

    def _weights_for(self, sigma: float, told: float) -> Path:
        return self.weights


@dataclass(frozen=True)
class SpecialisedGenerator(TrainedGenerator):
    """A generator that is not told sigma, with weights for each of a few.

    Attributes:
        specialised: the weights' files, by the sigma that they were trained for, on the 8-bit
            scale.
    """

    specialised: ClassVar[Mapping[float, Path]]

    def load(self, device: str) -> None:
        """Have all weights on the device."""
        for file in self.specialised.values():
            load_generator(file, device, self.compiled)

    def _weights_for(self, sigma: float, told: float) -> Path:
        """The weights trained for the nearest sigma.

        Raises:
            ValueError: it is none of those trained for, nor near to one.
        """
        if min(_distance(sigma * 255, trained) for trained in self.specialised) > REACH:
            trained_for = ", ".join(f"{trained:g}" for trained in sorted(self.specialised))
            raise ValueError(
                f"trained for sigma {trained_for}, not for {sigma * 255:g}; "
                "`bench train` makes weights for others"
            )
        return self.specialised[min(self.specialised, key=lambda t: _distance(told * 255, t))]


def weights_by_sigma(name: str, *sigmas: float) -> dict[float, Path]:
    """The shipped weights of a method that has some for each of these sigmas."""
    return {sigma: WEIGHTS / f"{name}-{sigma:g}.safetensors" for sigma in sigmas}


def _distance(one: float, other: float) -> float:
    """How many times the larger of two sigmas is the smaller."""
    return max(one, other) / min(one, other)


@cache
def load_generator(weights: Path, device: str, compiled: bool = False) -> Network:
    """The network that a safetensors file holds, for inference on a device; read once.

    Args:
        weights: its header says how the network is built.
        device: ``cpu`` or ``cuda``.
        compiled: by ``torch.compile``.
    """
    import torch
    from safetensors import safe_open

    from denoisebench.denoisers.gan.networks import generator_from

    with safe_open(weights, framework="pt", device=device) as file:
        network = generator_from(json.loads(file.metadata()["generator"]))
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    network.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
    loaded: Network = torch.compile(network, dynamic=False) if compiled else network
    return loaded


def by_symmetries(run: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """The mean of what a function makes of an image (N, C, H, W) turned and mirrored in 8 ways."""
    total = image.new_zeros(image.shape)
    for quarters in range(4):
        turned = image.rot90(quarters, (2, 3))
        back = run(turned) + run(turned.flip(3)).flip(3)
        total += back.rot90(-quarters, (2, 3))
    return total / 8


def by_tiles(
    run: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, tile: int
) -> torch.Tensor:
    """Denoise a large image tile by tile, without seams: tiles see as far beyond as they depend.

    Args:
        run: denoises images (N, C, H, W) of any size.
        image: (N, C, H, W).
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
