"""A supervised process that denoises what it is given, method after method."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.cells import Status
from denoisebench.errors import UsageError
from denoisebench.machine import environment, memory
from denoisebench.protocol.pixels import is_finite
from denoisebench.running.evaluation import NoEstimate
from denoisebench.running.supervisor import Worker, WorkerLimits, WorkerLost, shared_frames
from denoisebench.running.worker import Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from denoisebench.denoisers.registry import Method

_MEGAPIXEL = 3e6  # values

TALKING = threading.Lock()
"""Held while a process is started, which redirects this one's output, and while a line is said."""


@dataclass(frozen=True)
class EngineOptions:
    """Limits and resources of an engine.

    Attributes:
        devices: those that methods may use, the fastest first; each method supports one of them.
        threads: of every library.
        timeout: seconds for a megapixel, at least one, and for loading a method.
        memory: bytes that the process may take.
        plugins: Python files with further methods.
        weights: files of the user's, ``METHOD=FILE`` each.
        log: file for what methods print.
    """

    devices: tuple[str, ...]
    threads: int
    timeout: float
    memory: float
    plugins: Sequence[Path]
    weights: Sequence[str]
    log: Path


class Engine:
    """Denoiser of pictures, in one process for as long as the method stays the same.

    Args:
        options: limits and resources.
    """

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._worker: Worker | None = None
        self._method: Method | None = None
        self._size = 0
        self._stopped = False

    def denoise(self, method: Method, noisy: np.ndarray, sigma: float) -> np.ndarray:
        """Denoise a picture.

        Args:
            method: the method.
            noisy: float32 (H, W, C) in [0, 1].
            sigma: on the 8-bit scale.

        Returns:
            The estimate, float32 (H, W, C); the next call overwrites it.

        Raises:
            NoEstimate: the method failed, or reached a limit.
        """
        worker = self._loaded(method, noisy.size)
        pixels = worker.frames.pixels(noisy.shape)
        pixels[:] = noisy
        try:
            reply = worker.denoise(noisy.shape, method.card.told(sigma))
        except WorkerLost:
            self.close()
            raise
        if reply.status is not Status.OK:
            raise NoEstimate(reply.status, reply.reason)
        if not is_finite(pixels):
            raise NoEstimate(Status.INVALID_OUTPUT, "returned values that are not finite")
        return pixels

    def stop(self) -> None:
        """End the process for good; another thread may call this while it is at work."""
        self._stopped = True
        self.close()

    def close(self) -> None:
        """End the process; the next picture starts another one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def _loaded(self, method: Method, size: int) -> Worker:
        """Return a process with a method, and room for a picture of so many values.

        Raises:
            NoEstimate: the method cannot be loaded.
        """
        if self._worker is None or method != self._method or size > self._size:
            self.close()
            _refuse_lack(size)
            self._worker, self._method, self._size = self._start(method, size), method, size
        worker = self._worker
        if self._stopped or worker is None:
            self.close()
            raise NoEstimate(Status.KILLED, "interrupted")
        if worker.ready.problem is not None:
            raise NoEstimate(Status.ERROR, f"cannot be loaded: {worker.ready.problem}")
        return worker

    def _start(self, method: Method, size: int) -> Worker:
        options = self._options
        task = Task.of(
            method,
            next(device for device in options.devices if device in method.card.devices),
            options.plugins,
            options.weights,
            threads=options.threads,
            rules=None,  # nothing is timed
            log=options.log,
        )
        seconds = options.timeout * max(1.0, size / _MEGAPIXEL)
        with TALKING:
            limits = WorkerLimits(seconds, options.memory)
            return Worker(task, limits, shared_frames(size), lambda: None)


def _refuse_lack(size: int) -> None:
    """Refuse a picture of so many values that does not fit into memory.

    Raises:
        NoEstimate: it and its estimate, in float32 here and in the process, need more than is free.
    """
    free = memory.available_memory()
    if 4 * 4 * size > free:
        raise NoEstimate(
            Status.UNAVAILABLE,
            f"the method takes a picture in one piece, and {free / 1e9:.2g} GB of free memory are "
            "too few for this one; choose a method that works by tiles, such as dct",
        )


def devices_for(wanted: str) -> tuple[str, ...]:
    """Return the devices that methods may use here, the fastest first.

    Args:
        wanted: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UsageError: CUDA is wanted, and not there.

    Examples:
        >>> devices_for("cpu")
        ('cpu',)
    """
    if wanted == "cpu" or (wanted == "auto" and not environment.has_cuda()):
        return ("cpu",)
    if not environment.has_cuda():
        raise UsageError("--device cuda: torch finds no CUDA device here; use --device cpu")
    return ("cuda",) if wanted == "cuda" else ("cuda", "cpu")
