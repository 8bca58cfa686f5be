"""Digests of values and of code, for the identities that stored results carry."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec

__all__ = ["code_digest", "value_digest"]

# Every plugin imports these modules, and no result depends on them.
_NOT_BEHIND = {
    "denoisebench.denoisers",
    "denoisebench.denoisers.nets.public_weights",
    "denoisebench.denoisers.registry",
    "denoisebench.digests",
    "denoisebench.errors",
    "denoisebench.files",
    "denoisebench.metrics",
    "denoisebench.metrics.registry",
    "denoisebench.plugins",
}


def value_digest(*parts: Any) -> str:
    """Return the first 16 hex digits of the sha256 of values that JSON or text can write.

    Examples:
        >>> value_digest("a", 1) == value_digest("a", 1)
        True
        >>> len(value_digest({"sigma": 25.0}))
        16
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_digest(module: str, path: Path) -> str:
    """Return the digest of a module's file and of the modules of its package that it imports.

    Args:
        module: the module's absolute name.
        path: the module's file.

    Returns:
        The first 16 hex digits of the sha256 of the files.
    """
    files: dict[str, Path] = {}
    _collect(module, path, files)
    code = b"".join(files[name].read_bytes() for name in sorted(files))
    return hashlib.sha256(code).hexdigest()[:16]


def _collect(module: str, path: Path, files: dict[str, Path]) -> None:
    """Enter a module's file and, in turn, those of its own top-level package that it imports."""
    files[module] = path
    package = module.rpartition(".")[0]
    for name in _imports(ast.parse(path.read_bytes()), package):
        if name in files or name in _NOT_BEHIND or name.split(".")[0] != module.split(".")[0]:
            continue
        spec = _spec(name)
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            _collect(name, Path(spec.origin), files)


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without importing any but packages; None for an object of a module."""
    parent = name.rpartition(".")[0]
    if parent:
        around = _spec(parent)
        if around is None or around.submodule_search_locations is None:
            return None
    return importlib.util.find_spec(name)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the absolute names of all imports of a module, also those inside its functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = "." * node.level + (node.module or "")
            origin = importlib.util.resolve_name(parent, package) if node.level else parent
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
