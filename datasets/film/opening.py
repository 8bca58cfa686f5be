"""Open films: by PyAV where it is installed, else by OpenCV."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from denoisebench.datasets.film.reading import FilmError

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.datasets.film.reading import Film

_log = logging.getLogger("denoisebench")


def open_film(path: Path) -> Film:
    """Open a film file.

    Raises:
        FilmError: there is no such file, or it is not a film.
    """
    if not os.path.isfile(path):  # a pipe would block
        problem = "is no regular file" if os.path.exists(path) else "does not exist"
        raise FilmError(f"{path}: {problem}; give a film file")
    if not os.access(path, os.R_OK):
        raise FilmError(f"{path}: cannot be read (Permission denied)")
    if path.stat().st_size == 0:
        raise FilmError(f"{path}: the file is empty")
    try:
        from denoisebench.datasets.film.pyav import PyavFilm
    except ImportError as missing:
        from denoisebench.datasets.film.opencv import OpencvFilm

        _log.warning(
            "%s is read by OpenCV, as PyAV cannot be imported (%s): OpenCV does not tell "
            "interlaced, HDR, mirrored or truncated films from others, nor damaged frames from "
            "good ones. "
            "pip install 'denoisebench[video]' brings PyAV",
            path,
            missing,
        )
        return OpencvFilm(path)
    return PyavFilm(path)
