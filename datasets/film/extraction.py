"""From films to a data set on disk: a manifest, lossless frames, and a contact sheet a split.

Everything is made in a folder beside the data set's own, and takes that name at the very end, so
that half a data set is never there. After an interruption, films that have been gone through need
not be again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

import cv2
import filelock
import numpy as np

from denoisebench.datasets.base import DataError, Frame, pixel_digest, spread
from denoisebench.datasets.film import survey as surveys
from denoisebench.datasets.film.reading import FilmError, open_film
from denoisebench.datasets.film.splits import SPLITS, ShortError, Taken, choose, shares
from denoisebench.datasets.images import read_image
from denoisebench.datasets.sheet import contact_sheet
from denoisebench.files import make_folder, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from denoisebench.datasets.film.reading import Film
    from denoisebench.datasets.film.survey import Survey

MANIFEST = "manifest.toml"
LEAST_CAPACITY = 240  # candidates a film; more where more than a third of it is asked for
SHEET_FRAMES = 600  # most frames of a contact sheet
_CHUNK = 1 << 20


@dataclass(frozen=True)
class FilmFile:
    """A film and the group, such as ``marine``, that its frames belong to."""

    path: Path
    group: str

    @property
    def stem(self) -> str:
        """What its frames are called, before their number."""
        return plain_name(self.path.stem)


@dataclass(frozen=True)
class Request:
    """What is asked for.

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
        """How many candidates a film may have."""
        most = self.per_film + self.val + self.test
        return max(LEAST_CAPACITY, 3 * most)


class Progress(Protocol):
    """Told what happens."""

    def film(self, path: Path, seconds: float) -> None:
        """A film's turn comes; it says that it lasts so long, 0 if it does not say."""
        ...

    def reached(self, seconds: float) -> None:
        """So much of it has been gone through."""
        ...

    def say(self, line: str) -> None:
        """Something that the user should know."""
        ...


@dataclass
class _Made:
    """A film's part of the data set."""

    file: FilmFile
    sha256: str
    folder: Path
    survey: Survey
    frames: list[dict[str, object]] = field(default_factory=list)


def extract(request: Request, progress: Progress) -> Path:
    """Make a data set.

    Returns:
        Its manifest.

    Raises:
        UsageError: a film cannot be used or is too short for what is asked, names clash, the
            folder exists, or cannot be written to.
    """
    _check(request)
    opened = _opened(request)
    out = request.out
    make_folder(out.parent)
    work = out.parent / f".{out.name}.extraction"
    with _alone(work, out):
        made = [_survey(*each, request, work, progress) for each in opened]
        taken = _choose(made, request)
        new = work / "new"
        surveys.make_empty(new)
        for one in taken:
            made[one.film].frames.append(_write_frame(one, made[one.film], new, request))
        for split in SPLITS:
            _write_sheet(split, made, new, request)
        write_text(new / MANIFEST, _manifest(made, request))
        _publish(new, out)
        shutil.rmtree(work, ignore_errors=True)
    return out / MANIFEST


def plain_name(text: str) -> str:
    """A text as it may stand in a file's name: letters of any script, digits, ``-_.``."""
    composed = unicodedata.normalize("NFC", text)
    return re.sub(r"[^\w.-]+", "-", composed).strip("-.")


def _check(request: Request) -> None:
    """Refuse what can be seen to fail before a film is opened."""
    if not request.films:
        raise DataError("no film is given")
    if plain_name(request.name) != request.name:
        raise DataError(f"{request.name!r} cannot name a data set; use letters, digits, -, _ and .")
    if request.per_film * len(request.films) + request.val + request.test == 0:
        raise DataError("no frame is asked for; see --per-film, --val and --test")
    if os.path.lexists(request.out) and not _empty_folder(request.out):
        raise DataError(f"{request.out} exists; remove it, or choose another --out")
    for file in request.films:
        if not file.group or plain_name(file.group) != file.group:
            raise DataError(
                f"{file.group!r} cannot name a group; use letters, digits, -, _ and . "
                "as in --group marine=FILM"
            )
    names = Counter(_frame_name(file, 0).casefold() for file in request.films)
    for file in request.films:
        if names[_frame_name(file, 0).casefold()] > 1:
            raise DataError(
                f"several films would give frames the name of {file.path}'s; tell them apart by "
                f"groups: --group one={file.path} and so on"
            )


def _empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def _alone(work: Path, out: Path) -> Iterator[None]:
    """Keep a second extraction out of the work folder."""
    make_folder(work)
    lock = filelock.FileLock(work / "extraction.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise DataError(
            f"another extraction into {out} is at work; wait for it, or choose another --out"
        ) from None
    except OSError as error:
        raise DataError(f"cannot write to {work}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def _opened(request: Request) -> list[tuple[FilmFile, Film, str]]:
    """All films and their digests, so that a bad one is known before any is gone through."""
    films = [(file, open_film(file.path)) for file in request.films]
    seen: dict[str, Path] = {}
    opened = []
    for file, film in films:
        digest = _digest(file.path)
        if digest in seen:
            raise DataError(f"{file.path} and {seen[digest]} are the same film; leave one out")
        seen[digest] = file.path
        opened.append((file, film, digest))
    return opened


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise FilmError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def _survey(
    file: FilmFile, film: Film, digest: str, request: Request, work: Path, progress: Progress
) -> _Made:
    basis = [digest, film.decoder, request.capacity, request.halved, surveys.VERSION]
    folder = work / hashlib.sha256(json.dumps(basis).encode()).hexdigest()[:16]
    progress.film(file.path, film.seconds)
    survey = surveys.make_survey(
        film, folder, capacity=request.capacity, halved=request.halved, tell=progress.reached
    )
    for note in survey.notes:
        progress.say(f"{file.path}: {note}")
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(survey.dropped.items()))
    progress.say(
        f"{file.path}: {survey.seconds:.1f} s, {survey.shots} shots; {len(survey.candidates)} "
        f"frames to choose from{f' (dropped: {dropped})' if dropped else ''}"
    )
    return _Made(file, digest, folder, survey)


