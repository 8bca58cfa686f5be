"""Progress of denoised files on stderr: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from denoisebench.photos.engine import TALKING
from denoisebench.running.progress import HEARTBEAT_S, live_bar
from denoisebench.text import plain

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.photos.session import Denoised


def on_stderr() -> FileLines:
    """Return bars if stderr is a terminal, else plain lines."""
    return _FileBars() if sys.stderr.isatty() else FileLines()


class FileLines:
    """A line a file, and a sign of life now and then."""

    def __init__(self) -> None:
        self._spoke = time.monotonic()

    def part(self, path: Path, done: int, total: int) -> None:
        """See `DenoiseProgress.part`."""
        if time.monotonic() - self._spoke > HEARTBEAT_S:
            self.say(f"{plain(path.name)}: {done} of {total}")

    def file(self, outcome: Denoised) -> None:
        """See `DenoiseProgress.file`."""
        self.say(described(outcome))

    def say(self, line: str) -> None:
        """Say a line, but not while a process is started, which redirects this one's output."""
        with TALKING:
            print(line, file=sys.stderr, flush=True)
        self._spoke = time.monotonic()

    def end(self) -> None:
        """End the display."""


class SilentFiles(FileLines):
    """Observer that says nothing."""

    def say(self, line: str) -> None:
        """Drop a line."""


class _FileBars(FileLines):
    """A bar for each file at work."""

    def __init__(self) -> None:
        self._bar = live_bar()
        self._tasks: dict[Path, Any] = {}
        self._lock = threading.Lock()
        self._bar.start()

    def part(self, path: Path, done: int, total: int) -> None:
        with self._lock:
            if path not in self._tasks:
                self._tasks[path] = self._bar.add_task(plain(path.name), total=total)
            self._bar.update(self._tasks[path], completed=done, total=total)

    def file(self, outcome: Denoised) -> None:
        with self._lock:
            if outcome.source in self._tasks:
                self._bar.remove_task(self._tasks.pop(outcome.source))
        super().file(outcome)

    def say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        self._bar.stop()


def described(outcome: Denoised) -> str:
    """Write a line on a file."""
    name = plain(str(outcome.source))
    if outcome.problem:
        return f"{name}: failed: {plain(outcome.problem)}"
    parts = [outcome.about, outcome.noise, outcome.why or outcome.method]
    if outcome.seam is not None:
        parts.append(f"seams of tiles {outcome.seam:.1e}")
    return f"{name}: {'; '.join([*parts, f'{outcome.seconds:.3g} s', *outcome.notes])}"
