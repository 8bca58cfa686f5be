"""Crops of a few frames, kept as cells are scored, since scores do not show a method's faults.

The files are lossless. A lossy WebP has an error of about 5 levels on an estimate and 18 on a noisy
frame at sigma 25, which is as large as the differences between methods.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.errors import UsageError
from denoisebench.files import make_folder, write_bytes
from denoisebench.protocol.pixels import quantise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from denoisebench.cells import Cell

CROPS_FOLDER = "pictures"
"""Name of the folder with the crops, in a run's folder."""
_CROP_SIDE = 128
"""Side of a crop in pixels; a file takes about 30 kB."""
_LOOKED_AT = 2048
"""Side in pixels of the middle of a large frame."""
_MOST_BYTES = 100_000
"""More than a crop of noise takes, which cannot be compressed."""

CLEAN_FRAME = "clean frame"
NOISY_FRAME = "noisy frame"
"""Names of the pictures that are no method's."""


class Pictures:
    """Crops of some frames of a run: the clean one, the noisy ones and all estimates.

    Args:
        frames: ids of the frames to keep; of several noise draws, the first is kept.
    """

    def __init__(self, frames: Iterable[str]) -> None:
        self._frames = frozenset(frames)
        self._crops: dict[str, tuple[slice, slice]] = {}
        self._shared: set[str] = set()

    def of_scene(self, cell: Cell, clean: np.ndarray | None, noisy: np.ndarray) -> dict[str, bytes]:
        """Cut the crops that the cells of all methods share, if the frame is among those to keep.

        Args:
            cell: one of the cells.
            clean: the clean frame, uint8 (H, W, C), C = 3 (RGB) or 1; None if nobody knows it.
            noisy: the noisy frame, float32 (H, W, C), in [0, 1] and beyond.

        Returns:
            The contents of files by their names, for `write_crops`; each is returned once.
        """
        if not self._keeps(cell):
            return {}
        if cell.frame not in self._crops:
            self._crops[cell.frame] = detail(quantise(noisy) if clean is None else clean)
        crop = self._crops[cell.frame]
        shared = {_name_of_noisy(cell): quantise(noisy[crop])}
        if clean is not None:
            shared[_name_of_clean(cell.frame)] = clean[crop]
        found = {name: encode_crop(shared[name]) for name in shared.keys() - self._shared}
        self._shared |= found.keys()
        return found

    def of_estimate(self, cell: Cell, estimate: np.ndarray) -> dict[str, bytes]:
        """Cut the crop of a cell's estimate, likewise, once the scene's are cut.

        Args:
            cell: the cell.
            estimate: the estimate, uint8 (H, W, C).
        """
        if not self._keeps(cell):
            return {}
        return {_name_of_estimate(cell): encode_crop(estimate[self._crops[cell.frame]])}

    def _keeps(self, cell: Cell) -> bool:
        """Return True if crops of a cell are kept."""
        return cell.frame in self._frames and cell.seed == 0


def write_crops(folder: Path, crops: Mapping[str, bytes]) -> None:
    """Write crops into a run's folder.

    Raises:
        UsageError: a file cannot be written.
    """
    if crops:
        make_folder(folder / CROPS_FOLDER)
    for name, content in crops.items():
        write_bytes(folder / CROPS_FOLDER / name, content)


def clean_file(folder: Path, frame: str) -> Path:
    """Return the path of a clean frame's crop."""
    return folder / CROPS_FOLDER / _name_of_clean(frame)


def noisy_file(folder: Path, cell: Cell) -> Path:
    """Return the path of the crop of a cell's noisy frame, clipped and rounded."""
    return folder / CROPS_FOLDER / _name_of_noisy(cell)


def estimate_file(folder: Path, cell: Cell) -> Path:
    """Return the path of the crop of a cell's estimate."""
    return folder / CROPS_FOLDER / _name_of_estimate(cell)


def _name_of_clean(frame: str) -> str:
    return _name(CLEAN_FRAME, frame)


def _name_of_noisy(cell: Cell) -> str:
    return _name(NOISY_FRAME, cell.frame, cell.sigma)


def _name_of_estimate(cell: Cell) -> str:
    parts = vars(replace(cell, method="", frame=""))
    return _name(cell.method, cell.frame, *parts.values())


def _name(what: str, frame: str, *parts: object) -> str:
    """Return a file's name that people can read and that no two pictures share."""
    digest = hashlib.sha256(json.dumps([what, frame, *parts]).encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9.=_-]", "_", f"{frame}-{what}")[:120]
    return f"{readable}-{digest}.webp"


def detail(frame: np.ndarray, side: int = _CROP_SIDE) -> tuple[slice, slice]:
    """Find the square with the strongest gradients, where methods differ most.

    In a large frame, its middle is looked at, which bounds time and memory.

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
    corner = [max(0, length - _LOOKED_AT) // 2 for length in frame.shape[:2]]
    middle = frame[tuple(slice(start, start + _LOOKED_AT) for start in corner)]
    grey = middle.astype(np.float64).mean(axis=2)
    rows, columns = min(side, grey.shape[0]), min(side, grey.shape[1])
    gradient = np.zeros_like(grey)
    gradient[1:] += np.abs(np.diff(grey, axis=0))
    gradient[:, 1:] += np.abs(np.diff(grey, axis=1))
    sums = np.pad(gradient.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    window = sums[rows:, columns:] - sums[:-rows, columns:]
    window = window - sums[rows:, :-columns] + sums[:-rows, :-columns]
    place = np.unravel_index(np.argmax(window.round(6)), window.shape)
    top, left = (start + int(i) for start, i in zip(corner, place, strict=True))
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


def read_crop(path: Path, shape: Sequence[int]) -> bytes | None:
    """Read a crop's file from the folder of a run, and check that it is one.

    The folder may come from somebody else: a link in it would put a file of this machine on a page,
    and a picture of a few bytes can be a gigabyte when it is decoded.

    Args:
        path: the file.
        shape: height and width of the frame, and its channels; empty if they are not known.

    Returns:
        The file's content; None if there is no file.

    Raises:
        UsageError: the file is no crop; the message says why.
    """
    if path.parent.is_symlink():
        raise UsageError(f"{path.parent.name}: it is a link")
    try:
        content = _content(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "it is a link" if path.is_symlink() else f"it cannot be read ({error.strerror})"
        raise UsageError(f"{path.parent.name}/{path.name}: {why}") from error
    if lack := _lack(content, shape):
        raise UsageError(f"{path.parent.name}/{path.name}: {lack}")
    return content


def _content(path: Path) -> bytes:
    """Return the start of a plain file, a byte more than a crop can have."""
    never_waiting = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | never_waiting)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_MOST_BYTES + 1)
    finally:
        os.close(descriptor)


def _lack(content: bytes, shape: Sequence[int]) -> str:
    """Say why a file is no crop of a frame; '' if it is one."""
    from PIL import Image

    if len(content) > _MOST_BYTES:
        return "it is too large for a crop"
    try:
        with Image.open(io.BytesIO(content), formats=["WEBP"]) as picture:
            sides = [min(_CROP_SIDE, side) for side in shape[:2]]
            expected = tuple(sides[::-1]) if sides else picture.size
            if picture.size != expected or max(picture.size) > _CROP_SIDE:
                return (
                    f"it has {picture.width}×{picture.height} pixels, as no crop of its frame has"
                )
            if getattr(picture, "n_frames", 1) != 1:
                return "it moves"
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "it is no WebP picture"
    return ""


def decode_crop(content: bytes) -> np.ndarray:
    """Decode a WebP into pixels, uint8 (H, W, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))
