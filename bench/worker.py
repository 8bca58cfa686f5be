"""The process that runs one method: it gets noisy frames and returns estimates and times.

It never sees a clean frame, but for a control that must, and never scores.
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
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from denoisebench import plugins, reference, threads
from denoisebench.cells import Status
from denoisebench.denoisers import registry
from denoisebench.timing import Clock, CudaClock, Samples, TimingRules, WallClock, measure

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext
    from pathlib import Path

    from denoisebench.denoisers.registry import Card, Denoiser


@dataclass(frozen=True)
class Task:
    """What a worker process is for."""

    method: str
    device: str
    plugins: tuple[Path, ...]
    threads: int
    rules: TimingRules
    log: Path


class SharedFrames:
    """Memory that the coordinator and a worker both see, so that no frame goes through a pipe.

    Args:
        context: of the process that will be started.
        size: values in the largest frame.
    """

    def __init__(self, context: SpawnContext, size: int) -> None:
        names = ("noisy", "clean", "estimate")
        self._arrays = {name: context.RawArray("f", size) for name in names}

    def view(self, name: str, shape: tuple[int, int, int]) -> np.ndarray:
        """A float32 frame (H, W, C) in that memory."""
        frame = np.frombuffer(self._arrays[name], np.float32, math.prod(shape))
        return frame.reshape(shape)


@dataclass(frozen=True)
class Request:
    """One cell to work on; its noisy frame lies in the shared memory."""

    sigma: float
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Ready:
    """The method is loaded, or why it is not; and how fast the machine is (`reference.times`)."""

    load_ns: int
    threads: dict[str, Any]
    problem: str | None = None
    reference_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reply:
    """A cell's outcome; if it is ok, the estimate lies in the shared memory."""

    status: Status
    reason: str = ""
    busy_ns: int = 0
    samples: Samples | None = None
    transfer_ns: tuple[int, ...] = ()
    peak_device_memory: int | None = None


def main(connection: Connection, task: Task, frames: SharedFrames) -> None:
    """Load the method, then serve requests until the coordinator hangs up or dies."""
    _detach(task.log)
    start = perf_counter_ns()
    try:
        denoiser, card = load(task)
    except BaseException as error:  # a plugin may raise anything
        connection.send(Ready(0, {}, _explain(error)))
        return
    load_ns = perf_counter_ns() - start
    threads.pin(task.threads)
    connection.send(Ready(load_ns, threads.report(), reference_ns=reference.times()))
    session = _Session(denoiser, card, task)
    with contextlib.suppress(EOFError):
        while True:
            _serve(connection, session, frames)


def _detach(log: Path) -> None:
    """Leave the terminal to the coordinator: output goes to the log, Ctrl-C goes by.

    A process group of its own lets the coordinator kill whatever the method started, too.
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
    """Where memory runs out, the kernel should take this process, not the coordinator."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)  # and with it whatever the method started
        os._exit(1)


def load(task: Task) -> tuple[Denoiser, Card]:
    """Build the method that a task names; it may raise anything."""
    for plugin in task.plugins:
        registry.load_file(plugin)
    [method] = registry.select([task.method])
    for module in method.card.requires:
        importlib.import_module(module)
    denoiser = method.build()
    if hasattr(denoiser, "load"):
        denoiser.load(task.device)
    return denoiser, method.card


def _explain(error: BaseException) -> str:
    """One line for the table; the traceback goes to the log."""
    traceback.print_exception(error)
    sys.stderr.flush()
    return plugins.one_line(error)


class _Session:
    """A loaded method on its device."""

    def __init__(self, denoiser: Denoiser, card: Card, task: Task) -> None:
        self.denoiser = denoiser
        self.card = card
        self.rules = task.rules
        self.device = device_of(card, task.device)
        self.shapes: set[tuple[int, ...]] = set()

    def run(self, noisy: np.ndarray, clean: np.ndarray | None, sigma: float) -> _Outcome:
        """Time the method on one frame, and check what it returned and what it touched."""
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
        estimate, download_ns = device.download(output)
        problem = _fault(estimate, noisy)
        if not np.array_equal(device.download(given)[0], noisy):
            problem = "wrote into its input"
        transfer = () if upload_ns is None else (upload_ns + (download_ns or 0),)
        if problem is not None:
            return Reply(Status.INVALID_OUTPUT, problem, busy_ns), None
        return Reply(Status.OK, "", busy_ns, samples, transfer, peak), estimate


