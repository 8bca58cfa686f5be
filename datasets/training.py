"""Sets to train on: the frames of several data sets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from denoisebench.datasets.base import DataError
from denoisebench.datasets.documentary import Documentary
from denoisebench.datasets.published import MANIFESTS, Published
from denoisebench.errors import unknown

if TYPE_CHECKING:
    from denoisebench.datasets.base import Frame


class DocumentaryBsds432:
    """`documentary`'s train frames, each twice, and 432 photographs of BSDS500.

    Without the repetition four crops of five would be of other pictures than those that the suite
    is about. None of the photographs is in CBSD68, and the val frames are `documentary`'s.
    """

    name = "train:documentary-bsds432"
    splits: tuple[str, ...] = ("train", "val")

    def __init__(self) -> None:
        self._documentary = Documentary()
        self._photographs = Published(MANIFESTS / "bsds432.toml")
        parts = (self._documentary, self._photographs)
        self.title = "documentary's train frames, each twice, and BSDS500 less CBSD68"
        self.licence = "; ".join(f"{part.name}: {part.licence}" for part in parts)
        self.citation = "; ".join(part.citation for part in parts)
        self.trust = "sha256 of every file in the manifests"
        self.folder = self._documentary.folder.parent

    def size(self, split: str) -> int:
        """Count the frames of a split."""
        return sum(times * part.size(split) for part, times in self._parts(split))

    def missing(self, split: str) -> list[str]:
        """List the files of a split that are not on disk, or not as they should be."""
        return [
            f"{part.folder.name}/{path}"
            for part, _ in self._parts(split)
            for path in part.missing(split)
        ]

    def fetch(self, split: str) -> None:
        """Have a split on disk.

        Raises:
            DataError: files are missing and cannot be fetched.
        """
        for part, _ in self._parts(split):
            part.fetch(split)

    def frames(self, split: str) -> list[Frame]:
        """Return the frames of a split, sorted by id, fetched and verified if need be.

        Raises:
            DataError: a frame is missing or damaged, or there is no such split.
        """
        frames = [
            replace(frame, id=f"{part.name}-{number}/{frame.id}")
            for part, times in self._parts(split)
            for number in range(1, times + 1)
            for frame in part.frames(split)
        ]
        return sorted(frames, key=lambda frame: frame.id)

    def _parts(self, split: str) -> list[tuple[Published, int]]:
        """Return the data sets of a split, and how many times each of their frames counts."""
        if split == "train":
            return [(self._documentary, 2), (self._photographs, 1)]
        if split == "val":
            return [(self._documentary, 1)]
        raise DataError(f"{self.name}: {unknown('split', split, self.splits)}")
