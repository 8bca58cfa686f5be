"""Rows of a store as SQLite holds them: the tables, the digest of a row, the seal of a table.

Each row carries a digest of its values. The seal of a table is the number of its rows with the
exclusive or of their digests, so that neither a changed row nor a lost one goes unnoticed.

Every `BLOCK` measurements are packed: the table ``blocks`` holds a row for each of their columns.
To read and verify a million measurements so takes a second; row by row it takes fifteen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sqlite3
import zlib
from dataclasses import fields
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Any

from denoisebench.cells import Cell, Measurement
from denoisebench.digests import value_digest
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

APPLICATION_ID = 0x64624E43
"""Number in the file's header that marks it as ours."""
VERSION = 3
"""Version of the tables."""
UNPACKED = 2
"""Version whose measurements are never packed."""
UNSEALED = 1
"""Version whose tables have neither digests nor seals."""

BLOCK = 4096
"""Number of measurements that are packed together."""

PAGE_BYTES = 4096
"""Size of SQLite's pages; the file's first holds header and schema."""

_CELL = tuple(f.name for f in fields(Cell))
_OUTCOME = tuple(f.name for f in fields(Measurement) if f.name != "cell")

COLUMNS = {
    "measurements": _CELL + _OUTCOME,
    "sessions": ("id", "method", "device", "started", "details"),
    "blocks": ("block", "name", "content"),
}
"""Columns by table, without the digest."""
KEYS = {"measurements": _CELL, "sessions": ("id",), "blocks": ("block", "name")}
"""Columns by table that identify a row."""
ADDED = {"told", "sigma_given", "scores"}
"""Columns that the first files lack."""

SCHEMA = (
    f"CREATE TABLE measurements ({', '.join(COLUMNS['measurements'])}, digest)",
    # For SQLite any two NULLs differ, such as the sigmas of recorded noise.
    "CREATE UNIQUE INDEX cell ON measurements ({})".format(
        ", ".join(f"ifnull({name}, '')" for name in _CELL)
    ),
    "CREATE TABLE sessions (id INTEGER PRIMARY KEY, method, device, started, details, digest)",
    "CREATE TABLE blocks (block, name, content, digest)",
    "CREATE UNIQUE INDEX block ON blocks (ifnull(block, ''), ifnull(name, ''))",
    "CREATE TABLE seals (measurements, sessions, blocks)",
    "INSERT INTO seals VALUES ('0 0', '0 0', '0 0')",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
"""Statements that fill a new file."""


class DamagedStoreError(UsageError):
    """Error for a file with rows that are changed, lost or unreadable."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"{path} is damaged ({reason}); the same bench run again keeps what is intact and "
            "measures the rest"
        )


def tables(version: int) -> list[str]:
    """List the tables of rows in a file of some version."""
    return [table for table in COLUMNS if table != "blocks" or version == VERSION]


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open a file; transactions are begun by hand. Text that is not UTF-8 is read as bytes.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    mode = "ro" if read_only else "rwc"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.text_factory = _text
    return connection


def _text(raw: bytes) -> str | bytes:
    """Decode text; return damaged text as it is, which no digest fits."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def stored(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's values as SQLite will give them back; it knows no nan."""
    values = {name: row.get(name) for name in COLUMNS[table]}
    return {n: None if isinstance(v, float) and math.isnan(v) else v for n, v in values.items()}


def row_digest(table: str, row: Mapping[str, Any]) -> str:
    """Return the digest of a row's values, 16 hex digits.

    Args:
        table: the row's table, which is covered, too.
        row: the values by column.
    """
    values = [row[name] for name in COLUMNS[table]]
    if table == "blocks":
        values = [hashlib.sha256(v).hexdigest() if isinstance(v, bytes) else v for v in values]
    return value_digest(table, values)


def packed(values: list[Any]) -> bytes:
    """Pack the values of a column, as SQLite holds them; of equal ones, one and their number.

    Examples:
        >>> unpacked(packed(["ok", None, 25.0, 7])), unpacked(packed(["cpu", "cpu"]))
        (['ok', None, 25.0, 7], ['cpu', 'cpu'])
    """
    alike = len(set(map(repr, values))) == 1  # for Python 0.0 and -0.0 are equal
    content = {"value": values[0], "times": len(values)} if alike else values
    return zlib.compress(json.dumps(content).encode(), level=1)


def unpacked(content: bytes) -> list[Any]:
    """Return the values of a packed column.

    Raises:
        ValueError, zlib.error: they were not packed by `packed`.
    """
    found = json.loads(zlib.decompress(content))
    return [found["value"]] * found["times"] if isinstance(found, dict) else list(found)


def seal(digests: Iterable[str]) -> str:
    """Return the seal of the rows with these digests.

    Examples:
        >>> seal(["f0", "0f", "f0"])
        '3 f'
    """
    numbers = [int(one, 16) for one in digests]
    return f"{len(numbers)} {reduce(xor, numbers, 0):x}"


def resealed(before: str, gone: str | None, come: str) -> str:
    """Return the seal of a table after a row has come.

    Args:
        before: the table's seal before.
        gone: digest of the row that is replaced; None if none is.
        come: digest of the row that has come.

    Examples:
        >>> resealed("2 ff", "0f", "f0")
        '2 0'
    """
    rows, total = before.split()
    moved = reduce(xor, [int(one, 16) for one in (gone or "0", come)], int(total, 16))
    return f"{int(rows) + (gone is None)} {moved:x}"


def intact_rows(connection: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    """Read the rows of a damaged file that fit their digests; there may be none."""
    names = COLUMNS[table]
    found = {}
    # A scan ends at an unreadable page; the one from the other end reads what lies beyond it.
    for order in ("ASC", "DESC"):
        query = f"SELECT {', '.join(names)}, digest FROM {table} ORDER BY rowid {order}"
        with contextlib.suppress(sqlite3.Error):
            for *values, known in connection.execute(query):
                row = dict(zip(names, values, strict=True))
                if row_digest(table, row) == known:
                    found[tuple(row[name] for name in KEYS[table])] = row
    return list(found.values())
