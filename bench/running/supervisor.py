"""Supervision of a worker process: start, replies within limits, and the cause of its death."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from denoisebench.cells import Status
from denoisebench.machine import threads
from denoisebench.running import worker
from denoisebench.running.evaluation import NoEstimate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    import numpy as np

_POLL_S = 0.05


@dataclass(frozen=True)
class WorkerLimits:
    """Limits of a worker process.

    Attributes:
        seconds: time limit for loading the method, and for each cell.
        memory: resident memory in bytes.
    """

    seconds: float
    memory: float


_STARTING = threading.Lock()
"""Held while a process is started, which it inherits from: threads must not see it both ways."""


class WorkerLost(NoEstimate):
    """Outcome of a cell whose worker process died or was killed; the reason says how."""


class Worker:
    """Supervised process for one method on one device.

    Args:
        task: the work of the process.
        limits: limits of its time and memory.
        size: number of values in the largest frame, H · W · C.

    Attributes:
        ready: the state after loading; a method that cannot be loaded has a ``problem`` there.

    Raises:
        WorkerLost: by the constructor and `denoise`: the process is gone.
    """

    def __init__(self, task: worker.Task, limits: WorkerLimits, size: int) -> None:
        import psutil

        context = multiprocessing.get_context("spawn")
        self._connection: Connection[Any, Any]
        self._connection, theirs = context.Pipe()
        self._limits = limits
        try:
            self._frames = worker.SharedFrames(context, size)
            self._process: SpawnProcess = context.Process(
                target=worker.serve, args=(theirs, task, self._frames), name=f"bench {task.method}"
            )
            with _STARTING, threads.inherited(task.threads), _main_hidden():
                self._process.start()
        except OSError as error:
            reason = f"its process cannot be started: {error.strerror}"
            raise WorkerLost(Status.UNAVAILABLE, reason) from error
        try:
            theirs.close()
            self._usage = psutil.Process(self._process.pid)
            self.ready: worker.Ready = self._reply()
        except BaseException:  # an interrupt, too: nobody else knows of the process
            self.kill()
            raise

    def frame(self, name: str, shape: tuple[int, int, int]) -> np.ndarray:
        """Return a frame in the shared memory, float32 (H, W, C).

        Args:
            name: ``noisy``, ``clean`` or ``estimate``.
            shape: (H, W, C).
        """
        return self._frames.view(name, shape)

    def denoise(self, shape: tuple[int, int, int], sigma: float) -> worker.Reply:
        """Have the process denoise the noisy frame in the shared memory.

        Args:
            shape: the frame's shape, (H, W, C).
            sigma: standard deviation of the noise on the [0, 1] scale; nan for a blind method.

        Returns:
            The reply. If its status is ok, the estimate lies in the shared memory.

        Raises:
            WorkerLost: the process died, or was killed because it reached a limit.
        """
        with contextlib.suppress(OSError):  # the process is gone; reading the reply tells how
            self._connection.send(worker.CellRequest(sigma, shape))
        reply: worker.Reply = self._reply()
        return reply

    def _reply(self) -> Any:
        """Return the next message of the process, which must stay within its limits."""
        try:
            return self._awaited()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _awaited(self) -> Any:
        """Wait for the next message, and kill the process when it reaches a limit.

        Raises:
            WorkerLost: it was killed.
            EOFError: it is gone.
            OSError: the connection is broken.
        """
        deadline = time.monotonic() + self._limits.seconds
        while True:
            lives = self._process.is_alive()  # asked first: a last message may be in the pipe
            if self._connection.poll(_POLL_S):
                return self._connection.recv()
            if not lives:  # its own child processes may keep the pipe open
                raise EOFError
            if time.monotonic() > deadline:
                self.kill()
                limit = f"{self._limits.seconds:g} s"
                raise WorkerLost(Status.TIMEOUT, f"no result within {limit} (--timeout)")
            if self._resident() > self._limits.memory:
                self.kill()
                limit = f"{self._limits.memory / 1e9:.3g} GB"
                raise WorkerLost(Status.KILLED, f"used more than {limit} (--memory-limit)")

    def _resident(self) -> int:
        """Return the process's resident memory in bytes; 0 if it is gone."""
        import psutil

        try:
            return int(self._usage.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def _lost(self) -> WorkerLost:
        """Wait for the end of a process that hung up, and describe its death."""
        self._process.join(5)
        code = self._process.exitcode
        self.kill()
        if code is None:
            return WorkerLost(Status.KILLED, "its process closed the connection")
        if code < 0:
            name = _signal_name(-code)
            hint = ", perhaps for lack of memory" if name == "SIGKILL" else ""
            return WorkerLost(Status.KILLED, f"its process was ended by {name}{hint}")
        return WorkerLost(Status.KILLED, f"its process exited with code {code}")

    def kill(self) -> None:
        """End the process and all processes that it started; it never has anything to save."""
        self._connection.close()
        if self._process.pid is not None and hasattr(os, "killpg"):
            # The process has no group of its own before its first line, nor after its end.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep a new process from importing the user's script, as multiprocessing would.

    A worker does not need the script, and a script without a guard would start runs again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _signal_name(number: int) -> str:
    """Return the name of a signal, such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
