"""Processes that a process started: find them, measure their memory, and end them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36

_SHARE_OF_SEARCHES = 0.02
"""Greatest share of the time that a `Family` searches for new members."""


def descendants(pid: int) -> list[int]:
    """List the processes that a process started, and those that they started, in any session.

    Args:
        pid: the process, which is not in the list; if it is gone, the list is empty.

    Examples:
        >>> import subprocess
        >>> child = subprocess.Popen(["sleep", "60"])
        >>> child.pid in descendants(os.getpid())
        True
        >>> end([child.pid])
        >>> child.wait()
        -9
    """
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return _searched(pid)
    found = waiting = _children(pid)
    while waiting:
        waiting = [child for parent in waiting for child in _children(parent)]
        found += waiting
    return found


def _children(pid: int) -> list[int]:
    """List the direct children of a process, as some Linux kernels list them for each thread."""
    children: list[int] = []
    with suppress(OSError):  # the process is gone, or one of its threads
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children += map(int, file.read().split())
    return children


def _searched(pid: int) -> list[int]:
    """Find the descendants of a process by a search of all processes."""
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def end(pids: list[int]) -> None:
    """Kill processes; those that are gone are skipped."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def running(pid: int) -> str | None:
    """Return the command line of a process; None if it has ended.

    Examples:
        >>> running(os.getpid()) is None
        False
    """
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return " ".join(process.cmdline())
    return None


def has_children() -> bool:
    """Return True if this process has a child, alive or not yet waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends; Linux only."""
    _control(_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int, number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent ends; Linux only.

    If the parent is gone already, this process ends at once.

    Args:
        parent: the process that started this one.
        number: the signal.
    """
    _control(_SET_PARENT_DEATH_SIGNAL, number)
    if os.getppid() != parent:
        os._exit(1)


def _control(option: int, value: int) -> None:
    """Call the kernel's ``prctl``."""
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


class Family:
    """Process with all its descendants.

    Args:
        pid: the process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._members: list[int] = []
        self._next_search = 0.0

    def memory(self, enough: float) -> float:
        """Measure the resident memory of all members, in bytes.

        Pages that members share are counted once if the sum is above ``enough`` otherwise: to tell
        them apart takes longer.
        """
        self._search()
        total = sum(_memory(pid, "rss") for pid in self._members)
        if total <= enough or len(self._members) == 1:
            return total
        return sum(_memory(pid, "pss") for pid in self._members)

    def _search(self) -> None:
        """List the members anew, unless this was done a moment ago."""
        now = time.monotonic()
        if now >= self._next_search:
            self._members = [self._pid, *descendants(self._pid)]
            spent = time.monotonic() - now
            self._next_search = now + spent / _SHARE_OF_SEARCHES


def _memory(pid: int, kind: str) -> int:
    """Return the resident memory of a process in bytes; 0 if it is gone.

    Args:
        pid: the process.
        kind: ``rss``, or ``pss``, in which a page counts as a share for each process that has it.
    """
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if kind == "pss" and sys.platform == "linux":
            return int(process.memory_full_info().pss)
        return int(process.memory_info().rss)
    return 0
