"""Guard of a worker: a process between it and the coordinator that ends what a method leaves.

Coordinator, guard, worker and what the method starts are each the parent of the next. The guard
runs no code of methods, and adopts their orphans. So it can end every process that a method
started, in whatever session: when the worker ends, when the coordinator asks for it, and when the
coordinator dies, even if the worker holds the interpreter's lock. Linux only.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from multiprocessing import parent_process
from typing import NoReturn

from denoisebench.machine import processes

_WATCHED = {signal.SIGCHLD, signal.SIGTERM}
_PATIENCE_S = 2.0
"""Time within which ended processes are gone; one that waits for a disk may stay longer."""


def split_off() -> None:
    """Fork: the child returns, as the worker, and the parent stays behind as its guard."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    processes.adopt_orphans()
    coordinator = parent_process()
    assert coordinator is not None
    assert coordinator.pid is not None
    processes.die_with(coordinator.pid, signal.SIGTERM)
    guard = os.getpid()
    worker = os.fork()
    if worker:
        _watch(worker)
    processes.die_with(guard, signal.SIGKILL)
    processes.adopt_orphans()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)


def _watch(worker: int) -> NoReturn:
    """Wait for the worker's end or for a signal, end all descendants, and end as the worker did."""
    while (status := _collected(worker)) is None:
        if signal.sigwait(_WATCHED) == signal.SIGTERM:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
            break
    _end_descendants()
    _leave_as(status)


def _collected(worker: int) -> int | None:
    """Collect the children that have ended; return the worker's wait status if it is one."""
    found = None
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == worker:
                found = ended[1]
    except ChildProcessError:
        pass  # there is none left
    return found


def _end_descendants() -> None:
    """End all descendants, those too that they start meanwhile; the worker has ended.

    Their orphans are this process's children, so that there are none left once it has none.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while processes.has_children() and time.monotonic() < deadline:
        processes.end(processes.descendants(os.getpid()))
        _collected(0)
        time.sleep(0.001)


def _leave_as(status: int | None) -> NoReturn:
    """End this process as another ended.

    Args:
        status: the other's wait status; None for a process that was ended on request.
    """
    number = signal.SIGKILL if status is None else os.WTERMSIG(status)
    if number:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the core would be the guard's own
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    os._exit(0 if status is None else os.waitstatus_to_exitcode(status))
