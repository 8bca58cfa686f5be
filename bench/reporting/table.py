"""The paper's Table 1, in no format yet: a row a method, with footnotes, legend and origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.cells import Status
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.reporting import footnotes
from denoisebench.reporting.formatting import DEVICE_NAMES, decimals, megabytes, three_digits
from denoisebench.store.scores import best_methods
from denoisebench.store.tables import table1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from denoisebench.cells import Level
    from denoisebench.store.manifest import MetricRecord, Row
    from denoisebench.store.results import Results


@dataclass(frozen=True)
class Column:
    """One column of the table: a figure of some rows.

    Attributes:
        group: the head that it shares with its neighbours: a metric's title or a device's name.
        name: its own head below the group's.
        figure: the column of `table1` that it shows.
        shown: prints a value.
        direction: ``higher``, ``lower`` or ``zero`` (the closest to it) is best; None if none is.
        level, device: of the rows; None takes the first of each method, or all.
        metric: the one whose mean it shows.
    """

    group: str
    name: str
    figure: str
    shown: Callable[[float], str]
    direction: str | None = None
    level: Level | None = None
    device: str | None = None
    metric: MetricRecord | None = None

    @property
    def header(self) -> str:
        return f"{self.group} {self.name}".strip()

    def values(self, table: pd.DataFrame) -> dict[str, float]:
        """The figure by method. Scores come from its first device, times from all levels."""
        if self.level is not None:
            table = table[at_level(table, self.level)]
        if self.device is not None:
            table = table[table["device"] == self.device]
        figures = table.astype({self.figure: float}).groupby("method", sort=False)[self.figure]
        found = figures.first() if self.device is None else figures.median()
        return {str(method): float(value) for method, value in found.dropna().items()}


@dataclass(frozen=True)
class TableEntry:
    """One figure of the table, as it is printed; ``best`` if none is better."""

    value: float
    text: str
    best: bool


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        notes: numbers of its footnotes, from 1.
        entries: one a column; None where there is no figure.
    """

    method: str
    title: str
    is_control: bool
    notes: list[int]
    entries: list[TableEntry | None]


@dataclass(frozen=True)
class Table:
    """The whole table.

    Attributes:
        footnotes: the rows refer to them by number.
        legend: sentences on how to read the figures. Text between backticks is code.
        origin: sentences on the protocol, machine, versions and command, likewise.
    """

    columns: list[Column]
    lines: list[Line]
    footnotes: list[str]
    legend: list[str]
    origin: list[str]


def full_table(results: Results) -> Table:
    """Build the table: metrics' means by noise level, the paper's PSNR, times and memory.

    Failed methods keep their row, without figures and with a footnote.
    """
    table = table1(results)
    rows = {row.method: row for row in results.rows}
    columns = _columns(results, table)
    entries = [_entries(results, table, column) for column in columns]
    noted: list[str] = []
    lines = []
    for method in _ordered(results, table):
        notes = _notes(results, table, method)
        noted += [note for note in notes if note not in noted]
        lines.append(
            Line(
                method,
                rows[method].title,
                rows[method].is_control,
                sorted(noted.index(note) + 1 for note in notes),
                [of.get(method) for of in entries],
            )
        )
    legend = footnotes.legend(results, {column.figure for column in columns})
    return Table(columns, lines, noted, legend, footnotes.origin(results))


def at_level(table: pd.DataFrame, level: Level) -> pd.Series[bool]:
    """Select the rows of `table1` that are of a level."""

    def equal(column: pd.Series[float], value: float | None) -> pd.Series[bool]:
        return column.isna() if value is None else column == value

    return equal(table["sigma"], level.sigma) & equal(table["told"], level.told)


def _entries(results: Results, table: pd.DataFrame, column: Column) -> dict[str, TableEntry]:
    """The column's entries by method.

    A figure that prints like the best is best, too; so is a score that is not significantly worse.
    Controls do not compete, nor do means over a part of the cells.
    """
    values = column.values(table)
    shown = {method: column.shown(value) for method, value in values.items()}
    complete = column.values(table[table["status"] == Status.OK])
    rivals = {m: complete[m] for m in results.contestants if m in complete}
    best: set[str] = set()
    if column.direction is not None and len(rivals) > 1:
        alike = column.shown(_BEST[column.direction](rivals.values()))
        best = {method for method in rivals if shown[method] == alike}
        if _is_judged(column):
            assert column.level is not None
            assert column.metric is not None
            best |= best_methods(results, column.level, column.metric)
    return {m: TableEntry(value, shown[m], m in best) for m, value in values.items()}


