"""Description of the machine and the software that a run uses; its times depend on them."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.machine import containers

if TYPE_CHECKING:
    from collections.abc import Iterable


def describe(modules: Iterable[str], machine: str | None = None) -> dict[str, Any]:
    """Describe the machine and the versions of the software, ready for JSON.

    Args:
        modules: import names of the libraries whose versions count.
        machine: the user's name for the machine; None for none.
    """
    return {
        "denoisebench": importlib.metadata.version("denoisebench"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_gb": round(_total_memory() / 1e9, 1),
        "machine": machine_id(machine),
        "name": machine or "",
        "limits": _limits(),
        "cuda": cuda_description(),
        "libraries": versions(modules),
    }


def _limits() -> str:
    """Return the container's limits in words; '' without any."""
    cores, memory = containers.core_limit(), containers.memory_limit()
    words = [] if cores is None else [f"{cores:g} cores' time"]
    return " and ".join(words if memory is None else [*words, f"{memory / 1e9:.3g} GB"])


def busy_percent() -> float:
    """Measure the share of all cores that is busy, in percent, over 0.3 s.

    Before a run begins, this is the work of other programs, which makes times scatter.
    """
    import psutil

    return float(psutil.cpu_percent(interval=0.3))


def _total_memory() -> int:
    """Return the machine's physical memory in bytes."""
    import psutil

    return int(psutil.virtual_memory().total)


@cache
def has_cuda() -> bool:
    """Return True if torch can use a CUDA device; import torch only where there is a driver."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    import torch

    return bool(torch.cuda.is_available())


@cache
def cuda_description() -> dict[str, str]:
    """Describe the CUDA device and its software, ready for JSON; empty where there is none."""
    if not has_cuda():
        return {}
    import torch

    return {
        "name": torch.cuda.get_device_name(),
        "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }


@cache
def cpu_name() -> str:
    """Return the processor's model, as the operating system names it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor() or platform.machine()


def machine_id(name: str | None = None) -> str:
    """Return 12 hex digits that tell machines apart by their processor and its cores.

    Times are never compared between different ids. The host's name and its network address do not
    count: each new container has others.

    Args:
        name: the user's name for the machine, which tells it apart from its equals; None for none.
    """
    limit = containers.core_limit()
    parts = [cpu_name(), str(os.cpu_count()), *([] if name is None else [name])]
    if limit is not None:
        parts.append(f"limited to {limit:g}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@cache
def _distributions() -> dict[str, list[str]]:
    """Return the names of the distributions that provide each import name."""
    return dict(importlib.metadata.packages_distributions())


def versions(modules: Iterable[str]) -> dict[str, str]:
    """Return the versions of the installed distributions that provide some modules.

    Args:
        modules: import names; those that are not installed are left out.

    Returns:
        Versions by the name of the distribution, sorted.

    Examples:
        >>> list(versions(["numpy", "no_such_module"]))
        ['numpy']
    """
    names = {name for module in modules for name in _distributions().get(module, ())}
    return {name: importlib.metadata.version(name) for name in sorted(names)}
