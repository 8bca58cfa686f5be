"""Likeness of frames, and the choice of few that differ most."""

from __future__ import annotations

import cv2
import numpy as np

VIEW = (18, 32)  # rows and columns
_SHIFT = (2, 4)  # of them, by which a camera may have moved: an eighth of the picture
ALIKE = 0.87  # correlation of near-duplicates
"""Among the 130 photographs of ``documentary``, those that differ correlate by at most 0.81 (one
pair is of the same moment: 0.90), and each with itself panned by a tenth by at least 0.92. The
usual perceptual hash (Zauner 2010) loses a picture that is panned by a twenty-fifth."""
_FINEST, _COARSEST = 0.7, 3.0  # standard deviations of the blurs between which structure lies


def view(pixels: np.ndarray) -> np.ndarray:
    """Return a picture's middle frequencies, a perceptual hash that can be shifted.

    Args:
        pixels: uint8 (H, W, 3).

    Returns:
        int8 (*`VIEW`,).
    """
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, VIEW[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    fine, coarse = (
        cv2.GaussianBlur(small, (0, 0), deviation) for deviation in (_FINEST, _COARSEST)
    )
    whole: np.ndarray = np.clip(np.rint(2 * (fine - coarse)), -127, 127).astype(np.int8)
    return whole


class Views:
    """Views that others are compared with."""

    def __init__(self) -> None:
        rows, columns = (size - 2 * shift for size, shift in zip(VIEW, _SHIFT, strict=True))
        self._window = rows, columns
        self._middles = np.empty((64, rows * columns), np.float32)
        self._count = 0

    def add(self, view: np.ndarray) -> None:
        """Remember a view, under the next number."""
        if self._count == len(self._middles):
            self._middles = np.concatenate([self._middles, np.empty_like(self._middles)])
        windows = self._windows(view)
        self._middles[self._count] = windows[len(windows) // 2]
        self._count += 1

    def remove(self, number: int) -> None:
        """Forget a view; those after it close up."""
        self._middles[number : self._count - 1] = self._middles[number + 1 : self._count]
        self._count -= 1

    def alike(self, view: np.ndarray) -> np.ndarray:
        """Return the numbers of the views that this one nearly repeats, where it may be shifted."""
        correlations = self._middles[: self._count] @ self._windows(view).T
        return np.flatnonzero(correlations.max(axis=1, initial=-1) >= ALIKE)

    def _windows(self, view: np.ndarray) -> np.ndarray:
        """Return the parts of a view that each shift brings to the middle, of mean 0 and norm 1."""
        parts = np.lib.stride_tricks.sliding_window_view(view.astype(np.float32), self._window)
        flat = parts.reshape(-1, self._window[0] * self._window[1])
        flat = flat - flat.mean(axis=1, keepdims=True)
        unit: np.ndarray = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
        return unit


def distances(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """From a thumbnail to others: sums of squared differences.

    Args:
        one: uint8 (H, W, 3).
        others: uint8 (N, H, W, 3).

    Returns:
        int64 (N,).
    """
    steps = others.astype(np.int32) - one
    sums: np.ndarray = (steps * steps).sum(axis=(1, 2, 3), dtype=np.int64)
    return sums


def farthest_first(thumbnails: np.ndarray, count: int) -> list[int]:
    """Choose thumbnails: the first, then each time the farthest from those chosen (Gonzalez 1985).

    Args:
        thumbnails: uint8 (N, H, W, 3), N at least ``count``.
        count: number to choose.

    Returns:
        Their indices, in the order of choice.
    """
    chosen: list[int] = []
    nearest = np.full(len(thumbnails), np.iinfo(np.int64).max)
    while len(chosen) < count:
        best = int(nearest.argmax())
        chosen.append(best)
        nearest = np.minimum(nearest, distances(thumbnails[best], thumbnails))
        nearest[best] = -1  # never again, even if all others are its equals
    return chosen
