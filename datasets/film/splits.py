"""The choice of frames for each split: splits share no shot, and no frames that look alike.

Shots that show the same view, as when a film returns to a camera, are one scene. A scene goes into
one split whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from denoisebench.datasets.film.diversity import Views, farthest_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.datasets.film.pool import Candidate
    from denoisebench.datasets.film.survey import Survey

FILM_SPLITS = ("train", "val", "test")

Shot = tuple[int, int]
"""Number of the film, and of the shot in it."""


class Taken(NamedTuple):
    """A frame of the data set: number of the film, the candidate, the split."""

    film: int
    candidate: Candidate
    split: str


class ShortError(Exception):
    """Films yield fewer frames than are asked for.

    Attributes:
        film: number of the first film that is short.
        yields: how many frames it has for each split.
    """

    def __init__(self, film: int, yields: dict[str, int]) -> None:
        super().__init__()
        self.film = film
        self.yields = yields


def shares(films: int, per_film: int, val: int, test: int) -> list[dict[str, int]]:
    """Divide each split's frames among the films; ``val`` and ``test`` evenly."""
    return [
        {"train": per_film}
        | {
            split: total // films + (film < total % films)
            for split, total in (("val", val), ("test", test))
        }
        for film in range(films)
    ]


def choose_frames(surveys: Sequence[Survey], needs: Sequence[dict[str, int]]) -> list[Taken]:
    """Choose exactly as many frames as each film is to give.

    Raises:
        ShortError: a film has too few shots or too few frames that differ.
    """
    scenes = _scenes(surveys)
    frames = _distinct(surveys)
    split_of = _allot(scenes, frames, needs)
    taken: list[Taken] = []
    for film, need in enumerate(needs):
        fit: dict[str, list[Candidate]] = {split: [] for split in FILM_SPLITS}
        for one in frames[film]:
            fit[split_of[scenes[film, one.shot]]].append(one)
        if any(len(fit[split]) < need[split] for split in FILM_SPLITS):
            raise ShortError(film, {split: len(fit[split]) for split in FILM_SPLITS})
        for split in FILM_SPLITS:
            thumbnails = np.array([one.thumbnail for one in fit[split]])
            picked = farthest_first(thumbnails, need[split])
            taken += [Taken(film, fit[split][i], split) for i in picked]
    return taken


def _scenes(surveys: Sequence[Survey]) -> dict[Shot, Shot]:
    """For each shot with candidates, or linked to others, the first shot of its scene.

    Within a film all good frames have been compared; films are compared by their candidates.
    """
    scene: dict[Shot, Shot] = {}

    def first(shot: Shot) -> Shot:
        while scene.setdefault(shot, shot) != shot:
            scene[shot] = shot = scene[scene[shot]]
        return shot

    def link(one: Shot, other: Shot) -> None:
        early, late = sorted((first(one), first(other)))
        scene[late] = early

    views = Views()
    shots: list[Shot] = []
    for film, survey in enumerate(surveys):
        for one, other in survey.links:
            link((film, one), (film, other))
        for candidate in survey.candidates:
            shot = film, candidate.shot
            link(shot, shot)
            for number in views.alike(candidate.view):
                link(shots[number], shot)
            views.add(candidate.view)
            shots.append(shot)
    return {shot: first(shot) for shot in list(scene)}


def _distinct(surveys: Sequence[Survey]) -> list[list[Candidate]]:
    """Each film's candidates, the sharpest first, less those that films before it have.

    A pool has no near-duplicates, but films may share some.
    """
    before = Views()
    kept: list[list[Candidate]] = []
    for survey in surveys:
        ordered = sorted(survey.candidates, key=lambda one: (-one.sharpness, one.ordinal))
        kept.append([one for one in ordered if not before.alike(one.view).size])
        for one in kept[-1]:
            before.add(one.view)
    return kept


def _allot(
    scenes: dict[Shot, Shot],
    frames: Sequence[Sequence[Candidate]],
    needs: Sequence[dict[str, int]],
) -> dict[Shot, str]:
    """Give each scene to the split that lacks most, the largest scenes first.

    Equally large ones come in the order of a digest, which scatters them over the film.
    """
    sizes: dict[Shot, Counter[int]] = {scene: Counter() for scene in scenes.values()}
    for film, ones in enumerate(frames):
        for one in ones:
            sizes[scenes[film, one.shot]][film] += 1
    have = [Counter[str]() for _ in needs]
    split_of: dict[Shot, str] = {}
    for scene in sorted(sizes, key=lambda scene: (-sizes[scene].total(), _scatter(scene))):
        film = max(sizes[scene], key=lambda film: sizes[scene][film], default=scene[0])
        wanted = [split for split in FILM_SPLITS if needs[film][split]] or FILM_SPLITS[:1]
        split = min(wanted, key=lambda s: (have[film][s] / max(1, needs[film][s]), -needs[film][s]))
        split_of[scene] = split
        for other, size in sizes[scene].items():
            have[other][split] += size
    return split_of


def _scatter(scene: Shot) -> bytes:
    return hashlib.sha256(f"{scene}".encode()).digest()
