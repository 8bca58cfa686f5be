"""Table 1, for all formats: a row for each method, with footnotes, legend and origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.cells import Status
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.reporting import footnotes
from denoisebench.reporting.formatting import DEVICE_NAMES, decimals, megabytes, three_digits
from denoisebench.store.scores import best_methods, unranked_methods
from denoisebench.store.tables import table1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from denoisebench.cells import Level
    from denoisebench.store.manifest import MetricRecord, Row
    from denoisebench.store.results import Results


@dataclass(frozen=True)
class Column:
    """One column of the table: a figure at a noise level or on a device.

    Attributes:
        group: the head that it shares with its neighbours: a metric's title or a device's name.
        name: its own head below the group's; may be empty.
        figure: the column of `table1` that it shows.
        shown: function that prints a value.
        direction: best value: ``higher``, ``lower`` or ``zero`` (the closest to it); None if the
            column has no best value.
        level: noise level of the shown rows; None takes all levels.
        device: device of the shown rows; None takes the first device of each method.
        metric: metric whose mean it shows; None for other figures.
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
        """Both heads in one line."""
        return f"{self.group} {self.name}".strip()

    def values(self, table: pd.DataFrame) -> dict[str, float]:
        """Return the figure by method, where it is known.

        A score comes from the method's first device that has one. A time is the median over noise
        levels; it is not known where the method lacks frames at any of them.

        Args:
            table: lines of `table1`.
        """
        if self.level is not None:
            table = table[at_level(table, self.level)]
        if self.device is not None:
            table = table[table["device"] == self.device]
            lacking = table.loc[table["status"] != Status.OK, "method"]
            table = table[~table["method"].isin(lacking)]
        figures = table.astype({self.figure: float}).groupby("method", sort=False)[self.figure]
        found = figures.first() if self.device is None else figures.median()
        return {str(method): float(value) for method, value in found.dropna().items()}


@dataclass(frozen=True)
class TableEntry:
    """One figure of the table.

    Attributes:
        value: the figure.
        text: the figure as it is printed.
        best: True if no other method is better.
        is_ranked: False for a mean that is infinite because of some frames.
    """

    value: float
    text: str
    best: bool
    is_ranked: bool = True


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        method: the method's spec.
        title: the method's name in tables.
        is_control: True for a control, which does not compete.
        notes: numbers of its footnotes, from 1.
        entries: the figures, one for each column; None where there is none.
    """

    method: str
    title: str
    is_control: bool
    notes: list[int]
    entries: list[TableEntry | None]


@dataclass(frozen=True)
class Table:
    """The whole table. In its sentences, text between backticks is code.

    Attributes:
        columns: the columns, without the methods' titles.
        lines: the rows, from best to worst mean PSNR, then the controls.
        footnotes: the footnotes; rows refer to them by number, from 1.
        legend: sentences that explain the figures.
        origin: sentences on protocol, machine, versions and command.
    """

    columns: list[Column]
    lines: list[Line]
    footnotes: list[str]
    legend: list[str]
    origin: list[str]


def full_table(results: Results) -> Table:
    """Build the table: mean scores by noise level, the paper's PSNR, times and memory.

    A failed method keeps its row, without figures and with a footnote.
    """
    table = table1(results)
    rows = {row.method: row for row in results.rows}
    columns = _columns(results, table)
    entries = [_entries(results, table, column) for column in columns]
    psnr = [of for of, column in zip(entries, columns, strict=True) if column.figure == "psnr_mean"]
    noted: list[str] = []
    lines = []
    for method in _ordered(results, psnr):
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
    lacking = bool(((table["status"] != Status.OK) & (table["frames"] > 0)).any())
    legend = footnotes.legend(results, {column.figure for column in columns}, lacking=lacking)
    return Table(columns, lines, noted, legend, footnotes.origin(results))


def at_level(table: pd.DataFrame, level: Level) -> pd.Series[bool]:
    """Return a mask of the lines of `table1` at a noise level, (lines,)."""

    def equal(column: pd.Series[float], value: float | None) -> pd.Series[bool]:
        """Compare, where nan stands for None."""
        return column.isna() if value is None else column == value

    return equal(table["sigma"], level.sigma) & equal(table["told"], level.told)


def _entries(results: Results, table: pd.DataFrame, column: Column) -> dict[str, TableEntry]:
    """Return the column's entries by method.

    A figure that prints like the best is best, too; so is a score that is not significantly worse.
    Controls and means that are infinite because of some frames do not compete.
    """
    values = column.values(table)
    shown = {method: column.shown(value) for method, value in values.items()}
    unranked = _unranked(results, column)
    rivals = {m: values[m] for m in results.contestants if m in values and m not in unranked}
    best: set[str] = set()
    if column.direction is not None and len(rivals) > 1:
        alike = column.shown(_BEST[column.direction](rivals.values()))
        best = {method for method in rivals if shown[method] == alike}
        if _is_judged(column):
            assert column.level is not None
            assert column.metric is not None
            best |= best_methods(results, column.level, column.metric)
    return {m: TableEntry(v, shown[m], m in best, m not in unranked) for m, v in values.items()}


def _unranked(results: Results, column: Column) -> set[str]:
    """Return the methods whose figure in the column ranks nobody; a gain is one of PSNR."""
    name = "psnr" if column.metric is None else column.metric.name
    metric = next((metric for metric in results.metrics if metric.name == name), None)
    if column.level is None or metric is None:
        return set()
    return unranked_methods(results, column.level, metric)


def _is_judged(column: Column) -> bool:
    """Return True if ties in the column are found by statistics.

    Of a metric that is best at 0 they are not: a signed mean is no mean of distances from 0.
    """
    return column.metric is not None and column.direction != "zero"


def _nearest_to_zero(values: Iterable[float]) -> float:
    """Return the value that is nearest to 0."""
    return min(values, key=abs)


_BEST: dict[str, Callable[[Iterable[float]], float]] = {
    "higher": max,
    "lower": min,
    "zero": _nearest_to_zero,
}


def _columns(results: Results, table: pd.DataFrame) -> list[Column]:
    """Return the columns of all scores, then those of times and memory by device."""
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
    """Return a column of means for each noise level; for PSNR also its gain and the paper's."""
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
    """Name a noise level in a column's head; empty for recorded noise.

    If methods are told a sigma at some level, every level's name has the told sigma, too.
    """
    told = level.told
    if told is None and any(other.told is not None for other in results.levels):
        told = level.sigma
    sigma = [] if level.sigma is None else [f"σ{level.sigma:g}"]
    return " ".join(sigma + ([] if told is None else [f"told {told:g}"]))


