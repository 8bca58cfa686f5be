"""Data sets that others have published: a manifest lists the files, which are fetched and verified.

A manifest is a TOML file:

    name = "standard:set12"            # as the command line calls it
    title = "Set12: …"                 # what a table's footer says of it
    licence = "none stated"
    cite = "Zhang et al. 2017, …"
    folder = "standard/Set12"          # within the data folder; the name unless given
    splits = ["train", "test"]         # of several, a path's first folder says which; test, unless
                                       # given
    pixels = [500, 500]                # width and height, where all frames must have the same
    source.ffdnet.url = "https://…/"   # what the files' urls continue; several sources
                                       # are told apart by a folder of the files' paths; without
                                       # a url, the files can only be put into place by hand
    frame = [{ path = "01.png", sha256 = "…", bytes = 38267 }, …]

Of a frame or a file, ``url`` is its ``path`` unless given. A frame with recorded noise holds two
files: ``{ id = "…", clean = { path = "…", … }, noisy = { path = "…", … } }``.

Where a file's ``sha256`` is not known, as its bytes were not seen when the manifest was written,
the digest of the first use is recorded beside the files (`FirstUse`) and asked for ever after.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from denoisebench.datasets.base import DataError, Frame, pixel_digest
from denoisebench.datasets.download import DownloadError, RemoteFile, download, is_intact
from denoisebench.datasets.first_use import FirstUse
from denoisebench.datasets.images import ImageError, decode, read_bytes, read_image
from denoisebench.errors import unknown
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

MANIFESTS = Path(__file__).with_name("manifests")
VARIABLE = "DENOISEBENCH_DATA"

_log = logging.getLogger("denoisebench")


@dataclass(frozen=True)
class Entry:
    """A frame of the manifest; ``rgb_digest`` is of the decoded clean file, empty if not known."""

    id: str
    split: str
    clean: RemoteFile
    noisy: RemoteFile | None
    rgb_digest: str = ""

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """The clean file, and the noisy one if there is one."""
        return (self.clean,) if self.noisy is None else (self.clean, self.noisy)


def _as_it_is(pixels: np.ndarray) -> np.ndarray:
    return pixels


class Published:
    """A data set whose files a manifest lists.

    They are in ``$DENOISEBENCH_DATA/FOLDER`` if the variable is set, and nothing is ever fetched
    there. Else they are in the user's cache, and what is missing is fetched.

    Args:
        manifest: the TOML file.

    Attributes:
        citation: the publications to cite.
        trust: how the files are known to be the right ones.
        folder: where the files are, or will be once fetched.
        fetches: whether missing files are fetched, as no folder is named.
    """

    prepare: Callable[[np.ndarray], np.ndarray] = staticmethod(_as_it_is)

    def __init__(self, manifest: Path) -> None:
        self._content = content = tomllib.loads(manifest.read_text(encoding="utf-8"))
        self.name: str = content["name"]
        self.title: str = content["title"]
        self.licence: str = content["licence"]
        self.citation: str = content.get("cite", "")
        self.splits: tuple[str, ...] = tuple(content.get("splits", ("test",)))
        self._pixels: list[int] | None = content.get("pixels")
        self._entries = [_entry(frame, content) for frame in content.get("frame", ())]
        _refuse_duplicates(self.name, self._entries)
        given = os.environ.get(VARIABLE)
        self.fetches = not given
        self._root = Path(os.path.expanduser(given)) if given else _cache()
        self._place: str = content.get("folder", self.name)
        self.folder = self._root / self._place
        self._first_use = FirstUse(self.folder)

    @property
    def trust(self) -> str:
        """The grounds on which the files are the right ones; empty if there are none."""
        files = [file for entry in self._listed() for file in entry.files]
        if files and all(file.sha256 for file in files):
            return "sha256 of every file in the manifest"
        if os.path.exists(self._first_use.path):
            return f"sha256 of first use, recorded in {self._first_use.path}"
        return "nothing yet: the sha256 of the first use is recorded"

    def size(self, split: str) -> int:
        """Count the frames of a split."""
        return len(self._of(split))

    def missing(self, split: str) -> list[str]:
        """List the files of a split that are not on disk, or not as they should be."""
        return [file.path for file in self._absent(split)]

    def fetch(self, split: str) -> None:
        """Have a split on disk: fetch the files that are missing or damaged, if there are any.

        Raises:
            DataError: they cannot be fetched, or are missing where the user's variable points.
        """
        if absent := self._absent(split):
            self._restore(split, absent)
        if unseen := [file.path for file in self._files(split) if not file.sha256]:
            self._first_use.record(self.name, {path: self._look_at(path) for path in unseen})

    def frames(self, split: str) -> list[Frame]:
        """Return the frames of a split, sorted by id, fetched and verified if need be.

        Raises:
            DataError: a frame is missing or damaged, or there is no such split.
        """
        self.fetch(split)
        frames, differing = [], 0
        for entry in self._of(split):
            full = read_image(self.folder / entry.clean.path)
            differing += bool(entry.rgb_digest) and pixel_digest(full) != entry.rgb_digest
            frames.append(self._frame(entry, full))
        if differing:
            _log.warning(
                "%s: this machine's JPEG decoder gives %d of %d frames other last bits than the "
                "manifest has; compare scores with those of other machines with care",
                self.name,
                differing,
                len(frames),
            )
        return frames

    def _frame(self, entry: Entry, full: np.ndarray) -> Frame:
        """Return the frame whose clean file has been decoded to ``full``."""
        decoded = partial(self.prepare, full)
        if entry.noisy is None:
            frame = Frame.from_reader(entry.id, decoded)
        else:
            frame = Frame.from_pair(entry.id, decoded, self._reader(entry.noisy))
        return replace(frame, read=self._reader(entry.clean))

    def _reader(self, file: RemoteFile) -> Callable[[], np.ndarray]:
        return partial(_read, self.folder / file.path, self.prepare)

    def _of(self, split: str) -> list[Entry]:
        if split not in self.splits:
            raise DataError(f"{self.name}: {unknown('split', split, self.splits)}")
        return sorted((e for e in self._listed() if e.split == split), key=lambda e: e.id)

    def _listed(self) -> list[Entry]:
        """Return the frames of all splits."""
        return self._entries

    def _files(self, split: str) -> list[RemoteFile]:
        """Return the files of a split, with their digests, where anyone knows them."""
        files = [file for entry in self._of(split) for file in entry.files]
        return [f if f.sha256 else replace(f, sha256=self._first_use.digest(f.path)) for f in files]

    def _absent(self, split: str) -> list[RemoteFile]:
        return [file for file in self._files(split) if not is_intact(self.folder, file)]

    def _restore(self, split: str, absent: list[RemoteFile]) -> None:
        first = f"({absent[0].path} is the first)"
        absent_files = counted(len(absent), f"{split} file")
        if not self.fetches and not os.path.isdir(self.folder):
            raise DataError(
                f"{VARIABLE}={self._root} holds no folder {self._place!r}; make it and put the "
                f"{absent_files} of {self.name} {first} there, or unset the variable "
                "to have them fetched"
            )
        if not self.fetches:
            raise DataError(
                f"{VARIABLE}: {absent_files} missing or damaged in {self.folder} "
                f"{first}; restore them, or unset the variable to have them fetched"
            )
        try:
            self._obtain(absent)
        except DownloadError as reason:
            known = any(self._first_use.digest(file.path) for file in absent)
            record = f" (digests as on first use, in {self._first_use.path})" if known else ""
            raise DataError(
                f"{self.name}: {absent_files} not on disk {first}, and {reason}"
                f"{record}; put {self._by_hand} into {self.folder}, or set {VARIABLE} to a folder "
                f"that holds a complete folder {self._place!r}"
            ) from reason

    @property
    def _by_hand(self) -> str:
        """The files that the user may put into the folder in place of fetching them."""
        return "them"

    def _obtain(self, absent: list[RemoteFile]) -> None:
        """Put missing files where they belong.

        Raises:
            DownloadError: it cannot be done.
        """
        if not all(file.url for file in absent):
            raise DownloadError("no address is known where they could be fetched")
        download(absent, self.folder)
        for file in absent:
            if not file.sha256:
                self._keep_if_image(file)

    def _keep_if_image(self, file: RemoteFile) -> None:
        """Refuse a server's page of excuses: later downloads would be compared with it."""
        try:
            self._look_at(file.path)
        except DataError as problem:
            (self.folder / file.path).unlink()
            raise DownloadError(f"{file.url} has sent something else ({problem})") from problem

    def _look_at(self, path: str) -> str:
        """Return the sha256 of a file that nobody has vouched for, if it can be the right one.

        Raises:
            DataError: it is no image, or one of another size than the set's.
        """
        try:
            data = read_bytes(self.folder / path)
            height, width, _ = decode(data)[0].shape
        except ImageError as problem:
            raise DataError(f"{self.folder / path}: {problem}; replace or remove it") from None
        if self._pixels and self._pixels != [width, height]:
            raise DataError(
                f"{self.folder / path} has {width}×{height} pixels, but {self.name} is a set of "
                f"{'×'.join(map(str, self._pixels))}; replace or remove it"
            )
        return hashlib.sha256(data).hexdigest()


