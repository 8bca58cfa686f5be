"""Plugins: import the modules that hold methods, metrics or data sets, and say what one lacks."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from denoisebench.streams import output_to
from denoisebench.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_REHEARSED = 113
"""Exit code of a rehearsal that came to its end; few programs use it."""
_CLOSES_FILES = 114
"""Exit code of a rehearsal that found its own files closed."""
_REHEARSAL = f"""
import os, sys
from denoisebench import plugins
own = os.open(os.devnull, os.O_RDONLY)
plugins.attempt(lambda: getattr(plugins, sys.argv[1])(sys.argv[2]))
try:
    for file in (0, 1, 2, own):
        os.fstat(file)
    sys.stdout.flush()
except OSError:
    os._exit({_CLOSES_FILES})
os._exit({_REHEARSED})
"""
_KNOWN_PROBLEMS = "DENOISEBENCH_PLUGIN_PROBLEMS"
"""Environment variable that tells workers which announced plugins have failed a rehearsal."""
IMPORT_S = 600.0
"""Time limit for the import of a plugin, where the user gives none."""


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
    problems: dict[str, str] = {}
    for entry in importlib.metadata.entry_points(group=group):
        problem = _announced_problem(entry.value) or attempt_quietly(entry.load)
        if problem is not None:
            problems[entry.name] = problem
    return problems


def _announced_problem(value: str) -> str | None:
    """Rehearse the import of an announced plugin, once for this process and those it starts."""
    known: dict[str, str | None] = json.loads(os.environ.get(_KNOWN_PROBLEMS, "{}"))
    if value not in known:
        known[value] = rehearse("import_announced", value, IMPORT_S).problem
        os.environ[_KNOWN_PROBLEMS] = json.dumps(known)
    return known[value]


def import_announced(value: str) -> None:
    """Import what an entry point names, as ``module`` or ``module:attribute``."""
    importlib.metadata.EntryPoint("", value, "").load()


def attempt(load: Callable[[], object]) -> str | None:
    """Import a plugin that others wrote, by calling ``load``.

    Returns:
        The reason if the import fails, else None.
    """
    pid = os.getpid()
    try:
        with _folder_kept():
            load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an import may raise anything, SystemExit included
        return f"plugin fails to import: {describe_error(error)}"
    finally:
        if os.getpid() != pid:  # a copy that the plugin forked
            os._exit(1)
    return None


def attempt_quietly(load: Callable[[], object]) -> str | None:
    """Do as `attempt` does, and drop what the import prints."""
    with output_to(Path(os.devnull)):
        return attempt(load)


@contextlib.contextmanager
def _folder_kept() -> Iterator[None]:
    """Return to the working folder, if the block leaves it."""
    folder = None
    with contextlib.suppress(OSError):  # it may have been deleted
        folder = os.getcwd()
    try:
        yield
    finally:
        if folder is not None:
            os.chdir(folder)


@dataclass(frozen=True)
class Rehearsal:
    """Outcome of the import of a plugin in a process of its own.

    Attributes:
        problem: the reason if the process did not survive it; else None.
        output: the first line that it printed; empty if it printed nothing.
    """

    problem: str | None
    output: str


def rehearse(function: str, argument: str | Path, seconds: float) -> Rehearsal:
    """Import a plugin in another process, where it can do no harm.

    Exceptions are no problem here: the import in this process tells them.

    Args:
        function: the function of this module that imports it.
        argument: the argument of that function.
        seconds: time limit.

    Examples:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plugin = Path(folder, "leaves.py")
        ...     _ = plugin.write_text("import os; os._exit(0)")
        ...     rehearse("import_file", plugin, seconds=60).problem
        'plugin fails to import: it ends the process with exit code 0'
    """
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _REHEARSAL, function, argument],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            problem = _mischief(child.wait(seconds))
        except subprocess.TimeoutExpired:
            problem = f"it takes longer than {seconds:g} s"
        finally:
            _end_group(child)
        output.seek(0)
        first = output.readline(1000).decode(errors="replace")
    return Rehearsal(problem and f"plugin fails to import: {problem}", plain(first, 100))


def _mischief(code: int) -> str | None:
    """Say what a rehearsal's exit code tells of the import; None if it did no harm."""
    if code == _REHEARSED:
        return None
    if code == _CLOSES_FILES:
        return "it closes files that it did not open"
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"it ends the process {how}"


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End a process and all of its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
    child.wait()


