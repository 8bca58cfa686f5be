"""Compilation of inner loops by numba: once a machine, kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench import plugins
from denoisebench.denoisers.classic import COMPILING
from denoisebench.digests import code_digest
from denoisebench.errors import UsageError
from denoisebench.files import write_bytes

if (_lack := plugins.lacking(["numba"])) is not None:
    raise ImportError(_lack)

import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

# What the compiler may do with floating-point operations. It may not assume that there are no
# infinities and nans: kernels compare with them.
_FASTMATH = {"contract", "arcp", "reassoc", "nsz"}

_UNUSED_DAYS = 30
"""Age from which compiled code that nobody has loaded is removed."""

_log = logging.getLogger(COMPILING)


def kernel(*, parallel: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function with numba when it is first called; a decorator.

    What is compiled is kept in the user's cache folder. Where that cannot be read or written, or
    holds damaged files, the function is compiled again.

    Args:
        parallel: True for a function with ``prange`` loops.

    Examples:
        >>> @kernel()
        ... def double(x):
        ...     return 2 * x
        >>> double(2.5)
        5.0
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        compiled: Callable[..., Any] = numba.njit(
            function, fastmath=_FASTMATH, error_model="numpy", nogil=True, parallel=parallel
        )
        path = Path(function.__code__.co_filename)
        # NUMBA_DISABLE_JIT leaves the function as it is.
        if path.is_file() and hasattr(compiled, "_cache"):
            compiled._cache = _SealedCache(function, path)
        return compiled

    return decorate


class _SealedCache(NullCache):  # type: ignore[misc]
    """Compiled code of one function: a file for each signature, sealed by its digest.

    numba's own cache runs a damaged file as it is, ends the call if it cannot write, and looks at
    the file of a function alone, not at those of the functions that it calls.

    Args:
        function: the function, of arrays and numbers.
        path: its file.
    """

    def __init__(self, function: Callable[..., Any], path: Path) -> None:
        self._name = function.__name__
        constants = [cell.cell_contents for cell in function.__closure__ or ()]
        self._identity = (
            function.__qualname__,
            function.__code__.co_code,
            dumps(constants),
            _source(function.__module__, path),
            numba.__version__,
            sys.version,
        )

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Return the code for a signature, or None, for which numba compiles it."""
        target_context.refresh()
        # Whatever a file of another numba raises, there is a way to go on.
        with contextlib.suppress(Exception):
            path = self._path(sig, target_context.codegen())
            content = path.read_bytes()
            seal, code = content[:32], content[32:]
            if hashlib.sha256(code).digest() == seal:
                result = CompileResult._rebuild(target_context, *pickle.loads(code))
                os.utime(path)
                return result
        _log.info("compiling %s", self._name)
        return None

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Keep the code for a signature."""
        if data.library.has_dynamic_globals:  # it holds addresses of this process
            return
        code = dumps(data._reduce())
        path = self._path(sig, data.codegen)
        with contextlib.suppress(OSError, UsageError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, hashlib.sha256(code).digest() + code)
            _remove_unused(path.parent)

    def _path(self, sig: Any, codegen: Any) -> Path:
        """Return the file of a signature; the processor and its features count."""
        key = repr((self._identity, sig, codegen.magic_tuple()))
        return cache_folder() / f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def cache_folder() -> Path:
    """Return the folder of compiled code.

    Examples:
        >>> cache_folder().name
        'compiled'
    """
    import pooch

    return Path(pooch.os_cache("denoisebench")) / "compiled"


@cache
def _source(module: str, path: Path) -> str:
    """Digest the file of a function, and those of its package that it imports."""
    return code_digest(module, path)


def _remove_unused(folder: Path) -> None:
    """Remove code that was not loaded for a month, such as that of older sources."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another process may have removed it
            if path.stat().st_mtime < oldest:
                path.unlink()
