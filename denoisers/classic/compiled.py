"""Compilation of inner loops by numba: once a machine, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numba import config, njit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What the compiler may do with floating-point operations. It may not assume that there are no
# infinities and nans: kernels compare with them.
_FASTMATH = {"contract", "arcp", "reassoc", "nsz"}


def kernel(*, parallel: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function with numba when it is first called; a decorator.

    Args:
        parallel: True for a function with ``prange`` loops.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        with _our_cache() as is_writable:
            compiled: Callable[..., Any] = njit(
                function,
                fastmath=_FASTMATH,
                error_model="numpy",
                nogil=True,
                parallel=parallel,
                cache=is_writable,
            )
        return compiled

    return decorate


@contextmanager
def _our_cache() -> Iterator[bool]:
    """Have numba keep what is compiled inside the block in our folder; False if it cannot."""
    folder, before = cache_folder(), config.CACHE_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
    except OSError:
        is_writable = False
    config.CACHE_DIR = str(folder)
    try:
        yield is_writable
    finally:
        config.CACHE_DIR = before


@cache
def cache_folder() -> Path:
    """Return the folder of compiled code: a new one for each version of these sources.

    numba looks at the file of a function alone, not at those of the functions that it calls.
    """
    import pooch

    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    return Path(pooch.os_cache("denoisebench")) / "compiled" / digest
