"""A random command line ends with a documented exit code, and never in a traceback."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import click
import numpy as np
import pytest
from PIL import Image

from conftest import COMMAND, HURRIED
from denoisebench.cli import main

if TYPE_CHECKING:
    from pathlib import Path

EXIT_CODES = {0, 1, 2, 3, 130}

# Each verb, with words that keep it from work that takes minutes or needs the network.
BOUNDS = {
    "run": "--dataset folder:tiny --methods noisy,gaussian --frames 1 --timeout 20",
    "report": "--out reports",
    "schema": "",
    "list": "",
    "data show": "",
    "data path": "",
    "data list": "",
    "data extract": "--out taken",
    "tune": "--dataset folder:tiny",
    "train": "--data folder:tiny --iterations 1 --out training",
    "study": "--data folder:tiny --iterations 1 --out study",
    "reproduce": "--into none.md",
    "verify": "--dataset none",
    "compare": "",
    "ab": "--out ab",
    "calibrate": "--env none --out calibration",
    "history": "",
    "export": "--out exports",
}

ARGUMENTS = [
    *("run", "damaged", "none", "tiny", ".", "", "-", "/dev/null", "a.toml", "deep.toml"),
    *("gaussian", "median[size=3]", "median[size=x]", "gaussian[", "stills", "folder:tiny"),
    *("paper", "bom.toml", "bytes.toml", "a" * 300, "\x1b[31mred", "é", os.fsdecode(b"\xff")),
]

VALUES = [
    *ARGUMENTS,
    *("0", "1", "-1", "2.5", "nan", "inf", "1e999", "9" * 40, "25,50", ",", "25,,x", "psnr", "all"),
    *("*", "[", "[[", "psnr=-1", "psnr=x", "time=5%", "json,md", "html", "auto", "cuda", "cpu"),
    *("gaussian-8bit", "jpeg[quality=0]", "correlated[width=1e9]", "plugin.py", "broken.py"),
    *("tiny/a.png", "/dev/full", "file/below", "table1.csv", "k=v", "data.patch=8", "--help"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small run, a damaged one, images, plugins and odd files."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "tiny").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "tiny" / "a.png")
    words = ["run", *BOUNDS["run"].split(), "--sigma", "25", "--out", "run"]
    subprocess.run([*HURRIED, *words], cwd=folder, check=True, capture_output=True)
    shutil.copytree(folder / "run", folder / "damaged")
    with (folder / "damaged" / "run.sqlite").open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    (folder / "a.toml").write_text('title = "x"\n')
    (folder / "bom.toml").write_bytes(b"\xef\xbb\xbfseeds = 1\n")
    (folder / "bytes.toml").write_bytes(b"a = '\xff'\n")
    (folder / "deep.toml").write_text("a = " + "[" * 9999 + "]" * 9999)
    (folder / "broken.py").write_text("raise RuntimeError")
    (folder / "plugin.py").write_text("")
    (folder / "file").touch()
    return folder


def words_of(seed: int) -> list[str]:
    """Return the words of a command line: a verb, its own options, any values."""
    chance = random.Random(seed)
    verb = chance.choice(list(BOUNDS))
    command: click.Command = main
    context = click.Context(main)
    for name in verb.split():
        assert isinstance(command, click.Group)
        found = command.get_command(context, name)
        assert found is not None
        command = found
    words = verb.split()
    options = [p for p in command.params if isinstance(p, click.Option)]
    for option in chance.sample(options, min(len(options), chance.choice([0, 1, 1, 2, 3]))):
        words.append(chance.choice([*option.opts, *option.secondary_opts]))
        if not option.is_flag or chance.random() < 0.05:
            words.append(chance.choice(VALUES))
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    count = chance.choice([len(arguments)] * 4 + [0, 1, 2, 3])
    words += [chance.choice(ARGUMENTS) for _ in range(count)]
    if len(words) > 1 and chance.random() < 0.05:
        return [*words[1:], words[0]]
    return [*words, *BOUNDS[verb].split()]


def test_a_random_command_line_ends_in_order(world: Path, tmp_path: Path, random_line: int) -> None:
    folder = shutil.copytree(world, tmp_path / "world")
    words = words_of(random_line)
    surroundings = {k: v for k, v in os.environ.items() if k != "DENOISEBENCH_DATA"}
    result = subprocess.run(
        [COMMAND, *words],
        cwd=folder,
        env=surroundings | {"XDG_CACHE_HOME": str(folder / "cache")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    told = f"{words}\n{result.stderr.decode(errors='replace')}"
    assert result.returncode in EXIT_CODES, told
    assert b"Traceback" not in result.stderr, told
    assert b"\x1b" not in result.stderr + result.stdout, told
    if result.returncode == 2:
        assert result.stderr.strip(), told
