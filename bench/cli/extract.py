"""``bench data extract``: from films to a data set."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import EXIT_INTERRUPTED
from denoisebench.errors import UsageError
from denoisebench.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from denoisebench.datasets.film.request import FilmFile

_HEARTBEAT_S = 30


@click.command("extract", short_help="Take frames out of films.")
@click.argument(
    "films", nargs=-1, type=click.Path(path_type=Path, readable=False), metavar="FILM..."
)
@click.option("--name", required=True, help="Name of the data set in tables.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=FILM",
    help="Put FILM's frames under NAME, such as marine; may be repeated.  [default: its file name]",
)
@click.option(
    "--per-film",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    help="Number of training frames of each film.",
)
@click.option(
    "--val",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Total number of validation frames, evenly from the films.",
)
@click.option(
    "--test",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Total number of test frames, evenly from the films.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The data set's new folder.  [default: ./NAME]"
)
@click.option(
    "--halve/--full-size",
    "halved",
    default=True,
    help="Average 2×2 pixels, which undoes the film's halved colour and most traces of its "
    "compression, or keep every pixel.  [default: halve]",
)
@click.option(
    "--max-side",
    type=click.IntRange(64),
    help="Longest side in pixels: longer frames are shrunk.",
)
def extract_command(
    films: tuple[Path, ...],
    name: str,
    groups: tuple[str, ...],
    per_film: int,
    val: int,
    test: int,
    out: Path | None,
    halved: bool,
    max_side: int | None,
) -> None:
    """Make a data set of diverse frames of your films, in splits that share no shot.

    Each film is decoded once, in order. Black, flat and blurred frames and those with text are
    left out, black bars are cropped, near-duplicates dropped. After an interruption the same
    command goes on with the films that are left. The command that uses the data set goes to stdout,
    everything else to stderr.
    """
    from denoisebench.datasets.film.extraction import extract
    from denoisebench.datasets.film.request import Request

    request = Request(
        name=name,
        out=out or Path(name),
        films=_grouped(films, groups),
        per_film=per_film,
        val=val,
        test=test,
        halved=halved,
        max_side=max_side,
    )
    progress = _for_stderr()
    try:
        manifest = extract(request, progress)
    except KeyboardInterrupt:
        progress.say("Interrupted. The same command goes on with the films left.")
        raise SystemExit(EXIT_INTERRUPTED) from None
    finally:
        progress.end()
    click.echo(f"Frames, contact sheets and manifest are in {request.out}. To use them:", err=True)
    click.echo(f"bench run --dataset {shell_word(f'manifest:{manifest}')}")


def _grouped(films: tuple[Path, ...], groups: tuple[str, ...]) -> tuple[FilmFile, ...]:
    """Each film once, however it is written, in the order given, with its group."""
    from denoisebench.datasets.film.request import FilmFile, plain_name

    paths = {os.path.realpath(film): film for film in films}
    named: dict[str, str] = {}
    for group in groups:
        name, equals, film = group.partition("=")
        if not equals or not film:
            raise UsageError(f"--group {group}: write it as NAME=FILM, such as marine=reef.mp4")
        path = Path(os.path.expanduser(film))  # not every shell does it behind =
        place = os.path.realpath(path)
        if named.setdefault(place, name) != name:
            raise UsageError(f"--group {group}: the film is in group {named[place]} already")
        paths.setdefault(place, path)
    if not paths:
        raise UsageError("no film is given; write bench data extract FILM… --name NAME")
    return tuple(
        FilmFile(path, named.get(place, plain_name(path.stem))) for place, path in paths.items()
    )


class _Lines:
    """A line a film, and a sign of life now and then."""

    def __init__(self) -> None:
        self._spoke = time.monotonic()

    def film(self, path: Path, seconds: float) -> None:
        self._at = _place_in(str(path), seconds)

    def reached(self, seconds: float) -> None:
        if time.monotonic() - self._spoke > _HEARTBEAT_S:
            self.say(self._at(seconds))

    def say(self, line: str) -> None:
        click.echo(line, err=True)
        self._spoke = time.monotonic()

    def end(self) -> None: ...


class _Bar:
    """A bar that grows with the film's time."""

    def __init__(self) -> None:
        from denoisebench.running.progress import live_bar

        self._bar = live_bar()
        self._task: Any = None

    def film(self, path: Path, seconds: float) -> None:
        self._bar.start()
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(path.name, total=round(seconds) or None)
        self._at = _place_in(path.name, seconds)

    def reached(self, seconds: float) -> None:
        self._bar.update(self._task, completed=int(seconds), description=self._at(seconds))

    def say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        self._bar.stop()


def _for_stderr() -> _Bar | _Lines:
    return _Bar() if sys.stderr.isatty() else _Lines()


def _place_in(film: str, length: float) -> Callable[[float], str]:
    """Make a printer of places in a film, given in seconds."""
    from denoisebench.datasets.film.output import clock

    of = f" of {clock(length)}" if length else ""
    return lambda seconds: f"{film}: {clock(seconds)}{of}"
