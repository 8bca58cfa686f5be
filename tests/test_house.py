"""The house: which room imports which, and which names are public."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "denoisebench": ROOT / "bench",
    "denoisebench.denoisers": ROOT / "denoisers",
    "denoisebench.datasets": ROOT / "datasets",
}

# From the ground up: a room imports rooms below it and, without circles, beside it.
FLOORS = (
    ("cells", "columns", "digests", "errors", "files", "parameters", "plugins", "statistics"),
    ("datasets", "denoisers"),
    ("machine", "metrics", "protocol"),
    ("store",),
    ("running", "reporting", "comparing", "verifying", "training", "tuning", "trial", "export"),
    ("library", "pytest_plugin"),
    ("__init__",),
    ("cli",),
)


def modules() -> dict[str, Path]:
    """Every module of the project by its name."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *parts]).removesuffix(".__init__")
            found[name] = path
    return found


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """Yield the project's modules that a module imports, also in functions and for types only."""
    for node in ast.walk(ast.parse(MODULES[name].read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (module for module in below if module in MODULES)
            if any(module not in MODULES for module in below):
                yield node.module


IMPORTS = {name: set(imports(name)) - {name} for name in MODULES}


def room(module: str) -> str:
    """Return the first part of a module's name below the package's."""
    _, *parts = module.split(".")
    return parts[0] if parts else "__init__"


def arrows() -> set[tuple[str, str]]:
    """Return the imports between rooms."""
    pairs = {(room(name), room(other)) for name, others in IMPORTS.items() for other in others}
    return {(here, there) for here, there in pairs if here != there}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Names that lead back to the first; empty where there is no circle."""
    done: set[str] = set()

    def follow(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph[name]):
            if found := follow(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := follow(name, []))), [])


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle(IMPORTS) == []


def test_rooms_import_what_is_below_them_and_never_in_a_circle() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    assert {room(name) for name in MODULES} == floor.keys()
    assert [(a, b) for a, b in sorted(arrows()) if floor[a] < floor[b]] == []
    graph = defaultdict[str, set[str]](set)
    for here, there in arrows():
        graph[here].add(there)
        graph[there] |= set()
    assert circle(graph) == []
    print(f"{len(floor)} rooms, {len(arrows())} arrows")


def test_a_report_knows_neither_planner_nor_runner_and_stored_runs_are_read_from_the_store() -> (
    None
):
    graph = arrows()
    assert ("reporting", "running") not in graph
    readers = {name for name, others in IMPORTS.items() if "denoisebench.store.results" in others}
    assert {room(name) for name in readers} <= {
        *("store", "running", "reporting", "comparing", "training", "trial", "export"),
        *("library", "cli"),
    }


def test_no_verb_imports_another() -> None:
    verbs = [name for name in MODULES if name.startswith("denoisebench.cli.")]
    parts = {"shared", "types", "verdicts", "trainings"}
    for verb in verbs:
        others = {name.rpartition(".")[2] for name in IMPORTS[verb] if name in verbs}
        allowed = parts | ({"extract"} if verb.endswith(".data") else set())
        assert others <= allowed, verb
