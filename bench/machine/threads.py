"""Thread counts: set for every library that a method may use, and read back from each."""

from __future__ import annotations

import math
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from denoisebench.machine import containers

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


_SLEEPING = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""Variables that have threads sleep at once when they wait, in GNU's, LLVM's and Intel's OpenMP."""


def available_cores() -> int:
    """Return the number of cores that this process may use; a container's part of one counts."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    limit = containers.core_limit()
    return cores if limit is None else max(1, min(cores, math.ceil(limit)))


def physical_cores() -> int:
    """Return the number of cores that this process may use, two threads of one core as one."""
    import psutil

    return min(psutil.cpu_count(logical=False) or 1, available_cores())


@contextmanager
def inherited(count: int, *, shared: bool = False) -> Iterator[None]:
    """Set the thread count for processes that are started inside the block.

    It is set in environment variables, which libraries read as they load.

    Args:
        count: the number of threads.
        shared: True if other work goes on beside these processes. Threads that wait for each other
            then sleep: while they spin, as is usual, a thread that has no core cannot go on, and a
            network took 16 times as long. On a quiet machine, spinning is faster by a fifth.
    """
    values = dict.fromkeys(_VARIABLES, str(count)) | (_SLEEPING if shared else {})
    saved = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def pin(count: int) -> None:
    """Set the thread count of the libraries loaded so far; not all obey the environment."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "cv2" in sys.modules:  # threadpoolctl does not reach it
        sys.modules["cv2"].setNumThreads(count)
    if "numba" in sys.modules:  # nor this; more threads than it began with, it cannot have
        numba = sys.modules["numba"]
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))


def thread_counts() -> dict[str, Any]:
    """Return the thread counts that the loaded libraries report, by library, ready for JSON."""
    import threadpoolctl

    counts: dict[str, Any] = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}
    for pool in threadpoolctl.threadpool_info():
        counts[pool["internal_api"]] = pool["num_threads"]
    if "torch" in sys.modules:
        counts["torch"] = sys.modules["torch"].get_num_threads()
    if "cv2" in sys.modules:
        counts["cv2"] = sys.modules["cv2"].getNumThreads()
    if "numba" in sys.modules:
        counts["numba"] = sys.modules["numba"].get_num_threads()
        counts["numba layer"] = sys.modules["numba"].threading_layer()
    return counts
