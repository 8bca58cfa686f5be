"""What the harness asks of a data set, and nothing more."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


class DataError(UsageError):
    """Frames are missing, damaged or unreadable; the message says which and what to do."""


@dataclass(frozen=True)
class Frame:
    """One clean image, known to be readable.

    Attributes:
        id: its name within the data set, the same on every machine.
        digest: `pixel_digest` of what ``read`` returns.
        shape: (H, W, C), C = 3 (RGB) or 1.
        read: returns the pixels, uint8 (H, W, C).
    """

    id: str
    digest: str
    shape: tuple[int, int, int]
    read: Callable[[], np.ndarray]

    @classmethod
    def from_reader(cls, id: str, read: Callable[[], np.ndarray]) -> Frame:
        """Decode once, to learn the shape and digest and to find damage before anything runs."""
        pixels = read()
        height, width, channels = pixels.shape
        return cls(id, pixel_digest(pixels), (height, width, channels), read)


class Dataset(Protocol):
    """A named set of frames in splits.

    Attributes:
        name: enters the noise's key and every table; the same on every machine.
        title: what a table's footer says of it: what it holds, and where it comes from.
        licence: under which the frames may be used.
        splits: names of the splits it has.
    """

    name: str
    title: str
    licence: str
    splits: tuple[str, ...]

    def frames(self, split: str) -> list[Frame]:
        """The frames of a split, sorted by id, fetched and verified if need be.

        Raises:
            DataError: a frame is missing or damaged, or there is no such split.
        """
        ...


def spread(frames: list[Frame], count: int | None) -> list[Frame]:
    """So many frames, evenly over the whole list: a split's subjects are sorted by name.

    Args:
        count: how many; None, or more than there are, takes all.
    """
    if count is None or count >= len(frames):
        return frames
    return [frames[i * len(frames) // count] for i in range(count)]


def pixel_digest(pixels: np.ndarray) -> str:
    """The first 16 hex digits of the sha256 of uint8 pixels in C order, as the manifests have."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
