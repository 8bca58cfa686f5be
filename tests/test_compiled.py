"""Compiled kernels: kept once a machine, and compiled again wherever what was kept is no good."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Protocol

import pytest

from denoisebench.store.sqlite import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Bench

HELPER = """
from denoisebench.denoisers.classic.compiled import kernel

@kernel()
def half(x):
    return 0.5 * x
"""
KERNELS = """
from mine.helper import half
from denoisebench.denoisers.classic.compiled import kernel

@kernel()
def halve(frame, out):
    for i in range(frame.size):
        out[i] = half(frame[i])
"""
PLUGIN = """
from dataclasses import dataclass
import numpy as np
from denoisebench.denoisers import register

@register("halved", title="Halved", family="local", requires=("numba",))
@dataclass(frozen=True)
class Halved:
    def load(self, device):
        self.denoise(np.ones((1, 1, 3), np.float32), 0.1)
        return "halved by kernels"

    def denoise(self, noisy, sigma):
        from mine.kernels import halve
        out = np.empty(noisy.size, np.float32)
        halve(noisy.ravel(), out)
        return out.reshape(noisy.shape)
"""
FALLBACK = """
from dataclasses import dataclass
from denoisebench.denoisers import register

@register("either", title="Either", family="local", uses=("numba",))
@dataclass(frozen=True)
class Either:
    def load(self, device):
        try:
            from denoisebench.denoisers.classic import compiled
        except ImportError as error:
            return f"another engine served, since numba cannot be used ({error})"

    def denoise(self, noisy, sigma):
        return noisy.copy()
"""
SCRIPT = """
import logging
import sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
import numpy as np
from mine.kernels import halve
{before}
out = np.empty(3, np.float32)
halve(np.array([1, 2, 3], np.float32), out)
print(out.tolist())
"""
RIGHT = "[0.5, 1.0, 1.5]\n"
BOTH = "compiling halve\ncompiling half\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Write the modules, and return variables under which they are found and cached here."""
    (tmp_path / "mine").mkdir()
    modules = {"mine/helper": HELPER, "mine/kernels": KERNELS, "halved": PLUGIN, "either": FALLBACK}
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    ours = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    return os.environ | ours | {"PYTHONDONTWRITEBYTECODE": "1"}


class Halve(Protocol):
    def __call__(self, before: str = "", **variables: str) -> CompletedProcess[str]: ...


@pytest.fixture
def halve(tmp_path: Path, environment: dict[str, str]) -> Halve:
    """Call the kernel in a process of its own, after a line of code."""

    def run(before: str = "", **variables: str) -> CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", SCRIPT.format(before=before)],
            cwd=tmp_path,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "denoisebench" / "compiled").iterdir())


linux = pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME is for Linux")
pytestmark = linux


def test_a_kernel_is_compiled_once_by_two_processes_and_without_any_compiler(
    halve: Halve, tmp_path: Path
) -> None:
    first, second = halve(PATH=""), halve(PATH="")
    assert (first.stdout, first.stderr) == (RIGHT, BOTH)
    assert (second.stdout, second.stderr) == (RIGHT, "")
    assert [path.name.split("-")[0] for path in kept(tmp_path)] == ["half", "halve"]


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_damaged_code_is_never_run(halve: Halve, tmp_path: Path) -> None:
    halve()
    intact = {path: path.read_bytes() for path in kept(tmp_path)}
    damages: dict[str, Callable[[bytes], bytes]] = {
        "seal": lambda content: flip(content, 5),
        "middle": lambda content: flip(content, len(content) // 2),
        "last": lambda content: flip(content, len(content) - 1),
        "shorter": lambda content: content[:-1],
        "no seal": lambda content: content[:20],
        "empty": lambda content: b"",
    }
    for name, damage in damages.items():
        for path, content in intact.items():
            path.write_bytes(damage(content))
        again = halve()
        assert (again.stdout, again.stderr) == (RIGHT, BOTH), name
    assert halve().stderr == ""


@pytest.mark.parametrize(
    "folder", ["/proc/no-such-folder", "/dev/null", "/dev/full"], ids=["lost", "null", "full"]
)
def test_without_a_cache_folder_it_is_compiled_each_time(halve: Halve, folder: str) -> None:
    for _ in range(2):
        result = halve(XDG_CACHE_HOME=folder, HOME="/proc/no-home")
        assert (result.stdout, result.stderr) == (RIGHT, BOTH)


@pytest.mark.parametrize(
    "fault",
    [
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))",
        "import shutil; shutil.rmtree('cache', ignore_errors=True)",
        "import os; os.rename('cache', 'elsewhere')",
    ],
    ids=["full-disk", "removed", "moved"],
)
def test_a_cache_that_fails_in_the_middle_costs_only_time(
    halve: Halve, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "cache" / "denoisebench" / "compiled").mkdir(parents=True)
    result = halve(fault)
    assert (result.stdout, result.stderr.count("compiling")) == (RIGHT, 2)
    if (tmp_path / "cache").exists():
        assert not [path for path in kept(tmp_path) if path.name.startswith(".")]


