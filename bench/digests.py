"""Digests of values and of code, for the identities that stored results carry."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.machinery import ModuleSpec

__all__ = ["code_digest", "modules_behind", "value_digest", "value_text"]

# Every plugin imports these modules, and no result depends on them. The package itself names all of
# the harness: what a plugin takes from it is followed by its own name.
_NOT_BEHIND = {
    "denoisebench",
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
    return hashlib.sha256(value_text(*parts).encode()).hexdigest()[:16]


def value_text(*parts: Any) -> str:
    """Write the values of which `value_digest` takes the digest as one text.

    Examples:
        >>> value_text("a", {"sigma": 25.0})
        '["a", {"sigma": 25.0}]'
    """
    return _encode(parts)


_encode = json.JSONEncoder(sort_keys=True, default=str).encode


def code_digest(module: str, path: Path, folder: Path | None = None) -> str:
    """Return the digest of a module's file and of the modules of its package that it imports.

    Args:
        module: the module's absolute name.
        path: the module's file.
        folder: folder of further modules that it may import by their names; None for none.

    Returns:
        The first 16 hex digits of the sha256 of the files.
    """
    files = modules_behind(module, path, folder)
    code = b"".join(files[name].read_bytes() for name in sorted(files))
    return hashlib.sha256(code).hexdigest()[:16]


def modules_behind(module: str, path: Path, folder: Path | None = None) -> dict[str, Path]:
    """Return the files on which a module's results depend: its own and those that it imports.

    Args:
        module: the module's absolute name.
        path: the module's file.
        folder: folder of further modules that it may import by their names; None for none.

    Returns:
        The files by the names of their modules.
    """
    files: dict[str, Path] = {}
    _collect(module, path, folder, files)
    return files


def _collect(module: str, path: Path, folder: Path | None, files: dict[str, Path]) -> None:
    """Enter a module's file and, in turn, those of its package or of a folder that it imports."""
    files[module] = path
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = _imports(_parsed(path), package)
    for name in names if folder is None else _with_parents(names):
        if name in files or name in _NOT_BEHIND:
            continue
        found = folder and _file_in(folder, name)
        if not found and name.split(".")[0] == module.split(".")[0]:
            spec = _spec(name)
            found = Path(spec.origin) if spec is not None and spec.origin is not None else None
        if found and found.suffix == ".py":
            _collect(name, found, folder, files)


def _with_parents(names: Iterable[str]) -> Iterator[str]:
    """Yield the packages around each module before it, for their code runs first."""
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _parsed(path: Path) -> ast.AST:
    """Parse a file of code; one that is not valid Python counts as empty."""
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # such as a helper that is imported under a condition
        return ast.Module([], [])


def _file_in(folder: Path, name: str) -> Path | None:
    """Find the file of a module, or of a package, by its dotted name below a folder."""
    place = folder.joinpath(*name.split("."))
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


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
