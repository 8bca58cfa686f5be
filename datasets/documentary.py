"""Photographs of wildlife, marine and grassland, in the sizes of two documentaries' screenshots.

They come as JPEGs whose 8×8 blocks show, so every frame is halved: at full size a denoiser would
be judged by how well it keeps the blocks.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from denoisebench.datasets.base import DataError, Frame, pixel_digest
from denoisebench.datasets.download import DownloadError, RemoteFile, download
from denoisebench.datasets.images import read_image
from denoisebench.errors import unknown

MANIFEST = Path(__file__).with_suffix(".toml")
VARIABLE = "DENOISEBENCH_DATA"

log = logging.getLogger("denoisebench")


@dataclass(frozen=True)
class _Entry(RemoteFile):
    """A file of the manifest, and the digest of its decoded RGB pixels before halving."""

    rgb_digest: str

    @property
    def split(self) -> str:
        return self.path.partition("/")[0]

    @property
    def frame(self) -> str:
        return self.path.partition("/")[2].removesuffix(".jpg")


class Documentary:
    """The suite's main data set: 100 frames to train, 10 to validate, 20 to test.

    The files are in ``$DENOISEBENCH_DATA/documentary`` if the variable is set, and nothing is
    ever written there. Else they are in the user's cache, and what is missing is fetched.

    Args:
        manifest: the TOML file that lists the files.

    Attributes:
        folder: where the files are, or will be once fetched.
        fetches: whether missing files are fetched, as no folder is named.

    Raises:
        DataError: the variable names no folder that holds the data set.
    """

    splits: tuple[str, ...] = ("train", "val", "test")

    def __init__(self, manifest: Path = MANIFEST) -> None:
        content = tomllib.loads(manifest.read_text(encoding="utf-8"))
        self.name: str = content["name"]
        self.title: str = content["title"]
        self.licence: str = content["licence"]
        self._entries = [_entry(frame, content["source"]) for frame in content["frame"]]
        given = os.environ.get(VARIABLE)
        self.fetches = not given
        self.folder = (Path(given).expanduser() if given else _cache()) / self.name
        if given and not os.path.isdir(self.folder):
            raise DataError(
                f"{VARIABLE}={given} holds no folder {self.name!r}; "
                "set it to a folder that does, or unset it to have the frames fetched"
            )

    def size(self, split: str) -> int:
        """How many frames a split has."""
        return len(self._of(split))

    def missing(self, split: str) -> list[str]:
        """The files of a split that are not on disk, or not as the manifest has them."""
        return [entry.path for entry in self._absent(split)]

    def fetch(self, split: str) -> None:
        """Have a split on disk: fetch the files that are missing or damaged, if there are any.

        Raises:
            DataError: they cannot be fetched, or are missing where the user's variable points.
        """
        absent = self._absent(split)
        if not absent:
            return
        if not self.fetches:
            raise DataError(
                f"{VARIABLE}: {len(absent)} of the {self.size(split)} {split} files in "
                f"{self.folder} are missing or damaged ({absent[0].path} is the first); "
                "restore them, or unset the variable to have them fetched"
            )
        try:
            download(absent, self.folder)
        except DownloadError as reason:
            raise DataError(
                f"{self.name}: {len(absent)} {split} files are not on disk, and {reason}; "
                f"put them into {self.folder}, or set {VARIABLE} to a folder that "
                f"holds a complete folder {self.name!r}"
            ) from reason

    def frames(self, split: str) -> list[Frame]:
        """The frames of a split, sorted by id, fetched and verified if need be.

        Raises:
            DataError: a frame is missing or damaged, or there is no such split.
        """
        self.fetch(split)
        frames, differing = [], 0
        for entry in self._of(split):
            full = read_image(self.folder / entry.path)
            differing += pixel_digest(full) != entry.rgb_digest
            frames.append(_frame(entry.frame, halve(full), self.folder / entry.path))
        if differing:
            log.warning(
                "%s: this machine's JPEG decoder gives %d of %d frames other last bits than the "
                "manifest has; compare scores with those of other machines with care",
                self.name,
                differing,
                len(frames),
            )
        return frames

    def _of(self, split: str) -> list[_Entry]:
        if split not in self.splits:
            raise DataError(f"{self.name}: {unknown('split', split, self.splits)}")
        return sorted((e for e in self._entries if e.split == split), key=lambda e: e.frame)

    def _absent(self, split: str) -> list[_Entry]:
        return [entry for entry in self._of(split) if not _intact(self.folder, entry)]


def halve(pixels: np.ndarray) -> np.ndarray:
    """Average blocks of 2×2 pixels, rounding half up; an odd last row or column is dropped.

    Args:
        pixels: uint8 (H, W, C).

    Returns:
        uint8 (H // 2, W // 2, C).
    """
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    wide = pixels[:height, :width].astype(np.uint16)
    total = wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


def _frame(id: str, pixels: np.ndarray, path: Path) -> Frame:
    height, width, channels = pixels.shape
    return Frame(id, pixel_digest(pixels), (height, width, channels), partial(_read, path))


def _read(path: Path) -> np.ndarray:
    return halve(read_image(path))


def _entry(frame: dict[str, Any], sources: dict[str, Any]) -> _Entry:
    source = frame["path"].split("/")[1]
    return _Entry(
        path=frame["path"],
        url=sources[source]["url"] + frame["url"],
        sha256=frame["sha256"],
        size=frame["bytes"],
        rgb_digest=frame["rgb_sha256_16"],
    )


def _intact(folder: Path, entry: _Entry) -> bool:
    try:
        return hashlib.sha256((folder / entry.path).read_bytes()).hexdigest() == entry.sha256
    except OSError:
        return False


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("denoisebench"))
