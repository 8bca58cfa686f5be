"""Summary of a run: one document that every report shows and that scripts read as JSON.

``bench schema`` prints its JSON Schema. In JSON, infinite figures are the strings ``inf`` and
``-inf``; unknown figures are null.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench import statistics
from denoisebench.cells import Status
from denoisebench.reporting.table import at_level, head
from denoisebench.store.scores import is_partly_infinite
from denoisebench.store.tables import table1

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from denoisebench.cells import Level, Measurement
    from denoisebench.reporting.differences import Difference, Differences
    from denoisebench.reporting.table import Table
    from denoisebench.store.manifest import DatasetRecord, EnvironmentRecord, MetricRecord, Row
    from denoisebench.store.results import Results

_SCHEMA = "denoisebench-report-1"


@dataclass(frozen=True)
class LevelSummary:
    """Noise level with its name in reports.

    Attributes:
        sigma: strength of the drawn noise on the 8-bit scale; None where noise was recorded.
        told: see `cells.Level`.
        label: the name in reports.
    """

    sigma: float | None
    told: float | None
    label: str


@dataclass(frozen=True)
class MethodSummary:
    """Method with its card; see `store.manifest.Row`."""

    method: str
    title: str
    family: str
    reference: str
    licence: str
    note: str
    parameters: Mapping[str, Any]

    @property
    def is_control(self) -> bool:
        """True for a control, which does not compete with methods."""
        return self.family == "control"


@dataclass(frozen=True)
class RowSummary:
    """Figures of a method on a device at one noise level.

    Fields that are not listed here are the columns of `columns.TABLE1_COLUMNS`.

    Attributes:
        level: index of the noise level.
        scores: mean scores by metric; None where there is no mean.
        load_ms: median time to import and build the method, in milliseconds.
        psnr_by_frame: mean PSNR over noise draws in dB, by frame.
    """

    method: str
    device: str
    level: int
    status: str
    note: str
    frames: int
    scores: dict[str, float | None]
    psnr_std: float | None
    psnr_paper: float | None
    ms_per_frame: float | None
    ms_per_megapixel: float | None
    transfer_ms: float | None
    mp_per_s: float | None
    batch: float | None
    j_per_mp: float | None
    cold_ms: float | None
    peak_memory_mb: float | None
    load_ms: float | None
    psnr_by_frame: dict[str, float]

    @property
    def psnr(self) -> float | None:
        """Mean PSNR in dB."""
        return self.scores.get("psnr")

    @property
    def is_complete(self) -> bool:
        """True if it has all frames over which means are taken."""
        return self.status == Status.OK

    @property
    def is_ranked(self) -> bool:
        """True if its mean PSNR ranks it: it has one, and no infinite one of some frames alone."""
        return self.psnr is not None and not is_partly_infinite(self.psnr_by_frame.values())

    @property
    def has_finite_psnr(self) -> bool:
        """True if the mean PSNR has a place on an axis."""
        return self.psnr is not None and math.isfinite(self.psnr)

    @property
    def finite_psnr_by_frame(self) -> dict[str, float]:
        """PSNR in dB of the frames where it has a place on an axis."""
        return {f: psnr for f, psnr in self.psnr_by_frame.items() if math.isfinite(psnr)}


@dataclass(frozen=True)
class Best:
    """Methods that are bold in the table, of one metric at one noise level."""

    metric: str
    level: int
    methods: list[str]


@dataclass(frozen=True)
class Ranks:
    """Average ranks by PSNR at one noise level.

    Attributes:
        level: index of the noise level.
        average: mean rank over frames by method; 1 is best.
        critical_difference: Nemenyi's critical difference, in ranks.
    """

    level: int
    average: dict[str, float]
    critical_difference: float


@dataclass(frozen=True)
class Failure:
    """Cell that failed, with its status and reason; see `cells.Measurement`."""

    method: str
    device: str
    frame: str
    sigma: float | None
    told: float | None
    seed: int
    status: str
    reason: str


@dataclass(frozen=True)
class CostSummary:
    """Times and memory of a method on a device: medians over noise levels."""

    method: str
    device: str
    load_ms: float | None
    ms_per_frame: float | None
    ms_per_megapixel: float | None
    transfer_ms: float | None
    mp_per_s: float | None
    batch: float | None
    j_per_mp: float | None
    cold_ms: float | None
    peak_memory_mb: float | None


@dataclass(frozen=True)
class Summary:
    """Summary of one run.

    Fields that are not listed here are those of `store.manifest.RunManifest`.

    Attributes:
        name: the run's name.
        noise: the noise's spec.
        levels: the noise levels; other fields refer to them by index.
        methods: the methods in the order of Table 1.
        reference: spec of the method with which the others are compared; None if there is none.
        table: the figures of each method, device and noise level, methods in that order.
        best: the methods in bold, by metric and level.
        differences: the paired differences from the reference.
        ranks: average ranks at the levels where at least two methods and two frames compete.
        failures: the cells that failed.
        remarks: sentences that must stand under the table.
    """

    name: str
    command: str
    written: str | None
    state: str
    threads: int
    busy_percent: float
    environment: EnvironmentRecord
    protocol: Mapping[str, Any]
    dataset: DatasetRecord
    seeds: int
    noise: str
    levels: list[LevelSummary]
    metrics: list[MetricRecord]
    methods: list[MethodSummary]
    reference: str | None
    table: list[RowSummary]
    best: list[Best]
    differences: list[Difference]
    ranks: list[Ranks]
    failures: list[Failure]
    remarks: list[str]

    @property
    def titles(self) -> dict[str, str]:
        """The methods' titles."""
        return {m.method: m.title for m in self.methods}

    @property
    def controls(self) -> set[str]:
        """The methods that do not compete."""
        return {m.method for m in self.methods if m.is_control}

    @property
    def competing(self) -> list[RowSummary]:
        """The rows of the methods that compete."""
        return [row for row in self.table if row.method not in self.controls]


