"""The house: imports between rooms, names, docstrings, lengths of functions, and help texts."""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeGuard

import click
import pytest

from denoisebench.cli import main
from denoisebench.datasets.images import SUFFIXES

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
    (
        *("cells", "columns", "digests", "errors", "files", "parameters", "plotting", "plugins"),
        *("statistics", "streams", "text", "words"),
    ),
    ("datasets", "denoisers"),
    ("machine", "metrics", "protocol"),
    ("store",),
    (
        *("running", "reporting", "comparing", "verifying", "training", "tuning", "trial"),
        *("export", "photos"),
    ),
    ("library", "pytest_plugin"),
    ("__init__",),
    ("cli",),
    ("__main__",),
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
        *("library", "cli", "photos"),
    }


def test_no_verb_imports_another() -> None:
    verbs = [name for name in MODULES if name.startswith("denoisebench.cli.")]
    parts = {"shared", "types", "verdicts", "trainings"}
    for verb in verbs:
        others = {name.rpartition(".")[2] for name in IMPORTS[verb] if name in verbs}
        allowed = parts | ({"extract"} if verb.endswith(".data") else set())
        assert others <= allowed, verb


# Stored results depend on the bytes of these files: they keep their words and names until results
# are published anew.
FROZEN = {
    "denoisebench.metrics.saturation",
    *(f"denoisebench.denoisers.gan.{name}" for name in ("networks", "recipe")),
    *(
        name
        for name in MODULES
        if name.startswith("denoisebench.denoisers.")
        and name.count(".") == 2
        and not name.endswith((".registry", ".gan"))
    ),
}
QUESTIONS = ("How", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why")
SHARED_NAMES = {
    "FILES": "weights of a method, in frozen files",
    "ResidualCnn": "a method and its network, in frozen files",
    "add_noise": "the library's takes a name of a noise and calls the protocol's",
    "load": "a run in the library, a recipe in a frozen file",
    "log": "a module's logger",
    "merge": "the library's, of runs, and that of a window's patches",
    "names": "of recipes in a frozen file, and of data sets",
    "register": "the decorator of methods and that of metrics",
}
LONGEST_FUNCTION = 55
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_bytes())


def texts(module: ast.Module) -> Iterator[str]:
    """Yield the docstrings of a module, also those below constants."""
    for node in ast.walk(module):
        if isinstance(node, Definition | ast.Module):
            for line in node.body:
                if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
                    yield str(line.value.value).strip()


def public_names(module: ast.Module) -> set[str]:
    """Return the names that a module defines at its top level, without a leading underscore."""
    found: set[str] = set()
    for node in module.body:
        if isinstance(node, Definition):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {t.id for target in node.targets for t in ast.walk(target) if is_name(t)}
        elif isinstance(node, ast.AnnAssign) and is_name(node.target):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_")}


def is_name(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name)


def test_docstrings_name_their_thing_and_ask_no_questions() -> None:
    asking = [
        f"{name}: {text.splitlines()[0]}"
        for name in sorted(MODULES.keys() - FROZEN)
        for text in texts(tree(name))
        if text.split(maxsplit=1)[:1] and text.split(maxsplit=1)[0] in QUESTIONS
    ]
    assert asking == []


def test_a_public_name_is_defined_in_one_module() -> None:
    places = defaultdict[str, list[str]](list)
    for module in MODULES:
        for name in public_names(tree(module)):
            places[name].append(module)
    shared = {name for name, modules in places.items() if len(modules) > 1}
    assert {name: places[name] for name in sorted(shared - SHARED_NAMES.keys())} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name in MODULES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}
    assert median(lengths.values()) < 10


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command with its name, and all commands below it."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            yield from commands(below, f"{name} {word}")


def test_every_command_and_option_is_explained_by_more_than_one_word() -> None:
    helps = {}
    for name, command in commands(main, "bench"):
        helps[name] = command.help
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                helps[f"{name} {option.opts[0]}"] = option.help
    assert {name: text for name, text in helps.items() if len((text or "").split()) < 2} == {}


def test_no_picture_is_committed() -> None:
    """Most frames are not ours to pass on."""
    try:
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no checkout of git")
    assert [name for name in listed if Path(name).suffix.lower() in SUFFIXES] == []
