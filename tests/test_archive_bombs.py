"""Archives made to fill the disk or the memory, or to take for ever, are refused in one line."""

from __future__ import annotations

import binascii
import bz2
import io
import itertools
import lzma
import re
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisebench.datasets import archives, streams
from denoisebench.datasets.archives import ArchiveError, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Prints the message, and the most memory that unpacking took beyond that of the imports.
UNPACK = """
import resource, sys, zipfile, tarfile
from pathlib import Path
from denoisebench.datasets import archives
from denoisebench.datasets.archives import ArchiveError, unpack
archives.MEMBERS = 20_000
memory = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = memory()
try:
    print(unpack(Path(sys.argv[1]), Path(sys.argv[2]), ["*.png"]))
except ArchiveError as problem:
    print(problem)
print(memory() - before)
"""
MEMORY = 200 << 10  # kB
SECONDS = 60
MANY = 16 << 20  # zeros of a part of a bomb


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    """Return the header of an entry of a tar file, whatever size it claims."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT)


def entry(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    return header(name, kind, len(content)) + content + bytes(-len(content) % 512)


def pax(key: str, value: str, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return an extended header with one attribute."""
    length = len(f" {key}={value}\n")
    while len(str(length)) + len(f" {key}={value}\n") != length:
        length = len(str(length)) + len(f" {key}={value}\n")
    return entry("pax", f"{length} {key}={value}\n".encode(), kind)


IMAGE = entry("a.png", b"image")
END = bytes(1024)


def zeros_after(start: bytes, parts: int) -> bytes:
    """Compress a start and ``parts`` times `MANY` zeros, as one unfinished stream of gzip."""
    packer = zlib.compressobj(9, wbits=31)
    data = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    part = packer.compress(bytes(MANY)) + packer.flush(zlib.Z_FULL_FLUSH)
    return data + part * parts


def holes_without_end() -> bytes:
    """Return a sparse file of which the map of holes goes on and on."""
    start = bytearray(header("a.png", tarfile.GNUTYPE_SPARSE))
    start[482] = 1  # the map is continued in the next block
    checksum = sum(start[:148]) + sum(start[156:]) + 8 * 32
    start[148:156] = b"%06o\0 " % checksum
    block = (b"%011o\0" % 0) * 42 + b"\1" + bytes(7)
    return bytes(start) + block * 100_000


