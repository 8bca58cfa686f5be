"""Store of a run's measurements: one SQLite file, which only the coordinator writes.

Cells are unique: saving a measurement again replaces it, so resuming cannot double a cell. Each
measurement is a transaction of its own, so a killed run loses at most one.

A file of an older version lacks the columns that were added since. It gets them when it is opened
for writing; until then, their values are not known.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from denoisebench.cells import Cell, Measurement, Score, Status
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORE = "run.sqlite"
"""Name of the file in a run's folder."""

_APPLICATION_ID = 0x64624E43  # marks the file as ours
_SCHEMA_VERSION = 1

_CELL = tuple(f.name for f in fields(Cell))
_OUTCOME = tuple(f.name for f in fields(Measurement) if f.name != "cell")
_SAMPLES = ("call_ns", "event_ns", "transfer_ns")
_COLUMNS = _CELL + _OUTCOME

_TABLE = f"CREATE TABLE measurements ({', '.join(_COLUMNS)})"
# For SQLite any two NULLs differ, such as the sigmas of recorded noise.
_UNIQUE = "CREATE UNIQUE INDEX cell ON measurements ({})".format(
    ", ".join(f"ifnull({name}, '')" for name in _CELL)
)
_SCHEMA = f"""
BEGIN;
{_TABLE};
{_UNIQUE};
CREATE TABLE sessions (id INTEGER PRIMARY KEY, method, device, started, details);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""


class Store:
    """Store of one run's measurements; a context that closes the file at its end.

    Args:
        path: the file; created if it is absent, unless ``read_only``.
        read_only: True to read only, also from a folder that cannot be written to.

    Raises:
        UsageError: the file is damaged, not ours, of another version, or absent and ``read_only``.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        if read_only and not path.is_file():
            raise UsageError(f"{path}: no measurements there; give the folder of a run")
        mode = "ro" if read_only else "rwc"
        with self._explained():
            uri = f"{path.absolute().as_uri()}?mode={mode}"
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None)
            if not read_only:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                if self._is_empty():
                    self._connection.executescript(_SCHEMA)
            self._check()
            found = {row[1] for row in self._connection.execute("PRAGMA table_info(measurements)")}
            self._columns = [name for name in _COLUMNS if name in found]
            if len(self._columns) < len(_COLUMNS) and not read_only:
                self._bring_up_to_date()

    def _is_empty(self) -> bool:
        """Return True for a new file, or one whose run was killed before it was filled."""
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return bool(tables == 0 and self._pragma("application_id") == 0)

    def _check(self) -> None:
        """Check that the file is ours, of this version, and not damaged."""
        if self._pragma("application_id") != _APPLICATION_ID:
            raise UsageError(f"{self._path} was not written by bench; choose another folder")
        if self._pragma("user_version") != _SCHEMA_VERSION:
            raise UsageError(
                f"{self._path} was written by another version of bench; "
                "choose another folder, or pass --fresh to set it aside"
            )
        if (found := self._pragma("quick_check")) != "ok":
            raise sqlite3.DatabaseError(str(found).splitlines()[-1])

    def _bring_up_to_date(self) -> None:
        """Move an older version's measurements into a table with today's columns."""
        known = ", ".join(self._columns)
        self._connection.executescript(
            f"""
            BEGIN;
            ALTER TABLE measurements RENAME TO older;
            {_TABLE};
            INSERT INTO measurements ({known}) SELECT {known} FROM older;
            DROP TABLE older;
            {_UNIQUE};
            COMMIT;
            """
        )
        self._columns = list(_COLUMNS)

    def _pragma(self, name: str) -> Any:
        """Return the value of a PRAGMA."""
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into errors that a user can act on."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "full" in str(error) or "disk I/O" in str(error):
                raise UsageError(
                    f"cannot write {self._path}: {error}; free some space and run the same "
                    "command again, it goes on from here"
                ) from error
            if isinstance(error, sqlite3.OperationalError):
                raise UsageError(f"cannot use {self._path}: {error}") from error
            raise UsageError(
                f"{self._path} is damaged ({error}); pass --fresh to set it aside and start anew, "
                "or choose another folder"
            ) from error

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
        with self._explained():
            cursor = self._connection.execute(
                "INSERT INTO sessions (method, device, started) VALUES (?, ?, ?)",
                (method, device, started),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def describe_session(self, session: int, details: dict[str, Any]) -> None:
        """Record a worker process's details, ready for JSON, such as its thread counts.

        Raises:
            UsageError: the file cannot be written.
        """
        with self._explained():
            self._connection.execute(
                "UPDATE sessions SET details = ? WHERE id = ?", (json.dumps(details), session)
            )

    def sessions(self) -> list[dict[str, Any]]:
        """Return all worker processes: id, method, device, start and details."""
        rows = self._connection.execute(
            "SELECT id, method, device, started, details FROM sessions ORDER BY id"
        )
        return [
            {"id": i, "method": m, "device": d, "started": s, "details": json.loads(text or "{}")}
            for i, m, d, s, text in rows
        ]

    def reference_ns(self) -> dict[int, list[int]]:
        """Return the times of the reference work in ns, by session, where they were measured."""
        timed = {s["id"]: s["details"].get("reference_ns") for s in self.sessions()}
        return {session: list(ns) for session, ns in timed.items() if ns}

    def shifts(self) -> dict[int, tuple[float, float]]:
        """Return the shifts of estimates in pixels, down and right, by session, where known."""
        found = {s["id"]: s["details"].get("shift") for s in self.sessions()}
        return {session: (shift[0], shift[1]) for session, shift in found.items() if shift}

    def save(self, measurement: Measurement) -> None:
        """Enter a measurement; it replaces an earlier one of the same cell.

        Raises:
            UsageError: the file cannot be written.
        """
        row = vars(measurement) | vars(measurement.cell)
        row |= {name: json.dumps(row[name]) for name in _SAMPLES}
        row["scores"] = json.dumps({name: vars(s) for name, s in measurement.scores.items()})
        marks = ", ".join("?" * len(_COLUMNS))
        with self._explained():
            self._connection.execute(
                f"INSERT OR REPLACE INTO measurements ({', '.join(_COLUMNS)}) VALUES ({marks})",
                [row[name] for name in _COLUMNS],
            )

    def measurements(self) -> dict[Cell, Measurement]:
        """Return all measurements by cell.

        Raises:
            UsageError: the file cannot be read.
        """
        with self._explained():
            rows = self._connection.execute(
                f"SELECT {', '.join(self._columns)} FROM measurements"
            ).fetchall()
        found = (_measurement(dict(zip(self._columns, row, strict=True))) for row in rows)
        return {m.cell: m for m in found}

    def close(self) -> None:
        """Close the file and remove its journal, so that it can be read from a read-only folder.

        While another process has the file open, the journal stays, which is safe, too.
        """
        with contextlib.suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _measurement(row: dict[str, Any]) -> Measurement:
    """Build a measurement from a row of the table, by column."""
    values = {name: value for name, value in row.items() if value is not None}
    cell = Cell(**{name: values.pop(name, None) for name in _CELL})
    values |= {name: tuple(json.loads(values[name])) for name in _SAMPLES}
    scores = json.loads(values.get("scores", "{}"))
    values["scores"] = {name: Score(**score) for name, score in scores.items()}
    values["status"] = Status(values["status"])
    return Measurement(cell, **values)
