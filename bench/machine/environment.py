"""Description of the machine and the software that a run uses; its times depend on them."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.machine import containers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import Distribution


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


def watch_load() -> None:
    """Begin to measure what `busy_percent` returns next, which then need not wait."""
    _beginnings[:] = [_Usage.now()]


def busy_percent() -> float:
    """Measure the share of all cores that other processes keep busy, in percent.

    They make times scatter. The share is that since `watch_load`, or else over the next 0.3 s.
    """
    before = _beginnings.pop() if _beginnings else _Usage.now()
    time.sleep(max(0.0, before.at + _WINDOW_S - time.monotonic()))
    now = _Usage.now()
    others = now.busy - before.busy - (now.own - before.own)
    return min(100.0, max(0.0, 100 * others / max(now.total - before.total, 1e-9)))


_WINDOW_S = 0.3


@dataclass(frozen=True)
class _Usage:
    """Use of all cores since the machine was started, in seconds.

    Attributes:
        at: the time by a clock that is never set.
        total: time of all cores.
        busy: their time at work.
        own: their time at work for this process and for those of its children that have ended.
    """

    at: float
    total: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> _Usage:
        """Read the machine's counters."""
        import psutil

        spent = psutil.cpu_times()._asdict()
        # Linux counts guests' time among that of users, too.
        total = sum(spent.values()) - spent.get("guest", 0) - spent.get("guest_nice", 0)
        busy = total - spent["idle"] - spent.get("iowait", 0)
        return cls(time.monotonic(), total, busy, sum(os.times()[:4]))


_beginnings: list[_Usage] = []
"""Reading of `watch_load`; empty once it is used."""


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
    """Return the processor's model, as the operating system names it.

    Clouds give processors of several generations one name without a number, such as ``AMD EPYC``;
    its family and model tell those apart.
    """
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        known = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
        if name := known.get("model name"):
            return name if any(map(str.isdigit, name)) else _numbered(name, known)
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor() or platform.machine()


def _numbered(name: str, known: dict[str, str]) -> str:
    """Add family and model to a processor's name, as far as /proc/cpuinfo has them."""
    numbers = [f"{key.split()[-1]} {known[key]}" for key in ("cpu family", "model") if key in known]
    return f"{name} ({', '.join(numbers)})" if numbers else name


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
def _distributions() -> dict[str, list[Distribution]]:
    """Return the distributions that provide each import name.

    `importlib.metadata.packages_distributions` says the same, and takes ten times as long.
    """
    providers: dict[str, list[Distribution]] = {}
    for distribution in importlib.metadata.distributions():
        for module in _modules(distribution):
            providers.setdefault(module, []).append(distribution)
    return providers


def _modules(distribution: Distribution) -> set[str]:
    """Return the import names that a distribution declares, or else those of its files."""
    if declared := (distribution.read_text("top_level.txt") or "").split():
        return set(declared)
    lines = (distribution.read_text("RECORD") or "").splitlines()
    files = (line.partition(",")[0] for line in lines)
    return {file.split("/")[0].removesuffix(".py") for file in files if file.endswith(".py")}


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
    providers = [d for module in modules for d in _distributions().get(module, ())]
    names = {provider.metadata["Name"] for provider in providers}
    return {name: importlib.metadata.version(name) for name in sorted(names)}
