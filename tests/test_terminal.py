"""Tables on a real terminal: drawn to its width; where stdout is none, they are Markdown."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import made_up
import pytest
from rich.text import Text

from conftest import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up.make_run(tmp_path_factory.mktemp("runs") / "made-up")


DRAW = """
import sys
import denoisebench as db
from denoisebench.reporting.terminal import draw_table
draw_table(db.load(sys.argv[1]).table1, wide=sys.argv[2:] == ["--wide"])
"""


def on_terminal(width: int, *command: str | Path, **variables: str) -> str:
    """Return what a command writes to a terminal that is so many characters wide."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=kept | {"TERM": "xterm-256color"} | variables,
    ):
        os.close(theirs)
        content = b""
        with suppress(OSError):  # Linux says so that the other end is closed
            while part := os.read(ours, 65536):
                content += part
    os.close(ours)
    return content.decode().replace("\r\n", "\n")


def drawn(width: int, run: Path, *words: str, **variables: str) -> str:
    """Return what the table of a run is on a terminal."""
    return on_terminal(width, sys.executable, "-c", DRAW, run, *words, **variables)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_is_drawn_within_the_width_of_the_terminal(run: Path, width: int) -> None:
    plain = Text.from_ansi(drawn(width, run)).plain
    assert max(Text(line).cell_len for line in plain.splitlines()) <= width
    assert re.search(r"^Good +31\.76 +29\.26", plain, re.MULTILINE)
    assert ("Not shown: " in plain) == (width < 200)
    assert ("0.794" in plain) == (width == 200)


def test_all_columns_are_drawn_if_one_asks_for_them(run: Path) -> None:
    written = Text.from_ansi(drawn(60, run, "--wide")).plain
    assert "0.794" in written
    assert "Not shown" not in written


def test_the_best_are_bold_and_names_from_plugins_send_nothing(run: Path) -> None:
    written = drawn(120, run, NO_COLOR="1")
    assert "\x1b[1m31.76\x1b[0m" in written
    assert set(re.findall(r"\x1b.[0-9;]*.", written)) <= {"\x1b[0m", "\x1b[1m", "\x1b[2m"}


def test_the_command_draws_on_a_terminal_and_writes_markdown_elsewhere(run: Path) -> None:
    words = [COMMAND, "report", run, "--format", "md", "--out", run / "out"]
    assert "| Good " not in on_terminal(80, *words)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "| Good " in done.stdout
    assert "\x1b" not in done.stdout
