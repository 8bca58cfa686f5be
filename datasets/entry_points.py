"""Data sets that other packages announce by an entry point, and what goes wrong in them."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from denoisebench.datasets.base import DataError, Frame
from denoisebench.errors import UsageError
from denoisebench.plugins import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from denoisebench.datasets.base import StoredDataset

_ENTRY_POINT_GROUP = "denoisebench.datasets"
_ASKED = ("name", "title", "licence", "splits", "frames", "folder", "size", "missing", "fetch")

_T = TypeVar("_T")


@cache
def announced() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the entry points by the names that the command line uses."""
    return {e.name: e for e in importlib.metadata.entry_points(group=_ENTRY_POINT_GROUP)}


def open_announced(name: str) -> StoredDataset:
    """Call what a package announces: a class or function without arguments.

    Raises:
        UsageError: it fails, or what it returns is no data set.
    """
    entry = announced()[name]
    label = f"the data set {name} (of {entry.dist.name if entry.dist else entry.value})"
    return _guarded(label, lambda: Guarded(label, entry.load()()))


class Guarded:
    """A stranger's data set: whatever it raises becomes one line that names it.

    Its methods raise UsageError where the data set's raise anything, or return what they should
    not.

    Args:
        label: what to call it in that line.
        dataset: what to guard.

    Raises:
        TypeError: it is no data set.
    """

    def __init__(self, label: str, dataset: StoredDataset) -> None:
        if lacking := [what for what in _ASKED if not hasattr(dataset, what)]:
            raise TypeError(f"it has no {', '.join(lacking)}")
        self._label = label
        self._dataset = dataset
        self.name: str = dataset.name
        self.title: str = dataset.title
        self.licence: str = dataset.licence
        self.splits: tuple[str, ...] = tuple(dataset.splits)
        self.folder: Path = dataset.folder
        self.citation: str = getattr(dataset, "citation", "")

    @property
    def trust(self) -> str:
        """The grounds on which its files are the right ones; empty if it does not say."""
        return _guarded(self._label, lambda: getattr(self._dataset, "trust", ""))

    def size(self, split: str) -> int:
        """Count the frames of a split."""
        return _guarded(self._label, lambda: int(self._dataset.size(split)))

    def missing(self, split: str) -> list[str]:
        """List the files of a split that are absent or damaged."""
        return _guarded(self._label, lambda: list(self._dataset.missing(split)))

    def fetch(self, split: str) -> None:
        """Have a split on disk."""
        _guarded(self._label, lambda: self._dataset.fetch(split))

    def frames(self, split: str) -> list[Frame]:
        """Return the frames of a split: at least one, and each id once."""
        found = _guarded(self._label, lambda: _checked(self._dataset.frames(split)))
        return [self._frame(frame) for frame in found]

    def _frame(self, frame: Frame) -> Frame:
        """Return the frame with guarded readers."""
        noisy = frame.read_noisy
        return replace(
            frame,
            read=partial(_read, self._label, frame.read),
            read_noisy=None if noisy is None else partial(_read, self._label, noisy),
        )


def _checked(frames: list[Frame]) -> list[Frame]:
    if not frames:
        raise ValueError("it has no frames")
    [(id, count)] = Counter(frame.id for frame in frames).most_common(1)
    if count > 1:
        raise ValueError(f"{count} frames have the id {id!r}")
    return list(frames)


def _read(label: str, read: Callable[[], np.ndarray]) -> np.ndarray:
    """Read a frame; an error names the data set.

    Raises:
        DataError: it cannot be read, or the pixels are not as the frame says.
    """

    def labelled() -> np.ndarray:
        try:
            return read()
        except DataError as error:
            raise DataError(f"{label}: {error}") from error

    return _guarded(label, labelled)


def _guarded(label: str, call: Callable[[], _T]) -> _T:
    """Call a stranger's code, and return its result.

    Raises:
        UsageError: as it raises it itself.
        DataError: it raises anything else.
    """
    try:
        return call()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"{label} cannot be used: {describe_error(error)}") from error
