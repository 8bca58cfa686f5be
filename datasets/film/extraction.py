"""From films to a data set on disk: a manifest, lossless frames, and a contact sheet a split.

Everything is made in a folder beside the data set's own, and takes that name at the very end, so
that half a data set is never there. After an interruption, films that have been gone through need
not be again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from denoisebench.datasets.base import DataError
from denoisebench.datasets.film import survey as surveys
from denoisebench.datasets.film.disk import make_empty
from denoisebench.datasets.film.opening import open_film
from denoisebench.datasets.film.output import MANIFEST_NAME, Surveyed, write_dataset
from denoisebench.datasets.film.reading import FilmError
from denoisebench.datasets.film.request import check
from denoisebench.datasets.film.splits import FILM_SPLITS, ShortError, choose_frames, shares
from denoisebench.errors import UsageError
from denoisebench.files import held, make_folder
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from denoisebench.datasets.film.reading import Film
    from denoisebench.datasets.film.request import FilmFile, Request
    from denoisebench.datasets.film.splits import Taken
    from denoisebench.datasets.film.survey import Survey

LONG_READ = 2_000_000_000  # bytes of films that take so long to read that it is said


class ExtractionProgress(Protocol):
    """Listener to an extraction."""

    def film(self, path: Path, seconds: float) -> None:
        """Begin a film; `seconds` is its declared length, 0 if it declares none."""
        ...

    def reached(self, seconds: float) -> None:
        """Report that the film has been read up to this time."""
        ...

    def say(self, line: str) -> None:
        """Pass a line on to the user."""
        ...


def extract(request: Request, progress: ExtractionProgress) -> Path:
    """Make a data set.

    Returns:
        Its manifest.

    Raises:
        UsageError: a film cannot be used or is too short for what is asked, names clash, the
            folder exists, or cannot be written to.
    """
    check(request)
    opened = _opened(request.films, progress)
    with _workplace(request.out) as work:
        films = [_surveyed(*each, request, work, progress) for each in opened]
        new = work / "new"
        make_empty(new)
        write_dataset(_chosen(films, request), films, new, request)
        _publish(new, request.out)
        shutil.rmtree(work, ignore_errors=True)
    return request.out / MANIFEST_NAME


def _opened(
    files: Sequence[FilmFile], progress: ExtractionProgress
) -> list[tuple[FilmFile, Film, str]]:
    """All films and their digests, so that a bad one is known before any is gone through."""
    films = [(file, open_film(file.path)) for file in files]
    size = sum(file.path.stat().st_size for file in files)
    if size >= LONG_READ:
        progress.say(f"Taking the digests of {size / 1e9:.0f} GB of film")
    seen: dict[str, Path] = {}
    opened = []
    for file, film in films:
        digest = _digest(file.path)
        if digest in seen:
            raise DataError(f"{seen[digest]} and {file.path} are the same film; leave one out")
        seen[digest] = file.path
        opened.append((file, film, digest))
    return opened


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FilmError(f"{path}: cannot be read ({error.strerror})") from error


@contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """Hold a folder beside the data set's, for one extraction at a time.

    It stays where the extraction fails and films have been gone through.
    """
    work = out.parent / f".{out.name}.extraction"
    make_folder(work)
    with held(work, "extraction"):
        try:
            yield work
        except UsageError as error:
            if _holds_surveys(work):
                raise DataError(f"{error} (films gone through need not be again)") from error
            raise
        finally:
            if not _holds_surveys(work):
                shutil.rmtree(work, ignore_errors=True)


def _holds_surveys(work: Path) -> bool:
    return any(work.glob(f"*/{surveys.RECORD}"))


def _surveyed(
    file: FilmFile,
    film: Film,
    digest: str,
    request: Request,
    work: Path,
    progress: ExtractionProgress,
) -> Surveyed:
    basis = [digest, film.decoder, request.capacity, request.halved, surveys.SURVEY_VERSION]
    folder = work / hashlib.sha256(json.dumps(basis).encode()).hexdigest()[:16]
    progress.film(file.path, film.seconds)
    survey = surveys.make_survey(
        film, folder, capacity=request.capacity, halved=request.halved, tell=progress.reached
    )
    for note in survey.notes:
        progress.say(f"{file.path}: {note}")
    summary = f"{file.path}: {_summary(survey)}"
    if not survey.candidates:
        raise FilmError(f"{summary}; leave it out")
    progress.say(summary)
    return Surveyed(file, digest, folder, survey)


def _summary(survey: Survey) -> str:
    shots = f"{survey.shots} shot{'' if survey.shots == 1 else 's'}"
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(survey.dropped.items()))
    return (
        f"{survey.seconds:.1f} s, {shots}; "
        f"{counted(len(survey.candidates), 'frame')} to choose from"
        f"{f' (dropped: {dropped})' if dropped else ''}"
    )


def _chosen(films: Sequence[Surveyed], request: Request) -> list[Taken]:
    needs = shares(len(films), request.per_film, request.val, request.test)
    try:
        return choose_frames([film.survey for film in films], needs)
    except ShortError as short:
        need = needs[short.film]
        asked, had = (
            ", ".join(f"{counts[split]} {split}" for split in FILM_SPLITS if need[split])
            for counts in (need, short.yields)
        )
        raise DataError(
            f"{films[short.film].file.path}: {asked} frames are asked for; it has {had} that "
            "differ, also from those of other films, and share no shot with another split; ask for "
            "fewer with --per-film, --val or --test"
        ) from None


def _publish(new: Path, out: Path) -> None:
    try:
        os.rename(new, out)
    except OSError as error:
        raise DataError(f"cannot make {out}: {error.strerror}; choose another --out") from error
