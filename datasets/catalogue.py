"""The data sets by the names that the command line uses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from denoisebench.datasets.base import DataError
from denoisebench.datasets.documentary import Documentary
from denoisebench.datasets.entry_points import announced, open_announced
from denoisebench.datasets.folder import Folder
from denoisebench.datasets.manifest import Manifest
from denoisebench.datasets.pairs import NoisyFolder, Pairs
from denoisebench.datasets.real import REAL_SETS
from denoisebench.datasets.standard import STANDARD_SETS
from denoisebench.datasets.stills import Stills
from denoisebench.datasets.training import DocumentaryBsds432
from denoisebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from denoisebench.datasets.base import StoredDataset


NAMED: dict[str, Callable[[], StoredDataset]] = {
    "documentary": Documentary,
    "stills": Stills,
    **STANDARD_SETS,
    **REAL_SETS,
    DocumentaryBsds432.name: DocumentaryBsds432,
}
PREFIXED: dict[str, Callable[[str], StoredDataset]] = {
    "folder": Folder,
    "manifest": Manifest,
    "pairs": Pairs,
    "noisy": NoisyFolder,
}


def dataset_names() -> list[str]:
    """List the data sets that need no path: ours, then those that other packages announce.

    Examples:
        >>> dataset_names()[:2]
        ['documentary', 'stills']
    """
    return [*NAMED, *(name for name in announced() if name not in NAMED)]


def open_dataset(spec: str) -> StoredDataset:
    """Open a data set by its name, or by a prefix and a path, such as ``folder:PATH``.

    Raises:
        UsageError: there is none of that name (near matches are listed), or it cannot be opened.

    Examples:
        >>> stills = open_dataset("stills")
        >>> [frame.shape for frame in stills.frames("test")][:2]
        [(192, 192, 3), (192, 192, 3)]
        >>> open_dataset("still")
        Traceback (most recent call last):
        denoisebench.errors.UsageError: unknown data set 'still'; did you mean stills?
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
    raise UsageError(
        unknown("data set", spec, [*dataset_names(), *(f"{p}:PATH" for p in PREFIXED)])
    )


def split_datasets(specs: str) -> list[str]:
    """Split names of data sets at the commas between them.

    A path may hold commas, too: it ends where the name of a data set follows, unless the longer
    path exists.

    Examples:
        >>> split_datasets("standard:set12,stills")
        ['standard:set12', 'stills']
        >>> split_datasets("folder:sea,2026,pairs:night, day")
        ['folder:sea,2026', 'pairs:night, day']
    """
    parts, found = specs.split(","), []
    while parts:
        longer = range(len(parts), 1, -1)
        end = next((count for count in longer if _exists(",".join(parts[:count]))), 1)
        if end == 1 and _is_path(parts[0]):
            end = next((n for n, part in enumerate(parts) if n and _is_known(part)), len(parts))
        found.append(",".join(parts[:end]).strip())
        parts = parts[end:]
    return [spec for spec in found if spec]


def _is_path(spec: str) -> bool:
    """Return True for a prefix with a path."""
    return spec.strip().partition(":")[0] in PREFIXED and ":" in spec


def _is_known(spec: str) -> bool:
    """Return True for the name of a data set, and for a prefix with any path."""
    return spec.strip() in dataset_names() or _is_path(spec)


def _exists(spec: str) -> bool:
    """Return True for a name of another package's with commas, and for a path that exists."""
    path = spec.strip().partition(":")[2]
    return spec in announced() or (_is_path(spec) and os.path.exists(os.path.expanduser(path)))


def default_dataset(split: str) -> tuple[StoredDataset, str]:
    """Open ``documentary`` if it is on disk or can be fetched, else ``stills``.

    Returns:
        The data set, with the split on disk, and one line saying which it is and why.

    Raises:
        DataError: the folder that the user names for ``documentary`` is incomplete, or
            ``documentary`` cannot be had and ``stills`` has no such split.

    Examples:
        >>> default_dataset("tset")
        Traceback (most recent call last):
        denoisebench.datasets.base.DataError: documentary: unknown split 'tset'; did you mean test?
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