def file_module(path: Path) -> str:
    """Return the module name of a plugin file, which no other file has."""
    return f"denoisebench_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"


def folder_of(module: str, path: Path) -> Path | None:
    """Return the folder whose modules a plugin file may import; None for any other module."""
    return path.parent if module == file_module(path) else None


def import_file(path: str | Path) -> ModuleType:
    """Import a Python file under a module name that no other file has.

    It may import the modules beside it, now or when it is called. Installed modules of the same
    names come first.

    Returns:
        The module.
    """
    name = file_module(Path(path))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    _open_folder(Path(path).parent)
    spec.loader.exec_module(module)
    return module


_folders: list[str] = []
"""Folders of the plugin files that were imported, the last one first."""


class _BesidePlugins:
    """Finder of the modules beside plugin files, asked after all others.

    The folders are not put on ``sys.path``: processes that are started would get those of all
    plugins by it.
    """

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that is in no package."""
        return PathFinder.find_spec(name, _folders) if path is None else None


def _open_folder(folder: Path) -> None:
    """Let the modules of a folder be imported by their names, before those of other plugins."""
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__") or ""
        top = folder / name.partition(".")[0]
        taken = top.is_dir() or top.with_name(f"{top.name}.py").is_file()
        if taken and any(Path(file).is_relative_to(known) for known in _folders):
            del sys.modules[name]
    _folders[:] = [str(folder), *(known for known in _folders if known != str(folder))]
    if _BesidePlugins not in sys.meta_path:
        sys.meta_path.append(_BesidePlugins)
    importlib.invalidate_caches()


def lacking(requires: Iterable[str]) -> str | None:
    """Name the modules that are not installed, or that are older than this package needs.

    Args:
        requires: import names.

    Returns:
        A few words that name the modules, or None if there are none.

    Examples:
        >>> lacking(["math", "no_such_module"])
        'needs no_such_module, not installed'
    """
    requires = list(requires)
    missing = [module for module in requires if not _is_installed(module)]
    if missing:
        extras = {_declared()[name].extra for name in missing if name in _declared()} - {""}
        hint = f"; the extra {' or '.join(sorted(extras))} brings it" if extras else ""
        return f"needs {', '.join(missing)}, not installed{hint}"
    return next(filter(None, map(_too_old, requires)), None)


def _too_old(module: str) -> str | None:
    """Say so if a module is older than this package needs; None also where it does not say.

    Only modules are judged that are called as the distributions that bring them.
    """
    declared = _declared().get(module)
    if declared is None:
        return None
    try:
        found = importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return None
    if _numbers(found) >= _numbers(declared.version):
        return None
    return f"needs {module} {declared.version} or newer, not {found}"


class _Declared(NamedTuple):
    """Least version of a distribution that this package declares, and the extra that brings it."""

    version: str
    extra: str


@cache
def _declared() -> dict[str, _Declared]:
    """Return what this package declares of distributions, by their names."""
    lines = importlib.metadata.requires("denoisebench") or ()
    pattern = re.compile(r"([\w.-]+)[^;]*?>=\s*([\d.]+)(?:.*extra == ['\"]([\w-]+))?")
    found = filter(None, map(pattern.match, lines))
    return {match[1]: _Declared(match[2], match[3] or "") for match in found}


def _numbers(version: str) -> list[int]:
    """Return the numbers that a version begins with: 2 and 13 of ``2.13rc1``."""
    match = re.match(r"\d+(\.\d+)*", version)
    return [int(number) for number in match[0].split(".")] if match else []


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # its parent package is missing
        return False


def describe_error(error: BaseException) -> str:
    """Return an exception's type and the first line of its message, fit to be shown.

    Examples:
        >>> describe_error(ValueError("too small"))
        'ValueError: too small'
    """
    try:
        detail = str(error).strip().splitlines()
    except (Exception, SystemExit):  # a stranger's exception may not even have a text
        detail = []
    name = type(error).__name__
    return plain(f"{name}: {detail[0]}" if detail else name)