def _choose(made: Sequence[_Made], request: Request) -> list[Taken]:
    needs = shares(len(made), request.per_film, request.val, request.test)
    try:
        return choose([one.survey for one in made], needs)
    except ShortError as short:
        film, need = made[short.film], needs[short.film]
        asked = ", ".join(f"{need[s]} {s}" for s in SPLITS if need[s])
        yields = ", ".join(f"{short.yields[s]} {s}" for s in SPLITS if need[s])
        raise DataError(
            f"{film.file.path}: {asked} frames are asked for, but its {film.survey.seconds:.1f} s "
            f"in {film.survey.shots} shots yield {yields} that differ, also from other films', and "
            "share no shot; ask for fewer with --per-film, --val or --test. No film need be gone "
            "through again"
        ) from None


def _write_frame(one: Taken, film: _Made, folder: Path, request: Request) -> dict[str, object]:
    """Write a frame, cropped and shrunk.

    Returns:
        Its entry of the manifest.
    """
    candidate = one.candidate
    whole = read_image(film.folder / candidate.file)
    pixels = _shrunk(film.survey.bars[candidate.shot].cut(whole), request.max_side)
    path = f"{one.split}/{_frame_name(film.file, candidate.ordinal)}"
    make_folder((folder / path).parent)
    content = surveys.write_png(folder / path, pixels)
    height, width = pixels.shape[:2]
    return {
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


def _frame_name(file: FilmFile, ordinal: int) -> str:
    return f"{file.group}/{file.stem}-{ordinal:06d}.png"


def _shrunk(pixels: np.ndarray, max_side: int | None) -> np.ndarray:
    height, width = pixels.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return pixels
    scale = max_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small: np.ndarray = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return small


def _write_sheet(split: str, made: Sequence[_Made], folder: Path, request: Request) -> None:
    paths = [str(frame["path"]) for film in made for frame in film.frames]
    frames = [
        Frame.from_reader(path[len(split) + 1 : -len(".png")], partial(read_image, folder / path))
        for path in sorted(paths)
        if path.startswith(f"{split}/")
    ]
    if frames:
        shown = spread(frames, SHEET_FRAMES)
        heading = f"{request.name} · {split}: {len(shown)} of {len(frames)} frames"
        contact_sheet(shown, folder / f"contact-{split}.png", heading)


def _publish(new: Path, out: Path) -> None:
    try:
        if _empty_folder(out):
            out.rmdir()
        os.rename(new, out)
    except OSError as error:
        raise DataError(f"cannot make {out}: {error.strerror}") from error


def _manifest(made: Sequence[_Made], request: Request) -> str:
    """The manifest, see `denoisebench.datasets.manifest`. It names no folder and no date: the same
    films and options give the same bytes.
    """
    films = f"{len(made)} film{'s' if len(made) > 1 else ''}"
    groups = ", ".join(dict.fromkeys(film.file.group for film in made))
    size = "halved" if request.halved else "full size"
    shrunk = f", at most {request.max_side} pixels wide or high" if request.max_side else ""
    paths = [str(frame["path"]) for film in made for frame in film.frames]
    splits = [split for split in SPLITS if any(path.startswith(f"{split}/") for path in paths)]
    lines = [
        "# Frames of films, by `bench data extract`. Edit title, licence and cite as you see fit;",
        "# the rest says which frames these are. Of a frame: `ordinal` is its number in the film,",
        "# in order of presentation from 0; `sha256` is of the file, `rgb_sha256_16` the first 16",
        "# hex digits of the sha256 of its decoded RGB pixels. No shot is in two splits.",
        "",
        _line("name", request.name),
        _line("title", f"{request.name}: frames of {films} ({groups}), {size}{shrunk}"),
        _line("licence", "that of the films"),
        _line("cite", ""),
        _line("splits", splits),
        "",
        "[extraction]",
        _line("version", surveys.VERSION),
        _line("per_film", request.per_film),
        _line("val", request.val),
        _line("test", request.test),
        _line("halved", request.halved),
        *([_line("max_side", request.max_side)] if request.max_side else []),
    ]
    for film in made:
        survey = film.survey
        lines += [
            "",
            "[[film]]",
            _line("file", _printable(film.file.path.name)),
            _line("group", film.file.group),
            _line("sha256", film.sha256),
            _line("codec", survey.codec),
            _line("decoder", survey.decoder),
            _line("seconds", round(survey.seconds, 6)),
            _line("frames", survey.frames),
            _line("shots", survey.shots),
            _line("notes", survey.notes),
        ]
    for number, film in enumerate(made):
        for frame in sorted(film.frames, key=lambda frame: str(frame["path"])):
            lines += ["", "[[frame]]", _line("film", number)]
            lines += [_line(key, value) for key, value in frame.items()]
    return "\n".join(lines) + "\n"


def _line(key: str, value: object) -> str:
    """A line of TOML: its strings and lists of them are JSON's, but for DEL."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")


def _printable(name: str) -> str:
    """A file's name, where it may not be text."""
    return os.fsencode(name).decode("utf-8", "replace")
