"""What a result is a result of: the keys under which scores and times may be used again."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.denoisers import registry
from denoisebench.machine import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from denoisebench.cells import Cell
    from denoisebench.datasets import Frame
    from denoisebench.denoisers.registry import Card, Method
    from denoisebench.running.plan import Plan, Row

# What every plugin imports, and no result depends on.
_NOT_BEHIND = {
    "denoisebench.denoisers",
    "denoisebench.denoisers.registry",
    "denoisebench.errors",
    "denoisebench.metrics",
    "denoisebench.metrics.registry",
}


class Identities:
    """Computes the two identities of a cell.

    The quality key covers all that decides the scores, and allows reuse; the timing key adds all
    that decides the times, which are never reused across it.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._quality: dict[str, dict[str, Any]] = {}
        self._machine = environment.machine_id()

    def of(self, row: Row, cell: Cell, frame: Frame) -> tuple[str, str]:
        """The quality key and the timing key of a cell."""
        quality = digest(
            self._method(row.method),
            row.device,
            self._plan.protocol,
            self._plan.dataset.name,
            [frame.id, frame.digest, cell.sigma, cell.seed, *_further(cell, frame)],
        )
        cuda = environment.cuda_description() if row.device == "cuda" else {}
        timing = digest(quality, self._machine, cuda, self._plan.threads, asdict(self._plan.rules))
        return quality, timing

    def _method(self, method: Method) -> dict[str, Any]:
        if method.spec not in self._quality:
            card = method.card
            identity = {
                "name": card.name,
                "parameters": method.parameters,
                "source": source_digest(card),
                "libraries": environment.versions(("numpy", *card.requires)),
            }
            if card.weights and card.unavailable is None:
                content = b"".join(file.read_bytes() for file in card.weights)
                identity["weights"] = hashlib.sha256(content).hexdigest()
            self._quality[method.spec] = identity
        return self._quality[method.spec]


def _further(cell: Cell, frame: Frame) -> list[Any]:
    """What decides the scores of some cells, and of most does not exist."""
    told = [] if cell.told is None else [{"told": cell.told}]
    return told + ([{"noisy": frame.noisy_digest}] if frame.noisy_digest else [])


def digest(*parts: Any) -> str:
    """The first 16 hex digits of the sha256 of what can be written as JSON or text."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def source_digest(card: Card) -> str | None:
    """Digest of the code behind a method: its file, and the modules of its package that it imports.

    It is part of the identity of the method's results: a change there makes them stale.
    """
    path = registry.source_file(card)
    if path is None or card.factory is None:
        return None
    return code_digest(card.factory.__module__, path)


def code_digest(module: str, path: Path) -> str:
    """Digest of a module's file, and of the modules of its package that it imports."""
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
        try:
            spec = importlib.util.find_spec(name)
        except ImportError:
            continue  # an object of a module, not a module
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            _collect(name, Path(spec.origin), files)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Absolute names of all that a module imports, at the top or inside its functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = "." * node.level + (node.module or "")
            origin = importlib.util.resolve_name(parent, package) if node.level else parent
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
