"""``bench data``: machine output on stdout, words on stderr, bad input in one line and code 2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from denoisebench.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def bench_data(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", *arguments])


def test_list_says_what_there_is(documentary_root: Path) -> None:
    result = bench_data("list")
    assert result.exit_code == 0
    for word in ("documentary", "train: 100", "val: 10", "test: 20", "stills", "CC BY 4.0"):
        assert word in result.stdout
    lines = {line.split()[0]: line for line in result.stdout.splitlines()[2:]}
    assert "not on disk" not in lines["documentary"]
    assert "folder:PATH" in result.stderr


def test_list_says_what_is_not_on_disk(cache: Path) -> None:
    assert "train: 100, not on disk" in bench_data("list").stdout


def test_list_is_machine_readable(documentary_root: Path) -> None:
    rows = {row["name"]: row for row in json.loads(bench_data("list", "--format", "json").stdout)}
    assert {"documentary", "stills", "standard:set12"} <= set(rows)
    assert rows["documentary"]["splits"]["test"] == {"frames": 20, "on_disk": True}
    assert rows["stills"]["splits"] == {"test": {"frames": 6, "on_disk": True}}


def test_path_prints_the_folder_alone(documentary_root: Path, cache: Path) -> None:
    assert bench_data("path").stdout == f"{cache / 'documentary'}\n"
    assert bench_data("path", "stills").stdout.endswith("data\n")


def test_fetch_of_what_is_on_disk_says_so(documentary_root: Path) -> None:
    result = bench_data("fetch", "--split", "val")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"documentary val: 10 frames in {documentary_root / 'documentary'}\n"


def test_verify_tells_intact_splits(documentary_root: Path) -> None:
    result = bench_data("verify", "--split", "val", "--split", "test")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "documentary val: 10 frames intact",
        "documentary test: 20 frames intact",
    ]
    assert bench_data("verify", "stills").stderr == "stills test: 6 frames intact\n"


def test_verify_names_damage(
    documentary_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (documentary_root / "documentary" / "val").rglob("*.jpg"):
        copy = tmp_path / file.relative_to(documentary_root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(file)
    victim = next((tmp_path / "documentary" / "val" / "marine").iterdir())
    victim.unlink()
    victim.write_bytes(b"damaged")
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path))
    result = bench_data("verify", "--split", "val")
    assert result.exit_code == 2
    assert f"1 files in {tmp_path / 'documentary'} are missing or damaged" in result.stderr
    assert f"val/marine/{victim.name}" in result.stderr
    assert "bench data fetch documentary" in result.stderr


def test_a_users_folder_is_verified_too(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    result = bench_data("verify", f"folder:{tmp_path}")
    assert result.exit_code == 0
    assert result.stderr == f"folder:{tmp_path} test: 1 frames intact\n"


@pytest.mark.parametrize("verb", ["fetch", "verify", "path"])
def test_unknown_names_are_one_line_and_code_2(verb: str) -> None:
    result = bench_data(verb, "documentry")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "bench: unknown data set 'documentry'; did you mean documentary?\n"


def test_unknown_splits_are_one_line_and_code_2(cache: Path) -> None:
    for verb in ("fetch", "verify"):
        result = bench_data(verb, "--split", "tets")
        assert result.exit_code == 2
        assert result.stderr == "bench: documentary: unknown split 'tets'; did you mean test?\n"
