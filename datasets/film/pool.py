"""The best and most different frames of a film, as many as may be kept.

When there are too many, the closest two meet, and the less sharp one goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.datasets.film.diversity import Views, distances

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Candidate:
    """A good frame.

    Attributes:
        ordinal: its number in the film.
        seconds: from the film's start.
        shot: number of its shot in the film.
        group: see `Picture`.
        sharpness: see `judging.sharpness`.
        view: see `diversity.view`.
        thumbnail: uint8 (*`THUMBNAIL`, 3).
    """

    ordinal: int
    seconds: float
    shot: int
    group: int
    sharpness: float
    view: np.ndarray
    thumbnail: np.ndarray

    @property
    def file(self) -> str:
        """The file of its pixels, in the survey's folder."""
        return f"{self.ordinal:07d}.png"


class Pool:
    """Up to so many candidates, no two of them near-duplicates."""

    def __init__(self, capacity: int) -> None:
        self.candidates: list[Candidate] = []
        self._capacity = capacity
        self._views = Views()
        self._nearest = np.empty(0, np.int64)  # of each, how far away the nearest other is

    def offer(self, new: Candidate) -> list[Candidate]:
        """Take a candidate in.

        Returns:
            Who has to go: the near-duplicates that it outdoes, one of the closest two, or itself.
        """
        similar = [self.candidates[i] for i in self._views.alike(new.view)]
        if any(one.sharpness >= new.sharpness for one in similar):
            return [new]
        for one in similar:
            self._remove(one)
        self._add(new)
        if len(self.candidates) <= self._capacity:
            return similar
        loser = min(self._closest_two(), key=lambda one: (one.sharpness, -one.ordinal))
        self._remove(loser)
        return [*similar, loser]

    def _add(self, new: Candidate) -> None:
        apart = _distances(new, self.candidates)
        self._nearest = np.append(np.minimum(self._nearest, apart), apart.min(initial=_FAR))
        self.candidates.append(new)
        self._views.add(new.view)

    def _remove(self, one: Candidate) -> None:
        place = self.candidates.index(one)
        del self.candidates[place]
        self._views.remove(place)
        self._nearest = np.delete(self._nearest, place)
        for i in np.flatnonzero(self._nearest == _distances(one, self.candidates)):
            self._nearest[i] = self._from_others(int(i)).min()

    def _closest_two(self) -> tuple[Candidate, Candidate]:
        one = int(self._nearest.argmin())
        return self.candidates[one], self.candidates[self._from_others(one).argmin()]

    def _from_others(self, place: int) -> np.ndarray:
        apart = _distances(self.candidates[place], self.candidates)
        apart[place] = _FAR
        return apart


def _distances(one: Candidate, others: Sequence[Candidate]) -> np.ndarray:
    thumbnails = [other.thumbnail for other in others]
    return distances(one.thumbnail, np.array(thumbnails).reshape(-1, *one.thumbnail.shape))
