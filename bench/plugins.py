"""Plugins: import the modules that hold methods, metrics or data sets, and say what one lacks."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def import_modules(package: str) -> None:
    """Import every module of one of our packages, except its ``registry`` and its subpackages."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name != "registry" and not module.ispkg:
            importlib.import_module(f"{package}.{module.name}")


def load_announced(group: str) -> dict[str, str]:
    """Import the plugins that other packages announce under an entry point group.

    Returns:
        The reason for each plugin that fails to import, by its name.
    """
    entries = importlib.metadata.entry_points(group=group)
    problems = {entry.name: attempt(entry.load) for entry in entries}
    return {name: problem for name, problem in problems.items() if problem is not None}


def attempt(load: Callable[[], object]) -> str | None:
    """Import a plugin that others wrote, by calling ``load``.

    Returns:
        The reason if the import fails, else None.
    """
    try:
        load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an import may raise anything, SystemExit included
        return f"plugin fails to import: {describe_error(error)}"
    return None


def file_module(path: Path) -> str:
    """Return the module name of a plugin file, which no other file has."""
    return f"denoisebench_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"


def import_file(path: Path) -> None:
    """Import a Python file under a module name that no other file has."""
    name = file_module(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)


def lacking(requires: Iterable[str]) -> str | None:
    """Name the modules that are not installed.

    Args:
        requires: import names.

    Returns:
        A few words that name the missing modules, or None if all are installed.

    Examples:
        >>> lacking(["math", "no_such_module"])
        'needs no_such_module, not installed'
    """
    missing = [module for module in requires if not _is_installed(module)]
    return f"needs {', '.join(missing)}, not installed" if missing else None


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # its parent package is missing
        return False


def describe_error(error: BaseException) -> str:
    """Return an exception's type and the first line of its message.

    Examples:
        >>> describe_error(ValueError("too small"))
        'ValueError: too small'
    """
    detail = str(error).strip().splitlines()
    return f"{type(error).__name__}: {detail[0]}" if detail else type(error).__name__
