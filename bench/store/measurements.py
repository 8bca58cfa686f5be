"""Measurements of a run as columns: a million of them fit into memory, and are read in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.cells import Cell, Measurement, Status
from denoisebench.machine.timing import FEWEST_JUDGED, scatter
from denoisebench.store import rows
from denoisebench.store.records import build
from denoisebench.store.texts import shown_reasons
from denoisebench.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from denoisebench.cells import Level

    _Part = Callable[[str], list[Any]]
    """Some measurements: a function that returns a column's values, as SQLite holds them."""

__all__ = ["Measurements", "ScoreColumn", "Times", "as_row"]

_SAMPLES = ("call_ns", "event_ns", "transfer_ns")
_NONE = "[]", "{}", None  # as JSON holds no samples and no scores; the first files have none
_CELL = rows.KEYS["measurements"]


@dataclass(frozen=True)
class Times:
    """Times of cells, each an array (cells,).

    Attributes:
        ns: median of a cell's samples, in nanoseconds; nan where there is none.
        rounds: number of its samples.
        scatters: True if they scatter, see `machine.timing.scatter`.
        judged: True if they are enough to say so.
    """

    ns: np.ndarray
    rounds: np.ndarray
    scatters: np.ndarray
    judged: np.ndarray


@dataclass(frozen=True)
class ScoreColumn:
    """Scores of cells by one metric, under one definition.

    Attributes:
        values: in the metric's unit, (cells,); nan where there is none.
        reasons: why a score could not be computed, by cell: empty if it could; None where there is
            no score under the definition.
    """

    values: np.ndarray
    reasons: list[str | None]


def as_row(m: Measurement) -> dict[str, Any]:
    """Return a measurement as a row of the store, by column."""
    row = vars(m) | vars(m.cell)
    row |= {name: json.dumps(row[name]) for name in _SAMPLES}
    row["scores"] = json.dumps({name: vars(score) for name, score in m.scores.items()})
    # An exception may quote the name of a file that is no text.
    row["reason"] = m.reason.encode(errors="backslashreplace").decode()
    return rows.stored("measurements", row)