def _shows_paper(results: Results, table: pd.DataFrame) -> bool:
    """Return True if the paper's PSNR can be shown: its noise was white, of a known sigma."""
    is_alike = results.manifest.noise.spec == WHITE_GAUSSIAN.name and all(
        at.told is None for at in results.levels
    )
    return is_alike and bool(table["psnr_paper"].notna().any())


def _ordered(results: Results, psnr: list[dict[str, TableEntry]]) -> list[str]:
    """Sort the methods from best to worst mean PSNR, then the controls.

    A method that lacks PSNR at some levels comes after those that have it at more levels, since
    PSNR falls with sigma. A PSNR that is infinite because of some frames counts as lacking. Where
    all frames are perfect, the other levels decide.

    Args:
        results: the stored run.
        psnr: the methods' entries at each noise level.
    """
    controls = {row.method for row in results.rows if row.is_control}

    def rank(method: str) -> tuple[bool, int, float]:
        """Return the key of a method; the smallest comes first."""
        entries = [of[method] for of in psnr if method in of]
        known = [entry.value for entry in entries if entry.is_ranked]
        means = [value for value in known if math.isfinite(value)] or known or [0.0]
        return method in controls, -len(known), -fmean(means)

    return sorted(dict.fromkeys(row.method for row in results.rows), key=rank)


def _notes(results: Results, table: pd.DataFrame, method: str) -> list[str]:
    """Return the footnotes of a method: those of its card, and its failures with their places."""
    rows = [row for row in results.rows if row.method == method]
    notes = [note for row in rows for note in _card_notes(row)]
    everywhere = table[table["method"] == method]
    noted = everywhere[everywhere["note"] != ""]
    for (status, note), same in noted.groupby(["status", "note"], sort=False):
        places = ", ".join(_where(line) for _, line in same.iterrows())
        where = "" if len(same) == len(everywhere) else f" ({places})"
        text = f"{note}{where}" if status == "ok" else f"{status}{where}: {note}"
        notes.append(text.removesuffix(".") + ".")
    return list(dict.fromkeys(notes))


def _card_notes(row: Row) -> list[str]:
    """Return the notes of a method's card: a licence that restricts, and the author's note."""
    licence = f"Licence: {row.licence}." if "non-commercial" in row.licence else ""
    return list(filter(None, [licence, row.note]))


def _where(line: pd.Series[Any]) -> str:
    """Name device and noise level of a line of `table1`."""
    sigma = f" σ={line['sigma']:g}" if pd.notna(line["sigma"]) else ""
    told = f" told {line['told']:g}" if pd.notna(line["told"]) else ""
    return f"{DEVICE_NAMES[line['device']]}{sigma}{told}"
