"""Memory: the peak of this process, and the memory that the machine has left."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from denoisebench.machine import containers

_STATUS = Path("/proc/self/status")


def available_memory() -> int:
    """Return the number of bytes that can be used now without swapping, in a container too."""
    import psutil

    free = int(psutil.virtual_memory().available)
    left = containers.memory_left()
    return free if left is None else max(0, min(free, left))


def memory_for_methods(gigabytes: float | None = None) -> float:
    """Return the bytes that methods may take.

    Args:
        gigabytes: the user's limit; None takes 80 % of what is free.
    """
    return 0.8 * available_memory() if gigabytes is None else gigabytes * 1e9


class PeakMemory:
    """Context that measures a block's peak of resident memory above the level before it.

    Memory that earlier calls freed but the allocator kept is given back first, or the peak would
    hide in it. The kernel keeps the peak itself, so that no short-lived allocation is missed.

    Attributes:
        bytes: the peak above the level before, at least 0; None until the block has ended, and
            where the system cannot tell (other than Linux, or a sandbox).
    """

    bytes: int | None = None

    def __enter__(self) -> PeakMemory:
        self._level = None
        if sys.platform == "linux":
            _trim()
            try:
                Path("/proc/self/clear_refs").write_text("5")  # restart the peak
                self._level = _kilobytes("VmRSS")
            except OSError:
                pass  # a kernel or sandbox without it: the peak stays unknown
        return self

    def __exit__(self, *_: object) -> None:
        if self._level is not None:
            self.bytes = 1024 * max(0, _kilobytes("VmHWM") - self._level)


def _kilobytes(name: str) -> int:
    """Read one of the memory sizes that Linux reports of this process.

    Raises:
        OSError: there is no size of that name.
    """
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise OSError(f"no {name} in {_STATUS}")


def _trim() -> None:
    """Have the C allocator give freed memory back to the system, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
