"""The files written while films are surveyed, and the errors if they cannot be written."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import cv2

from denoisebench.datasets.base import DataError
from denoisebench.files import make_folder, write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def make_empty(folder: Path) -> None:
    """Make a folder, or empty the one that is there.

    Raises:
        UsageError: it cannot be.
    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise DataError(f"cannot empty {folder}: {error.strerror}") from error
    make_folder(folder)


def write_png(path: Path, pixels: np.ndarray, *, quick: bool = False) -> bytes:
    """Write pixels losslessly.

    Args:
        path: the PNG to write.
        pixels: uint8 (H, W, 3).
        quick: save time, not space.

    Returns:
        The file's content.

    Raises:
        UsageError: it cannot be written.
    """
    effort = [cv2.IMWRITE_PNG_COMPRESSION, 1 if quick else 6]
    _, data = cv2.imencode(".png", pixels[..., ::-1], effort)
    content: bytes = data.tobytes()
    write_bytes(path, content)
    return content
