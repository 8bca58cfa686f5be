"""Limits of the container that this process runs in: Linux's control groups, version 2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["core_limit", "memory_left", "memory_limit"]

_ROOTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
_MEMBERSHIP = Path("/proc/self/cgroup")


def core_limit() -> float | None:
    """Return the number of cores whose time this process may use; None for no limit.

    It need not be whole: 1.5 stands for one and a half cores' time.
    """
    limits = []
    for group in _groups():
        quota, _, period = _content(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def memory_limit() -> int | None:
    """Return the number of bytes that this process and its group may hold; None for no limit."""
    limits = [_content(group / "memory.max") for group in _groups()]
    return min((int(limit) for limit in limits if limit.isdigit()), default=None)


def memory_left() -> int | None:
    """Return the number of bytes that are left of the limit; None for no limit.

    Cached files count as free: the kernel drops them when memory is needed.
    """
    left = []
    for group in _groups():
        limit, held = (_content(group / f"memory.{name}") for name in ("max", "current"))
        if limit.isdigit() and held.isdigit():
            left.append(int(limit) - int(held) + _cached(group))
    return min(left, default=None)


def _cached(group: Path) -> int:
    """Return the bytes of files in memory that nobody has used lately."""
    lines = (line.partition(" ") for line in _content(group / "memory.stat").splitlines())
    return next((int(size) for name, _, size in lines if name == "inactive_file"), 0)


def _groups() -> Iterator[Path]:
    """Yield the folders of this process's group and of those around it."""
    lines = _content(_MEMBERSHIP).splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::/")), None)
    root = next((root for root in _ROOTS if (root / "cgroup.controllers").exists()), None)
    if path is None or root is None:
        return
    group = root / path.lstrip("/")
    yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(root))


def _content(path: Path) -> str:
    """Read a file of the kernel's; '' if there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
