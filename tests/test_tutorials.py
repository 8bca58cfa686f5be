"""The tutorials, from top to bottom: files are saved, commands run, and their outputs compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import HURRIED

if TYPE_CHECKING:
    from collections.abc import Iterator

TUTORIALS = sorted((Path(__file__).parents[1] / "docs").glob("tutorial-*.md"))
BLOCK = re.compile(r"(?:as\s`([\w./-]+)`:\n\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps(tutorial: Path) -> Iterator[tuple[str, str]]:
    """Yield files, as their name and content, and commands, as ``$ …`` and what they show."""
    for name, kind, text in BLOCK.findall(tutorial.read_text(encoding="utf-8")):
        if name:
            yield name, text
        elif kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                [(command, shown)] = re.findall(r"\A((?:.*\\\n)*.*)\n([\s\S]*)", part)
                yield f"$ {command}", shown


def shape(line: str) -> str:
    """Write a line without times, sizes, bold type and the marks of its notes.

    Only numbers with two digits before and after the point stay: scores in dB.
    """
    plain = re.sub(r"\*\*|[⁰¹²³⁴-⁹]|-(?=-)|\\textsuperscript{.*?}|\\textless{}", "", line)
    plain = re.sub(r"\\textbf{(.*?)}", r"\1", plain)
    return " ".join(re.sub(r"<?\d[\d.,]*", _unless_a_score, plain).split())


def _unless_a_score(number: re.Match[str]) -> str:
    return number[0] if re.fullmatch(r"\d\d\.\d\d", number[0]) else "#"


def test_there_is_a_tutorial_for_each_of_three_people() -> None:
    assert [path.stem for path in TUTORIALS] == [
        *("tutorial-ci", "tutorial-paper", "tutorial-photos"),
    ]


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_each_command_of_a_tutorial_shows_what_it_says(tutorial: Path, tmp_path: Path) -> None:
    tools, work = tmp_path / "tools", tmp_path / "work"
    tools.mkdir()
    work.mkdir()
    (tools / "bench").write_text(f'#!/bin/sh\nexec {shlex.join(map(str, HURRIED))} "$@"\n')
    (tools / "bench").chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(HURRIED[0]).parent), os.environ["PATH"]])
    for name, text in steps(tutorial):
        if not name.startswith("$ "):
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text, encoding="utf-8")
            continue
        done = subprocess.run(
            ["bash", "-c", name.removeprefix("$ ")],
            cwd=work,
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        print(f"{name}\n{done.stdout}")
        expected = re.search(r"# exit code (\d+)", name)
        assert done.returncode == (int(expected[1]) if expected else 0), done.stdout
        known = [shape(line) for line in done.stdout.splitlines()]
        lacking = [line for line in text.splitlines() if line != "…" and shape(line) not in known]
        assert lacking == []
