"""The data sets by the names that the command line uses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from denoisebench.datasets.base import DataError, Dataset
from denoisebench.datasets.documentary import Documentary
from denoisebench.datasets.entry_points import announced, open_announced
from denoisebench.datasets.folder import Folder
from denoisebench.datasets.manifest import Manifest
from denoisebench.datasets.pairs import NoisyFolder, Pairs
from denoisebench.datasets.real import SETS as REAL
from denoisebench.datasets.standard import SETS as STANDARD
from denoisebench.datasets.stills import Stills
from denoisebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class StoredDataset(Dataset, Protocol):
    """A data set whose files the user can look after.

    It may also say ``citation``, what to cite, and ``trust``, how its files are known to be the
    right ones: `bench data show` repeats them.

    Attributes:
        folder: where the files are, or will be once fetched.
    """

    folder: Path

    def size(self, split: str) -> int:
        """How many frames a split has, on disk or not."""
        ...

    def missing(self, split: str) -> list[str]:
        """The files of a split that are absent or damaged."""
        ...

    def fetch(self, split: str) -> None:
        """Have a split on disk; nothing happens if it is.

        Raises:
            DataError: files are missing and cannot be fetched.
        """
        ...


NAMED: dict[str, Callable[[], StoredDataset]] = {
    "documentary": Documentary,
    "stills": Stills,
    **STANDARD,
    **REAL,
}
PREFIXED: dict[str, Callable[[str], StoredDataset]] = {
    "folder": Folder,
    "manifest": Manifest,
    "pairs": Pairs,
    "noisy": NoisyFolder,
}


def names() -> list[str]:
    """Every data set that needs no path: ours, then those that other packages announce."""
    return [*NAMED, *(name for name in announced() if name not in NAMED)]


def open_dataset(spec: str) -> StoredDataset:
    """The data set of one of `names`, or for a prefix and a path, such as ``folder:PATH``.

    Raises:
        UsageError: there is none of that name (near matches are listed), or it cannot be opened.
    """
    if spec in NAMED:
        return NAMED[spec]()
    prefix, colon, rest = spec.partition(":")
    if colon and prefix in PREFIXED:
        return PREFIXED[prefix](rest)
    if spec in announced():
        return open_announced(spec)
    if os.path.isdir(spec):
        raise UsageError(
            f"unknown data set {spec!r}; for the images in a folder write folder:{spec}"
        )
    raise UsageError(unknown("data set", spec, [*names(), *(f"{p}:PATH" for p in PREFIXED)]))


def default_dataset(split: str) -> tuple[StoredDataset, str]:
    """``documentary`` if it is on disk or can be fetched, else ``stills``.

    Returns:
        The data set, with the split on disk, and one line saying which it is and why.

    Raises:
        DataError: the folder that the user names for ``documentary`` is incomplete, or
            ``documentary`` cannot be had and ``stills`` has no such split.
    """
    documentary = Documentary()
    before = documentary.missing(split)
    try:
        documentary.fetch(split)
    except DataError as problem:
        if not documentary.fetches or split not in Stills.splits:
            raise
        stills = Stills()
        return stills, f"Frames: {stills.title}, because {problem}"
    origin = "fetched into" if before else "on disk in"
    return documentary, f"Frames: {documentary.title}; {origin} {documentary.folder}"