class Measurements(Mapping[Cell, Measurement]):
    """Measurements by cell, held as columns; a `Measurement` is built when one is asked for.

    Columns have an entry for each measurement, at its *place*. Where a cell was measured again, its
    last place counts.

    Args:
        parts: the measurements, in parts of any size.
        path: the store's file, for messages; None for none.
        shown: True to have reasons on one line, bounded.
    """

    def __init__(
        self, parts: Sequence[_Part], path: Path | None = None, *, shown: bool = False
    ) -> None:
        self._parts = parts
        self._path = path
        self._shown = shown
        self._codes: dict[str, tuple[np.ndarray, list[Any]]] = {}
        self._numbers: dict[str, np.ndarray] = {}
        self._times: dict[str, Times] = {}
        self._scores: dict[tuple[str, str | None], ScoreColumn] = {}
        self._opened: tuple[int, dict[str, list[Any]]] = (-1, {})

    @classmethod
    def of(cls, measurements: Iterable[Measurement]) -> Measurements:
        """Put measurements into columns.

        Examples:
            >>> cell = Cell("median", "cpu", "a.png", 25.0, 0)
            >>> found = Measurements.of([Measurement(cell, Status.OK, psnr=30.5)])
            >>> len(found), found[cell].psnr, found.numbers("psnr").tolist()
            (1, 30.5, [30.5])
        """
        content = [as_row(m) for m in measurements]
        return cls([lambda name: [row[name] for row in content]])

    def shown(self) -> Measurements:
        """Return the measurements with their reasons on one line, bounded."""
        return Measurements(self._parts, self._path, shown=True)

    def __getitem__(self, cell: Cell) -> Measurement:
        return self.at(self._places[tuple(vars(cell).values())])

    def __iter__(self) -> Iterator[Cell]:
        return (Cell(*values) for values in self._places)

    def __len__(self) -> int:
        return len(self._places)

    @cached_property
    def _places(self) -> dict[tuple[Any, ...], int]:
        """The places by the values that make a cell."""
        columns = [self.column(name) for name in _CELL]
        return {values: place for place, values in enumerate(zip(*columns, strict=True))}

    @cached_property
    def _starts(self) -> np.ndarray:
        """Place of the first measurement of each part, and the number of all, (parts + 1,)."""
        sizes = [len(part("seed")) for part in self._parts]
        return np.cumsum([0, *sizes])

    def at(self, place: int) -> Measurement:
        """Build the measurement at a place.

        Raises:
            DamagedStoreError: it has values that no measurement has.
        """
        number = int(np.searchsorted(self._starts, place, "right")) - 1
        if self._opened[0] != number:
            part = self._parts[number]
            self._opened = number, {name: part(name) for name in rows.COLUMNS["measurements"]}
        within = place - int(self._starts[number])
        row = {name: values[within] for name, values in self._opened[1].items()}
        with self._understood():
            found = _measurement(row)
        return shown_reasons(found) if self._shown else found

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Turn errors of values that no measurement has, such as an unknown status, into ours."""
        try:
            yield
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            if self._path is None:
                raise
            raise rows.DamagedStoreError(self._path, error) from error

    def column(self, name: str) -> np.ndarray:
        """Return the values of a column as SQLite holds them, an array of objects (cells,)."""
        found = np.empty(int(self._starts[-1]), object)
        for part, start in zip(self._parts, self._starts, strict=False):
            values = part(name)
            found[start : start + len(values)] = values
        return found

    def codes(self, name: str) -> tuple[np.ndarray, list[Any]]:
        """Return a column with few values as numbers of its values, (cells,), and the values."""
        if name not in self._codes:
            numbers: dict[Any, int] = {}
            found = []
            for part in self._parts:
                values = part(name)
                for value in dict.fromkeys(values):
                    numbers.setdefault(value, len(numbers))
                found.append(np.fromiter(map(numbers.__getitem__, values), np.int32, len(values)))
            self._codes[name] = np.concatenate([np.zeros(0, np.int32), *found]), list(numbers)
        return self._codes[name]

    def texts(self, name: str, places: np.ndarray) -> np.ndarray:
        """Return the texts of a column at some places, an array of objects (places,)."""
        codes, values = self.codes(name)
        if name == "reason" and self._shown:
            values = [plain(value) for value in values]
        found: np.ndarray = np.array([*values, ""], object)[codes[places]]
        return found

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of numbers, float (cells,); nan where there is none.

        Raises:
            DamagedStoreError: a value is no number.
        """
        if name not in self._numbers:
            with self._understood():
                self._numbers[name] = np.array(self.column(name), float)
        return self._numbers[name]

    @cached_property
    def ok(self) -> np.ndarray:
        """True for the measurements that are ok, bool (cells,)."""
        codes, values = self.codes("status")
        with self._understood():
            known = [Status(value) is Status.OK for value in values]
        found: np.ndarray = np.array([*known, False])[codes]
        return found

    @cached_property
    def scenes(self) -> np.ndarray:
        """Numbers of the noisy frames: equal for equal frame, sigma and draw, int (cells,)."""
        found, _ = self.codes("frame")
        for name in ("sigma", "seed"):
            values, numbers = np.unique(self.numbers(name), return_inverse=True)
            found = found.astype(np.int64) * len(values) + numbers
        return found

    def grid(
        self, key: tuple[str, str], frames: Sequence[str], levels: Sequence[Level], seeds: int
    ) -> np.ndarray:
        """Find the cells of a method on a device.

        Args:
            key: method and device.
            frames: ids of the frames.
            levels: the noise levels.
            seeds: number of noise draws.

        Returns:
            Their places, int (frames, levels, seeds); -1 where nothing is measured.
        """
        found = np.full((len(frames), len(levels), seeds), -1)
        wanted: list[dict[Any, int]] = [{value: 0} for value in key]
        wanted.append({frame: number for number, frame in enumerate(frames)})
        method, device, frame = (
            _renumbered(*self.codes(name), numbers)
            for name, numbers in zip(("method", "device", "frame"), wanted, strict=True)
        )
        draw = self.numbers("seed")
        places = np.flatnonzero((method == 0) & (device == 0) & (frame >= 0))
        places = places[(draw[places] >= 0) & (draw[places] < seeds)]
        sigma, told = (self.numbers(name)[places] for name in ("sigma", "told"))
        for number, level in enumerate(levels):
            here = places[_equal(sigma, level.sigma) & _equal(told, level.told)]
            found[frame[here], number, draw[here].astype(int)] = here
        return found

    def times(self, name: str) -> Times:
        """Return the times in a column of samples, such as ``call_ns``.

        Raises:
            DamagedStoreError: a value is no list of numbers.
        """
        if name not in self._times:
            with self._understood():
                parts = [_times(part(name)) for part in self._parts] or [_times([])]
            fields = zip(*(vars(part).values() for part in parts), strict=True)
            self._times[name] = Times(*map(np.concatenate, fields))
        return self._times[name]

    def samples(self, name: str, places: np.ndarray) -> list[int]:
        """Return all samples of some cells, one after the other."""
        found = self.texts(name, places)
        return [ns for text in found if text not in _NONE for ns in json.loads(text)]

    def scores(self, name: str, key: str | None) -> ScoreColumn:
        """Return the scores by a further metric, under one definition.

        Args:
            name: the metric's name.
            key: identity of its definition.

        Raises:
            DamagedStoreError: a value holds no scores.
        """
        if (name, key) not in self._scores:
            with self._understood():
                entries = [_entry(text, name, key) for text in self.column("scores")]
                values = np.array([entry.get("value") for entry in entries], float)
                reasons = [entry.get("reason") for entry in entries]
            if self._shown:
                reasons = [plain(reason) if reason else reason for reason in reasons]
            self._scores[name, key] = ScoreColumn(values, reasons)
        return self._scores[name, key]