def document(summaries: Iterable[Summary]) -> dict[str, Any]:
    """Put several runs into one document, ready for JSON.

    Each run has its own entry: figures under different conditions are never merged.
    """
    return {"schema": _SCHEMA, "runs": [_document(summary) for summary in summaries]}


def _document(summary: Summary) -> dict[str, Any]:
    """Return a run's entry; the metrics' keys are internal."""
    content = asdict(summary)
    for metric in content["metrics"]:
        del metric["key"]
    found: dict[str, Any] = jsonable(content)
    return found


def summarise(
    name: str, results: Results, table: Table, differences: Differences, against: str | None
) -> Summary:
    """Summarise a run; measurements have six significant digits.

    Args:
        name: the run's name.
        results: the stored run.
        table: its Table 1.
        differences: the differences between its methods.
        against: spec of the method with which the others are compared; if it is None or not in the
            run, the best by PSNR is taken.
    """
    manifest = results.manifest
    order = [line.method for line in table.lines]
    rows = {row.method: row for row in reversed(results.rows)}
    reference = against if against in rows else _best_by_psnr(results, differences, order)
    compared = [] if reference is None else differences.against(reference)
    return Summary(
        name=name,
        command=manifest.command,
        written=manifest.written,
        state=manifest.state,
        threads=manifest.threads,
        busy_percent=manifest.busy_percent,
        environment=manifest.environment,
        protocol=manifest.protocol,
        dataset=manifest.dataset,
        seeds=manifest.seeds,
        noise=manifest.noise.spec,
        levels=[_level(level, results) for level in results.levels],
        metrics=list(results.metrics),
        methods=[_method(rows[method]) for method in order],
        reference=reference,
        table=_rows(results, order),
        best=_best(results, table),
        differences=[_rounded(line) for line in compared],
        ranks=_ranks(results, differences),
        failures=[_failure(m) for m in results.failures()],
        remarks=[*table.legend, *table.origin],
    )


def _level(level: Level, results: Results) -> LevelSummary:
    """Summarise a noise level."""
    return LevelSummary(level.sigma, level.told, head(level, results) or "recorded")


def _method(row: Row) -> MethodSummary:
    """Summarise a method."""
    return MethodSummary(**{f.name: getattr(row, f.name) for f in fields(MethodSummary)})


def _best_by_psnr(results: Results, differences: Differences, order: Iterable[str]) -> str | None:
    """Return the first method in the table that can be compared at some level."""
    levels = range(len(results.levels))
    comparable = {method for level in levels for method in differences.psnr(level)}
    return next((method for method in order if method in comparable), None)


def _best(results: Results, table: Table) -> list[Best]:
    """Return the methods that the table has in bold, by metric and level."""
    return [
        Best(
            column.metric.name,
            results.levels.index(column.level),
            [
                line.method
                for line in table.lines
                if (entry := line.entries[place]) is not None and entry.best
            ],
        )
        for place, column in enumerate(table.columns)
        if column.metric is not None and column.level is not None
    ]


def _ranks(results: Results, differences: Differences) -> list[Ranks]:
    """Rank the methods at each level at which two methods and two frames compete."""
    found = []
    for level in range(len(results.levels)):
        psnr = differences.psnr(level)
        by_frame = np.array(list(psnr.values()))
        if min(by_frame.shape) > 1:  # methods, and frames
            ranking = statistics.ranking(by_frame)
            average = dict(zip(psnr, map(digits, map(float, ranking.average)), strict=True))
            ordered = dict(sorted(average.items(), key=lambda item: item[1] or 0))
            found.append(Ranks(level, ordered, digits(ranking.critical_difference)))  # type: ignore[arg-type]
    return found


