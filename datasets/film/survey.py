"""One film, gone through once: its candidate frames, as different from each other as can be.

Of each second of a shot the sharpest frame is judged, and if it is good, offered to a pool of
bounded size. The pixels of those in the pool lie in a folder, so that memory does not grow with the
film.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.datasets.documentary import halve
from denoisebench.datasets.film import judging
from denoisebench.datasets.film.disk import make_empty, write_png
from denoisebench.datasets.film.diversity import VIEW, Views, view
from denoisebench.datasets.film.judging import Bars
from denoisebench.datasets.film.pool import Candidate, Pool
from denoisebench.datasets.film.reading import THUMBNAIL, FilmError
from denoisebench.datasets.film.shots import ShotFrame, by_shot
from denoisebench.files import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from denoisebench.datasets.film.reading import Film, Picture

SURVEY_VERSION = 2  # of what decides on the candidates; another one begins anew
WINDOW = 1.0  # seconds of which one frame is a candidate
TAIL = 16  # last frames, never used: where a film is cut short, some of them are missing
SMALLEST = 64  # rows or columns of a frame
RECORD = "survey.json"


@dataclass
class Survey:
    """The survey of a film: its candidates, and what was noticed on the way.

    Attributes:
        decoder, codec: see `Film`.
        seconds: of film that decoded.
        frames: that decoded.
        shots: how many.
        notes: what the user should know.
        dropped: frames that were no good, by reason.
        candidates: those in the pool at the end, by ordinal.
        links: pairs of shots that show the same view.
        bars: round the picture, by shot.
    """

    decoder: str
    codec: str
    seconds: float = 0.0
    frames: int = 0
    shots: int = 0
    notes: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    candidates: list[Candidate] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)
    bars: dict[int, Bars] = field(default_factory=dict)


def make_survey(
    film: Film, folder: Path, *, capacity: int, halved: bool, tell: Callable[[float], None]
) -> Survey:
    """Go through a film, or take up what a finished survey left in the folder.

    Args:
        film: opened, and not read yet.
        folder: for the record and the candidates' pixels; an unfinished survey in it is lost.
        capacity: most candidates.
        halved: whether frames are halved.
        tell: told how many seconds of film are done.

    Raises:
        FilmError: nothing in the film can be used.
        UsageError: the folder cannot be written to.
    """
    # There is none, or it is not ours.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        return _finished(folder)
    make_empty(folder)
    try:
        survey = _Surveyor(film, folder, Pool(capacity), halved, tell).go()
        write_text(folder / RECORD, _to_json(survey))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return survey


def _finished(folder: Path) -> Survey:
    survey = _from_json((folder / RECORD).read_text(encoding="utf-8"))
    if not all((folder / one.file).stat().st_size for one in survey.candidates):
        raise ValueError("a candidate's file is empty, as after a loss of power")
    return survey


class _Surveyor:
    def __init__(
        self, film: Film, folder: Path, pool: Pool, halved: bool, tell: Callable[[float], None]
    ) -> None:
        self._film = film
        self._folder = folder
        self._pool = pool
        self._halved = halved
        self._tell = tell
        self._survey = Survey(film.decoder, film.codec)
        self._views = Views()
        self._shots: list[int] = []  # of the views

    def go(self) -> Survey:
        survey, film = self._survey, self._film
        best: tuple[float, ShotFrame] | None = None
        for frame in by_shot(self._counted(film.pictures())):
            survey.shots = frame.shot + 1
            if best is not None and _window(best[1]) != _window(frame):
                self._judge(*best)
                best = None
            sharp = judging.sharpness(frame.picture.grey())
            if best is None or sharp > best[0]:
                best = sharp, frame
        if best is not None:
            self._judge(*best)
        survey.notes = list(film.notes)
        survey.candidates = self._settled()
        survey.bars = {shot: _aligned(own, survey.bars) for shot, own in survey.bars.items()}
        return survey

    def _counted(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        for picture in pictures:
            self._survey.frames = picture.ordinal + 1
            self._survey.seconds = picture.seconds
            self._tell(picture.seconds)
            yield picture

    def _judge(self, sharp: float, frame: ShotFrame) -> None:
        """Offer a frame to the pool, if it is good."""
        pixels = self._pixels(frame.picture)
        around = judging.bars(pixels)
        if reason := judging.fault(pixels, around):
            self._survey.dropped[reason] += 1
            return
        inside = around.cut(pixels)
        survey, shot = self._survey, frame.shot
        survey.bars[shot] = survey.bars.get(shot, around).common(around)
        new = Candidate(
            frame.picture.ordinal,
            frame.picture.seconds,
            shot,
            frame.picture.group,
            sharp,
            view(inside),
            frame.thumbnail,
        )
        self._link(new)
        gone = self._pool.offer(new)
        if new not in gone:
            write_png(self._folder / new.file, pixels, quick=True)
        for one in gone:
            (self._folder / one.file).unlink(missing_ok=True)

    def _link(self, new: Candidate) -> None:
        """Note the shots that have shown a candidate's view before."""
        before = {self._shots[i] for i in self._views.alike(new.view)}
        if new.shot not in before:
            self._views.add(new.view)
            self._shots.append(new.shot)
        links = {(shot, new.shot) for shot in before if shot != new.shot}
        self._survey.links += sorted(links - set(self._survey.links))

    def _pixels(self, picture: Picture) -> np.ndarray:
        if picture.interlaced and not self._halved:
            raise FilmError(
                f"{self._film.path}: it is interlaced, so that only one field of a frame, half of "
                "its rows, shows one moment; leave out --full-size"
            )
        pixels = picture.rgb()
        if self._halved and not picture.interlaced:
            pixels = halve(pixels)
        height, width = pixels.shape[:2]
        if min(height, width) < SMALLEST:
            raise FilmError(
                f"{self._film.path}: its frames would have {width}×{height} pixels, too few to "
                f"judge denoisers by; at least {SMALLEST} rows and columns are needed"
            )
        return pixels

    def _settled(self) -> list[Candidate]:
        """List the pool's candidates without those found damaged or too near to the end."""
        settled = [
            one
            for one in self._pool.candidates
            if one.group not in self._film.damaged and one.ordinal < self._survey.frames - TAIL
        ]
        return sorted(settled, key=lambda one: one.ordinal)


