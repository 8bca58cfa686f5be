"""Published data sets that come in archives, and whose files are known by patterns of names.

Of such a set the manifest has, in place of ``source`` and ``frame``:

    [pairs]
    clean = "CroppedImages/*_mean.JPG"   # the star stands for the frame's id
    noisy = "CroppedImages/*_real.JPG"
    count = 100

    [[archive]]
    path = "PolyU.zip"                   # what the file is called on disk
    url = "https://…"
    strip = 1                            # how many leading folders of its paths to drop
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from denoisebench.datasets.archives import ArchiveError, unpack
from denoisebench.datasets.base import DataError
from denoisebench.datasets.download import ARCHIVE_BYTES, DownloadError, RemoteFile, download
from denoisebench.datasets.published import Entry, Published

if TYPE_CHECKING:
    from pathlib import Path

FETCHED = ".fetched"  # where archives are put; they are deleted once all are unpacked


class Unpacked(Published):
    """A data set of pairs that is unpacked from archives.

    An archive that the user has put into the folder by hand is unpacked, too, and kept.
    """

    def __init__(self, manifest: Path) -> None:
        super().__init__(manifest)
        pairs = self._content["pairs"]
        self._clean: str = pairs["clean"]
        self._noisy: str = pairs["noisy"]
        self._count: int = pairs["count"]
        self._strip = {a["path"]: a.get("strip", 0) for a in self._content["archive"]}
        self._archives = [
            RemoteFile(a["path"], a["url"], a.get("sha256", ""), a.get("bytes", 0))
            for a in self._content["archive"]
        ]

    @property
    def _by_hand(self) -> str:
        archives = " and ".join(f"{archive.path} ({archive.url})" for archive in self._archives)
        return f"them, or {archives},"

    def size(self, split: str) -> int:
        """Count the frames of a split."""
        self._of(split)
        return self._count

    def fetch(self, split: str) -> None:
        """Have the split on disk: unpack archives that are in the folder, fetch what is lacking.

        Raises:
            DataError: files are missing or damaged and cannot be had.
        """
        if self._absent(split):
            try:
                for archive in self._archives:
                    if os.path.isfile(self.folder / archive.path):
                        self._unpack(self.folder / archive.path)
            except ArchiveError as problem:
                raise DataError(f"{self.name}: {self.folder}: {problem}; replace it") from problem
        super().fetch(split)
        if (found := len(self._of(split))) != self._count:
            raise DataError(
                f"{self.name}: {self.folder} holds {found} pairs, but the set has {self._count}; "
                "remove those that do not belong to it"
            )

    def _listed(self) -> list[Entry]:
        """Return the pairs of which at least one half is on disk."""
        ids = self._ids(self._clean) | self._ids(self._noisy)
        return [
            Entry(id, "test", self._file(self._clean, id), self._file(self._noisy, id))
            for id in ids
        ]

    def _ids(self, pattern: str) -> set[str]:
        before, _, after = pattern.partition("*")
        found = glob.glob(pattern, root_dir=self.folder)
        paths = (path.replace(os.sep, "/") for path in found)
        return {path[len(before) : -len(after)] for path in paths if fnmatchcase(path, pattern)}

    def _file(self, pattern: str, id: str) -> RemoteFile:
        return RemoteFile(pattern.replace("*", id), "", "", 0)

    def _absent(self, split: str) -> list[RemoteFile]:
        """Files that are missing have their pattern for a name."""
        unknown = self._count - len(self._of(split))
        patterns = [RemoteFile(pattern, "", "", 0) for pattern in (self._clean, self._noisy)]
        return super()._absent(split) + patterns * unknown

    def _obtain(self, absent: list[RemoteFile]) -> None:
        try:
            for archive in self._archives:
                self._obtain_from(archive)
            shutil.rmtree(self.folder / FETCHED, ignore_errors=True)
        finally:
            with contextlib.suppress(OSError):  # it holds archives that arrived
                (self.folder / FETCHED).rmdir()
        if still := self._absent("test"):
            raise DownloadError(
                f"what was fetched lacks {len(still)} of them, or has others than on first use"
            )

    def _obtain_from(self, archive: RemoteFile) -> None:
        """Fetch an archive, once more if it proves to be damaged, and unpack it."""
        place = self.folder / FETCHED
        for last in (False, True):
            download([archive], place, ARCHIVE_BYTES)
            try:
                self._unpack(place / archive.path)
            except ArchiveError as problem:
                (place / archive.path).unlink()
                if last:
                    raise DownloadError(f"{archive.url}: twice, {problem}") from problem
            else:
                return

    def _unpack(self, archive: Path) -> None:
        """Unpack the files of the set.

        Raises:
            ArchiveError: the archive is not what it should be.
            DataError: the folder cannot be written to.
        """
        try:
            self._write_files(archive)
        except OSError as error:
            raise DataError(
                f"{self.name}: {archive} cannot be unpacked into {self.folder} ({error.strerror})"
            ) from error

    def _write_files(self, archive: Path) -> None:
        patterns = (self._clean, self._noisy)
        unpack(archive, self.folder, patterns, self._strip[archive.name], self._intact())

    def _intact(self) -> set[str]:
        """Return the files that are as they were on first use: no archive may replace them."""
        absent = {file.path for file in super()._absent("test")}
        return {file.path for file in self._files("test") if file.path not in absent}
