"""Reports of a training: to its log, to TensorBoard, and to the user on stderr."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from denoisebench.denoisers.gan import log, parallel
from denoisebench.running.progress import HEARTBEAT_S, live_bar
from denoisebench.training.folder import LOG_FILE, TENSORBOARD_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from denoisebench.denoisers.gan.training import Report

    Tell = Callable[[Report], None]


@contextmanager
def told(folder: Path, sigmas: tuple[float, ...], total: int, done: int) -> Iterator[Tell]:
    """Pass every report on to the log, to TensorBoard if it is installed, and to the user.

    Of several processes, only the one of rank 0 does so.

    Args:
        folder: the training's folder.
        sigmas: noise levels of the validation, on the 8-bit scale.
        total: number of iterations that the training will have.
        done: number of iterations that it has.

    Returns:
        A context that gives the function to call with every report.
    """
    if parallel.rank() != 0:
        yield lambda report: None
        return
    listeners: list[Tell] = [log.CsvLog(folder / LOG_FILE, sigmas, done)]
    if log.has_tensorboard():
        listeners.append(log.TensorBoardLog(folder / TENSORBOARD_FOLDER))
    with _shown(total, done) as show:

        def tell(report: Report) -> None:
            for listen in (*listeners, show):
                listen(report)

        yield tell


def _shown(total: int, done: int) -> AbstractContextManager[Tell]:
    return _live(total, done) if sys.stderr.isatty() else _plain(total)


@contextmanager
def _plain(total: int) -> Iterator[Tell]:
    """Print a line for every validation, and a sign of life now and then."""
    spoke = monotonic()

    def show(report: Report) -> None:
        nonlocal spoke
        if report.psnr or monotonic() - spoke > HEARTBEAT_S:
            print(_line(report, total), file=sys.stderr, flush=True)
            spoke = monotonic()

    yield show


@contextmanager
def _live(total: int, done: int) -> Iterator[Tell]:
    """Draw a bar with the last figures, and a line for every validation above it."""
    with live_bar() as bar:
        task = bar.add_task("", total=total, completed=done)

        def show(report: Report) -> None:
            bar.update(task, completed=report.iteration, description=_words(report))
            if report.psnr:
                bar.console.print(_line(report, total), markup=False, highlight=False)

        yield show


def _line(report: Report, total: int) -> str:
    return f"[{report.iteration}/{total}] {_words(report)}"


def _words(report: Report) -> str:
    """Write a report in one line."""
    parts = [f"{psnr:.2f} dB at sigma {sigma:g}" for sigma, psnr in report.psnr.items()]
    parts += [f"{name.replace('_', ' ')} {value:.3g}" for name, value in report.terms.items()]
    return ", ".join([*parts, f"{report.images_per_second:.3g} images/s"])
