"""A run's measurements in one SQLite file, written by the coordinator alone.

The cell is unique, so that saving a measurement again replaces it: resuming cannot double a cell.
Each measurement is its own transaction: a killed run loses at most the cell in flight.

A file that an older version wrote lacks the columns added since: it gets them when it is written
to, and until then, what they would hold is not known of its measurements.
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
"""The file's name in a run's folder."""

_APPLICATION_ID = 0x64624E43  # says that the file is ours
_SCHEMA_VERSION = 1

_CELL = tuple(f.name for f in fields(Cell))
_OUTCOME = tuple(f.name for f in fields(Measurement) if f.name != "cell")
_SAMPLES = ("call_ns", "event_ns", "transfer_ns")
_COLUMNS = _CELL + _OUTCOME

_TABLE = f"CREATE TABLE measurements ({', '.join(_COLUMNS)})"
# SQLite takes any two NULLs, such as the sigmas of recorded noise, for different.
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
    """The measurements of one run.

    Args:
        path: the file; created if it is absent, unless ``read_only``.
        read_only: open to read, also from a folder that cannot be written to.

    Raises:
        UsageError: the file is damaged, foreign, of another version, or absent and ``read_only``.
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
        """True of a new file, and of one whose run was killed before it was filled."""
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return bool(tables == 0 and self._pragma("application_id") == 0)

    def _check(self) -> None:
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
        """Move an older version's measurements into a table of today's columns."""
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
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into what a user can act on."""
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
        """Enter a worker process and return its number."""
        with self._explained():
            cursor = self._connection.execute(
                "INSERT INTO sessions (method, device, started) VALUES (?, ?, ?)",
                (method, device, started),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def describe_session(self, session: int, details: dict[str, Any]) -> None:
        """Record what a worker process said of itself: thread counts, say."""
        with self._explained():
            self._connection.execute(
                "UPDATE sessions SET details = ? WHERE id = ?", (json.dumps(details), session)
            )

    def sessions(self) -> list[dict[str, Any]]:
        rows = self._connection.execute(
            "SELECT id, method, device, started, details FROM sessions ORDER BY id"
        )
        return [
            {"id": i, "method": m, "device": d, "started": s, "details": json.loads(text or "{}")}
            for i, m, d, s, text in rows
        ]

    def reference_ns(self) -> dict[int, list[int]]:
        """Rounds of the reference work by session, in ns, of the sessions that timed it."""
        timed = {s["id"]: s["details"].get("reference_ns") for s in self.sessions()}
        return {session: list(ns) for session, ns in timed.items() if ns}

    def save(self, measurement: Measurement) -> None:
        """Enter a measurement, in the place of an earlier one of the same cell."""
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
        """All that has been measured."""
        with self._explained():
            rows = self._connection.execute(
                f"SELECT {', '.join(self._columns)} FROM measurements"
            ).fetchall()
        found = (_measurement(dict(zip(self._columns, row, strict=True))) for row in rows)
        return {m.cell: m for m in found}

    def close(self) -> None:
        """Leave one plain file behind, readable from a folder that cannot be written to.

        While somebody else has it open, it stays as it is, which is safe, too.
        """
        with contextlib.suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _measurement(row: dict[str, Any]) -> Measurement:
    values = {name: value for name, value in row.items() if value is not None}
    cell = Cell(**{name: values.pop(name, None) for name in _CELL})
    values |= {name: tuple(json.loads(values[name])) for name in _SAMPLES}
    scores = json.loads(values.get("scores", "{}"))
    values["scores"] = {name: Score(**score) for name, score in scores.items()}
    values["status"] = Status(values["status"])
    return Measurement(cell, **values)
