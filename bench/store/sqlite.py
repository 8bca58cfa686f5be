"""Store of a run's measurements: one SQLite file, which only the coordinator writes.

Cells are unique: saving a measurement again replaces it, so resuming cannot double a cell. Each
measurement is a transaction of its own, so a killed run loses at most one.

Digests are checked whenever rows are read, see `store.rows`. A file of version 1 has none, and may
lack columns that were added since. It is read unverified, and brought up to date when it is opened
for writing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from denoisebench.errors import UsageError
from denoisebench.machine.throughput import Throughput
from denoisebench.store import rows
from denoisebench.store.measurements import Measurements, as_row
from denoisebench.store.records import build, checked
from denoisebench.store.rows import DamagedStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from denoisebench.cells import Measurement

    _Content = Mapping[str, Iterable[Mapping[str, Any]]]
    """Rows by table, each by its columns."""

STORE = "run.sqlite"
"""Name of the file in a run's folder."""
STORE_FILES = (STORE, f"{STORE}-wal", f"{STORE}-shm", f"{STORE}-journal")
"""The file, and those that SQLite keeps beside it."""

_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_REFUSED = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
_NO_SHARED_MEMORY = {
    sqlite3.SQLITE_IOERR_SHMLOCK,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}


class Store:
    """Store of one run's measurements; a context that closes the file at its end.

    Args:
        path: the file; created if it is absent, unless ``read_only``.
        read_only: True to read only, also from a folder that cannot be written to.

    Attributes:
        remarks: lines for the user: the file was of an older version, or the file system lacks
            shared memory.

    Raises:
        DamagedStoreError: the file is damaged.
        UsageError: it is not ours, of another version, or absent and ``read_only``.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self.remarks: list[str] = []
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise UsageError(f"{path} is a link, or no file: it may be another run's; move it away")
        if read_only and not path.is_file():
            raise UsageError(f"{path}: no measurements there; give the folder of a run")
        with contextlib.ExitStack() as stack, self._explained():
            self._connection = rows.connect(path, read_only=read_only)
            stack.callback(self.close)
            self._open()
            stack.pop_all()

    def _open(self) -> None:
        """Check the file, and prepare it for writing if it is not read only."""
        try:
            self._inspect()
            if not self._read_only:
                self._pragma("journal_mode = WAL")
                self._pragma("user_version")  # the first use of the journal shows whether it works
        except sqlite3.OperationalError as error:
            if self._read_only or _code(error) not in _NO_SHARED_MEMORY:
                raise
            self._do_without_shared_memory()
            self._inspect()
        if not self._read_only:
            self._connection.execute("PRAGMA synchronous = NORMAL")

    def _do_without_shared_memory(self) -> None:
        """Take the rollback journal, where the file system lacks what the write-ahead log needs."""
        self._connection.close()
        self._connection = rows.connect(self._path, read_only=False)
        self._pragma("locking_mode = EXCLUSIVE")  # a log that is there is read without sharing
        self._pragma("journal_mode = DELETE")
        self._pragma("locking_mode = NORMAL")
        self._pragma("user_version")
        self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
        self.remarks.append(
            "This file system has no shared memory for SQLite's write-ahead log: each measurement "
            "is saved with a rollback journal, as safely but more slowly"
        )

    def _inspect(self) -> None:
        """Check that the file is ours and not damaged; fill a new one, bring an older one up."""
        empty = self._is_empty()
        if empty and self._read_only:
            raise UsageError(f"{self._path} is empty; run the same bench run again")
        if empty:
            with self._transaction("IMMEDIATE"):
                self._fill({})
        self._version = self._checked_version()
        if self._read_only:
            return
        self._check_writable()
        if self._version == rows.UNSEALED:
            self._bring_up_to_date()
        found = {table: self._rows(table) for table in rows.tables(self._version)}
        self._loose = len(found["measurements"])

    def _is_empty(self) -> bool:
        """Return True for a new file, or one whose run was killed before it was filled."""
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return bool(tables == 0 and self._pragma("application_id") == 0)

    def _checked_version(self) -> int:
        """Return the version of the file's tables, after a check of its header and structure."""
        version = self._pragma("user_version")
        ours = self._pragma("application_id") == rows.APPLICATION_ID
        if not ours or version not in (rows.VERSION, rows.UNPACKED, rows.UNSEALED):
            if any(rows.intact_rows(self._connection, table) for table in rows.COLUMNS):
                raise DamagedStoreError(self._path, "its header is changed")
            if not ours:
                raise UsageError(f"{self._path} was not written by bench; choose another folder")
            raise UsageError(
                f"{self._path} was written by another version of bench; "
                "choose another folder, or pass --fresh to set it aside"
            )
        found = self._pragma("quick_check" if self._read_only else "integrity_check")
        if found != "ok":
            raise DamagedStoreError(self._path, str(found).splitlines()[-1])
        return int(version)

    def _check_writable(self) -> None:
        """Check that SQLite does not hold a writable file for a read-only one."""
        try:
            with self._transaction("IMMEDIATE"):
                pass
        except sqlite3.OperationalError as error:
            read_only = _code(error) & 0xFF == sqlite3.SQLITE_READONLY
            if read_only and os.access(self._path, os.W_OK):
                raise DamagedStoreError(self._path, "its header is changed") from error
            raise

    def _bring_up_to_date(self) -> None:
        """Move an older version's rows, if they can be read, into today's tables."""
        count = len(self.measurements())
        self.sessions()
        older = {table: self._rows(table) for table in rows.tables(self._version)}
        with self._transaction("IMMEDIATE"):
            for table in rows.COLUMNS:
                self._connection.execute(f"DROP TABLE IF EXISTS {table}")
            self._fill(older)
        self._version = rows.VERSION
        self.remarks.append(
            f"{self._path} is of an older version, without digests: its {count} measurements are "
            "taken unverified"
        )

    def _fill(self, content: _Content) -> None:
        """Create the tables, and enter rows into them, within a transaction."""
        for statement in rows.SCHEMA:
            self._connection.execute(statement)
        self._enter(content)

    def _pragma(self, name: str) -> Any:
        """Return the value of a PRAGMA."""
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into errors that a user can act on."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._explanation(error) from error

    def _explanation(self, error: sqlite3.Error) -> UsageError:
        """Return the error that a user can act on for one of SQLite's."""
        code = _code(error)
        if code in _NO_SHARED_MEMORY:
            return UsageError(
                f"cannot read {self._path}: its run was cut off, and this file system has no "
                "shared memory; the same bench run again puts it in order"
            )
        if code & 0xFF in _NO_ROOM and code != sqlite3.SQLITE_IOERR_SHORT_READ:
            if self._read_only:
                return UsageError(f"cannot read {self._path}: {error}")
            return UsageError(
                f"cannot write {self._path}: {error}; free some space and run the same "
                "command again, it goes on from here"
            )
        if code & 0xFF in _REFUSED:
            return UsageError(f"cannot use {self._path}: {error}")
        return DamagedStoreError(self._path, error)

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        """Carry out the block as a whole or, if it raises, not at all."""
        self._connection.execute(f"BEGIN {kind}")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _rows(self, table: str) -> list[dict[str, Any]]:
        """Read a table's rows, verified by their digests and the seal."""
        if self._version == rows.UNSEALED:
            return self._unverified_rows(table)
        names = rows.COLUMNS[table]
        with self._explained(), self._transaction("DEFERRED"):
            query = f"SELECT {', '.join(names)}, digest FROM {table}"
            found = self._connection.execute(query).fetchall()
            seals = self._connection.execute(f"SELECT {table} FROM seals").fetchall()
        content = [dict(zip(names, values, strict=True)) for *values, _ in found]
        digests = [rows.row_digest(table, row) for row in content]
        changed = sum(row[-1] != digest for row, digest in zip(found, digests, strict=True))
        if changed:
            raise DamagedStoreError(self._path, f"{changed} of {len(found)} {table} are changed")
        if seals != [(rows.seal(digests),)]:
            raise DamagedStoreError(self._path, f"some {table} are lost")
        return content

    def _unverified_rows(self, table: str) -> list[dict[str, Any]]:
        """Read a table's rows from a file of an older version, which may lack some columns."""
        with self._explained():
            known = {row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")}
            names = [n for n in rows.COLUMNS[table] if n in known or n not in rows.ADDED]
            found = self._connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
        return [dict(zip(names, values, strict=True)) for values in found]

    def enter(self, content: _Content) -> None:
        """Enter rows by table, all or none; a row replaces an earlier one of the same key.

        Raises:
            UsageError: the file cannot be written.
        """
        with self._explained(), self._transaction("IMMEDIATE"):
            self._enter(content)

    def _enter(self, content: _Content) -> None:
        """Enter rows, within a transaction."""
        for table, several in content.items():
            for row in several:
                self._enter_row(table, row)

    def _enter_row(self, table: str, row: Mapping[str, Any]) -> None:
        """Enter a row, with its digest and its table's seal, within a transaction."""
        values = rows.stored(table, row)
        digest = rows.row_digest(table, values)
        same = " AND ".join(f"ifnull({n}, '') = ifnull(:{n}, '')" for n in rows.KEYS[table])
        execute = self._connection.execute
        [gone] = execute(f"SELECT max(digest) FROM {table} WHERE {same}", values).fetchone()
        [seal] = execute(f"SELECT {table} FROM seals").fetchone()
        names = [*values, "digest"]
        execute(
            f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) "
            f"VALUES ({', '.join(f':{name}' for name in names)})",
            {**values, "digest": digest},
        )
        execute(f"UPDATE seals SET {table} = ?", (rows.resealed(seal, gone, digest),))

    def begin_session(self, method: str, device: str, started: str) -> int:
        """Enter a worker process.

        Args:
            method: the method's spec.
            device: ``cpu`` or ``cuda``.
            started: time of the start, as ISO 8601 in UTC.

        Returns:
            The session's number.

        Raises:
            UsageError: the file cannot be written.
        """
        number = max((row["id"] for row in self._rows("sessions")), default=0) + 1
        row = {"id": number, "method": method, "device": device, "started": started}
        self.enter({"sessions": [row]})
        return number

    def describe_session(self, session: int, details: dict[str, Any]) -> None:
        """Record a worker process's details, ready for JSON, such as its thread counts.

        Raises:
            UsageError: the file cannot be written.
        """
        [row] = [row for row in self._rows("sessions") if row["id"] == session]
        self.enter({"sessions": [row | {"details": json.dumps(details)}]})

    def sessions(self) -> list[dict[str, Any]]:
        """Return all worker processes: id, method, device, start and details.

        Raises:
            DamagedStoreError: a row is changed, lost or unreadable.
            UsageError: the file cannot be read.
        """
        found = sorted(self._rows("sessions"), key=lambda row: row["id"])
        with self._understood():
            return [row | {"details": _details(row["details"])} for row in found]

    def reference_ns(self) -> dict[int, list[int]]:
        """Return the times of the reference work in ns, by session, where they were measured.

        Raises:
            DamagedStoreError, UsageError: as `sessions`.
        """
        timed = {s["id"]: s["details"].get("reference_ns") for s in self.sessions()}
        return {session: list(ns) for session, ns in timed.items() if ns}

    def shifts(self) -> dict[int, tuple[float, float]]:
        """Return the shifts of estimates in pixels, down and right, by session, where known."""
        found = {s["id"]: s["details"].get("shift") for s in self.sessions()}
        return {session: (shift[0], shift[1]) for session, shift in found.items() if shift}

    def throughputs(self) -> dict[int, list[Throughput]]:
        """Return what is known of batches by session, an entry for each size of frames."""
        found = {s["id"]: s["details"].get("throughput") or [] for s in self.sessions()}
        return {s: [build(Throughput, one) for one in of] for s, of in found.items() if of}

    def method_remarks(self) -> dict[int, str]:
        """Return the remarks that methods made as they were loaded, by session."""
        found = {s["id"]: s["details"].get("remark") for s in self.sessions()}
        return {session: remark for session, remark in found.items() if remark}

    def save(self, measurement: Measurement) -> None:
        """Enter a measurement; it replaces an earlier one of the same cell.

        Raises:
            UsageError: the file cannot be written.
        """
        self.enter({"measurements": [as_row(measurement)]})
        self._loose += 1
        if self._loose >= rows.BLOCK and self._version == rows.VERSION:
            self._pack()

    def _pack(self) -> None:
        """Move the measurements that are not packed yet into a block."""
        found = self._rows("measurements")
        with self._explained(), self._transaction("IMMEDIATE"):
            execute = self._connection.execute
            [last] = execute("SELECT max(ifnull(block, '')) FROM blocks").fetchone()
            for name in rows.COLUMNS["measurements"]:
                content = rows.packed([row[name] for row in found])
                block = {"block": (last or 0) + 1, "name": name, "content": content}
                self._enter_row("blocks", block)
            execute("DELETE FROM measurements")
            execute("UPDATE seals SET measurements = ?", (rows.seal([]),))
        self._loose = 0

    def measurements(self) -> Measurements:
        """Return all measurements by cell.

        Raises:
            DamagedStoreError: a row is changed, lost or unreadable.
            UsageError: the file cannot be read.
        """
        blocks: dict[int, dict[str, bytes]] = {}
        if self._version == rows.VERSION:
            for row in self._rows("blocks"):
                blocks.setdefault(row["block"], {})[row["name"]] = row["content"]
        loose = self._rows("measurements")
        parts = [_packed_part(blocks[number], self._path) for number in sorted(blocks)]
        found = Measurements([*parts, lambda name: [row.get(name) for row in loose]], self._path)
        if self._version == rows.UNSEALED:
            for place in range(len(loose)):
                found.at(place)
        return found

    @property
    def seal(self) -> str:
        """The seal of all rows; empty in a file of an older version."""
        if self._version == rows.UNSEALED:
            return ""
        with self._explained():
            return " ".join(self._connection.execute("SELECT * FROM seals").fetchone())

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Turn errors of values that no measurement has, such as an unknown status, into ours."""
        try:
            yield
        except (ValueError, TypeError, RecursionError) as error:
            raise DamagedStoreError(self._path, error) from error

    def close(self) -> None:
        """Close the file and remove its journal, so that it can be read from a read-only folder.

        While another process has the file open, the journal stays, which is safe, too.
        """
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's extended code of an error; those of Python's own making have none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)


def _packed_part(block: Mapping[str, bytes], path: Path) -> Callable[[str], list[Any]]:
    """Return a function that unpacks a column of a block."""

    def column(name: str) -> list[Any]:
        """Unpack a column; one that is missing was never entered by us."""
        try:
            return rows.unpacked(block[name])
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise DamagedStoreError(path, error) from error

    return column


def _details(text: str | None) -> dict[str, Any]:
    """Read a session's details."""
    details: dict[str, Any] = checked(Mapping[str, Any], json.loads(text or "{}"), "details")
    checked(tuple[int, ...] | None, details.get("reference_ns"), "reference_ns")
    checked(tuple[float, ...] | None, details.get("shift"), "shift")
    checked(str | None, details.get("remark"), "remark")
    checked(tuple[Throughput, ...] | None, details.get("throughput"), "throughput")
    return details
