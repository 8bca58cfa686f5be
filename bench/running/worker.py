"""Process that runs one method: it gets noisy frames and returns estimates and times.

It never scores, and it sees clean frames only for a control that needs them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import math
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing import parent_process
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench import plugins
from denoisebench.cells import Status
from denoisebench.denoisers import registry
from denoisebench.machine import threads
from denoisebench.machine.timing import measure, reference_times
from denoisebench.machine.transfer import device_of, without_gradients

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext
    from pathlib import Path

    from denoisebench.denoisers.registry import Card, Denoiser
    from denoisebench.machine.timing import Samples, TimingRules


@dataclass(frozen=True)
class Task:
    """Work of a worker process.

    Attributes:
        method: the method's spec, ``name[param=value,…]``.
        device: ``cpu`` or ``cuda``.
        plugins: Python files with further methods.
        threads: number of threads of every library.
        rules: rules of timing.
        log: file for the method's output.
        module: name of the module that defines the method, to import if no plugin and no package
            announces it.
    """

    method: str
    device: str
    plugins: tuple[Path, ...]
    threads: int
    rules: TimingRules
    log: Path
    module: str | None = None


class SharedFrames:
    """Memory that the coordinator and a worker share, so that no frame goes through a pipe.

    Args:
        context: context that will start the process.
        size: number of values in the largest frame, H · W · C.
    """

    def __init__(self, context: SpawnContext, size: int) -> None:
        names = ("noisy", "clean", "estimate")
        self._arrays = {name: context.RawArray("f", size) for name in names}

    def view(self, name: str, shape: tuple[int, int, int]) -> np.ndarray:
        """Return a frame in the shared memory, float32 (H, W, C).

        Args:
            name: ``noisy``, ``clean`` or ``estimate``.
            shape: (H, W, C).
        """
        frame = np.frombuffer(self._arrays[name], np.float32, math.prod(shape))
        return frame.reshape(shape)


@dataclass(frozen=True)
class CellRequest:
    """Request to denoise the noisy frame in the shared memory.

    Attributes:
        sigma: standard deviation of the noise on the [0, 1] scale; nan for a blind method.
        shape: the frame's shape, (H, W, C).
    """

    sigma: float
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Ready:
    """State of a worker after loading its method.

    Attributes:
        load_ns: time to import and build the method.
        threads: thread counts of the libraries, see `machine.threads.thread_counts`.
        problem: one line on the error if the method cannot be loaded; else None.
        reference_ns: times of the reference work, see `machine.timing`.
    """

    load_ns: int
    threads: dict[str, Any]
    problem: str | None = None
    reference_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reply:
    """Outcome of a request; if it is ok, the estimate lies in the shared memory.

    Attributes:
        status: the outcome.
        reason: one line that says why it is not ok; else empty.
        busy_ns: time of all calls together, warm-up included.
        samples: times and memory of the calls; None if the status is not ok.
        transfer_ns: time to move the frame to the device and the estimate back; empty on the CPU.
        peak_device_memory: bytes allocated on the device above the level before the call; None
            where it is not measured.
    """

    status: Status
    reason: str = ""
    busy_ns: int = 0
    samples: Samples | None = None
    transfer_ns: tuple[int, ...] = ()
    peak_device_memory: int | None = None


def serve(connection: Connection, task: Task, frames: SharedFrames) -> None:
    """Load the method, then serve requests until the coordinator hangs up or dies."""
    _detach(task.log)
    start = perf_counter_ns()
    try:
        session = _Session(*load_method(task), task)
    except BaseException as error:  # a plugin may raise anything
        connection.send(Ready(0, {}, _explain(error)))
        return
    load_ns = perf_counter_ns() - start
    threads.pin(task.threads)
    connection.send(Ready(load_ns, threads.thread_counts(), reference_ns=reference_times()))
    with contextlib.suppress(EOFError), without_gradients(session.card):
        while True:
            _serve(connection, session, frames)


def _detach(log: Path) -> None:
    """Leave the terminal to the coordinator: send output to the log, and ignore Ctrl-C.

    The process gets a group of its own, so that the coordinator can kill all that a method starts.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        _be_first_out_of_memory()
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _be_first_out_of_memory() -> None:
    """Ask the kernel to end this process first, not the coordinator, when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def _die_with_parent() -> None:
    """Wait for the coordinator's end, and end this process and all that it started."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)  # the group: this process and all that the method started
        os._exit(1)


