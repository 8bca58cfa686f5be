"""What methods and metrics share as plugins: how they are found, and what one lacks to work."""

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
    """Import every module of a package of ours, its registry and subpackages aside."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name != "registry" and not module.ispkg:
            importlib.import_module(f"{package}.{module.name}")


def load_announced(group: str) -> dict[str, str]:
    """Import what other packages announce under an entry point group.

    Returns:
        Of those that fail to import, the name and why.
    """
    entries = importlib.metadata.entry_points(group=group)
    problems = {entry.name: attempt(entry.load) for entry in entries}
    return {name: problem for name, problem in problems.items() if problem is not None}


def attempt(load: Callable[[], object]) -> str | None:
    """Import a stranger's plugin; return why it fails, or None."""
    try:
        load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an import may raise anything, SystemExit included
        return f"plugin fails to import: {describe_error(error)}"
    return None


def import_file(path: Path) -> None:
    """Import a Python file under a name that it shares with no other file."""
    name = f"denoisebench_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)


def lacking(requires: Iterable[str]) -> str | None:
    """Which of these modules are not installed, in a few words, or None."""
    missing = [module for module in requires if not _is_installed(module)]
    return f"needs {', '.join(missing)}, not installed" if missing else None


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # of the package that it is said to be in
        return False


def describe_error(error: BaseException) -> str:
    """An exception's type and the first line of its message."""
    detail = str(error).strip().splitlines()
    return f"{type(error).__name__}: {detail[0]}" if detail else type(error).__name__
