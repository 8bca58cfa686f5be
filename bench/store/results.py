"""Stored runs: the manifest, and the measurements of the planned cells."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.cells import Status, told_to
from denoisebench.errors import UsageError, unknown
from denoisebench.metrics.registry import PROTOCOL
from denoisebench.parameters import matching
from denoisebench.store.manifest import MANIFEST_FILE, read_manifest
from denoisebench.store.measurements import Measurements, ScoreColumn
from denoisebench.store.rows import DamagedStoreError
from denoisebench.store.sqlite import STORE, Store
from denoisebench.store.texts import shown_manifest
from denoisebench.text import plain
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from denoisebench.cells import Cell, Level, Measurement
    from denoisebench.machine.throughput import Throughput
    from denoisebench.store.manifest import MetricRecord, Row, RunManifest


@dataclass(frozen=True)
class Results:
    """Stored run.

    Attributes:
        manifest: the description of the run.
        measurements: the measured cells; planned cells that are not measured yet are absent.
        reference_ns: times of the reference work in ns, by session; see `machine.timing`.
        shifts: shift of the estimates against the clean frame in pixels, down and right, by
            session, where it is known; see `protocol.shift`.
        remarks: remarks that methods made as they were loaded, by session.
        throughputs: times on batches of frames, by session, an entry for each size of frames.
        common: ids of the frames over which means are taken, by noise level; None for all frames.
    """

    manifest: RunManifest
    measurements: Mapping[Cell, Measurement]
    reference_ns: dict[int, list[int]] = field(default_factory=dict)
    shifts: dict[int, tuple[float, float]] = field(default_factory=dict)
    remarks: dict[int, str] = field(default_factory=dict)
    throughputs: dict[int, list[Throughput]] = field(default_factory=dict)
    common: Mapping[Level, Collection[str]] | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows, in the order of the run."""
        return self.manifest.rows

    @property
    def levels(self) -> tuple[Level, ...]:
        """The noise levels, in the table's order."""
        return self.manifest.levels

    @property
    def devices(self) -> list[str]:
        """The devices of the rows, each once."""
        return list(dict.fromkeys(row.device for row in self.rows))

    @property
    def metrics(self) -> tuple[MetricRecord, ...]:
        """The metrics to show."""
        return self.manifest.metrics

    @property
    def further_metrics(self) -> list[MetricRecord]:
        """The metrics to show beyond the protocol's, which every run scores."""
        return [metric for metric in self.metrics if metric.name not in PROTOCOL]

    @property
    def contestants(self) -> list[str]:
        """The methods that compete: all but the controls, in the order of the run."""
        return list(dict.fromkeys(row.method for row in self.rows if not row.is_control))

    @property
    def progress(self) -> str:
        """The number of planned cells that are measured, as ``3 of 12 cells``."""
        measured = sum(len(self.places(row)) for row in self.rows)
        return f"{measured} of {counted(sum(self.planned(row) for row in self.rows), 'cell')}"

    @cached_property
    def timed_frames(self) -> frozenset[str]:
        """Ids of the frames on which methods were timed."""
        timed = np.flatnonzero(self.columns.times("call_ns").rounds)
        return frozenset(self.columns.texts("frame", timed).tolist())

    def showing(self, expressions: Iterable[str]) -> Results:
        """Return the run with only some metrics to show; PSNR, which orders methods, is among them.

        Args:
            expressions: ``all``, names, or globs over names.

        Raises:
            UsageError: an expression names none of the run's metrics.
        """
        known = [metric.name for metric in self.metrics]
        chosen = {"psnr"}
        for expression in expressions:
            names = matching(expression, known)
            if not names and expression != "all":  # without clean frames there are no metrics
                raise UsageError(f"--metrics: {unknown('metric', expression, known)}")
            chosen.update(names)
        shown = tuple(metric for metric in self.metrics if metric.name in chosen)
        return replace(self, manifest=replace(self.manifest, metrics=shown))

    @property
    def whole(self) -> Results:
        """The run with its means over all frames."""
        return self if self.common is None else replace(self, common=None)

    def on_common_frames(self) -> Results:
        """Return the run with its means over the frames that all rows have, level by level.

        A row that has no frame at a level has no mean there, and takes no frame from the others.
        """
        return replace(self, common={level: self._common(level) for level in self.levels})

    def _common(self, level: Level) -> frozenset[str]:
        """Return the frames that all rows have, of those that have any at a noise level."""
        had = [frozenset(self.complete_frames(row, level)) for row in self.rows]
        return reduce(frozenset.intersection, filter(None, had), frozenset(self.frames()))

    def frames(self, level: Level | None = None) -> list[str]:
        """List the ids of the frames over which means are taken at a noise level."""
        known = [frame.id for frame in self.manifest.dataset.frames]
        if self.common is None or level is None:
            return known
        return [frame for frame in known if frame in self.common[level]]

    def complete_frames(self, row: Row, level: Level) -> list[str]:
        """List the ids of the frames of which a row has every noise draw at a noise level."""
        key = (*row.key, level)
        if key not in self._complete:
            grid = self._level_grid(row, level)
            ok = grid >= 0
            ok[ok] = self.columns.ok[grid[ok]]
            frames, whole = self.frames(level), np.flatnonzero(ok.all(axis=(1, 2)))
            self._complete[key] = [frames[number] for number in whole.tolist()]
        return self._complete[key]

    @cached_property
    def _complete(self) -> dict[tuple[str, str, Level], list[str]]:
        """The lists that `complete_frames` returned: every figure of a table asks for them."""
        return {}

    def is_complete(self, row: Row, level: Level) -> bool:
        """Return True if a row has all frames over which means are taken at a noise level."""
        have = self.complete_frames(row, level)
        return bool(have) and len(have) == len(self.frames(level))

    def planned(self, row: Row, level: Level | None = None) -> int:
        """Return the number of cells that were planned for a row; see `cells`."""
        levels = told_to(row.blind, [level] if level else self.levels)
        return len(self.frames(level)) * len(levels) * self.manifest.seeds

    def cells(self, row: Row, level: Level | None = None) -> list[Cell]:
        """List the cells that were planned for a row, at one noise level or at all levels.

        At one level, only those on the frames over which means are taken.
        """
        levels = told_to(row.blind, [level] if level else self.levels)
        return [
            at.cell(row.method, row.device, frame, seed)
            for frame in self.frames(level)
            for at in levels
            for seed in range(self.manifest.seeds)
        ]

    @cached_property
    def columns(self) -> Measurements:
        """The measurements as columns."""
        found = self.measurements
        return found if isinstance(found, Measurements) else Measurements.of(found.values())

    def places(self, row: Row, level: Level | None = None) -> np.ndarray:
        """Find the measurements of a row, at one noise level or at all levels.

        Returns:
            Their places in `columns`, int (cells,), in the order of `cells`.
        """
        grid = self._grid(row) if level is None else self._level_grid(row, level)
        return grid[grid >= 0]

    def _grid(self, row: Row) -> np.ndarray:
        """Return the places of a row's cells, int (frames, levels, seeds); see `columns`."""
        if row.key not in self._grids:
            levels = told_to(row.blind, self.levels)
            of_row = row.key, self.frames(), levels, self.manifest.seeds
            self._grids[row.key] = self.columns.grid(*of_row)
        return self._grids[row.key]

    @cached_property
    def _grids(self) -> dict[tuple[str, str], np.ndarray]:
        """The arrays that `_grid` returned."""
        return {}

    def _level_grid(self, row: Row, level: Level) -> np.ndarray:
        """Return the places at a level, on the frames over which means are taken there."""
        levels = told_to(row.blind, self.levels)
        [wanted] = told_to(row.blind, [level])
        grid = self._grid(row)[:, [levels.index(wanted)]]
        if self.common is None:
            return grid
        return grid[[frame in self.common[level] for frame in self.frames()]]

    def measured(self, row: Row, level: Level | None = None) -> list[Measurement]:
        """List the measurements of a row, at one noise level or at all levels."""
        return [self.columns.at(place) for place in self.places(row, level).tolist()]

    def shift(self, sessions: Iterable[int | None]) -> tuple[float, float] | None:
        """Return the largest known shift of some processes."""
        known = [self.shifts[session] for session in set(sessions) if session in self.shifts]
        return max(known, key=lambda shift: math.hypot(*shift), default=None)

    @cached_property
    def batched_devices(self) -> frozenset[str]:
        """The devices on which batches of frames were timed."""
        measured = self.columns.numbers("session")
        codes, devices = self.columns.codes("device")
        found = codes[np.isin(measured, list(self.throughputs))]
        return frozenset(devices[code] for code in np.unique(found).tolist())

    def remarked(self, sessions: Iterable[int]) -> list[str]:
        """List the remarks of some processes, each once."""
        known = [self.remarks[number] for number in sorted(set(sessions)) if number in self.remarks]
        return list(dict.fromkeys(known))

    def failures(self) -> list[Measurement]:
        """List the measurements that failed.

        A method that is not installed is no failure, unless the user asked for it by name or its
        plugin could not be imported.
        """
        failed = [
            self.columns.at(place)
            for row in self.rows
            for places in [self.places(row)]
            for place in places[~self.columns.ok[places]].tolist()
        ]
        absent = {row.key for row in self.rows if not row.asked_by_name and row.problem is None}
        return [
            m
            for m in failed
            if not (
                m.status is Status.UNAVAILABLE
                and m.session is None
                and (m.cell.method, m.cell.device) in absent
            )
        ]


