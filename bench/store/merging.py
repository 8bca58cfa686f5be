"""Merge runs that several machines or people measured under one protocol.

Scores are the same wherever a cell is measured, so the cells of all runs go into one. Times and
memory are not: those of one machine are kept, and the cells of others have none.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from denoisebench.cells import Status
from denoisebench.errors import UsageError
from denoisebench.files import filling, make_folder, write_bytes
from denoisebench.store.crops import (
    CROPS_FOLDER,
    clean_file,
    estimate_file,
    noisy_file,
    read_crop,
)
from denoisebench.store.manifest import PartRecord
from denoisebench.store.measurements import as_row
from denoisebench.store.results import Results, opened_run
from denoisebench.store.sqlite import STORE, Store
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from denoisebench.cells import Cell, Measurement
    from denoisebench.store.manifest import DatasetRecord, MetricRecord, Row, RunManifest

__all__ = ["merge_runs"]

_EQUAL = 1e-9
"""Relative difference up to which scores are the same: processors add in other orders."""


def merge_runs(
    folders: Sequence[Path], out: Path, command: str, times_of: Path | None = None
) -> None:
    """Merge runs into a new folder, which appears whole or not at all.

    Args:
        folders: the runs. Of a cell that several have, the first one's scores are taken.
        out: the merged run's folder; it must be new or empty.
        command: the command that repeats the merge.
        times_of: the run on whose machine the times that are kept were measured, one of
            ``folders``; None takes the first run with times.

    Raises:
        UsageError: the runs cannot be merged; the message names what differs. Or one is damaged,
            or the folder cannot be written.
    """
    parts = _read(folders, times_of)
    _check_alike(parts)
    timed = _timed_part(parts, times_of)
    merge = _Merge(timed)
    for part in parts:
        merge.add(part)
    manifest = _manifest(parts, timed, command, tuple(merge.records))
    planned = Results(manifest, merge.measurements)
    whole = all(len(planned.measured(row)) == len(planned.cells(row)) for row in manifest.rows)
    state = "complete" if whole else "interrupted"
    with filling(out, "merge") as folder:
        with Store(folder / STORE) as store:
            rows = map(as_row, merge.measurements.values())
            store.enter({"sessions": merge.sessions, "measurements": rows})
            seal = store.seal
        for part in parts:
            _copy_crops(part, folder)
        replace(manifest, state=state, seal=seal).write(folder)


@dataclass(frozen=True)
class _Part:
    """Run to merge.

    Attributes:
        folder: its folder, as it was given.
        results: its manifest and measurements.
        sessions: its worker processes, as the store has them.
        seal: the seal of its store.
    """

    folder: Path
    results: Results
    sessions: list[dict[str, Any]]
    seal: str

    @property
    def manifest(self) -> RunManifest:
        """Its manifest."""
        return self.results.manifest

    @cached_property
    def measured(self) -> list[Measurement]:
        """Its planned cells that are measured."""
        return [m for row in self.results.rows for m in self.results.measured(row)]

    @cached_property
    def scored(self) -> list[Measurement]:
        """Those of them that are ok."""
        return [m for m in self.measured if m.status is Status.OK]

    @cached_property
    def scored_rows(self) -> set[tuple[str, str]]:
        """Keys of the rows that have an estimate."""
        return {(m.cell.method, m.cell.device) for m in self.scored}

    def conditions(self, device: str) -> tuple[object, ...]:
        """Return all that times and memory on a device depend on, as `bench compare` has it."""
        manifest = self.manifest
        machine = manifest.environment
        cuda = machine.cuda if device == "cuda" else {}
        return machine.identity, cuda, manifest.threads, manifest.timing


def _read(folders: Sequence[Path], times_of: Path | None) -> list[_Part]:
    """Read the runs.

    Raises:
        UsageError: there are fewer than two, one is given twice or damaged, or ``times_of`` is
            none of them.
    """
    if len(folders) < 2:
        raise UsageError("merge: give at least two runs")
    known = [folder.resolve() for folder in folders]
    for number, folder in enumerate(known):
        if folder in known[:number]:
            raise UsageError(f"{folders[number]} is given twice")
    if times_of is not None and times_of.resolve() not in known:
        raise UsageError(f"--times-of {times_of}: it is not among the runs to merge")
    return [_part(folder) for folder in folders]


def _part(folder: Path) -> _Part:
    """Read a run.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    with opened_run(folder) as (manifest, store):
        results = Results(manifest, store.measurements())
        return _Part(folder, results, store.sessions(), store.seal)


def _timed_part(parts: Sequence[_Part], times_of: Path | None) -> _Part:
    """Return the run on whose machine the times that are kept were measured."""
    if times_of is not None:
        return next(p for p in parts if p.folder.resolve() == times_of.resolve())
    return next((p for p in parts if any(m.call_ns for m in p.measured)), parts[0])


