"""Films as OpenCV reads them, where PyAV is not installed: less is known of each frame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import cv2
import numpy as np

from denoisebench.datasets.film.reading import THUMBNAIL, no_film, refuse_size, scan_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What goes wrong is told in one line; libraries are not to add theirs.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class OpencvFilm:
    """A film file, see `Film`.

    Raises:
        FilmError: it is no film, or one that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise no_film(path, "OpenCV finds no moving pictures in it")
        width, height, rate, count, code = (
            capture.get(item)
            for item in (
                cv2.CAP_PROP_FRAME_WIDTH,
                cv2.CAP_PROP_FRAME_HEIGHT,
                cv2.CAP_PROP_FPS,
                cv2.CAP_PROP_FRAME_COUNT,
                cv2.CAP_PROP_FOURCC,
            )
        )
        capture.release()
        refuse_size(path, int(height), int(width))
        self.decoder = f"OpenCV {cv2.__version__}"
        self.codec = int(code).to_bytes(4, "little").decode("ascii", "replace").strip("\0 ")
        self._interval = 1 / rate if rate > 0 else 0.0
        self.seconds = max(0.0, count * self._interval)
        self.damaged: set[int] = set()
        self.notes: list[str] = []

    def pictures(self) -> Iterator[CvPicture]:
        """Its frames in order of presentation."""
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        ordinal, seconds = 0, 0.0
        while True:
            there, pixels = capture.read()
            if not there:
                break
            told = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if ordinal:  # of some frames OpenCV does not know the time, and says 0
                seconds = told if told > seconds else seconds + self._interval
            yield CvPicture(pixels, ordinal, seconds)
            ordinal += 1
        capture.release()


class CvPicture:
    """A frame of OpenCV, see `Picture`: upright already, and BGR."""

    group = 0
    interlaced = False

    def __init__(self, pixels: np.ndarray, ordinal: int, seconds: float) -> None:
        self.ordinal = ordinal
        self.seconds = seconds
        self._pixels = pixels

    def thumbnail(self) -> np.ndarray:
        """uint8 (*`THUMBNAIL`, 3), YCbCr."""
        small = cv2.resize(self._pixels, THUMBNAIL[::-1], interpolation=cv2.INTER_AREA)
        converted: np.ndarray = cv2.cvtColor(small, cv2.COLOR_BGR2YUV)
        return converted

    def grey(self) -> np.ndarray:
        """Luma, uint8 (H, W), of at most `SCAN_LINES` rows."""
        rows, columns = scan_size(*self._pixels.shape[:2])
        grey = cv2.cvtColor(self._pixels, cv2.COLOR_BGR2GRAY)
        small: np.ndarray = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
        return small

    def rgb(self) -> np.ndarray:
        """All its pixels, uint8 (H, W, 3)."""
        return np.ascontiguousarray(self._pixels[..., ::-1])
