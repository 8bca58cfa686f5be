"""Methods on tensors that go wrong, each in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers import register

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


def faulty(name: str) -> Callable[[Callable[[torch.Tensor], object]], None]:
    """Register a function of the noisy frame as a method."""

    def enter(function: Callable[[torch.Tensor], object]) -> None:
        @register(f"tensor-{name}", title=name, family="local", blind=True, array="torch")
        @dataclass(frozen=True)
        class Faulty:
            def denoise(self, noisy: torch.Tensor, sigma: float) -> object:
                return function(noisy)

    return enter


@faulty("writes")
def _writes(noisy: torch.Tensor) -> object:
    noisy[..., 0, 0] = 0
    return noisy.clone()


@faulty("shape")
def _shape(noisy: torch.Tensor) -> object:
    return noisy[0]


@faulty("half")
def _half(noisy: torch.Tensor) -> object:
    return noisy.bfloat16()


@faulty("numpy")
def _numpy(noisy: torch.Tensor) -> object:
    return noisy.numpy()