def _rows(results: Results, order: list[str]) -> list[RowSummary]:
    """Summarise each method, device and level, in the order of the methods."""
    tidy = table1(results)
    found = [
        _row(results, row, line, number)
        for number, level in enumerate(results.levels)
        for row, (_, line) in zip(results.rows, tidy[at_level(tidy, level)].iterrows(), strict=True)
    ]
    places = {method: place for place, method in enumerate(order)}
    return sorted(found, key=lambda row: (places[row.method], row.device, row.level))


_FIGURES = (
    "psnr_std",
    "psnr_paper",
    "ms_per_frame",
    "ms_per_megapixel",
    "transfer_ms",
    "mp_per_s",
    "batch",
    "j_per_mp",
    "cold_ms",
    "peak_memory_mb",
)


def _row(results: Results, row: Row, line: pd.Series[Any], number: int) -> RowSummary:
    """Summarise a line of `table1`.

    Args:
        results: the stored run.
        row: the line's row.
        line: the line.
        number: index of the noise level.
    """
    known = [metric for metric in results.metrics if not metric.unavailable]
    loads = results.columns.numbers("load_ns")[results.places(row)]
    return RowSummary(
        method=line["method"],
        device=line["device"],
        level=number,
        status=str(line["status"]),
        note=line["note"],
        frames=int(line["frames"]),
        scores={metric.name: digits(line.get(metric.column)) for metric in known},
        load_ms=digits(_median(ns / 1e6 for ns in loads.tolist() if not math.isnan(ns))),
        psnr_by_frame=_by_frame(results, row, results.levels[number]),
        **{name: digits(line[name]) for name in _FIGURES},
    )


def _by_frame(results: Results, row: Row, level: Level) -> dict[str, float]:
    """Return the mean PSNR over noise draws in dB, of the frames that were scored."""
    places = results.places(row, level)
    psnr = results.columns.numbers("psnr")[places]
    scored = results.columns.ok[places] & ~np.isnan(psnr)
    numbers, frames = results.columns.codes("frame")
    groups = numbers[places][scored]  # a frame's noise draws are neighbours
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    if not len(starts):
        return {}
    means = np.add.reduceat(psnr[scored], starts) / np.diff(starts, append=len(groups))
    named = zip(groups[starts].tolist(), map(digits, means.tolist()), strict=True)
    return {frames[number]: mean for number, mean in named if mean is not None}


def _rounded(line: Difference) -> Difference:
    """Round a difference to six significant digits."""
    return replace(
        line,
        mean=digits(line.mean),
        low=digits(line.low),
        high=digits(line.high),
        win_rate=digits(line.win_rate) or 0.0,
        p=digits(line.p) or 0.0,
    )


def _failure(m: Measurement) -> Failure:
    """Summarise a failed cell."""
    cell = m.cell
    where = cell.sigma, cell.told, cell.seed
    return Failure(cell.method, cell.device, cell.frame, *where, m.status.value, m.reason)


def costs(summary: Summary) -> list[CostSummary]:
    """Summarise times and memory: an entry for each method and device.

    A row that lacks frames at any noise level has no figures, as in Table 1.
    """
    names = [f.name for f in fields(CostSummary)][2:]
    rows: dict[tuple[str, str], list[RowSummary]] = {}
    for row in summary.table:
        rows.setdefault((row.method, row.device), []).append(row)
    return [
        CostSummary(
            method,
            device,
            **{name: _median(getattr(row, name) for row in same if complete) for name in names},
        )
        for (method, device), same in rows.items()
        for complete in [all(row.is_complete for row in same)]
    ]


def _median(values: Iterable[float | None]) -> float | None:
    """Return the median of the known values; None if there is none."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def digits(value: Any) -> float | None:
    """Round a measurement to six significant digits; None and nan become None.

    Examples:
        >>> digits(29.52631578), digits(math.nan)
        (29.5263, None)
    """
    if value is None or math.isnan(number := float(value)):
        return None
    return float(f"{number:.6g}")


def jsonable(value: Any) -> Any:
    """Turn values into dictionaries, lists, texts and finite numbers, which JSON can write.

    Measurements keep six significant digits.

    Examples:
        >>> jsonable({"psnr": math.inf, "ssim": np.float64(0.91234567)})
        {'psnr': 'inf', 'ssim': 0.912346}
    """
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    number = digits(value)
    return number if number is None or math.isfinite(number) else str(number)
