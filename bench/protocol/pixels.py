"""Frames between 8 bit, as they are read and scored, and float32, as they are denoised."""

from __future__ import annotations

import numpy as np


def as_float(frame: np.ndarray) -> np.ndarray:
    """uint8 [0, 255] to float32 [0, 1]."""
    return frame * np.float32(1 / 255)


def quantise(output: np.ndarray) -> np.ndarray:
    """Clip a finite float32 frame to [0, 1] and round it to 8 bit: what is scored."""
    scaled = output * np.float32(255)
    np.clip(scaled, 0, 255, out=scaled)
    return np.rint(scaled, out=scaled).astype(np.uint8)