def table_of(count: int) -> bytes:
    """Return a zip file whose table of entries has so many."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as bundle:
        bundle.writestr("notes.txt", b"text")
    whole = data.getvalue()
    start, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    table = whole[start:end] * count
    return whole[:start] + table + whole[end : end + 12] + struct.pack("<LLH", len(table), start, 0)


def zip_of(method: int, content: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as bundle:
        bundle.writestr("a.png", content)
    return data.getvalue()


def memory_of_4_gb() -> bytes:
    """Return a tar file, compressed by xz, that asks for a dictionary of 4 GB."""
    data = bytearray(lzma.compress(IMAGE + END, lzma.FORMAT_XZ))
    block, size = 12, (data[12] + 1) * 4
    data[data.index(b"\x21\x01", block) + 2] = 40
    data[block + size - 4 : block + size] = struct.pack(
        "<L", binascii.crc32(data[block : block + size - 4])
    )
    return bytes(data)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "an unwanted file without end": (
        lambda: zeros_after(header("notes.txt", size=1 << 40), 40),
        r"bomb: it unfolds to more than \d",
    ),
    "a wanted file without end": (
        lambda: zeros_after(header("a.png", size=1 << 40), 40),
        "larger than it may be|unfolds",
    ),
    "zeros without end after the last entry": (
        lambda: zeros_after(IMAGE + END, 40),
        "bomb: it unfolds to more than",
    ),
    "bzip2, which packs zeros best": (
        lambda: bz2.compress(header("notes.txt", size=1 << 40) + bytes(MANY * 10)),
        "bomb: it unfolds to more than",
    ),
    "a dictionary of 4 GB": (memory_of_4_gb, "emory usage limit"),
    "a name of 200 MB": (
        lambda: zeros_after(header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 200 << 20), 13),
        "an entry says more than 32,768 bytes about itself",
    ),
    "attributes of 200 MB": (
        lambda: zeros_after(header("pax", tarfile.XHDTYPE, 200 << 20), 13),
        "an entry says more than 32,768 bytes about itself",
    ),
    "attributes of 300 MB in sum": (
        lambda: b"".join(
            pax(f"key{i}", "x" * 30_000, tarfile.XGLTYPE) + entry("notes.txt", b"")
            for i in range(10_000)
        ),
        r"^\[\]$",  # it may have them, in little memory
    ),
    "attributes of attributes": (
        lambda: pax("a", "b") * 5000 + IMAGE + END,
        "about itself",
    ),
    "a map of holes without end": (holes_without_end, "an entry says more than"),
    "a path of a megabyte": (
        lambda: pax("path", "x/" * 500_000 + "a.png") + IMAGE + END,
        "an entry says more than 32,768 bytes about itself",
    ),
    "attributes that a regular expression takes hours for": (
        lambda: entry("pax", b"1" * (1 << 20), tarfile.XHDTYPE) + IMAGE + END,
        "an entry says more than 32,768 bytes about itself",
    ),
    "a path of 20,000 characters": (
        lambda: pax("path", "x/" * 10_000 + "a.png") + IMAGE + END,
        "bomb has a path of 20,005 characters",
    ),
    "folders without end": (
        lambda: zlib_packed(header("folder", tarfile.DIRTYPE) * 25_000),
        "more than 20,000 entries",
    ),
    "a table of 4,000,000 entries": (lambda: table_of(4_000_000), "its table of entries takes"),
    "a table of 300,000 entries": (lambda: table_of(300_000), "more than 20,000 entries"),
    "a zip file packed by bzip2": (
        lambda: zip_of(zipfile.ZIP_BZIP2, bytes(100 << 20)),
        "compressed in another way",
    ),
    "a zip file packed by LZMA": (
        lambda: zip_of(zipfile.ZIP_LZMA, bytes(100 << 20)),
        "compressed in another way",
    ),
    "a zip file of zeros": (
        lambda: zip_of(zipfile.ZIP_DEFLATED, bytes(100 << 20)),
        "larger than it may be",
    ),
}


def zlib_packed(content: bytes) -> bytes:
    return zlib.compress(content, 1, 31)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_one_line_with_little_memory(bomb: str, tmp_path: Path) -> None:
    make, reason = BOMBS[bomb]
    archive, out = tmp_path / "bomb", tmp_path / "out"
    archive.write_bytes(make())
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", UNPACK, archive, out], capture_output=True, text=True, check=True
    )
    assert time.monotonic() - start < SECONDS
    message, memory = done.stdout.splitlines()
    assert re.search(reason, message), message
    assert len(message) < 300
    assert int(memory) < MEMORY
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_terabyte_of_zeros_behind_an_archive_takes_no_time(kind: str, tmp_path: Path) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "tar": bytes,
        "tar.gz": lambda content: zlib.compress(content, 9, 31),
        "tar.xz": lzma.compress,
        "tar.bz2": bz2.compress,
    }
    archive = tmp_path / f"set.{kind}"
    with archive.open("wb") as file:
        file.write(packers[kind](IMAGE + END))
        file.truncate(1 << 40)
    start = time.monotonic()
    assert unpack(archive, tmp_path / "out", ["*.png"]) == ["a.png"]
    assert time.monotonic() - start < 5
    archive.unlink()


def test_a_tar_file_that_takes_too_long_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SECONDS", 0)
    (tmp_path / "set.tar").write_bytes(IMAGE + END)
    with pytest.raises(ArchiveError, match=r"set\.tar: it takes more than 0 s to read"):
        unpack(tmp_path / "set.tar", tmp_path / "out", ["*.png"])


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
@given(cuts=st.lists(st.integers(0, 4000), max_size=4))
def test_an_archive_compressed_in_parts_is_whole(
    kind: str, cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    pack = {"gz": lambda part: zlib.compress(part, 9, 31), "bz2": bz2.compress, "xz": lzma.compress}
    content = b"".join(entry(f"{i}.png", bytes([i]) * 300 * i) for i in range(5)) + END
    edges = sorted({0, len(content), *cuts})
    parts = [pack[kind](content[a:b]) for a, b in itertools.pairwise(edges)]
    folder = tmp_path_factory.mktemp("parts")
    (folder / "set").write_bytes(b"".join(parts))
    assert unpack(folder / "set", folder / "out", ["*"]) == [f"{i}.png" for i in range(5)]
    for i in range(5):
        assert (folder / "out" / f"{i}.png").read_bytes() == bytes([i]) * 300 * i


@pytest.mark.parametrize(
    ("names", "reason"),
    {
        ("a.png/b.png", "a.png"): "a.png both as a file and as a folder",
        ("a.png", "a.png/b.png"): "b.png both as a file and as a folder",
        ("é.png", "e\u0301.png"): "two files called",
        ("x" * 300 + ".png",): "is no name for a file",
        ("x/" * 30 + "a.png",): "is no name for a file",
        ("caf\udce9.png",): r"caf\\udce9.png is no name for a file",
        ("a\nb.png", "a\nB.png"): r"two files called a\\nB.png",
    }.items(),
)
def test_names_that_no_folder_can_hold_are_refused(
    names: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "set.tar", "w", format=tarfile.PAX_FORMAT) as bundle:
        for name in names:
            bundle.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ArchiveError, match=reason) as refusal:
        unpack(tmp_path / "set.tar", tmp_path / "out", ["*"])
    assert "\n" not in str(refusal.value)
    str(refusal.value).encode()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_zip_file_that_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of(zipfile.ZIP_DEFLATED, b"image" * 1000))
    place = data.index(b"PK\1\2") + 24
    data[place : place + 4] = struct.pack("<L", 100)
    (tmp_path / "set.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match="is damaged"):
        unpack(tmp_path / "set.zip", tmp_path / "out", ["*"])


def test_a_large_zip_file_is_read_by_its_64_bit_fields(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as bundle:
        with bundle.open("a.png", "w", force_zip64=True) as file:
            file.write(b"image")
        bundle.writestr("inner.zip", zip_of(zipfile.ZIP_STORED, b"nested"))
    assert unpack(tmp_path / "set.zip", tmp_path / "out", ["*.png"]) == ["a.png"]


def test_real_sets_are_far_below_the_bounds() -> None:
    """The largest that is unpacked has some hundred files, photographs that hardly compress."""
    assert archives.MEMBERS >= 10_000
    assert archives.TOTAL_BYTES >= 4 << 30
    assert archives.EXPANSION >= 20
