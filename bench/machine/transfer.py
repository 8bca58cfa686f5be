"""Frames on their way to a method and back: as numpy arrays, or as tensors on its device."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from denoisebench.machine.timing import Clock, CudaClock, WallClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from denoisebench.denoisers.registry import Card


class Device(Protocol):
    """Where a method's arrays live. Transfers are timed, in nanoseconds, where there are any.

    Attributes:
        clock: times calls there.
    """

    clock: Clock

    def upload(self, frame: np.ndarray) -> tuple[Any, int | None]:
        """A copy of a float32 frame (H, W, C), as the method takes it."""
        ...

    def download(self, output: Any) -> tuple[np.ndarray, int | None]:
        """The frame (H, W, C) of something of the kind that `upload` returns."""
        ...

    def reset_peak(self) -> None:
        """Begin to watch the memory of the device."""
        ...

    def peak(self) -> int | None:
        """Bytes allocated there since, above the level at the beginning."""
        ...


def device_of(card: Card, name: str) -> Device:
    """Where a method's arrays live that runs on the device of that name."""
    return _TorchDevice(name) if card.array == "torch" else _HostDevice()


def without_gradients(card: Card) -> AbstractContextManager[Any]:
    """Inference: no method on tensors pays for gradients that nobody asks for."""
    if card.array == "numpy":
        return nullcontext()
    import torch

    context: AbstractContextManager[Any] = torch.no_grad()
    return context


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

    def download(self, output: np.ndarray) -> tuple[np.ndarray, None]:
        return output, None

    def reset_peak(self) -> None: ...

    def peak(self) -> None: ...


class _TorchDevice:
    """Torch tensors (1, C, H, W) on the CPU or on a CUDA device."""

    def __init__(self, name: str) -> None:
        import torch

        self._torch = torch
        self._cuda = name == "cuda"
        self._device = torch.device(name)
        self.clock: Clock = CudaClock() if self._cuda else WallClock()

    def upload(self, frame: np.ndarray) -> tuple[Any, int | None]:
        # Always a copy: a grey frame has the same layout either way, and would be shared.
        batch = np.array(frame.transpose(2, 0, 1), order="C")[None]
        return self._timed(lambda: self._torch.from_numpy(batch).to(self._device))

    def download(self, output: Any) -> tuple[np.ndarray, int | None]:
        host, elapsed = self._timed(lambda: output.detach().cpu())
        return np.ascontiguousarray(host[0].numpy().transpose(1, 2, 0)), elapsed

    def _timed(self, transfer: Callable[[], Any]) -> tuple[Any, int | None]:
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
