"""The interface of data sets: all that the harness asks of one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from denoisebench.errors import UsageError
from denoisebench.text import first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np


class DataError(UsageError):
    """Frames are missing, damaged or unreadable; the message says which and what to do."""


@dataclass(frozen=True)
class Frame:
    """One image, known to be readable, and where a camera recorded its noise, that too.

    Its readers verify every reading: they return the pixels of its digests, or raise DataError,
    because a file may be replaced while a run is at work.

    Attributes:
        id: its name within the data set, the same on every machine.
        digest: `pixel_digest` of what ``read`` returns.
        shape: (H, W, C), C = 3 (RGB) or 1.
        read: returns the clean pixels, uint8 (H, W, C).
        read_noisy: returns the noisy pixels that were recorded of the same scene, in the same
            form; None where noise is to be drawn.
        noisy_digest: `pixel_digest` of what ``read_noisy`` returns; empty without it.
        has_clean: False where only the noisy image is known: ``read`` then returns it, too.
    """

    id: str
    digest: str
    shape: tuple[int, int, int]
    read: Callable[[], np.ndarray]
    read_noisy: Callable[[], np.ndarray] | None = None
    noisy_digest: str = ""
    has_clean: bool = True

    def __post_init__(self) -> None:
        read = _verified(self, self.read, self.digest)
        object.__setattr__(self, "read", read)
        if self.read_noisy is not None:
            noisy = _verified(self, self.read_noisy, self.noisy_digest)
            object.__setattr__(self, "read_noisy", noisy)

    @classmethod
    def from_reader(cls, id: str, read: Callable[[], np.ndarray]) -> Frame:
        """Decode once, to learn the shape and digest and to find damage before anything runs.

        Examples:
            >>> import numpy as np
            >>> Frame.from_reader("black", lambda: np.zeros((4, 6, 3), np.uint8)).shape
            (4, 6, 3)
        """
        pixels = read()
        height, width, channels = pixels.shape
        return cls(id, pixel_digest(pixels), (height, width, channels), read)

    @classmethod
    def from_pair(
        cls, id: str, read: Callable[[], np.ndarray], read_noisy: Callable[[], np.ndarray]
    ) -> Frame:
        """Make a clean frame with its recorded noisy one; each is decoded once.

        Raises:
            DataError: one cannot be read, or they differ in size or channels.
        """
        return cls.from_reader(id, read).beside(cls.from_reader(id, read_noisy), id)

    def beside(self, noisy: Frame, id: str) -> Frame:
        """Return this clean frame with the recorded noisy one of the same pixels.

        Raises:
            DataError: they differ in size or channels.
        """
        if self.shape != noisy.shape:
            raise DataError(
                f"{id}: the noisy image is {_size(noisy.shape)}, the clean one "
                f"{_size(self.shape)}; a pair shows the same pixels"
            )
        return replace(self, id=id, read_noisy=noisy.read, noisy_digest=noisy.digest)

    def alone(self) -> Frame:
        """Return this image as a noisy one, of which nobody knows the clean one."""
        return replace(self, read_noisy=self.read, noisy_digest=self.digest, has_clean=False)


@dataclass(frozen=True)
class _Verified:
    """Reader that returns the pixels that a frame had when it was first read."""

    id: str
    digest: str
    shape: tuple[int, int, int]
    read: Callable[[], np.ndarray]

    def __call__(self) -> np.ndarray:
        """Read the pixels.

        Raises:
            DataError: they are others.
        """
        pixels = self.read()
        kind = getattr(pixels, "dtype", type(pixels).__name__)
        if kind != "uint8":
            shape = getattr(pixels, "shape", "")
            raise DataError(f"{self.id} was read as {kind} {shape}, not as uint8 {self.shape}")
        if pixels.shape != self.shape or pixel_digest(pixels) != self.digest:
            raise DataError(
                f"{self.id} has changed since it was first read; put the image back, or start anew"
            )
        return pixels


def _verified(frame: Frame, read: Callable[[], np.ndarray], digest: str) -> _Verified:
    """Return a reader that verifies the pixels, once."""
    if isinstance(read, _Verified):
        return read
    return _Verified(frame.id, digest, frame.shape, read)


def _size(shape: tuple[int, int, int]) -> str:
    height, width, channels = shape
    return f"{width}×{height} {'RGB' if channels == 3 else 'grey'}"


class Dataset(Protocol):
    """A named set of frames in splits.

    Attributes:
        name: enters the noise's key and every table; the same on every machine.
        title: what a table's footer says of it: its short name, a colon, and what it holds.
        licence: under which the frames may be used.
        splits: names of the splits it has.
    """

    name: str
    title: str
    licence: str
    splits: tuple[str, ...]

    def frames(self, split: str) -> list[Frame]:
        """Return the frames of a split, sorted by id, fetched and verified if need be.

        Raises:
            DataError: a frame is missing or damaged, or there is no such split.
        """
        ...


class StoredDataset(Dataset, Protocol):
    """A data set whose files the user can look after.

    It may also say ``citation``, what to cite, and ``trust``, how its files are known to be the
    right ones: `bench data show` repeats them.

    Attributes:
        folder: where the files are, or will be once fetched.
    """

    folder: Path

    def size(self, split: str) -> int:
        """Count the frames of a split, on disk or not."""
        ...

    def missing(self, split: str) -> list[str]:
        """List the files of a split that are absent or damaged."""
        ...

    def fetch(self, split: str) -> None:
        """Have a split on disk; nothing happens if it is.

        Raises:
            DataError: files are missing and cannot be fetched.
        """
        ...


def spread(frames: list[Frame], count: int | None) -> list[Frame]:
    """Take frames evenly from the whole list: a split's subjects are sorted by name.

    Args:
        frames: all of them, in order.
        count: number of frames; None, or more than there are, takes all.

    Examples:
        >>> frames = [Frame(str(i), "", (1, 1, 1), read=None) for i in range(10)]
        >>> [frame.id for frame in spread(frames, 3)]
        ['0', '3', '6']
    """
    if count is None or count >= len(frames):
        return frames
    return [frames[i * len(frames) // count] for i in range(count)]


def some_of(problems: Sequence[str], most: int = 5) -> str:
    """Join the first problems, with the number of the others, for the message of an error.

    Examples:
        >>> some_of(["a is empty", "b is damaged"], most=1)
        'a is empty; and 1 more'
    """
    return first_of(problems, most, between="; ", last="; and ")


def pixel_digest(pixels: np.ndarray) -> str:
    """Return the first 16 hex digits of the sha256 of uint8 pixels in C order.

    Examples:
        >>> import numpy as np
        >>> pixel_digest(np.zeros((2, 2, 3), np.uint8))
        '15ec7bf0b50732b4'
    """
    return hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