def _check_alike(parts: Sequence[_Part]) -> None:
    """Raise UsageError unless all runs were measured on the same frames in the same way."""
    for values in (_fundamentals, _pixels, _definitions, _versions, _noise):
        known: dict[str, tuple[_Part, object]] = {}
        for part in parts:
            for what, value in values(part):
                first, expected = known.setdefault(what, (part, value))
                if value != expected:
                    _refuse(first, part, f"{what} differs: {expected} and {value}")


def _refuse(first: _Part, second: _Part, reason: str) -> None:
    """Raise UsageError for two runs that cannot be merged."""
    raise UsageError(one_line(f"{first.folder} and {second.folder} cannot be merged: {reason}"))


def _fundamentals(part: _Part) -> Iterator[tuple[str, object]]:
    """Yield what decides all scores, by the words for it."""
    manifest = part.manifest
    yield "the protocol", manifest.protocol_digest
    yield "the noise", manifest.noise.spec
    yield "the data set", manifest.dataset.name
    yield "the split", manifest.dataset.split
    yield "the number of noise draws", manifest.seeds


def _pixels(part: _Part) -> Iterator[tuple[str, object]]:
    """Yield digests of the frames."""
    for frame in part.manifest.dataset.frames:
        yield f"the clean frame {frame.id}", frame.digest if frame.has_clean else "none"
        yield f"the noisy frame {frame.id}", frame.noisy_digest


def _definitions(part: _Part) -> Iterator[tuple[str, object]]:
    """Yield the definitions of the metrics that the run scored."""
    for metric in part.manifest.metrics:
        if metric.unavailable is None:
            yield f"the definition of {metric.name}", metric.key


def _versions(part: _Part) -> Iterator[tuple[str, object]]:
    """Yield the versions of the methods that made estimates; older runs did not record them."""
    for row in part.manifest.rows:
        if row.identity and row.key in part.scored_rows:
            what = f"{row.method} (its parameters, code, libraries or weights)"
            yield what, row.identity


def _noise(part: _Part) -> Iterator[tuple[str, object]]:
    """Yield digests of the noisy frames."""
    for m in part.scored:
        if m.noisy_digest:
            words = f"the noise of {m.cell.frame}, sigma {m.cell.sigma}, draw {m.cell.seed}"
            yield words, m.noisy_digest


class _Merge:
    """Cells of the runs that were added so far.

    Args:
        timed: the run on whose machine the times that are kept were measured.

    Attributes:
        measurements: the measurements by cell.
        sessions: the worker processes, as the store has them.
        records: the description of each run.
    """

    def __init__(self, timed: _Part) -> None:
        self._timed = timed
        self._origins: dict[Cell, _Part] = {}
        self.measurements: dict[Cell, Measurement] = {}
        self.sessions: list[dict[str, Any]] = []
        self.records: list[PartRecord] = []

    def add(self, part: _Part) -> None:
        """Add a run.

        Raises:
            UsageError: a cell has other scores than in an earlier run.
        """
        sessions = self._added_sessions(part)
        is_timed = {device: self._has_kept_times(part, device) for device in ("cpu", "cuda")}
        doubled = untimed = 0
        for own in part.measured:
            m = replace(own, session=sessions.get(own.session))
            if not is_timed[m.cell.device]:
                untimed += bool(m.call_ns)
                m = replace(m, **_NO_TIMES)
            known = self.measurements.get(m.cell)
            doubled += known is not None
            self.measurements[m.cell] = m if known is None else self._one_of(known, m, part)
            self._origins.setdefault(m.cell, part)
        manifest = part.manifest
        self.records.append(
            PartRecord(
                manifest.command,
                manifest.environment,
                manifest.threads,
                manifest.written,
                part.seal,
                len(part.measured),
                doubled,
                untimed,
                manifest.parts,
            )
        )

    def _has_kept_times(self, part: _Part, device: str) -> bool:
        """Return True if a run's times on a device were measured as those that are kept."""
        return part.conditions(device) == self._timed.conditions(device)

    def _added_sessions(self, part: _Part) -> dict[int | None, int]:
        """Add a run's worker processes; return their new numbers by the old ones."""
        numbers: dict[int | None, int] = {}
        for session in part.sessions:
            number = numbers[session["id"]] = len(self.sessions) + 1
            details = session["details"] | {"part": len(self.records) + 1}
            self.sessions.append(session | {"id": number, "details": json.dumps(details)})
        return numbers

    def _one_of(self, first: Measurement, second: Measurement, part: _Part) -> Measurement:
        """Return one measurement of two of a cell: the first one's scores, and times if any has.

        Raises:
            UsageError: they are of different versions of the method, or their scores differ.
        """
        if second.status is not Status.OK or first.status is not Status.OK:
            return second if second.status is Status.OK else first
        if lack := _difference(first, second):
            _refuse(self._origins[first.cell], part, f"{lack} of {_named(first.cell)}")
        known = {name: s for name, s in first.scores.items() if not s.reason}
        first = replace(first, scores={**first.scores, **second.scores, **known})
        if first.call_ns or not second.call_ns:
            return first
        times = {name: getattr(second, name) for name in _NO_TIMES}
        return replace(first, **times, session=second.session)


