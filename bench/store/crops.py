"""Crops of a few frames, kept as cells are scored, since scores do not show a method's faults.

The files are lossless. A lossy WebP has an error of about 5 levels on an estimate and 18 on a noisy
frame at sigma 25, which is as large as the differences between methods.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.files import make_folder, write_bytes
from denoisebench.protocol.pixels import quantise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from denoisebench.cells import Cell

CROPS_FOLDER = "pictures"
"""Name of the folder with the crops, in a run's folder."""
_CROP_SIDE = 128
"""Side of a crop in pixels; a file takes about 30 kB."""

CLEAN_FRAME = "clean frame"
NOISY_FRAME = "noisy frame"
"""Names of the pictures that are no method's."""


class Pictures:
    """Crops of some frames of a run: the clean one, the noisy ones and all estimates.

    Args:
        folder: the run's folder.
        frames: ids of the frames to keep; of several noise draws, the first is kept.
    """

    def __init__(self, folder: Path, frames: Iterable[str]) -> None:
        self._folder = folder
        self._frames = frozenset(frames)
        self._crops: dict[str, tuple[slice, slice]] = {}
        self._written: set[Path] = set()

    def keep(
        self, cell: Cell, clean: np.ndarray | None, noisy: np.ndarray, estimate: np.ndarray
    ) -> None:
        """Write the crops of a cell, if its frame is among those to keep.

        Args:
            cell: the cell.
            clean: the clean frame, uint8 (H, W, C), C = 3 (RGB) or 1; None if nobody knows it.
            noisy: the noisy frame, float32 (H, W, C), in [0, 1] and beyond.
            estimate: the estimate, uint8 (H, W, C).

        Raises:
            UsageError: a file cannot be written.
        """
        if cell.frame not in self._frames or cell.seed != 0:
            return
        if cell.frame not in self._crops:
            make_folder(self._folder / CROPS_FOLDER)
            self._crops[cell.frame] = detail(quantise(noisy) if clean is None else clean)
        crop = self._crops[cell.frame]
        if clean is not None:
            self._write_once(clean_file(self._folder, cell.frame), clean[crop])
        self._write_once(noisy_file(self._folder, cell), quantise(noisy[crop]))
        write_bytes(estimate_file(self._folder, cell), encode_crop(estimate[crop]))

    def _write_once(self, path: Path, pixels: np.ndarray) -> None:
        """Write a crop that the cells of all methods share, unless it is written already."""
        if path not in self._written:
            write_bytes(path, encode_crop(pixels))
            self._written.add(path)


def clean_file(folder: Path, frame: str) -> Path:
    """Return the path of a clean frame's crop."""
    return _file(folder, CLEAN_FRAME, frame)


def noisy_file(folder: Path, cell: Cell) -> Path:
    """Return the path of the crop of a cell's noisy frame, clipped and rounded."""
    return _file(folder, NOISY_FRAME, cell.frame, cell.sigma)


def estimate_file(folder: Path, cell: Cell) -> Path:
    """Return the path of the crop of a cell's estimate."""
    parts = vars(replace(cell, method="", frame=""))
    return _file(folder, cell.method, cell.frame, *parts.values())


def _file(folder: Path, what: str, frame: str, *parts: object) -> Path:
    """Return a path that people can read and that no two pictures share."""
    digest = hashlib.sha256(json.dumps([what, frame, *parts]).encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9.=_-]", "_", f"{frame}-{what}")[:120]
    return folder / CROPS_FOLDER / f"{readable}-{digest}.webp"


def detail(frame: np.ndarray, side: int = _CROP_SIDE) -> tuple[slice, slice]:
    """Find the square with the strongest gradients, where methods differ most.

    Args:
        frame: uint8 (H, W, C).
        side: side of the square in pixels; it is cut to the frame's height and width.

    Returns:
        Rows and columns of the square.

    Examples:
        >>> frame = np.zeros((8, 8, 1), np.uint8)
        >>> frame[6, 6] = 255
        >>> detail(frame, side=3)
        (slice(5, 8, None), slice(5, 8, None))
    """
    grey = frame.astype(np.float64).mean(axis=2)
    rows, columns = min(side, grey.shape[0]), min(side, grey.shape[1])
    gradient = np.zeros_like(grey)
    gradient[1:] += np.abs(np.diff(grey, axis=0))
    gradient[:, 1:] += np.abs(np.diff(grey, axis=1))
    sums = np.pad(gradient.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    window = sums[rows:, columns:] - sums[:-rows, columns:]
    window = window - sums[rows:, :-columns] + sums[:-rows, :-columns]
    top, left = (int(i) for i in np.unravel_index(np.argmax(window.round(6)), window.shape))
    return slice(top, top + rows), slice(left, left + columns)


def encode_crop(pixels: np.ndarray) -> bytes:
    """Encode pixels as a lossless WebP.

    Args:
        pixels: uint8 (H, W, C), C = 3 (RGB) or 1.

    Examples:
        >>> crop = np.full((4, 6, 3), 200, np.uint8)
        >>> bool(np.all(decode_crop(encode_crop(crop)) == crop))
        True
    """
    from PIL import Image

    file = io.BytesIO()
    picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    picture.save(file, "webp", lossless=True, quality=0, method=0)
    return file.getvalue()


def decode_crop(content: bytes) -> np.ndarray:
    """Decode a WebP into pixels, uint8 (H, W, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))
