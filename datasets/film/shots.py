"""Cuts: the ends of a film's shots.

A cut stands out from the change between the frames around it, so that pans and shaking cameras
are no cuts. A cut that is missed makes two shots one, and dissolves are missed: that costs
variety, and nothing else, because a shot goes into one split whole.

PySceneDetect 0.7 finds the same cuts in sharp films, and 14 (adaptive) or 20 (content) of 24 shots
under water, letterboxed, of which this finds all; and it would decode every film once more.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from denoisebench.datasets.film.reading import Picture

_LEAST_CHANGE = 6.0  # mean over a thumbnail's values, on the 8-bit scale
_CONTRAST = 3.0  # of a cut to the mean of the changes around it
_AROUND = 2  # changes on either side that it is compared with
CUT_MARGIN = (
    3  # frames on either side of a cut that are left out: codecs and blends smear across it
)


class ShotFrame(NamedTuple):
    """A frame, its thumbnail, and the number of its shot, from 0."""

    picture: Picture
    thumbnail: np.ndarray
    shot: int


def by_shot(pictures: Iterable[Picture]) -> Iterator[ShotFrame]:
    """Yield the frames at a distance from the cuts, some frames behind the decoder."""
    waiting: deque[ShotFrame] = deque()
    shot = age = 0
    for picture, thumbnail, begins in _with_cuts(pictures):
        if begins:
            shot, age = shot + 1, 0
            waiting.clear()
        if age >= CUT_MARGIN:
            waiting.append(ShotFrame(picture, thumbnail, shot))
        age += 1
        if len(waiting) > CUT_MARGIN:
            yield waiting.popleft()


def is_cut(changes: Sequence[float]) -> bool:
    """Return True if a change is a cut.

    Args:
        changes: 2 × `_AROUND` + 1 of them, the one in question in the middle.
    """
    change = changes[_AROUND]
    around = (sum(changes) - change) / (2 * _AROUND)
    return change >= max(_LEAST_CHANGE, _CONTRAST * around)


def change(before: np.ndarray, after: np.ndarray) -> float:
    """Return the mean difference between two thumbnails, on the 8-bit scale."""
    return float(np.abs(before.astype(np.int16) - after).mean())


def _with_cuts(pictures: Iterable[Picture]) -> Iterator[tuple[Picture, np.ndarray, bool]]:
    """Each frame, and whether it begins a shot."""
    held: deque[tuple[Picture, np.ndarray]] = deque()
    changes = deque([0.0] * (2 * _AROUND + 1), maxlen=2 * _AROUND + 1)
    last: np.ndarray | None = None
    for picture in pictures:
        thumbnail = picture.thumbnail()
        changes.append(0.0 if last is None else change(last, thumbnail))
        held.append((picture, thumbnail))
        last = thumbnail
        if len(held) > _AROUND:
            yield *held.popleft(), is_cut(changes)
