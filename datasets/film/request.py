"""The request of an extraction; an impossible one is refused before a film is opened."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.datasets.base import DataError

if TYPE_CHECKING:
    from pathlib import Path

LEAST_CAPACITY = 240  # candidates a film; more where more than a third of it is asked for
LONGEST_NAME = 60  # characters: with a number it is a file's name in any script, 255 bytes


@dataclass(frozen=True)
class FilmFile:
    """A film and the group, such as ``marine``, that its frames belong to."""

    path: Path
    group: str

    @property
    def stem(self) -> str:
        """The start of its frames' names, before their number."""
        return plain_name(self.path.stem)

    def frame_name(self, ordinal: int) -> str:
        """Name one of its frames within a split."""
        return f"{self.group}/{self.stem}-{ordinal:06d}"


@dataclass(frozen=True)
class Request:
    """Options of an extraction.

    Attributes:
        name: of the data set.
        out: its folder, which must not exist yet.
        films: in the order in which they are gone through.
        per_film: training frames of each film.
        val: validation frames in all, evenly from the films.
        test: test frames, likewise.
        halved: whether 2×2 pixels are averaged: it undoes the halved chroma and most traces of
            compression.
        max_side: longest side of a frame in pixels; larger ones are shrunk.
    """

    name: str
    out: Path
    films: tuple[FilmFile, ...]
    per_film: int = 50
    val: int = 10
    test: int = 20
    halved: bool = True
    max_side: int | None = None

    @property
    def capacity(self) -> int:
        """The most candidates that a film may have."""
        return max(LEAST_CAPACITY, 3 * (self.per_film + self.val + self.test))


def plain_name(text: str) -> str:
    """Make a text fit for a file's name: letters of any script, digits, ``-_.``."""
    kept = [c if _may_stand(c) else " " for c in unicodedata.normalize("NFC", text)]
    name = re.sub(" +", "-", "".join(kept)).lstrip("-.")
    return name[:LONGEST_NAME].rstrip("-.") or "film"


def _may_stand(character: str) -> bool:
    """Many scripts write vowels as marks on a letter."""
    return (
        character.isalnum() or character in "-_." or unicodedata.category(character).startswith("M")
    )


def check(request: Request) -> None:
    """Refuse what can be seen to fail before a film is opened.

    Raises:
        DataError: no frame is asked for, a name is none, or names clash, or the folder exists.
    """
    if request.per_film * len(request.films) + request.val + request.test == 0:
        raise DataError("no frame is asked for; see --per-film, --val and --test")
    _check_name("a data set", request.name)
    if os.path.lexists(request.out):
        raise DataError(f"{request.out} exists; remove it, or choose another --out")
    taken: dict[str, Path] = {}
    for file in request.films:
        _check_name("a group", file.group)
        first = taken.setdefault(file.frame_name(0).casefold(), file.path)
        if first != file.path:
            raise DataError(
                f"{first} and {file.path} would give frames of the same names; tell them apart by "
                f"groups: --group one={first} and so on"
            )


def _check_name(what: str, name: str) -> None:
    if plain_name(name) != name:
        raise DataError(
            f"{name!r} cannot name {what}; use letters, digits, -, _ and ., {LONGEST_NAME} at most"
        )
