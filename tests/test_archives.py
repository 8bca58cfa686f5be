"""Archives are unpacked as if an enemy had packed them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisebench.datasets import archives
from denoisebench.datasets.archives import ArchiveError, unpack

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ["zip", "tar", "tar.gz", "tar.xz"]


def pack(path: Path, members: list[tuple[str, bytes]]) -> Path:
    """Write an archive of the kind that its name says, with these names."""
    if path.name.endswith("zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, data in members:
                bundle.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        return path
    mode: Any = "w:" + path.name.partition(".tar")[2].removeprefix(".")
    with tarfile.open(path, mode) as bundle:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            bundle.addfile(entry, io.BytesIO(data))
    return path


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wanted_is_unpacked_and_nothing_else(tmp_path: Path, kind: str) -> None:
    members = [("top/a/é.png", b"1"), ("top/b.png", b"22"), ("top/a/notes.txt", b"3"), ("x", b"")]
    archive = pack(tmp_path / f"set.{kind}", members)
    out = tmp_path / "aus gepackt"
    assert unpack(archive, out, ["*.png"], strip=1) == ["a/é.png", "b.png"]
    assert files(out) == ["a/é.png", "b.png"]
    assert (out / "b.png").read_bytes() == b"22"


def test_unpacking_again_replaces_what_is_there(tmp_path: Path) -> None:
    archive = pack(tmp_path / "set.zip", [("a.png", b"right")])
    (tmp_path / "a.png").write_bytes(b"damaged")
    unpack(archive, tmp_path, ["a.png"])
    assert (tmp_path / "a.png").read_bytes() == b"right"


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    "name", ["../a.png", "/a.png", "b/../../a.png", "..\\a.png", "C:\\a.png", "C:a.png"]
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    archive = pack(tmp_path / f"set.{kind}", [(name, b"evil")])
    with pytest.raises(ArchiveError, match="leads out of its folder"):
        unpack(archive, tmp_path / "in" / "out", ["*"])
    assert files(tmp_path) == [archive.name]


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="ab./\\:é\0\n ", min_size=1, max_size=12), st.integers(0, 2))
def test_no_name_whatever_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, name: str, strip: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        archive = pack(folder / "set.zip", [(name, b"x")])
    except (UnicodeEncodeError, ValueError):
        return  # no such archive can be made
    with contextlib.suppress(ArchiveError, OSError):
        unpack(archive, folder / "out", ["*"], strip)
    assert [f for f in files(folder) if not f.startswith("out/")] == ["set.zip"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_a_tar_file_are_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("a.png")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "set.tar", "w") as bundle:
        bundle.addfile(entry)
    with pytest.raises(ArchiveError, match=r"a\.png is a link or device"):
        unpack(tmp_path / "set.tar", tmp_path / "out", ["*.png"])
    assert files(tmp_path) == ["set.tar"]


def test_links_of_a_zip_file_are_refused_if_they_are_wanted(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("a.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as bundle:
        bundle.writestr(entry, "/etc/passwd")
        bundle.writestr("b.png", b"b")
    with pytest.raises(ArchiveError, match=r"a\.png is a link or device"):
        unpack(tmp_path / "set.zip", tmp_path / "out", ["*.png"])
    assert unpack(tmp_path / "set.zip", tmp_path / "out", ["b.png"]) == ["b.png"]


@pytest.mark.parametrize("second", ["a.png", "A.PNG", "./a.png"])
def test_two_files_of_one_name_are_refused(tmp_path: Path, second: str) -> None:
    archive = pack(tmp_path / "set.tar", [("a.png", b"1"), (second, b"2")])
    with pytest.raises(ArchiveError, match="two files called"):
        unpack(archive, tmp_path / "out", ["*"])


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_small_archive_cannot_fill_the_disk(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = pack(tmp_path / f"bomb.{kind}", [("a.png", bytes(3 << 20))])
    assert bomb.stat().st_size < 1 << 14
    monkeypatch.setattr(archives, "FILE_BYTES", 2 << 20)
    with pytest.raises(ArchiveError, match=r"a\.png is larger than it may be"):
        unpack(bomb, tmp_path / "out", ["*"])
    assert files(tmp_path) == [bomb.name]


def test_many_files_are_bounded_in_number_and_in_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path / "set.zip", [(f"{i}.png", bytes(10)) for i in range(5)])
    monkeypatch.setattr(archives, "TOTAL_BYTES", 42)
    with pytest.raises(ArchiveError, match=r"4\.png is larger than it may be"):
        unpack(archive, tmp_path / "out", ["*"])
    monkeypatch.setattr(archives, "MEMBERS", 4)
    with pytest.raises(ArchiveError, match="more than 4 entries"):
        unpack(archive, tmp_path / "out", ["*"])


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_told_and_leaves_nothing_half(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / f"set.{kind}", [("a.png", os.urandom(50_000))])
    whole = archive.read_bytes()
    archive.write_bytes(whole[:20_000] + bytes(100) + whole[20_100:])
    if kind == "tar":  # which has no checksum of its content
        archive.write_bytes(whole[:20_000])
    with pytest.raises(ArchiveError, match="is damaged"):
        unpack(archive, tmp_path / "out", ["*"])
    assert files(tmp_path) == [archive.name]


@pytest.mark.parametrize("data", [b"", b"<html>Sorry</html>"])
def test_what_is_no_archive_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "set.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match="neither a zip nor a tar file"):
        unpack(tmp_path / "set.zip", tmp_path / "out", ["*"])


def test_an_encrypted_archive_is_told(tmp_path: Path) -> None:
    archive = pack(tmp_path / "set.zip", [("a.png", b"secret")])
    data = bytearray(archive.read_bytes())
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(header) + flags] |= 1
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match="encrypted"):
        unpack(archive, tmp_path / "out", ["*"])


def test_a_full_disk_is_no_damage_and_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    archive = pack(tmp_path / "set.zip", [("a.png", b"1")])
    monkeypatch.setattr(archives.os, "replace", fill)
    with pytest.raises(OSError, match="No space left"):
        unpack(archive, tmp_path / "out", ["*"])
    assert files(tmp_path) == ["set.zip"]
