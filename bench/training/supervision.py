"""Trainings as processes of their own, several at a time: none takes the others along."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.machine.signals import answered_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_POLL_S = 0.1
_READ_S = 2.0
"""Time for the last lines of a process that has ended."""

# A process that was interrupted saves its training; so does one whose parent was killed.
_PROGRAM = """
import signal, sys
from denoisebench.machine.processes import die_with
parent = int(sys.argv.pop(1))
if sys.platform == "linux":
    die_with(parent, signal.SIGTERM)
from denoisebench.__main__ import start
start()
"""


@dataclass(frozen=True)
class Command:
    """Command to be run in a process of its own.

    Attributes:
        name: told before each line that it prints.
        words: of the command line, after ``bench``.
    """

    name: str
    words: Sequence[str]


def run_commands(
    commands: Sequence[Command],
    at_once: int,
    say: Callable[[str], None],
    ended: Callable[[str, int], None],
) -> bool:
    """Run commands as processes, some at a time.

    Ctrl-C and a polite kill are passed on to those that run, and no more are started. One alone
    at a time prints for itself; the lines of several are told as they come, under their names.

    Args:
        commands: the commands, in the order in which they are started.
        at_once: greatest number of processes.
        say: called with each line.
        ended: called with the name and exit code of each process that has ended; the code is minus
            the signal's number if one ended it.

    Returns:
        True if all were run, False if an interruption was asked for.
    """
    waiting, running = deque(commands), dict[str, _Process]()
    lines = queue.SimpleQueue[str]()
    passed_on = 0
    with _interruptions() as asked:
        try:
            while running or (waiting and not asked):
                while waiting and len(running) < at_once and not asked:
                    command = waiting.popleft()
                    running[command.name] = _Process(command, lines if at_once > 1 else None)
                if len(asked) > passed_on:
                    passed_on = len(asked)
                    _end(running.values())
                _tell(lines, say)
                for name in [name for name, one in running.items() if one.has_ended()]:
                    code = running.pop(name).code
                    _tell(lines, say)
                    ended(name, code)
        finally:  # a mistake of ours; those that still run save their work
            _end(running.values())
    return not asked


class _Process:
    """Process of a command.

    Args:
        command: the command.
        lines: takes the lines that it prints; None lets it print for itself.
    """

    def __init__(self, command: Command, lines: queue.SimpleQueue[str] | None) -> None:
        self._name = command.name
        # In a session of its own the terminal's Ctrl-C does not reach it beside us. With -P no file
        # of the current folder stands in for a module of Python's.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(os.getpid()), *command.words],
            stdin=subprocess.DEVNULL,
            stdout=None if lines is None else subprocess.PIPE,
            stderr=None if lines is None else subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()

    @property
    def code(self) -> int:
        """Exit code of a process that has ended, after all of its lines were taken."""
        self._reader.join(_READ_S)
        return self._process.wait()

    def has_ended(self) -> bool:
        """Tell whether the process has ended."""
        return self._process.poll() is not None

    def ask_to_end(self) -> None:
        """Ask the process to end: to save first, or at once if it was asked before."""
        self._process.terminate()

    def _read(self, lines: queue.SimpleQueue[str] | None) -> None:
        if self._process.stdout is None or lines is None:
            return
        with self._process.stdout as output:
            for line in output:
                lines.put(f"{self._name}: {line.rstrip()}")


def _end(processes: Iterable[_Process]) -> None:
    for process in processes:
        process.ask_to_end()


def _tell(lines: queue.SimpleQueue[str], say: Callable[[str], None]) -> None:
    """Tell the lines that have come, and wait a little for the first."""
    try:
        say(lines.get(timeout=_POLL_S))
        while True:
            say(lines.get_nowait())
    except queue.Empty:
        pass


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Take Ctrl-C and polite kills as wishes; give the list that they are added to."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        asked.append(number)

    with answered_by(ask, (signal.SIGINT, signal.SIGTERM)):
        yield asked
