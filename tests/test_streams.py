"""The command's streams in any state: one line and exit code 2, never a traceback or code 1."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import COMMAND, HURRIED

posix = pytest.mark.skipif(sys.platform == "win32", reason="the shell's redirections are POSIX")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small run in ``r``."""
    folder = tmp_path_factory.mktemp("streams")
    words = ["run", "--dataset", "stills", "--methods", "noisy,gaussian", "--sigma", "25"]
    subprocess.run([*HURRIED, *words, "--frames", "2", "--out", "r"], cwd=folder, check=True)
    return folder


VERBS = {
    "help": "--help",
    "run": "run --dataset stills --methods noisy,gaussian --sigma 25 --frames 2 --out r",
    "list": "list",
    "metrics": "list --metrics",
    "schema": "schema",
    "data list": "data list",
    "data show": "data show stills",
    "compare": "compare r r",
    "compare json": "compare r r --format json",
    "report": "report r --out reports",
    "history": "history r r",
    "export": "export r --out exports",
    "help of a verb": "train --help",
}
SILENT = {"report", "export"}  # they write files, and print nothing on stdout


def shell(folder: Path, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which ``bench`` is the command."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("bench", str(COMMAND), 1)],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


FEW = ("run", "list", "compare", "help of a verb")
CLOSED = (">&-", "Bad file descriptor")
FULL = ("> /dev/full", "No space left on device")
CLOSED_PIPE = ("| true", "Broken pipe")


@posix
@pytest.mark.parametrize(
    ("verb", "broken", "reason"),
    [
        *((verb, *FULL) for verb in VERBS if verb not in SILENT),
        *((verb, *kind) for verb in FEW for kind in (CLOSED, CLOSED_PIPE)),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    folder: Path, verb: str, broken: str, reason: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    result = shell(folder, f"bench {VERBS[verb]} {broken}")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1] == f"bench: cannot write the output: {reason}"


@posix
@pytest.mark.parametrize("broken", ["2>&-", "2> /dev/full", "<&-"])
@pytest.mark.parametrize("verb", FEW)
def test_messages_that_cannot_be_shown_harm_nothing(folder: Path, verb: str, broken: str) -> None:
    result = shell(folder, f"bench {VERBS[verb]} {broken}")
    assert result.returncode == 0
    assert result.stdout


@pytest.mark.parametrize(
    ("verb", "encoding"),
    [
        *((verb, "cp1252") for verb in VERBS),
        *(("compare", encoding) for encoding in ("latin-1", "shift_jis", "utf-16")),
    ],
)
def test_every_code_page_can_show_the_output(folder: Path, verb: str, encoding: str) -> None:
    result = subprocess.run(
        [COMMAND, *VERBS[verb].split()],
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0
    assert b"Traceback" not in result.stderr
    assert result.stdout.decode(encoding) or verb in SILENT


@posix
def test_a_closed_output_is_not_taken_by_a_file(folder: Path) -> None:
    line = "bench run --dataset stills --methods noisy --sigma 25 --frames 1 --out closed >&-"
    assert shell(folder, line).returncode == 2
    assert shell(folder, "bench report closed").returncode == 0


@posix
def test_a_terminal_that_interrupts_at_once_gets_one_line(tmp_path: Path) -> None:
    for delay in (0.05, 0.1, 0.15, 0.25):
        process = subprocess.Popen(
            [COMMAND, "run", "--dataset", "stills", "--out", "out", "--methods", "bm3d"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        if process.returncode in (1, -signal.SIGINT) and "in start" not in errors:
            continue  # Python itself was still starting
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert "Interrupted." in errors


def schema(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``bench schema`` with the sitecustomize.py of a folder, which is also that of TMPDIR."""
    return subprocess.run(
        [sys.executable, "-m", "denoisebench", "schema"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@posix
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interrupt_that_python_drops_comes_again(tmp_path: Path, number: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, time\n"
        "import denoisebench.cli.schema as s\n"
        "from denoisebench.cli.shared import terminated_as_interrupted\n"
        "class Callback:\n"
        f"    def __del__(self): signal.raise_signal(signal.{number})\n"
        "def wait(*_, **__):\n"
        "    with terminated_as_interrupted():\n"
        "        Callback()\n"
        "        time.sleep(100)\n"
        "s.schema_command.callback = wait\n"
    )
    result = schema(tmp_path)
    assert (result.returncode, result.stderr) == (130, "Interrupted.\n")


def test_a_mistake_of_ours_is_one_line_and_a_saved_traceback(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import denoisebench.cli.schema as s\n"
        "def broken(*_, **__): raise KeyError('\\x1b[31mno such\\nkey')\n"
        "s.schema_command.callback = broken\n"
    )
    result = schema(tmp_path)
    assert result.returncode == 70
    [line] = result.stderr.splitlines()
    assert line.startswith("bench: a mistake in bench itself, KeyError: ")
    saved = Path(line.rpartition(" ")[2])
    assert "Traceback" in saved.read_text()