_NO_ENTRY: dict[str, Any] = {}


def _entry(text: str | None, name: str, key: str | None) -> dict[str, Any]:
    """Return a metric's score among those of a cell; empty if it has none under the definition."""
    entry = _NO_ENTRY if text in _NONE else json.loads(text or "").get(name, _NO_ENTRY)
    return {"reason": ""} | entry if entry and entry["key"] == key else _NO_ENTRY


def _measurement(row: Mapping[str, Any]) -> Measurement:
    """Build a measurement from a row of the store, by column."""
    values = {name: value for name, value in row.items() if value is not None}
    values |= {n: json.loads(values[n]) for n in (*_SAMPLES, "scores") if n in values}
    return build(Measurement, {**values, "cell": build(Cell, row)})


def _renumbered(codes: np.ndarray, values: Sequence[Any], numbers: Mapping[Any, int]) -> np.ndarray:
    """Return other numbers for the values of a column, int (cells,); -1 for those without one."""
    found: np.ndarray = np.array([*(numbers.get(value, -1) for value in values), -1])[codes]
    return found


def _equal(column: np.ndarray, value: float | None) -> np.ndarray:
    """Compare a column with a value; nan stands for None."""
    found: np.ndarray = np.isnan(column) if value is None else column == value
    return found


def _times(texts: Sequence[str]) -> Times:
    """Return the times of cells whose samples are JSON."""
    rounds = np.zeros(len(texts), int)
    ns = np.full(len(texts), np.nan)
    scatters = np.zeros(len(texts), bool)
    if set(texts) - {_NONE[0]}:
        samples = json.loads(f"[{','.join(texts)}]")
        rounds[:] = [len(of) for of in samples]
        for count in set(rounds.tolist()) - {0}:
            alike = np.flatnonzero(rounds == count)
            table = np.array([samples[place] for place in alike])
            ns[alike] = np.median(table, axis=1)
            scatters[alike] = scatter(table)
    return Times(ns, rounds, scatters, rounds >= FEWEST_JUDGED)