def _window(frame: ShotFrame) -> tuple[int, int]:
    return frame.shot, int(frame.picture.seconds / WINDOW)


def _aligned(own: Bars, of_shots: dict[int, Bars]) -> Bars:
    """Return the widest of nearly equal bars, so that a film's frames have one size."""
    close = [bars for bars in of_shots.values() if own.is_close(bars)]
    return Bars(*map(max, zip(*close, strict=True)))


def _to_json(survey: Survey) -> str:
    candidates = [
        vars(one) | {"thumbnail": _packed(one.thumbnail), "view": _packed(one.view)}
        for one in survey.candidates
    ]
    return json.dumps(vars(survey) | {"candidates": candidates})


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _from_json(text: str) -> Survey:
    content: dict[str, Any] = json.loads(text)
    for one in content["candidates"]:
        thumbnail, view = (base64.b64decode(one[key]) for key in ("thumbnail", "view"))
        one["thumbnail"] = np.frombuffer(thumbnail, np.uint8).reshape(*THUMBNAIL, 3)
        one["view"] = np.frombuffer(view, np.int8).reshape(VIEW)
    content["candidates"] = [Candidate(**one) for one in content["candidates"]]
    content["links"] = [(one, other) for one, other in content["links"]]
    content["bars"] = {int(shot): Bars(*around) for shot, around in content["bars"].items()}
    content["dropped"] = Counter(content["dropped"])
    return Survey(**content)
