"""What the extraction asks of a film, and who reads it: PyAV where it is installed, else OpenCV."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Protocol

from denoisebench.datasets.base import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

THUMBNAIL = (18, 32)  # rows and columns
SCAN_LINES = 360  # rows at which sharpness is compared
LARGEST = 8192 * 4320  # pixels of a frame: 8K; memory grows with it

log = logging.getLogger("denoisebench")


class FilmError(DataError):
    """A film cannot be read; the message says which and why."""


class Picture(Protocol):
    """A decoded frame, upright; what it shows is converted when it is asked for.

    Attributes:
        ordinal: its number in order of presentation; 0 is the first that the film yields.
        seconds: from the start of the film.
        group: number of the run of frames, from one key frame to the next, that depend on each
            other: damage to one spoils them all.
        interlaced: whether it is one field of a frame, hence of half its size.
    """

    ordinal: int
    seconds: float
    group: int
    interlaced: bool

    def thumbnail(self) -> np.ndarray:
        """uint8 (*`THUMBNAIL`, 3), YCbCr."""
        ...

    def grey(self) -> np.ndarray:
        """Luma, uint8 (H, W), of at most `SCAN_LINES` rows."""
        ...

    def rgb(self) -> np.ndarray:
        """All its pixels, uint8 (H, W, 3), sRGB."""
        ...


class Film(Protocol):
    """A film that can be read once, from its start to its end.

    Attributes:
        path: of the file.
        decoder: what decodes it, with its version: another one may give other last bits.
        codec: how it is coded.
        seconds: how long it says it is; 0 if it does not.
        damaged: the groups of frames that damage has spoilt, as far as it has been read.
        notes: what the user should know of what has been read.
    """

    path: Path
    decoder: str
    codec: str
    seconds: float
    damaged: set[int]
    notes: list[str]

    def pictures(self) -> Iterator[Picture]:
        """Its frames in order of presentation; those that damage made useless are counted only.

        Raises:
            FilmError: it holds what cannot be made a frame.
        """
        ...


def open_film(path: Path) -> Film:
    """Open a film file.

    Raises:
        FilmError: there is no such file, or it is not a film.
    """
    if not path.is_file():  # a pipe would block
        problem = "is no regular file" if path.exists() else "does not exist"
        raise FilmError(f"{path}: {problem}; give a film file")
    if not os.access(path, os.R_OK):
        raise FilmError(f"{path}: cannot be read (Permission denied)")
    if path.stat().st_size == 0:
        raise FilmError(f"{path}: the file is empty")
    try:
        from denoisebench.datasets.film.pyav import PyavFilm
    except ImportError as missing:
        from denoisebench.datasets.film.opencv import OpencvFilm

        log.warning(
            "%s is read by OpenCV, as PyAV cannot be imported (%s): OpenCV does not tell "
            "interlaced or HDR films from others, nor damaged frames from good ones. "
            "pip install 'denoisebench[video]' brings PyAV",
            path,
            missing,
        )
        return OpencvFilm(path)
    return PyavFilm(path)


def refuse_size(path: Path, height: int, width: int) -> None:
    """Refuse frames that would take too much memory.

    Raises:
        FilmError: they are larger than `LARGEST`.
    """
    if height * width > LARGEST:
        raise FilmError(
            f"{path}: its frames have {width}×{height} pixels, more than 8K film; "
            "shrink the film first"
        )


def scan_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of `Picture.grey`."""
    scale = min(1.0, SCAN_LINES / height)
    return max(16, round(height * scale)), max(16, round(width * scale))


def no_film(path: Path, reason: str) -> FilmError:
    """The refusal of a file that holds no moving pictures."""
    return FilmError(f"{path}: {reason}; give a film file (MP4, MKV, MOV, MPEG-TS, AVI, WebM, …)")
