"""Transfer of frames to a method and back, as numpy arrays or as tensors on its device."""

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
    """Memory in which a method's arrays live. Transfers to it are timed in nanoseconds.

    Attributes:
        clock: the clock that times calls on the device.
    """

    clock: Clock

    def upload(self, frame: np.ndarray) -> tuple[Any, int | None]:
        """Copy a float32 frame (H, W, C) into the form that the method takes.

        Returns:
            The copy, and the time of the transfer; None where nothing is transferred.
        """
        ...

    def plain(self, output: Any) -> Any:
        """Return an array of a subclass as one of its base class, with the same memory."""
        ...

    def download(self, output: Any) -> tuple[np.ndarray, int | None]:
        """Return the frame (H, W, C) in an array such as `upload` returns, and the time."""
        ...

    def reset_peak(self) -> None:
        """Begin to measure the peak of the device's memory."""
        ...

    def peak(self) -> int | None:
        """Return the peak since `reset_peak`, in bytes above the level then; None for the CPU."""
        ...


def device_of(card: Card, name: str) -> Device:
    """Return the device for a method's arrays.

    Args:
        card: the method's card, which says which kind of arrays it takes there.
        name: ``cpu`` or ``cuda``.
    """
    return _TorchDevice(name) if card.takes_tensors(name) else _HostDevice()


def without_gradients(card: Card, name: str = "cpu") -> AbstractContextManager[Any]:
    """Return a context in which torch computes no gradients, for a method that takes tensors.

    Args:
        card: the method's card.
        name: its device, ``cpu`` or ``cuda``.
    """
    if not card.takes_tensors(name):
        return nullcontext()
    import torch

    context: AbstractContextManager[Any] = torch.no_grad()
    return context


class _HostDevice:
    """Device for numpy arrays (H, W, C) in this process's memory."""

    clock: Clock = WallClock()

    def __init__(self) -> None:
        self._given = np.empty(0, np.float32)

    def upload(self, frame: np.ndarray) -> tuple[np.ndarray, None]:
        """Copy into the memory of the last copy: fresh memory costs more than the copying."""
        given = self._given
        if (given.shape, given.dtype, given.flags.writeable) != (frame.shape, frame.dtype, True):
            self._given = np.empty_like(frame)
        np.copyto(self._given, frame)
        return self._given, None

    def plain(self, output: np.ndarray) -> np.ndarray:
        return np.ndarray.view(output, np.ndarray)

    def download(self, output: np.ndarray) -> tuple[np.ndarray, None]:
        return output, None

    def reset_peak(self) -> None: ...

    def peak(self) -> None: ...


class _TorchDevice:
    """Device for torch tensors (1, C, H, W) on the CPU or on a CUDA device.

    Frames travel to and from page-locked memory, which the device reads and writes by itself.
    """

    def __init__(self, name: str) -> None:
        import torch

        self._torch = torch
        self._cuda = name == "cuda"
        self._device = torch.device(name)
        self.clock: Clock = CudaClock() if self._cuda else WallClock()

    def upload(self, frame: np.ndarray) -> tuple[Any, int | None]:
        # Always a copy: a grey frame has the same layout either way, and would be shared.
        batch = np.array(frame.transpose(2, 0, 1), order="C")[None]
        host = self._torch.from_numpy(batch)
        host = host.pin_memory() if self._cuda else host
        return self._timed(lambda: host.to(self._device, non_blocking=True))

    def plain(self, output: Any) -> Any:
        with self._torch._C.DisableTorchFunctionSubclass():
            return output.as_subclass(self._torch.Tensor)

    def download(self, output: Any) -> tuple[np.ndarray, int | None]:
        host, elapsed = output.detach(), None
        if self._cuda:
            locked = self._torch.empty_like(host, device="cpu", pin_memory=True)
            host, elapsed = self._timed(lambda: locked.copy_(output.detach(), non_blocking=True))
        return np.ascontiguousarray(host[0].numpy().transpose(1, 2, 0)), elapsed

    def _timed(self, transfer: Callable[[], Any]) -> tuple[Any, int | None]:
        """Return the result of a transfer, and its time on CUDA."""
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
