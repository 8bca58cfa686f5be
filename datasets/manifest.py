"""``manifest:FILE.toml``: images on disk that a file lists, with their digests.

`bench data extract` writes such files, and they can be written by hand:

    name = "my-docs"                   # as tables call it; it is part of the noise's key
    title = "my-docs: …"               # what a table's footer says of it; the name unless given
    licence = "CC BY 4.0"
    cite = "…"                         # optional
    splits = ["train", "val", "test"]  # a path's first folder; one split, test, unless given

    [[frame]]
    path = "test/marine/a-000123.png"  # beside this file, with forward slashes
    sha256 = "…"                       # of the file
    rgb_sha256_16 = "…"                # first 16 hex digits of the sha256 of its decoded pixels
    id = "marine/a-000123"             # the path after the split, less its suffix, unless given

A frame has at least one of the two digests. Other keys are for its readers. The name and the ids
are read in Unicode's normal form NFC: the noise depends on them.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from denoisebench.datasets.base import DataError, Frame, some_of
from denoisebench.datasets.images import ImageError, decode, read_bytes, read_image
from denoisebench.errors import UsageError, unknown
from denoisebench.files import read_toml
from denoisebench.words import counted


@dataclass(frozen=True)
class _Entry:
    id: str
    split: str
    path: str
    sha256: str
    rgb_digest: str


class Manifest:
    """The images that a TOML file lists; they lie beside it, and nothing is ever fetched.

    Args:
        path: the file; ``~`` is expanded.

    Attributes:
        citation: the publication to cite; empty without one.
        folder: the file's own.

    Raises:
        DataError: there is no such file, or it lists no frames as it should.
    """

    trust = "the digests in the manifest"

    def __init__(self, path: str) -> None:
        self._path = Path(os.path.expanduser(path))
        content = _read(self._path)
        self.name = _text(self._path, content, "name")
        self.title = _text(self._path, content, "title", self.name)
        self.licence = _text(self._path, content, "licence")
        self.citation = _text(self._path, content, "cite", "")
        self.folder = self._path.parent
        self._entries = _entries(self._path, content)
        named = content.get("splits", ["test"])
        self.splits = tuple(s for s in named if any(entry.split == s for entry in self._entries))

    def size(self, split: str) -> int:
        """Count the frames of a split."""
        return len(self._of(split))

    def missing(self, split: str) -> list[str]:
        """List the files of a split that are not on disk, or not as the manifest has them."""
        missing = []
        for entry in self._of(split):
            try:
                self._frame(entry)
            except ImageError:
                missing.append(entry.path)
        return missing

    def fetch(self, split: str) -> None:
        """Nothing can be fetched.

        Raises:
            DataError: files are missing or damaged.
        """
        self.frames(split)

    def frames(self, split: str) -> list[Frame]:
        """Return the frames of a split, sorted by id, verified.

        Raises:
            DataError: a frame is missing or damaged, or there is no such split.
        """
        frames, problems = [], []
        for entry in self._of(split):
            try:
                frames.append(self._frame(entry))
            except ImageError as problem:
                problems.append(f"{entry.path}: {problem}")
        if problems:
            raise DataError(
                f"{self._path}: of {counted(self.size(split), f'{split} file')}, {len(problems)} "
                f"cannot be used: {some_of(problems, 3)}. Restore them; nothing is fetched "
                "for a manifest"
            )
        return frames

    def _of(self, split: str) -> list[_Entry]:
        if split not in self.splits:
            raise DataError(f"{self._path}: {unknown('split', split, self.splits)}")
        return sorted((e for e in self._entries if e.split == split), key=lambda entry: entry.id)

    def _frame(self, entry: _Entry) -> Frame:
        """Return a frame, once its file is known to be as it should be.

        Raises:
            ImageError: it is not.
        """
        path = self.folder / entry.path
        data = read_bytes(path)
        if entry.sha256 and hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ImageError("its sha256 is not the manifest's")
        pixels, _ = decode(data)
        frame = Frame.from_reader(entry.id, lambda: pixels)
        if entry.rgb_digest and frame.digest != entry.rgb_digest:
            raise ImageError("its decoded pixels are not those of the manifest")
        return Frame(frame.id, frame.digest, frame.shape, partial(read_image, path))


def _read(path: Path) -> dict[str, Any]:
    if os.path.isdir(path):
        raise DataError(f"manifest:{path}: a folder; give the TOML file in it")
    try:
        return read_toml(path, f"manifest:{path}")
    except UsageError as error:
        raise DataError(str(error)) from error


def _text(path: Path, table: dict[str, Any], key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not (value or default == ""):
        raise DataError(f'{path}: it has no {key}; write a line {key} = "…"')
    return unicodedata.normalize("NFC", value)


def _entries(path: Path, content: dict[str, Any]) -> list[_Entry]:
    splits = content.get("splits")
    if splits is not None and not (
        isinstance(splits, list) and splits and all(isinstance(s, str) for s in splits)
    ):
        raise DataError(f'{path}: splits is no list of names; write splits = ["train", "test"]')
    frames = content.get("frame")
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames) or not frames:
        raise DataError(
            f"{path}: it lists no frames; write a [[frame]] with path and sha256 for each"
        )
    entries = [_entry(path, number, frame, splits) for number, frame in enumerate(frames, 1)]
    for kind, names in {
        "frames have the id": [entry.id for entry in entries],
        "frames have the file": [entry.path for entry in entries],
    }.items():
        for name, count in Counter(names).items():
            if count > 1:
                raise DataError(f"{path}: {count} {kind} {name!r}; each needs its own")
    return entries


def _entry(path: Path, number: int, frame: dict[str, Any], splits: list[str] | None) -> _Entry:
    where = f"{path}: frame {number}"
    file = frame.get("path")
    if not isinstance(file, str) or not _within(file):
        raise DataError(
            f"{where}: its path is {file!r}; write one that leads to a file beside the manifest, "
            "with forward slashes"
        )
    digests = [frame.get("sha256", ""), frame.get("rgb_sha256_16", "")]
    if not any(digests):
        raise DataError(
            f"{where}: {file} has no digest; write its sha256, as sha256sum prints it, or "
            "rgb_sha256_16. (Images without digests are read by folder:PATH)"
        )
    for digest, length in zip(digests, (64, 16), strict=True):
        if digest and not re.fullmatch(f"[0-9a-f]{{{length}}}", str(digest)):
            raise DataError(f"{where}: {digest!r} is no digest of {length} hex digits")
    split, rest = "test", file
    if splits is not None:
        split, _, rest = file.partition("/")
        if split not in splits:
            raise DataError(f"{where}: {file} is in no split; {unknown('split', split, splits)}")
    id = frame.get("id", str(PurePosixPath(rest).with_suffix("")))
    if not isinstance(id, str) or not id:
        raise DataError(f"{where}: its id is {id!r}; write a name")
    return _Entry(unicodedata.normalize("NFC", id), split, file, *digests)


def _within(path: str) -> bool:
    """Return True if a path stays in the manifest's folder, on every system."""
    parts = path.split("/")
    return not ({"", ".", ".."} & set(parts) or "\\" in path or ":" in parts[0])
