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


def on_terminal(width: int, *words: str | Path, **variables: str) -> str:
    """Return what the command writes to a terminal that is so many characters wide."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [COMMAND, *words],
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


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_is_drawn_within_the_width_of_the_terminal(run: Path, width: int) -> None:
    written = on_terminal(width, "report", run, "--format", "md", "--out", run / "out")
    plain = Text.from_ansi(written).plain
    assert max(Text(line).cell_len for line in plain.splitlines()) <= width
    assert re.search(r"^Good +31\.76 +29\.26", plain, re.MULTILINE)
    assert "| Good" not in plain
    assert ("Not shown: " in plain) == (width < 200)
    assert ("0.794" in plain) == (width == 200)


def test_all_columns_are_drawn_if_one_asks_for_them(run: Path) -> None:
    words = ["report", run, "--format", "md", "--out", run / "out"]
    written = Text.from_ansi(on_terminal(60, *words, "--wide")).plain
    assert "0.794" in written
    assert "Not shown" not in written


def test_the_best_are_bold_and_names_from_plugins_send_nothing(run: Path) -> None:
    words = ["report", run, "--format", "md", "--out", run / "out"]
    written = on_terminal(120, *words, NO_COLOR="1")
    assert "\x1b[1m31.76\x1b[0m" in written
    assert set(re.findall(r"\x1b.[0-9;]*.", written)) <= {"\x1b[0m", "\x1b[1m", "\x1b[2m"}


def test_elsewhere_the_table_is_markdown(run: Path) -> None:
    words = [COMMAND, "report", run, "--format", "md", "--out", run / "out"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "| Good " in done.stdout
    assert "\x1b" not in done.stdout