_Outcome = tuple[Reply, np.ndarray | None]


def _fault(estimate: object, noisy: np.ndarray) -> str | None:
    """What is wrong with a method's output, or None."""
    if not isinstance(estimate, np.ndarray):
        return f"returned {type(estimate).__name__}, not an array"
    if estimate.shape != noisy.shape:
        return f"returned shape {estimate.shape}, not {noisy.shape}"
    if estimate.dtype != np.float32:
        return f"returned {estimate.dtype}, not float32"
    if not np.isfinite(estimate).all():
        return "returned values that are not finite"
    return None


class Device(Protocol):
    """Where a method's arrays live. Transfers are timed where there are any."""

    clock: Clock

    def upload(self, frame: np.ndarray) -> tuple[Any, int | None]: ...
    def download(self, output: Any) -> tuple[Any, int | None]: ...
    def reset_peak(self) -> None: ...
    def peak(self) -> int | None: ...


def device_of(card: Card, name: str) -> Device:
    """Where a method's arrays live that runs on the device of that name."""
    return _TorchDevice(name) if card.array == "torch" else _HostDevice()


class _HostDevice:
    """Numpy arrays (H, W, C) in this process's memory."""

    clock: Clock = WallClock()

    def __init__(self) -> None:
        self._given = np.empty(0, np.float32)

    def upload(self, frame: np.ndarray) -> tuple[np.ndarray, None]:
        """A copy, made where the last one was: fresh memory costs more than the copying."""
        if self._given.shape != frame.shape:
            self._given = np.empty_like(frame)
        np.copyto(self._given, frame)
        return self._given, None

    def download(self, output: Any) -> tuple[Any, None]:
        return output, None

    def reset_peak(self) -> None: ...

    def peak(self) -> None: ...


class _TorchDevice:
    """Torch tensors (1, C, H, W) on the CPU or on a CUDA device."""

    def __init__(self, device: str) -> None:
        import torch

        torch.set_grad_enabled(False)
        self._torch = torch
        self._cuda = device == "cuda"
        self._device = torch.device(device)
        self.clock: Clock = CudaClock() if self._cuda else WallClock()

    def upload(self, frame: np.ndarray) -> tuple[Any, int | None]:
        batch = np.ascontiguousarray(frame.transpose(2, 0, 1))[None]
        return self._timed(lambda: self._torch.from_numpy(batch).to(self._device))

    def download(self, output: Any) -> tuple[Any, int | None]:
        if not isinstance(output, self._torch.Tensor) or output.ndim != 4 or len(output) != 1:
            return output, None
        host, elapsed = self._timed(lambda: output.detach().cpu())
        return np.ascontiguousarray(host[0].numpy().transpose(1, 2, 0)), elapsed

    def _timed(self, transfer: Any) -> tuple[Any, int | None]:
        moved, elapsed, _ = self.clock.time(transfer)
        return moved, elapsed if self._cuda else None

    def reset_peak(self) -> None:
        if self._cuda:
            self._torch.cuda.reset_peak_memory_stats()
            self._level = self._torch.cuda.memory_allocated()

    def peak(self) -> int | None:
        if not self._cuda:
            return None
        return int(self._torch.cuda.max_memory_allocated() - self._level)


def _serve(connection: Connection, session: _Session, frames: SharedFrames) -> None:
    request: Request = connection.recv()
    noisy = frames.view("noisy", request.shape)
    clean = frames.view("clean", request.shape) if session.card.sees_clean else None
    try:
        reply, estimate = session.run(noisy, clean, request.sigma)
    except BaseException as error:  # a method may raise anything
        reply, estimate = Reply(Status.ERROR, _explain(error)), None
    if estimate is not None:
        frames.view("estimate", request.shape)[:] = estimate
    connection.send(reply)