_NO_TIMES: dict[str, Any] = {
    "call_ns": (),
    "event_ns": (),
    "transfer_ns": (),
    "cold_ns": None,
    "load_ns": None,
    "peak_memory": None,
    "peak_device_memory": None,
    "timing_key": "",
}
"""Values of a cell without times, which another machine measured."""


def _difference(first: Measurement, second: Measurement) -> str:
    """Say in what two measurements of a cell differ; '' if their scores are the same."""
    if first.quality_key != second.quality_key:
        return "the parameters, code, libraries or weights differ"
    mine, theirs = _values(first), _values(second)
    for name in mine.keys() & theirs.keys():
        if not _is_same(mine[name], theirs[name]):
            return f"the scores by {name} differ ({mine[name]} and {theirs[name]})"
    return ""


def _values(m: Measurement) -> dict[str, float | None]:
    """Return the scores of a measurement by the metric's name."""
    further = {name: s.value for name, s in m.scores.items() if not s.reason}
    return {"psnr": m.psnr, "ssim": m.ssim, **further}


def _is_same(first: float | None, second: float | None) -> bool:
    """Return True for scores that differ by rounding at most."""
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=_EQUAL, abs_tol=_EQUAL)


def _named(cell: Cell) -> str:
    """Name a cell in words."""
    return f"{cell.method} on {cell.device}, {cell.frame}, {cell.level}, draw {cell.seed}"


def _manifest(
    parts: Sequence[_Part], timed: _Part, command: str, records: tuple[PartRecord, ...]
) -> RunManifest:
    """Describe the merged run; its machine is that of its times."""
    first = parts[0].manifest
    return replace(
        timed.manifest,
        command=command,
        options={"seeds": first.seeds},
        protocol=first.protocol,
        noise=first.noise,
        levels=tuple(dict.fromkeys(level for part in parts for level in part.manifest.levels)),
        dataset=_dataset(parts),
        rows=_rows(parts),
        metrics=_metrics(parts),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        costs=None,
        left_out=(),
        parts=records,
    )


def _dataset(parts: Sequence[_Part]) -> DatasetRecord:
    """Describe the frames of all runs."""
    frames = {f.id: f for part in reversed(parts) for f in part.manifest.dataset.frames}
    order = dict.fromkeys(f.id for part in parts for f in part.manifest.dataset.frames)
    return replace(parts[0].manifest.dataset, frames=tuple(frames[id] for id in order))


def _rows(parts: Sequence[_Part]) -> tuple[Row, ...]:
    """Return the rows of all runs, each as the first run has it that has an estimate of it."""
    given = [(row, part) for part in parts for row in part.manifest.rows]
    found = {row.key: row for row, _ in reversed(given)}
    found |= {row.key: row for row, part in reversed(given) if row.key in part.scored_rows}
    return tuple(found[key] for key in dict.fromkeys(row.key for row, _ in given))


def _metrics(parts: Sequence[_Part]) -> tuple[MetricRecord, ...]:
    """Return the metrics of all runs, each as the first run has it that could compute it."""
    given = [metric for part in parts for metric in part.manifest.metrics]
    found = {metric.name: metric for metric in reversed(given)}
    found |= {m.name: m for m in reversed(given) if m.unavailable is None}
    return tuple(found[name] for name in dict.fromkeys(metric.name for metric in given))


def _copy_crops(part: _Part, folder: Path) -> None:
    """Copy a run's crops that no earlier run has.

    Raises:
        UsageError: a file is no crop, or cannot be written.
    """
    shapes = {frame.id: frame.shape for frame in part.manifest.dataset.frames}
    cells = [m.cell for m in part.scored if m.cell.seed == 0]
    scenes = {(cell.frame, cell.sigma): cell for cell in cells}
    kept = {at for at, cell in scenes.items() if noisy_file(part.folder, cell).exists()}
    if not kept:
        return
    make_folder(folder / CROPS_FOLDER)
    for cell in cells:
        if (cell.frame, cell.sigma) in kept:
            _copy_crop(estimate_file(part.folder, cell), folder, shapes[cell.frame])
    for at in kept:
        _copy_crop(noisy_file(part.folder, scenes[at]), folder, shapes[at[0]])
        _copy_crop(clean_file(part.folder, at[0]), folder, shapes[at[0]])


def _copy_crop(file: Path, folder: Path, shape: Sequence[int]) -> None:
    """Copy a crop into the folder of a run, unless there is one of its name, or none to copy.

    Raises:
        UsageError: the file is no crop, or cannot be written.
    """
    target = folder / CROPS_FOLDER / file.name
    if target.exists():
        return
    try:
        content = read_crop(file, shape)
    except UsageError as error:
        raise UsageError(f"{file.parent.parent}: {error}; move it away") from error
    if content is not None:
        write_bytes(target, content)
