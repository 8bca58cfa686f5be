"""Denoising with the shipped weights of the GAN's generators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from denoisebench.denoisers.torch_denoiser import TorchDenoiser

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    import torch

WEIGHTS = Path(__file__).parents[1] / "weights"

GRID = 4  # the factor by which the networks pool; they pad frames by themselves

REACH = 1.2  # how many times sigma may be what weights were trained for, or the other way round


@dataclass(frozen=True)
class TrainedGenerator(TorchDenoiser):
    """Generator with shipped weights for every sigma; rows differ by their weights' file alone.

    A pixel of the estimate depends on pixels within 42 of it: the U-Net's blocks 1–12 reach
    2 + 2·2 + 4·4 + 2·4 + 6 pixels, its pooling and upsampling 6. A tile whose side and overlap are
    multiples of 4 keeps its pooling grid on that of the frame.

    Attributes:
        weights: the weights' file.

    Raises:
        ValueError: ``tile`` is no positive multiple of 4.
    """

    weights: ClassVar[Path]

    conditioning = "vector"
    overlap = 48
    channels_last = True

    def __post_init__(self) -> None:
        if self.tile < GRID or self.tile % GRID:
            raise ValueError(f"tile is a positive multiple of {GRID}")

    def network(self) -> torch.nn.Module:
        """Build the generator with its weights."""
        return load_generator(self.weights)


@dataclass(frozen=True)
class SpecialisedGenerator(TrainedGenerator):
    """Generator that is not told sigma, with weights for each of a few.

    Attributes:
        specialised: the weights' files, by the sigma that they were trained for, on the 8-bit
            scale.
    """

    specialised: ClassVar[Mapping[float, Path]]

    def networks(self) -> Mapping[Hashable, Callable[[], torch.nn.Module]]:
        """Give a builder of the generator for each sigma."""
        return {sigma: partial(load_generator, file) for sigma, file in self.specialised.items()}

    def choice(self, channels: int, sigma: float) -> float:
        """Choose the weights trained for the nearest sigma.

        Raises:
            ValueError: it is none of those trained for, nor near to one.
        """
        if min(_distance(sigma * 255, trained) for trained in self.specialised) > REACH:
            trained_for = ", ".join(f"{trained:g}" for trained in sorted(self.specialised))
            raise ValueError(
                f"trained for sigma {trained_for}, not for {sigma * 255:g}; "
                "`bench train` makes weights for others"
            )
        told = self.told(channels, sigma) * 255
        return min(self.specialised, key=lambda trained: _distance(told, trained))


def weights_by_sigma(name: str, *sigmas: float) -> dict[float, Path]:
    """Name the shipped weights of a method that has some for each of these sigmas."""
    return {sigma: WEIGHTS / f"{name}-{sigma:g}.safetensors" for sigma in sigmas}


def _distance(one: float, other: float) -> float:
    """Return how many times the larger of two sigmas is the smaller."""
    return max(one, other) / min(one, other)


def load_generator(weights: Path) -> torch.nn.Module:
    """Build the generator that a safetensors file holds, on the CPU.

    Args:
        weights: its header says how the network is built.
    """
    from safetensors import safe_open

    from denoisebench.denoisers.gan.networks import generator_from

    with safe_open(weights, framework="pt") as file:
        network = generator_from(json.loads(file.metadata()["generator"]))
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return network.eval()