def _is_judged(column: Column) -> bool:
    """True if statistics find its ties; a signed mean is not a mean of distances from 0."""
    return column.metric is not None and column.direction != "zero"


def _nearest_to_zero(values: Iterable[float]) -> float:
    return min(values, key=abs)


_BEST: dict[str, Callable[[Iterable[float]], float]] = {
    "higher": max,
    "lower": min,
    "zero": _nearest_to_zero,
}


def _columns(results: Results, table: pd.DataFrame) -> list[Column]:
    of_scores = [
        column
        for metric in results.metrics
        if not metric.unavailable
        for column in _score_columns(metric, results, table)
    ]
    costs = [
        Column(DEVICE_NAMES[d], unit, figure, shown, "lower", device=d)
        for d in results.devices
        for unit, figure, shown in (
            ("ms/frame", "ms_per_frame", three_digits),
            ("ms/MP", "ms_per_megapixel", three_digits),
            ("MB", "peak_memory_mb", megabytes),
        )
    ]
    return [*of_scores, *costs]


def _score_columns(metric: MetricRecord, results: Results, table: pd.DataFrame) -> list[Column]:
    """A metric's means, a column a noise level; beside PSNR's, its gain and the paper's."""
    direction = metric.direction
    shown = decimals(metric.decimals, sign=direction == "zero")
    heads = {level: head(level, results) for level in results.levels}
    columns = [
        Column(metric.title, words, metric.column, shown, direction, level, metric=metric)
        for level, words in heads.items()
    ]
    if metric.name == "psnr" and results.manifest.is_recorded:
        gain = decimals(metric.decimals, sign=True)
        columns += [
            Column("gain", words, "psnr_gain", gain, direction, level)
            for level, words in heads.items()
        ]
    if metric.name == "psnr" and _shows_paper(results, table):
        columns.append(Column("paper", "", "psnr_paper", shown))
    return columns


def head(level: Level, results: Results) -> str:
    """Name a level in a column's head, with the sigma that is told where some level has one."""
    told = level.told
    if told is None and any(other.told is not None for other in results.levels):
        told = level.sigma
    sigma = [] if level.sigma is None else [f"σ{level.sigma:g}"]
    return " ".join(sigma + ([] if told is None else [f"told {told:g}"]))


def _shows_paper(results: Results, table: pd.DataFrame) -> bool:
    """The paper's noise was white and Gaussian, of a known sigma."""
    is_alike = results.manifest.noise.spec == WHITE_GAUSSIAN.name and all(
        at.told is None for at in results.levels
    )
    return is_alike and bool(table["psnr_paper"].notna().any())


def _ordered(results: Results, table: pd.DataFrame) -> list[str]:
    """Methods from best to worst mean PSNR, then the controls.

    Those that lack it at some level come after those that have it at more: it falls with sigma.
    """
    controls = {row.method for row in results.rows if row.is_control}
    scored = table.dropna(subset="psnr_mean").drop_duplicates(["method", "sigma", "told"])
    by_method = scored.astype({"psnr_mean": float}).groupby("method")["psnr_mean"]
    levels, means = by_method.count(), by_method.mean()

    def rank(method: str) -> tuple[bool, int, float]:
        return method in controls, -levels.get(method, 0), -means.get(method, 0.0)

    return sorted(dict.fromkeys(map(str, table["method"])), key=rank)


def _notes(results: Results, table: pd.DataFrame, method: str) -> list[str]:
    """Footnotes of a row: those of its card, and what went wrong and where."""
    rows = [row for row in results.rows if row.method == method]
    notes = [note for row in rows for note in _card_notes(row)]
    everywhere = table[table["method"] == method]
    noted = everywhere[everywhere["note"] != ""]
    for (status, note), same in noted.groupby(["status", "note"], sort=False):
        places = ", ".join(_where(line) for _, line in same.iterrows())
        where = "" if len(same) == len(everywhere) else f" ({places})"
        notes.append(f"{note}." if status == "ok" else f"{status}{where}: {note}.")
    return list(dict.fromkeys(notes))


def _card_notes(row: Row) -> list[str]:
    """A licence that restricts, and the note of the method's author."""
    licence = f"Licence: {row.licence}." if "non-commercial" in row.licence else ""
    return list(filter(None, [licence, row.note]))


def _where(line: pd.Series[Any]) -> str:
    """The device and the level of noise of a line of the tidy table."""
    sigma = f" σ={line['sigma']:g}" if pd.notna(line["sigma"]) else ""
    told = f" told {line['told']:g}" if pd.notna(line["told"]) else ""
    return f"{DEVICE_NAMES[line['device']]}{sigma}{told}"
