"""Launches of two versions in turn; each launch is a ``bench run`` in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.cells import Status
from denoisebench.datasets.catalogue import split_datasets
from denoisebench.errors import UsageError
from denoisebench.files import make_folder, write_text
from denoisebench.store.manifest import MANIFEST_FILE
from denoisebench.store.results import Results, load_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

_OURS = ("--out", "--fresh", "--resume")  # options that a launch sets itself
_MEASURED = (0, 3)  # exit codes of a finished run: all well, or methods failed
_START = "from denoisebench.cli import main; main()"

RowKey = tuple[str, str]
"""A method and a device; see `store.manifest.Row.key`."""


@dataclass(frozen=True)
class Version:
    """Installed version of denoisebench with its methods.

    Attributes:
        name: ``base`` or ``head``.
        command: the words that start its ``bench``.
    """

    name: str
    command: tuple[str, ...]


def version(name: str, environment: Path) -> Version:
    """Find the version that is installed in a virtual environment.

    Args:
        name: ``base`` or ``head``.
        environment: the environment's folder, or its python or bench.

    Raises:
        UsageError: there is no bench, or it does not answer.
    """
    folder = "Scripts" if sys.platform == "win32" else "bin"
    path = environment / folder / "bench" if environment.is_dir() else environment
    # Absolute, but not resolved: a virtual environment's python is a link out of it.
    path = path.absolute()
    python = path.name.startswith("python")
    found = Version(name, (str(path), "-c", _START) if python else (str(path),))
    try:
        answer = subprocess.run([*found.command, "--version"], capture_output=True, check=False)
    except OSError as error:
        raise UsageError(
            f"{environment}: no bench to start there ({error.strerror}); "
            "give a virtual environment's folder, or its python or bench"
        ) from error
    if answer.returncode != 0 or b"bench" not in answer.stdout:
        raise UsageError(f"{environment}: denoisebench is not installed there")
    return found


def check_words(words: Sequence[str]) -> None:
    """Check that options of ``bench run`` name methods and leave our own options alone.

    Args:
        words: the options, as on a command line.

    Raises:
        UsageError: no methods are named, several data sets are, or ``--out``, ``--fresh`` or
            ``--resume`` is set.
    """
    if not any(word.partition("=")[0] in ("--methods", "--config") for word in words):
        raise UsageError("say what to launch after --, such as: -- --methods 'nlm-*' --frames 2")
    for word in words:
        if word.partition("=")[0] in _OURS:
            raise UsageError(f"{word.partition('=')[0]} is not for the launches: leave it out")
    named = [after for word, after in pairwise([*words, ""]) if word == "--dataset"]
    named += [w.removeprefix("--dataset=") for w in words if w.startswith("--dataset=")]
    if any(len(split_datasets(name)) > 1 for name in named):
        raise UsageError("--dataset: a launch is a run on one data set; give one")


@dataclass(frozen=True)
class Pair:
    """Two launches next to each other in time, as stored runs."""

    base: Results
    head: Results


def in_turn(
    base: Version,
    head: Version,
    words: Sequence[str],
    pairs: int,
    out: Path,
    tell: Callable[[str], None],
    *,
    resume: bool = False,
) -> list[Pair]:
    """Launch both versions in turn, in the order base, head, head, base, and so on.

    Args:
        base: the version to compare with.
        head: the version that is judged.
        words: options of ``bench run``.
        pairs: number of launches of each version.
        out: folder for the launches' runs.
        tell: function that gets a line before each launch.
        resume: True to keep the complete pairs that the folder holds. Half a pair is launched
            again, since its neighbour in time is gone.

    Raises:
        UsageError: a launch cannot be carried out, or the folder holds other launches.
    """
    _note({base.name: base.command, head.name: head.command, "run": words}, out, resume=resume)
    found = []
    for number in range(pairs):
        folders = {v.name: out / f"{number + 1:02d}-{v.name}" for v in (base, head)}
        if not (resume and all(map(_is_complete, folders.values()))):
            for turn, v in enumerate((base, head) if number % 2 == 0 else (head, base), 1):
                tell(f"Launch {2 * number + turn} of {2 * pairs}: {v.name}")
                _launch(v, words, folders[v.name])
        found.append(Pair(load_run(folders[base.name]), load_run(folders[head.name])))
    return found


def _note(launched: dict[str, Sequence[str]], out: Path, *, resume: bool) -> None:
    """Record the launched commands; on resuming, check that they are the same as before."""
    make_folder(out)
    note = out / "launches.json"
    text = json.dumps(launched, indent=1) + "\n"
    if resume and note.exists() and note.read_text(encoding="utf-8") != text:
        raise UsageError(f"{note} tells of other launches; leave out --resume to start anew")
    write_text(note, text)


def _is_complete(folder: Path) -> bool:
    """Return True if the folder holds a run that came to its end."""
    return (folder / MANIFEST_FILE).is_file() and load_run(folder).manifest.state == "complete"


def _launch(version: Version, words: Sequence[str], out: Path) -> None:
    """Launch a version; its output goes to a log in the folder.

    Raises:
        UsageError: the run did not come to its end.
    """
    make_folder(out)
    log = out / "launch.log"
    with log.open("wb") as output:
        code = subprocess.run(
            [*version.command, "run", *words, "--fresh", "--out", str(out)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code not in _MEASURED:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"exit code {code}"
        raise UsageError(f"{version.name} cannot be launched: {last} (see {log})")


def median_busy_percent(pairs: Sequence[Pair]) -> float:
    """Return the share of the machine that other work took, in percent: median over launches."""
    runs = [run for pair in pairs for run in (pair.base, pair.head)]
    return median(run.manifest.busy_percent for run in runs)


def common_rows(pairs: Sequence[Pair]) -> list[RowKey]:
    """List the rows that both versions have, in HEAD's order."""
    first = pairs[0]
    base = {row.key for row in first.base.rows}
    return [row.key for row in first.head.rows if row.key in base]


