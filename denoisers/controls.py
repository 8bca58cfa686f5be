"""Controls: the best and the worst score that the harness can give without denoising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import numpy as np


@register(
    "noisy",
    title="Noisy input",
    family="control",
    blind=True,
    note="Control: what a denoiser must beat.",
)
@dataclass(frozen=True)
class Noisy:
    """The identity."""

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        return noisy.copy()


@register(
    "oracle",
    title="Clean frame",
    family="control",
    blind=True,
    sees_clean=True,
    note="Control: any PSNR but infinity means that the harness is broken.",
)
@dataclass(frozen=True)
class Oracle:
    """The answer itself."""

    def denoise(self, noisy: np.ndarray, sigma: float, clean: np.ndarray) -> np.ndarray:
        return clean.copy()
