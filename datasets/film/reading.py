"""Films and their pictures, as the extraction reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from denoisebench.datasets.base import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

THUMBNAIL = (18, 32)  # rows and columns
SCAN_LINES = 360  # rows at which sharpness is compared
LARGEST = 8192 * 4320  # pixels of a frame: 8K; memory grows with it


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
    """Make the error of a file that holds no moving pictures."""
    return FilmError(f"{path}: {reason}; give a film file (MP4, MKV, MOV, MPEG-TS, AVI, WebM, …)")
