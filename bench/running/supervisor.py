"""Starts a worker process, waits for its replies within limits, and says how it died."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
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
        seconds: for loading the method, and for each cell.
        memory: resident bytes.
    """

    seconds: float
    memory: float


class WorkerLost(NoEstimate):
    """The worker process is gone, or had to be killed; the status and reason say how."""


class Worker:
    """One supervised process for one method on one device.

    Args:
        task: what to run.
        limits: of its time and memory.
        size: values in the largest frame that it will be given.

    Raises:
        WorkerLost: from the constructor and `denoise`; the process is then gone.
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
            with threads.inherited(task.threads), _main_hidden():
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
        """A float32 frame shared with the process: ``noisy``, ``clean`` or ``estimate``."""
        return self._frames.view(name, shape)

    def denoise(self, shape: tuple[int, int, int], sigma: float) -> worker.Reply:
        """Have the noisy frame that was put into the shared memory denoised.

        Args:
            shape: the frame's (H, W, C).
            sigma: on the [0, 1] scale.

        Returns:
            If its status is ok, the estimate lies in the shared memory.
        """
        with contextlib.suppress(OSError):  # it is gone, and the reply says how
            self._connection.send(worker.CellRequest(sigma, shape))
        reply: worker.Reply = self._reply()
        return reply

    def _reply(self) -> Any:
        """The next message, once it comes; the limits are watched meanwhile."""
        try:
            return self._awaited()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _awaited(self) -> Any:
        deadline = time.monotonic() + self._limits.seconds
        while True:
            lives = self._process.is_alive()  # asked first: its last words may be in the pipe
            if self._connection.poll(_POLL_S):
                return self._connection.recv()
            if not lives:  # and what it started keeps the pipe open
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
        import psutil

        try:
            return int(self._usage.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def _lost(self) -> WorkerLost:
        """The process hung up: let it end, and read how."""
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
        """End the process and all that it started; idle or not, it has nothing left to save."""
        self._connection.close()
        if self._process.pid is not None and hasattr(os, "killpg"):
            # It has no group of its own before its first line, nor when it is gone.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep a new process from importing the user's script, as multiprocessing would.

    A worker needs nothing of it, and a script without a guard would start runs of its own.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
