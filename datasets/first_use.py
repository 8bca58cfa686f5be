"""Trust on first use: the digests of files whose bytes nobody had seen before.

They stand in a file beside the files, in the format of ``sha256sum``, whose ``--check`` reads it.
"""

from __future__ import annotations

import errno
import logging
import re
from functools import cached_property
from typing import TYPE_CHECKING

from denoisebench.datasets.base import DataError
from denoisebench.errors import UsageError
from denoisebench.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

NAME = "FIRST_USE.sha256"
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")

_log = logging.getLogger("denoisebench")


class FirstUse:
    """The record of a folder.

    Attributes:
        path: the file that holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def digest(self, path: str) -> str:
        """Return the sha256 that a file had on first use; empty if it was not used yet.

        Raises:
            DataError: the record is damaged.
        """
        return self._digests.get(path, "")

    def record(self, name: str, digests: dict[str, str]) -> None:
        """Note the sha256 of files by their paths, and say so.

        Args:
            name: of the data set.
            digests: sha256 by path.
        """
        self._digests |= digests
        lines = [f"{digest}  {path}\n" for path, digest in sorted(self._digests.items())]
        try:
            write_text(self.path, "".join(lines))
        except UsageError as problem:
            _log.warning(
                "%s: the digests of its %d files are not known, and cannot be recorded (%s): "
                "a change of the files would not be noticed",
                name,
                len(digests),
                problem,
            )
        else:
            _log.warning(
                "%s: the digests of its %d files were not known; recorded on this first use in "
                "%s, which every later use is compared with",
                name,
                len(digests),
                self.path,
            )

    @cached_property
    def _digests(self) -> dict[str, str]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            if getattr(error, "errno", 0) in _ABSENT:
                return {}
            raise self._damaged(str(error)) from error
        matches = [_LINE.fullmatch(line) for line in lines]
        if None in matches:
            raise self._damaged(f"line {matches.index(None) + 1} is no digest")
        return {match[2]: match[1] for match in matches if match}

    def _damaged(self, problem: str) -> DataError:
        return DataError(
            f"{self.path}: the record of the files' digests cannot be read ({problem}); "
            "delete it to have the files as they are now recorded anew"
        )
