"""The default that needs no network: crops of the photographs that scikit-image brings along.

Its documentation says of them: astronaut (NASA) and rocket (SpaceX) are in the public domain;
chelsea (Stefan van der Walt) and coffee (Rachel Michetti, courtesy of Pikolo Espresso Bar) are
CC0; motorcycle comes from the Middlebury 2014 stereo benchmark (Scharstein et al., GCPR 2014),
and no licence is stated.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from denoisebench.datasets.base import DataError, Frame, pixel_digest
from denoisebench.datasets.images import read_image
from denoisebench.errors import unknown

if TYPE_CHECKING:
    import numpy as np

FRAME_SIDE = 192  # rows and columns of a frame; larger frames make the default run longer

_log = logging.getLogger("denoisebench")


class _Crop(NamedTuple):
    """A square of a photograph around a centre chosen by eye, and the whole picture's digest."""

    file: str
    row: int
    column: int
    digest: str


_CROPS = {
    "astronaut-face": _Crop("astronaut.png", 100, 226, "a8c429c18afa7b0f"),
    "astronaut-patch": _Crop("astronaut.png", 386, 186, "a8c429c18afa7b0f"),
    "chelsea": _Crop("chelsea.png", 140, 188, "416b729128bfb2c3"),
    "coffee": _Crop("coffee.png", 276, 346, "0ce2b51640b9c95f"),
    "motorcycle": _Crop("motorcycle_left.png", 286, 396, "ca829467c1d4f427"),
    "rocket": _Crop("rocket.jpg", 331, 96, "3d4435cc745752b7"),
}


class Stills:
    """Six small colour photographs of things unlike each other, in one split, ``test``.

    Raises:
        DataError: scikit-image is not installed.
    """

    name = "stills"
    title = f"stills: six {FRAME_SIDE}×{FRAME_SIDE} crops of the photographs in scikit-image"
    licence = "public domain and CC0; motorcycle (Middlebury 2014 stereo benchmark): none stated"
    splits: tuple[str, ...] = ("test",)

    def __init__(self) -> None:
        self.folder = _data_folder()

    def size(self, split: str) -> int:
        """Count the frames of a split."""
        self._check(split)
        return len(_CROPS)

    def missing(self, split: str) -> list[str]:
        """List the photographs that this installation of scikit-image lacks."""
        self._check(split)
        files = sorted({crop.file for crop in _CROPS.values()})
        return [file for file in files if not (self.folder / file).is_file()]

    def fetch(self, split: str) -> None:
        """Nothing is ever fetched.

        Raises:
            DataError: photographs are missing.
        """
        if missing := self.missing(split):
            raise DataError(
                f"{self.name}: this scikit-image comes without {', '.join(missing)}; "
                "reinstall it, or choose another data set"
            )

    def frames(self, split: str) -> list[Frame]:
        """Return the frames, sorted by id.

        Raises:
            DataError: photographs are missing or damaged, or there is no such split.
        """
        self.fetch(split)
        self._compare()
        return [
            Frame.from_reader(id, partial(_read, self.folder / crop.file, crop.row, crop.column))
            for id, crop in _CROPS.items()
        ]

    def _compare(self) -> None:
        """Notice a release of scikit-image that ships other pictures under the same names."""
        known = {crop.file: crop.digest for crop in _CROPS.values()}
        other = [f for f in known if pixel_digest(read_image(self.folder / f)) != known[f]]
        if other:
            _log.warning(
                "%s: this scikit-image has other pixels in %s; its scores do not compare with "
                "those of other installations",
                self.name,
                ", ".join(other),
            )

    def _check(self, split: str) -> None:
        if split not in self.splits:
            raise DataError(f"{self.name}: {unknown('split', split, self.splits)}")


def _read(path: Path, row: int, column: int) -> np.ndarray:
    top, left = row - FRAME_SIDE // 2, column - FRAME_SIDE // 2
    return read_image(path)[top : top + FRAME_SIDE, left : left + FRAME_SIDE].copy()


def _data_folder() -> Path:
    """Found without importing scikit-image, which takes a while."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DataError("stills: scikit-image is not installed; install it or choose another set")
    return Path(spec.origin).parent / "data"
