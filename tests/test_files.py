"""Files and folders are replaced whole, held by one process, and set aside, never deleted."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from denoisebench import files
from denoisebench.errors import UsageError
from denoisebench.store.sqlite import Store


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    files.write_text(path, "old")

    def fill_the_disk() -> None:
        with files.replacing(path) as file:
            file.write(b"new")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UsageError, match=r"cannot write .*table\.md: No space left"):
        fill_the_disk()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.md"]


@pytest.mark.parametrize("name", [".", "..", "/", "", "folder", "missing/file.svg", "x" * 300])
def test_a_path_that_is_no_file_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        files.write_text(Path(name), "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_what_a_killed_process_left_half_written_is_removed_at_the_next_start(
    tmp_path: Path,
) -> None:
    (tmp_path / "pictures").mkdir()
    leftovers = [".checkpoint.pt.4242", ".manifest.json.4242.part", "pictures/.a.webp.7.part"]
    others = [".gitignore", ".backup.2024", "run.part", "pictures/a.webp", ".dir.1.part"]
    (tmp_path / ".dir.1.part").mkdir()
    for name in (*leftovers, *others[:-1]):
        (tmp_path / name).touch()
    with files.held(tmp_path, "run"):
        assert not any((tmp_path / name).exists() for name in leftovers)
        assert all((tmp_path / name).exists() for name in others)


def test_a_text_with_bytes_that_are_no_utf_8_is_written_and_read_as_it_was(tmp_path: Path) -> None:
    name = os.fsdecode(b"r-\xff")
    files.write_text(tmp_path / "m.json", json.dumps({"out": name}, ensure_ascii=False))
    assert files.read_json(tmp_path / "m.json", "m")["out"] == name


DEEP = 100_000

BAD_FILES = {
    "not there": (None, "cannot be read (No such file or directory)"),
    "bytes": (b"a = '\xff'", "not valid UTF-8 (invalid start byte)"),
    "no TOML": (b"a = ", "not valid TOML: Invalid value (at end of document)"),
    "deep TOML": (b"a = " + b"[" * DEEP + b"]" * DEEP, "its values are nested too deeply"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_toml_file_that_cannot_be_read_is_one_line(tmp_path: Path, case: str) -> None:
    content, complaint = BAD_FILES[case]
    if content is not None:
        (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(UsageError) as found:
        files.read_toml(tmp_path / "a.toml", "--config a.toml")
    assert str(found.value) == f"--config a.toml: {complaint}"


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert files.read_toml(tmp_path / "a.toml", "a") == {"a": 1}


def test_a_folder_is_held_by_one_until_it_lets_go(tmp_path: Path) -> None:
    with files.held(tmp_path, "run"):
        second = files.held(tmp_path, "run")
        with pytest.raises(files.BusyError, match="another run is at work in"):
            second.__enter__()
    with files.held(tmp_path, "run"):
        pass


def test_what_is_set_aside_at_once_is_kept_apart(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "run.sqlite").write_text(text)
        (tmp_path / "logs").mkdir()
        files.set_aside(tmp_path, ["run.sqlite", "logs", "absent"])
    kept = sorted(path.read_text() for path in tmp_path.glob("before-*/run.sqlite"))
    assert kept == ["first", "second"]
    files.set_aside(tmp_path, ["run.sqlite"])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_store_whose_run_was_killed_before_it_was_filled_is_used(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    with Store(path) as store:
        assert store.measurements() == {}
