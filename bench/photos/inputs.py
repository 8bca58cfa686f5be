"""Files to denoise and places of their results: never an input's, never one for two."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError
from denoisebench.photos.films import FILM_FORMATS
from denoisebench.photos.raw import RAW_SUFFIXES
from denoisebench.photos.reading import PHOTO_SUFFIXES
from denoisebench.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENDING = "-denoised"
"""Ending of the name of a file that is written beside its input."""


@dataclass(frozen=True)
class Item:
    """File to denoise.

    Attributes:
        source: the file.
        target: the file to write.
    """

    source: Path
    target: Path

    @property
    def is_film(self) -> bool:
        """True for a film, as its suffix says."""
        return self.source.suffix.lower() in FILM_FORMATS


def items_of(inputs: Sequence[Path], out: Path | None) -> list[Item]:
    """List the files to denoise: those given, and the photographs of folders and their subfolders.

    In folders, hidden files are left out, and results of earlier calls, such as a folder ``out``
    within; films must be named.

    Args:
        inputs: files and folders.
        out: folder for the results, under their own names; None puts them beside their inputs, as
            ``NAME-denoised.SUFFIX``.

    Raises:
        UsageError: an input does not exist, a folder holds no photograph, or a result would be
            written over an input or over another result.
    """
    found: dict[str, Item] = {}
    for given in inputs:
        for source, place in _sources(given, out):
            target = _target(source, place, out)
            found.setdefault(os.path.realpath(source), Item(source, target))
    items = list(found.values())
    _refuse_collisions(items)
    return items


def _sources(given: Path, out: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield the files that an input stands for, each with its place below the results' folder."""
    if not os.path.isdir(given):
        if not os.path.exists(given):
            raise UsageError(f"{plain(str(given))}: there is no such file or folder")
        yield given, Path(given.name)
        return
    count, results = 0, out and os.path.realpath(out)
    for folder, below, files in os.walk(given):
        below[:] = sorted(
            name
            for name in below
            if not name.startswith(".") and os.path.realpath(Path(folder, name)) != results
        )
        for name in sorted(files):
            path = Path(folder, name)
            photo = path.suffix.lower() in PHOTO_SUFFIXES and not path.stem.endswith(ENDING)
            if photo and not name.startswith("."):
                count += 1
                yield path, path.relative_to(given)
    if not count:
        raise UsageError(f"{plain(str(given))}: holds no photograph; films are named one by one")


def _target(source: Path, place: Path, out: Path | None) -> Path:
    suffix = ".tif" if source.suffix.lower() in RAW_SUFFIXES else source.suffix
    if out is None:
        return source.with_name(f"{source.stem}{ENDING}{suffix}")
    return (out / place).with_suffix(suffix)


def _refuse_collisions(items: list[Item]) -> None:
    inputs = {os.path.realpath(item.source) for item in items}
    taken: dict[str, Path] = {}
    for item in items:
        place = os.path.realpath(item.target)
        if place in inputs:
            raise UsageError(
                f"{plain(str(item.target))}: is an input, and would be written over; "
                "choose another --out"
            )
        if place in taken:
            raise UsageError(
                f"{plain(str(item.source))} and {plain(str(taken[place]))} would both be written "
                f"to {plain(str(item.target))}; denoise them one by one"
            )
        taken[place] = item.source
