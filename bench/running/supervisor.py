"""Supervision of a worker process: start, replies within limits, and the cause of its death."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import types
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from denoisebench.cells import Status
from denoisebench.machine import processes, threads
from denoisebench.running import worker
from denoisebench.running.evaluation import NoEstimate
from denoisebench.streams import output_to
from denoisebench.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

_POLL_S = 0.05
_PATIENCE_S = 5.0
"""Time for a guard to end what its worker started."""
_COMPILING_S = 600.0
"""Least time for a method to compile its code, however short the limit of a cell is."""
_MESSAGE_BYTES = 10_000_000
"""Greatest message of a process; frames go through shared memory."""
_LOG_BYTES = 16_000_000
"""Greatest output of a method in one cell; no log grows much beyond it."""


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


def shared_frames(size: int) -> worker.SharedFrames:
    """Return memory for the frames of a worker.

    Args:
        size: number of values in the largest frame, H · W · C.

    Raises:
        WorkerLost: there is none.
    """
    try:
        return worker.SharedFrames(size)
    except OSError as error:
        raise _not_started(error) from error


def _not_started(error: OSError) -> WorkerLost:
    """Describe why a process cannot be started."""
    return WorkerLost(Status.UNAVAILABLE, f"its process cannot be started: {error.strerror}")


class Worker:
    """Supervised process for one method on one device.

    Args:
        task: the work of the process.
        limits: limits of its time and memory.
        frames: memory for its frames, which no other process has had.
        on_compiling: called when the method says that it compiles its code.

    Attributes:
        frames: the memory for its frames.
        ready: the state after loading; a method that cannot be loaded has a ``problem`` there.

    Raises:
        WorkerLost: by the constructor and `denoise`: the process is gone.
    """

    def __init__(
        self,
        task: worker.Task,
        limits: WorkerLimits,
        frames: worker.SharedFrames,
        on_compiling: Callable[[], None],
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection: Connection[Any, Any]
        self._connection, theirs = context.Pipe()
        self._limits = limits
        self._on_compiling = on_compiling
        self._log = task.log
        self._requests = 0
        self.frames = frames
        try:
            self._process: SpawnProcess = context.Process(
                target=worker.serve, args=(theirs, task, frames), name=f"bench {task.method}"
            )
            resource_tracker.ensure_running()  # now, or it would hold the log open
            with (
                _STARTING,
                threads.inherited(task.threads, shared=task.rules is None),
                _main_hidden(),
                output_to(task.log),
            ):
                self._process.start()
        except OSError as error:
            raise _not_started(error) from error
        try:
            theirs.close()
            assert self._process.pid is not None
            self._family = processes.Family(self._process.pid)
            self._logged = self._log_bytes()
            ready = self._reply()
            if not isinstance(ready, worker.Ready):
                raise self._broken()
            self.ready = ready
            self._helpers = frozenset(self._started_processes())
        except BaseException:  # an interrupt, too: nobody else knows of the process
            self.kill()
            raise

    def denoise(self, shape: tuple[int, int, int], sigma: float) -> worker.Reply:
        """Have the process denoise the noisy frame in the shared memory.

        Args:
            shape: the frame's shape, (H, W, C).
            sigma: standard deviation of the noise on the [0, 1] scale; nan for a blind method.

        Returns:
            The reply. If its status is ok, the estimate lies there in the noisy frame's place.

        Raises:
            WorkerLost: the process died, or was killed because it reached a limit.
        """
        self._requests += 1
        self._shorten_log()
        with contextlib.suppress(OSError):  # the process is gone; reading the reply tells how
            self._connection.send(worker.CellRequest(self._requests, sigma, shape))
        reply = self._reply()
        if not isinstance(reply, worker.Reply):
            raise self._broken()
        if (reply.number, reply.pid) != (self._requests, self.ready.pid):
            self.kill()
            reason = "a copy of its process answered; a method that forks must end the copy"
            raise WorkerLost(Status.ERROR, reason)
        if reply.has_children:
            self._end_detached()
        return reply

    def _started_processes(self) -> list[int]:
        """List the processes that the method started and that still run."""
        worker_pid = self.ready.pid
        assert self._process.pid is not None
        return [p for p in processes.descendants(self._process.pid) if p != worker_pid]

    def _end_detached(self) -> None:
        """End what the method left running in a session of its own, beside the cells to come.

        Processes in the worker's session may serve further cells, and those that the method
        started as it was loaded; they end with the worker.

        Raises:
            NoEstimate: there was one; the worker lives on.
        """
        session = os.getsid(self.ready.pid)
        detached = {
            pid: command
            for pid in self._started_processes()
            if pid not in self._helpers and _session(pid) not in (session, None)
            if (command := processes.running(pid)) is not None
        }
        if detached:
            processes.end(list(detached))
            name = plain(next(iter(detached.values())), 100)
            raise NoEstimate(Status.ERROR, f"left a process running in its own session: {name}")

    def _reply(self) -> Any:
        """Return the next message of the process, which must stay within its limits."""
        try:
            return self._awaited()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _awaited(self) -> Any:
        """Wait for the next message, and kill the process when it reaches a limit.

        A notice that the method compiles its code is passed on, and grants time.

        Raises:
            WorkerLost: it was killed.
            EOFError: it is gone.
            OSError: the connection is broken.
        """
        deadline = time.monotonic() + self._limits.seconds
        while True:
            lives = self._process.is_alive()  # asked first: a last message may be in the pipe
            answered = self._connection.poll(_POLL_S)
            if self._log_bytes() - self._logged > _LOG_BYTES:
                self.kill()
                self._shorten_log()
                limit = f"{_LOG_BYTES / 1e6:g} MB"
                raise WorkerLost(Status.KILLED, f"printed more than {limit} in one cell")
            if answered:
                message = self._received()
                if not isinstance(message, worker.Compiling):
                    return message
                self._on_compiling()
                deadline = max(deadline, time.monotonic() + _COMPILING_S)
                continue
            if not lives:  # its own child processes may keep the pipe open
                raise EOFError
            if time.monotonic() > deadline:
                self.kill()
                limit = f"{self._limits.seconds:g} s"
                raise WorkerLost(Status.TIMEOUT, f"no result within {limit} (--timeout)")
            if self._family.memory(self._limits.memory) > self._limits.memory:
                self.kill()
                limit = f"{self._limits.memory / 1e9:.3g} GB"
                raise WorkerLost(Status.KILLED, f"used more than {limit} (--memory-limit)")

    def _received(self) -> object:
        """Return the message that has come.

        Raises:
            WorkerLost: it is none of ours: something else writes to the connection.
            EOFError: the process is gone.
            OSError: the connection is broken.
        """
        content = self._connection.recv_bytes(_MESSAGE_BYTES)
        try:
            return pickle.loads(content)
        except Exception:  # pickle raises whatever it meets
            raise self._broken() from None

    def _broken(self) -> WorkerLost:
        """End a process that does not answer as it should, and say so."""
        self.kill()
        return WorkerLost(Status.KILLED, "its process wrote to a file that is not its own")

    def _log_bytes(self) -> int:
        """Return the size of the method's log in bytes."""
        return self._log.stat().st_size if self._log.exists() else 0

    def _shorten_log(self) -> None:
        """Empty a log that has grown too long, and note its present size."""
        self._logged = self._log_bytes()
        if self._logged > _LOG_BYTES:
            self._log.write_text(f"[{self._logged} bytes were removed here]\n")
            self._logged = 0

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
        if sys.platform == "linux":
            self._process.terminate()  # its guard ends what the method started, then itself
            self._process.join(_PATIENCE_S)
        if self._process.pid is not None and hasattr(os, "killpg"):
            # The process has no group of its own before its first line, nor after its end.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()


def _session(pid: int) -> int | None:
    """Return the session of a process; None if it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


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
