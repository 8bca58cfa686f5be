"""Photographs of wildlife, marine and grassland, in the sizes of two documentaries' screenshots.

They come as JPEGs whose 8×8 blocks show, so every frame is halved: at full size a denoiser would
be judged by how well it keeps the blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from denoisebench.datasets.published import MANIFESTS, Published

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTARY_MANIFEST = MANIFESTS / "documentary.toml"


def halve(pixels: np.ndarray) -> np.ndarray:
    """Average blocks of 2×2 pixels, rounding half up; an odd last row or column is dropped.

    Args:
        pixels: uint8 (H, W, C).

    Returns:
        uint8 (H // 2, W // 2, C).
    """
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    wide = pixels[:height, :width].astype(np.uint16)
    total = wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


class Documentary(Published):
    """The suite's main data set: 100 frames to train, 10 to validate, 20 to test."""

    prepare = staticmethod(halve)

    def __init__(self, manifest: Path = DOCUMENTARY_MANIFEST) -> None:
        super().__init__(manifest)
