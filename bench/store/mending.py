"""Repair of a damaged store: its intact rows are kept, and the damaged file is set aside."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from denoisebench.errors import UsageError
from denoisebench.files import scratch_file, set_aside
from denoisebench.store import rows
from denoisebench.store.sqlite import STORE_FILES, Store

if TYPE_CHECKING:
    from pathlib import Path

    _Content = dict[str, list[dict[str, Any]]]
    """Rows by table."""


def mend(path: Path) -> Path | None:
    """Put a store of its intact rows in a damaged one's place, and set the damaged one aside.

    Args:
        path: the damaged file.

    Returns:
        The folder that holds the damaged file.

    Raises:
        UsageError: a file cannot be written or moved.
    """
    scratch = scratch_file(path)
    try:
        Store(scratch).close()
        intact = _intact(path)
        if not intact["measurements"] and not intact["blocks"]:
            intact = _intact_behind(scratch, path)
        with Store(scratch) as store:
            store.enter(intact)
        aside = set_aside(path.parent, STORE_FILES)
        os.replace(scratch, path)
    except OSError as error:
        raise UsageError(f"cannot mend {path}: {error.strerror}") from error
    finally:
        scratch.unlink(missing_ok=True)
    return aside


def _intact(path: Path) -> _Content:
    """Read a damaged file's intact rows by table; of blocks, those with all columns."""
    with contextlib.closing(rows.connect(path, read_only=True)) as damaged:
        found = {table: rows.intact_rows(damaged, table) for table in rows.COLUMNS}
    columns = Counter(row["block"] for row in found["blocks"])
    whole = len(rows.COLUMNS["measurements"])
    found["blocks"] = [row for row in found["blocks"] if columns[row["block"]] == whole]
    return found


def _intact_behind(new: Path, path: Path) -> _Content:
    """Read the intact rows of a file whose first page is damaged.

    This page, with the header and the tables' definitions, is taken from a new file, which is laid
    out alike. If the damaged file is not, no row will fit its digest.
    """
    content = bytearray(path.read_bytes())
    with new.open("rb") as file:
        header = file.read(rows.PAGE_BYTES)
    content[: rows.PAGE_BYTES] = header
    content[92:96] = bytes(4)  # the header's number of pages does not hold; the file's size does
    copy = new.with_name(f"{new.name}.copy")
    try:
        copy.write_bytes(content)
        return _intact(copy)
    finally:
        copy.unlink(missing_ok=True)