@contextmanager
def opened_run(folder: Path) -> Iterator[tuple[RunManifest, Store]]:
    """Open the run in a folder for reading, complete or not; the store fits its seal.

    Raises:
        UsageError: the folder holds no run, or a damaged one.
    """
    manifest = read_manifest(folder)
    with Store(folder / STORE, read_only=True) as store:
        if manifest.seal not in (None, store.seal):
            raise DamagedStoreError(
                folder / STORE, f"it does not match its seal in {MANIFEST_FILE}"
            )
        yield manifest, store


def load_run(folder: Path) -> Results:
    """Read the run in a folder, complete or not.

    Raises:
        UsageError: the folder holds no run, or a damaged one.
    """
    with opened_run(folder) as (manifest, store):
        measurements = store.measurements().shown()
        remarks = {session: plain(text) for session, text in store.method_remarks().items()}
        shifts = store.shifts()
        throughputs = {
            session: [replace(one, problem=plain(one.problem)) for one in found]
            for session, found in store.throughputs().items()
        }
        return Results(
            shown_manifest(manifest),
            measurements,
            store.reference_ns(),
            shifts,
            remarks,
            throughputs,
        )


def load_finished(folder: Path) -> Results:
    """Read a complete run; a comparison would not notice the missing cells of another.

    Raises:
        UsageError: the folder holds no run, or one that is not complete.
    """
    return finished(folder, load_run(folder))


def finished(folder: Path, results: Results) -> Results:
    """Return a run if it is complete.

    Args:
        folder: the run's folder, for the message.
        results: the stored run.

    Raises:
        UsageError: the run is not complete.
    """
    manifest = results.manifest
    if manifest.state != "complete":
        way = f"to go on: {manifest.command}"
        if manifest.parts:
            way = "merge it with runs that have the others"
        raise UsageError(f"{folder} is unfinished: {results.progress} measured; {way}")
    return results


def score_column(results: Results, metric: MetricRecord) -> ScoreColumn:
    """Return the scores of any metric under the run's definition of it; see `Results.columns`."""
    if metric.name in PROTOCOL:
        return ScoreColumn(results.columns.numbers(metric.name), [])
    return results.columns.scores(metric.name, metric.key)


def score_value(m: Measurement, metric: MetricRecord) -> float | None:
    """Return the value of any metric's score, in its unit; None where there is none."""
    if metric.name in PROTOCOL:
        return m.psnr if metric.name == "psnr" else m.ssim
    found = m.scores.get(metric.name)
    return found.value if found is not None and found.key == metric.key else None