def load_method(task: Task) -> tuple[Denoiser, Card]:
    """Build a task's method, and load what it needs.

    Returns:
        The method and its card.

    Raises:
        BaseException: whatever a plugin raises.
    """
    for plugin in task.plugins:
        registry.load_file(plugin)
    if task.module is not None and task.method.partition("[")[0] not in registry.cards():
        importlib.import_module(task.module)
    [method] = registry.select([task.method])
    for module in method.card.requires:
        importlib.import_module(module)
    denoiser = method.build()
    if hasattr(denoiser, "load"):
        denoiser.load(task.device)
    return denoiser, method.card


def _explain(error: BaseException) -> str:
    """Return one line for the table, and write the traceback to the log."""
    traceback.print_exception(error)
    sys.stderr.flush()
    return plugins.describe_error(error)


class _Session:
    """Loaded method on its device."""

    def __init__(self, denoiser: Denoiser, card: Card, task: Task) -> None:
        self.denoiser = denoiser
        self.card = card
        self.rules = task.rules
        self.device = device_of(card, task.device)
        self.shapes: set[tuple[int, ...]] = set()

    def run(
        self, noisy: np.ndarray, clean: np.ndarray | None, sigma: float
    ) -> tuple[Reply, np.ndarray | None]:
        """Time the method on one frame, and check its estimate and that its input is unchanged.

        Args:
            noisy: float32 (H, W, C).
            clean: float32 (H, W, C) for a control that sees it; else None.
            sigma: on the [0, 1] scale.

        Returns:
            The reply, and the estimate, float32 (H, W, C), if it is ok.
        """
        device = self.device
        given, upload_ns = device.upload(noisy)
        extra = {} if clean is None else {"clean": clean.copy()}
        device.reset_peak()
        start = perf_counter_ns()
        output, samples = measure(
            lambda: self.denoiser.denoise(given, sigma, **extra),
            device.clock,
            self.rules,
            cold=not self.shapes,
            warm_up=noisy.shape not in self.shapes,
        )
        busy_ns = perf_counter_ns() - start
        self.shapes.add(noisy.shape)
        peak = device.peak()
        if not np.array_equal(device.download(given)[0], noisy):
            return _refused("wrote into its input", busy_ns)
        if (difference := _difference(output, given)) is not None:
            return _refused(difference, busy_ns)
        estimate, download_ns = device.download(output)
        if not np.isfinite(estimate).all():
            return _refused("returned values that are not finite", busy_ns)
        transfer = () if upload_ns is None else (upload_ns + (download_ns or 0),)
        return Reply(Status.OK, "", busy_ns, samples, transfer, peak), estimate


def _refused(reason: str, busy_ns: int) -> tuple[Reply, None]:
    """Return the reply for an output that is not valid."""
    return Reply(Status.INVALID_OUTPUT, reason, busy_ns), None


def _difference(output: Any, given: Any) -> str | None:
    """Name the difference in type, shape or dtype between output and input; None if none."""
    if not isinstance(output, type(given)):
        return f"returned {type(output).__name__}, not {type(given).__name__}"
    if output.shape != given.shape:
        return f"returned shape {tuple(output.shape)}, not {tuple(given.shape)}"
    if output.dtype != given.dtype:
        return f"returned {output.dtype}, not {given.dtype}"
    return None


def _serve(connection: Connection, session: _Session, frames: SharedFrames) -> None:
    """Serve one request: read the noisy frame, write the estimate, and reply.

    Raises:
        EOFError: the coordinator hung up.
    """
    request: CellRequest = connection.recv()
    noisy = frames.view("noisy", request.shape)
    clean = frames.view("clean", request.shape) if session.card.sees_clean else None
    try:
        reply, estimate = session.run(noisy, clean, request.sigma)
    except BaseException as error:  # a method may raise anything
        reply, estimate = Reply(Status.ERROR, _explain(error)), None
    if estimate is not None:
        frames.view("estimate", request.shape)[:] = estimate
    connection.send(reply)