def failures(pairs: Iterable[Pair]) -> dict[RowKey, str]:
    """Return the first failure in HEAD's launches, in words, by row."""
    found: dict[RowKey, str] = {}
    for number, pair in enumerate(pairs, 1):
        for m in pair.head.failures():
            words = f"launch {number} of HEAD: {m.status.value}: {m.reason}"
            found.setdefault((m.cell.method, m.cell.device), words)
    return found


def launch_times(pairs: Iterable[Pair], row: RowKey) -> np.ndarray:
    """Return a row's time in each launch: the geometric mean over cells of the median call.

    Args:
        pairs: the launches.
        row: method and device.

    Returns:
        Times in ns, float (2, pairs), base first; only pairs of which both launches measured all
        cells.
    """
    found = [(_time(pair.base, row), _time(pair.head, row)) for pair in pairs]
    whole = [pair for pair in found if None not in pair]
    return np.array(whole, float).reshape(-1, 2).T


def _time(results: Results, row: RowKey) -> float | None:
    """Return a row's time in one launch, in ns; None if a cell failed or none was timed."""
    measured = [m for m in results.measurements.values() if (m.cell.method, m.cell.device) == row]
    timed = [m for m in measured if m.call_ns]
    if not timed or any(m.status is not Status.OK for m in measured):
        return None
    return float(np.exp(fmean(np.log(median(m.call_ns)) for m in timed)))


def launch_peaks(pairs: Iterable[Pair], row: RowKey) -> np.ndarray:
    """Return a row's peak memory in each launch.

    Args:
        pairs: the launches.
        row: method and device.

    Returns:
        Peaks in bytes, float (2, pairs), base first; only pairs of which both launches have one.
    """
    found = [(_peak(pair.base, row), _peak(pair.head, row)) for pair in pairs]
    whole = [pair for pair in found if None not in pair]
    return np.array(whole, float).reshape(-1, 2).T


def _peak(results: Results, row: RowKey) -> int | None:
    """Return a row's peak memory in one launch, in bytes; None if it was not measured."""
    measured = [m for m in results.measurements.values() if (m.cell.method, m.cell.device) == row]
    return max((m.peak for m in measured if m.peak is not None), default=None)
