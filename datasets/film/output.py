"""The files of an extracted data set: frames, a contact sheet a split, and the manifest.

The manifest names no folder and no date: the same films and options give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from denoisebench.datasets.base import Frame, pixel_digest, spread
from denoisebench.datasets.contact_sheet import contact_sheet
from denoisebench.datasets.film import survey as surveys
from denoisebench.datasets.film.disk import write_png
from denoisebench.datasets.film.splits import FILM_SPLITS
from denoisebench.datasets.images import read_image
from denoisebench.files import make_folder, write_text
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from denoisebench.datasets.film.request import FilmFile, Request
    from denoisebench.datasets.film.splits import Taken
    from denoisebench.datasets.film.survey import Survey

MANIFEST_NAME = "manifest.toml"
SHEET_FRAMES = 600  # most frames of a contact sheet


@dataclass(frozen=True)
class Surveyed:
    """A film that has been gone through; the folder holds its candidates' pixels."""

    file: FilmFile
    sha256: str
    folder: Path
    survey: Survey


def write_dataset(
    taken: Sequence[Taken], films: Sequence[Surveyed], folder: Path, request: Request
) -> None:
    """Write all of a data set into a folder.

    Raises:
        UsageError: it cannot be written.
        DataError: a candidate's pixels cannot be read.
    """
    frames = [_write_frame(one, films[one.film], folder, request) for one in taken]
    frames.sort(key=lambda frame: (frame["film"], frame["path"]))
    for split in FILM_SPLITS:
        _write_sheet(split, frames, films, folder, request)
    write_text(folder / MANIFEST_NAME, _manifest(frames, films, request))


def clock(seconds: float) -> str:
    """Write a time in a film as players show it: 0:07, 1:02:07."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _write_frame(one: Taken, film: Surveyed, folder: Path, request: Request) -> dict[str, Any]:
    """Write a frame, cropped and shrunk.

    Returns:
        Its entry of the manifest.
    """
    candidate = one.candidate
    whole = read_image(film.folder / candidate.file)
    pixels = _shrunk(film.survey.bars[candidate.shot].cut(whole), request.max_side)
    path = f"{one.split}/{film.file.frame_name(candidate.ordinal)}.png"
    make_folder((folder / path).parent)
    content = write_png(folder / path, pixels)
    height, width = pixels.shape[:2]
    return {
        "film": one.film,
        "path": path,
        "ordinal": candidate.ordinal,
        "seconds": round(candidate.seconds, 6),
        "shot": candidate.shot,
        "sha256": hashlib.sha256(content).hexdigest(),
        "rgb_sha256_16": pixel_digest(np.ascontiguousarray(pixels)),
        "width": width,
        "height": height,
        "bytes": len(content),
    }


def _shrunk(pixels: np.ndarray, max_side: int | None) -> np.ndarray:
    height, width = pixels.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return pixels
    scale = max_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small: np.ndarray = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return small


def _write_sheet(
    split: str,
    frames: Sequence[dict[str, Any]],
    films: Sequence[Surveyed],
    folder: Path,
    request: Request,
) -> None:
    own = [
        Frame(
            _label(frame, films[frame["film"]].file),
            frame["rgb_sha256_16"],
            (frame["height"], frame["width"], 3),
            partial(read_image, folder / frame["path"]),
        )
        for frame in frames
        if frame["path"].startswith(f"{split}/")
    ]
    if own:
        shown = spread(own, SHEET_FRAMES)
        heading = f"{request.name} · {split}: {len(shown)} of {counted(len(own), 'frame')}"
        contact_sheet(shown, folder / f"contact-{split}.png", heading)


def _label(frame: dict[str, Any], file: FilmFile) -> str:
    """Its name, and where in the film it is; a film that is its own group is named once."""
    name = file.frame_name(frame["ordinal"])
    if file.group == file.stem:
        name = name.removeprefix(f"{file.group}/")
    return f"{name} · {clock(frame['seconds'])}"


def _manifest(frames: Sequence[dict[str, Any]], films: Sequence[Surveyed], request: Request) -> str:
    """Write the manifest as TOML; see `denoisebench.datasets.manifest`."""
    many = f"{len(films)} film{'s' if len(films) > 1 else ''}"
    groups = ", ".join(dict.fromkeys(film.file.group for film in films))
    size = "halved" if request.halved else "full size"
    shrunk = f", at most {request.max_side} pixels wide or high" if request.max_side else ""
    used = {frame["path"].partition("/")[0] for frame in frames}
    lines = [
        "# Frames of films, by `bench data extract`. Edit title, licence and cite as you see fit;",
        "# the rest says which frames these are. Of a frame: `ordinal` is its number in the film,",
        "# in order of presentation from 0; `sha256` is of the file, `rgb_sha256_16` the first 16",
        "# hex digits of the sha256 of its decoded RGB pixels. No shot is in two splits.",
        "",
        _line("name", request.name),
        _line("title", f"{request.name}: frames of {many} ({groups}), {size}{shrunk}"),
        _line("licence", "that of the films"),
        _line("cite", ""),
        _line("splits", [split for split in FILM_SPLITS if split in used]),
        "",
        "[extraction]",
        _line("version", surveys.SURVEY_VERSION),
        _line("per_film", request.per_film),
        _line("val", request.val),
        _line("test", request.test),
        _line("halved", request.halved),
        *([_line("max_side", request.max_side)] if request.max_side else []),
    ]
    for film in films:
        lines += ["", "[[film]]", *_table(_about(film))]
    for frame in frames:
        lines += ["", "[[frame]]", *_table(frame)]
    return "\n".join(lines) + "\n"


def _about(film: Surveyed) -> dict[str, Any]:
    survey = film.survey
    return {
        "file": os.fsencode(film.file.path.name).decode("utf-8", "replace"),  # it may be no text
        "group": film.file.group,
        "sha256": film.sha256,
        "codec": survey.codec,
        "decoder": survey.decoder,
        "seconds": round(survey.seconds, 6),
        "frames": survey.frames,
        "shots": survey.shots,
        "notes": survey.notes,
    }


def _table(entries: dict[str, Any]) -> list[str]:
    return [_line(key, value) for key, value in entries.items()]


def _line(key: str, value: object) -> str:
    """Write a line of TOML: its strings and lists of them are JSON's, but for DEL."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