def test_two_processes_that_compile_at_once_do_not_disturb_each_other(
    tmp_path: Path, environment: dict[str, str], halve: Halve
) -> None:
    command = [sys.executable, "-c", SCRIPT.format(before="")]
    both = [
        subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0].decode() for process in both] == [RIGHT, RIGHT]
    assert len(kept(tmp_path)) == 2
    assert halve().stderr == ""


def test_a_change_of_a_module_that_a_kernel_calls_compiles_it_again(
    halve: Halve, tmp_path: Path
) -> None:
    """The cache of numba itself would run the old code."""
    halve()
    (tmp_path / "mine" / "helper.py").write_text(HELPER.replace("0.5", "2.0"))
    assert halve().stdout == "[2.0, 4.0, 6.0]\n"


def test_code_that_nobody_loads_for_a_month_is_removed(halve: Halve, tmp_path: Path) -> None:
    halve()
    one, other = kept(tmp_path)
    ages = {"older": 31, "younger": 29, one.name: 31}
    for name, days in ages.items():
        path = one.with_name(name)
        path.touch()
        os.utime(path, (time.time() - days * 86400,) * 2)
    other.unlink()
    halve()  # loads one, which makes it young, and writes the other
    assert kept(tmp_path) == [one, other, one.with_name("younger")]


def test_kernels_run_uncompiled_where_numba_is_told_so(halve: Halve, tmp_path: Path) -> None:
    result = halve(NUMBA_DISABLE_JIT="1")
    assert (result.stdout, result.stderr) == (RIGHT, "")
    assert not (tmp_path / "cache").exists()


NUMBAS = {
    "broken": ("raise ImportError('Numba needs NumPy 1.9 or less')", "9.0", "Numba needs NumPy"),
    "too-old": ("", "0.58.1", "needs numba 0.61 or newer, not 0.58.1"),
}


def put_numba(folder: Path, kind: str) -> None:
    """Put another numba in front of the installed one."""
    code, version, _ = NUMBAS[kind]
    (folder / "numba.py").write_text(code)
    info = folder / f"numba-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: numba\nVersion: {version}\n")
    (info / "top_level.txt").write_text("numba\n")


@pytest.mark.parametrize("kind", NUMBAS)
def test_a_numba_that_cannot_serve_is_an_import_error_in_one_line(
    halve: Halve, tmp_path: Path, kind: str
) -> None:
    put_numba(tmp_path, kind)
    assert f"ImportError: {NUMBAS[kind][2]}" in halve().stderr.splitlines()[-1]


class Run(Protocol):
    def __call__(self, *words: str | Path, method: str = "halved") -> CompletedProcess[str]: ...


@pytest.fixture
def run(
    bench: Bench, photos: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def go(*words: str | Path, method: str = "halved") -> CompletedProcess[str]:
        chosen = ["--dataset", f"folder:{photos}", "--frames", "1", "--plugin", f"{method}.py"]
        chosen += ["--sigma", "25", "--methods", method, "--out", "out"]
        return bench("run", *chosen, *words)

    return go


def test_a_run_tells_of_compiling_once_and_grants_it_time(run: Run, tmp_path: Path) -> None:
    # The limit is one for cells: to compile takes longer, here by a sleep for each of two kernels.
    (tmp_path / "mine" / "kernels.py").write_text(
        KERNELS + "\nimport logging, time\n"
        "logging.getLogger('denoisebench.compiling').addFilter(lambda _: time.sleep(3) or True)\n"
    )
    first = run("--timeout", "5")
    assert first.returncode == 0, first.stderr
    assert first.stderr.count("halved on cpu: compiling, once\n") == 1
    assert "halved by kernels" in first.stdout
    again = run("--force", "halved", "--timeout", "5")
    assert again.returncode == 0
    assert "compiling" not in again.stderr


@pytest.mark.parametrize("kind", NUMBAS)
def test_a_run_says_in_one_line_that_numba_cannot_serve(
    run: Run, tmp_path: Path, kind: str
) -> None:
    put_numba(tmp_path, kind)
    result = run()
    assert result.returncode == 3
    assert NUMBAS[kind][2] in result.stderr.splitlines()[-2] + result.stderr.splitlines()[-3]
    assert NUMBAS[kind][2] in result.stdout


@pytest.mark.parametrize("kind", NUMBAS)
def test_another_engine_is_remarked_on_and_its_scores_are_its_own(
    run: Run, tmp_path: Path, kind: str
) -> None:
    assert "another engine" not in run(method="either").stdout
    put_numba(tmp_path, kind)
    result = run(method="either")
    assert result.returncode == 0
    assert "measured before" not in result.stderr
    assert f"another engine served, since numba cannot be used ({NUMBAS[kind][2]}" in result.stdout
    assert f"numba {NUMBAS[kind][1]}" in result.stdout
    assert "1 measured before" in run(method="either").stderr


def test_numba_gets_the_threads_of_the_run(run: Run, tmp_path: Path) -> None:
    run("--threads", "1")
    with Store(tmp_path / "out" / "run.sqlite", read_only=True) as store:
        [session] = store.sessions()
    assert session["details"]["threads"]["numba"] == 1
    assert session["details"]["threads"]["numba layer"] in {"omp", "tbb", "workqueue"}