def _read(path: Path, prepare: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return prepare(read_image(path))


def _entry(frame: dict[str, Any], content: dict[str, Any]) -> Entry:
    """Return the frame of a manifest's table."""
    sources = content.get("source", {"": {}})
    clean = frame.get("clean", frame)
    splits = content.get("splits", ["test"])
    split, frame_path = splits[0], clean["path"]
    if len(splits) > 1:
        split, _, frame_path = frame_path.partition("/")
    return Entry(
        id=frame.get("id", str(PurePosixPath(frame_path).with_suffix(""))),
        split=split,
        clean=_file(clean, sources),
        noisy=_file(frame["noisy"], sources) if "noisy" in frame else None,
        rgb_digest=frame.get("rgb_sha256_16", ""),
    )


def _file(table: dict[str, Any], sources: dict[str, Any]) -> RemoteFile:
    path = table["path"]
    [source] = [s for name, s in sources.items() if len(sources) == 1 or name in path.split("/")]
    return RemoteFile(
        path=path,
        url=source["url"] + table.get("url", path) if "url" in source else "",
        sha256=table.get("sha256", ""),
        size=table.get("bytes", 0),
    )


def _refuse_duplicates(name: str, entries: list[Entry]) -> None:
    """Frame ids key the noise and files hold one frame each."""
    for kind, names in {
        "frames": [entry.id for entry in entries],
        "files": [file.path for entry in entries for file in entry.files],
    }.items():
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DataError(f"{name}: its manifest has two {kind} called {twice[0]!r}")


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("denoisebench"))
