"""Table 1, for all formats: a row for each method, with footnotes, legend and origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.cells import Status
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.reporting import footnotes
from denoisebench.reporting.formatting import DEVICE_NAMES, decimals, megabytes, three_digits
from denoisebench.store.scores import best_methods, unranked_methods
from denoisebench.store.tables import PAPER_DATASET, table1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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

    def best_of(self, values: Iterable[float]) -> float:
        """Return the best of some values; the column has one."""
        assert self.direction is not None
        return _BEST[self.direction](values)

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
        second: True if it is the best of those that are not.
        error: its standard error as it is printed; empty for none.
    """

    value: float
    text: str
    best: bool
    is_ranked: bool = True
    second: bool = False
    error: str = ""


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
        caption: the caption of a table for a paper, of which a comment tells the origin; empty for
            Table 1.
        label: the name by which LaTeX refers to it.
    """

    columns: list[Column]
    lines: list[Line]
    footnotes: list[str]
    legend: list[str]
    origin: list[str]
    caption: str = ""
    label: str = "tab:denoisebench"


@dataclass(frozen=True)
class Block:
    """Neighbouring columns of the table that show one run.

    Attributes:
        name: the run's name in footnotes; empty where the table shows one run alone.
        results: the stored run.
        table: its `table1`.
        columns: the columns.
    """

    name: str
    results: Results
    table: pd.DataFrame
    columns: list[Column]

    @cached_property
    def entries(self) -> list[dict[str, TableEntry]]:
        """The entries of each column by method."""
        return [_entries(self.results, self.table, column) for column in self.columns]

    @cached_property
    def psnr(self) -> list[dict[str, TableEntry]]:
        """The entries of PSNR by method at each noise level, also where no column shows them."""
        pairs = zip(self.columns, self.entries, strict=True)
        shown = [entries for column, entries in pairs if column.figure == "psnr_mean"]
        hidden = (
            Column("PSNR", "", "psnr_mean", decimals(2), level=level)
            for level in self.results.levels
        )
        return shown or [_entries(self.results, self.table, column) for column in hidden]

    @property
    def is_lacking(self) -> bool:
        """True if a row has only some of the frames."""
        return bool(((self.table["status"] != Status.OK) & (self.table["frames"] > 0)).any())


def full_table(results: Results, *, with_paper: bool = True) -> Table:
    """Build Table 1: mean scores by noise level, the paper's PSNR, times and memory.

    A failed method keeps its row, without figures and with a footnote.

    Args:
        results: the stored run.
        with_paper: False to leave out the paper's PSNR, which runs on its data set show.
    """
    table = table1(results)
    block = Block("", results, table, _columns(results, table, with_paper))
    lines, noted = filled([block])
    figures = {column.figure for column in block.columns}
    legend = footnotes.legend(results, figures, lacking=block.is_lacking)
    return Table(block.columns, lines, noted, legend, footnotes.origin(results))


def filled(blocks: Sequence[Block], order: Sequence[str] = ()) -> tuple[list[Line], list[str]]:
    """Return the lines of a table, and its footnotes.

    Args:
        blocks: the columns.
        order: the methods in their order; empty for the order by PSNR, see `_ordered`.
    """
    rows = {row.method: row for block in reversed(blocks) for row in block.results.rows}
    table = pd.concat([block.table.assign(run=block.name) for block in blocks])
    noted: list[str] = []
    lines = []
    for method in order or _ordered(blocks):
        notes = _notes(blocks, table, method)
        noted += [note for note in notes if note not in noted]
        lines.append(
            Line(
                method,
                rows[method].title,
                rows[method].is_control,
                sorted(noted.index(note) + 1 for note in notes),
                [of.get(method) for block in blocks for of in block.entries],
            )
        )
    return lines, noted


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
        alike = column.shown(column.best_of(rivals.values()))
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


def _columns(results: Results, table: pd.DataFrame, with_paper: bool) -> list[Column]:
    """Return the columns of all scores, then those of times and memory by device."""
    with_paper = with_paper and _shows_paper(results, table)
    columns = []
    for metric in results.metrics:
        if not metric.unavailable:
            columns += score_columns(metric, results)
            columns += _beside_psnr(metric, results, with_paper) if metric.name == "psnr" else []
    return [*columns, *cost_columns(results)]


def cost_columns(results: Results) -> list[Column]:
    """Return the columns of times and memory by device."""
    return [
        Column(DEVICE_NAMES[d], unit, figure, shown, direction, device=d)
        for d in results.devices
        for unit, figure, shown, direction in (
            ("ms/frame", "ms_per_frame", three_digits, "lower"),
            ("ms/MP", "ms_per_megapixel", three_digits, "lower"),
            ("MP/s", "mp_per_s", three_digits, "higher"),
            ("MB", "peak_memory_mb", megabytes, "lower"),
        )
        if figure != "mp_per_s" or d in results.batched_devices
    ]


def score_columns(metric: MetricRecord, results: Results) -> list[Column]:
    """Return a column of a metric's means for each noise level."""
    shown = decimals(metric.decimals, sign=metric.direction == "zero")
    return [
        Column(
            metric.title,
            head(level, results),
            metric.column,
            shown,
            metric.direction,
            level,
            metric=metric,
        )
        for level in results.levels
    ]


def _beside_psnr(psnr: MetricRecord, results: Results, with_paper: bool) -> list[Column]:
    """Return the columns of the gain over recorded noise, or that of the paper's PSNR."""
    if not results.manifest.is_recorded:
        return [Column("paper", "", "psnr_paper", decimals(psnr.decimals))] if with_paper else []
    gain = decimals(psnr.decimals, sign=True)
    return [
        Column("gain", head(level, results), "psnr_gain", gain, psnr.direction, level)
        for level in results.levels
    ]


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
    """Return True for the set that stands in for the paper's, with white noise of known sigma."""
    manifest = results.manifest
    is_alike = (
        manifest.dataset.name == PAPER_DATASET
        and manifest.noise.spec == WHITE_GAUSSIAN.name
        and all(at.told is None for at in results.levels)
    )
    return is_alike and bool(table["psnr_paper"].notna().any())


def _ordered(blocks: Sequence[Block]) -> list[str]:
    """Sort the methods from best to worst mean PSNR, then the controls.

    A method that lacks PSNR at some levels comes after those that have it at more levels, since
    PSNR falls with sigma. A PSNR that is infinite because of some frames counts as lacking. Where
    all frames are perfect, the other levels decide.
    """
    rows = [row for block in blocks for row in block.results.rows]
    psnr = [of for block in blocks for of in block.psnr]
    controls = {row.method for row in rows if row.is_control}

    def rank(method: str) -> tuple[bool, int, float]:
        """Return the key of a method; the smallest comes first."""
        entries = [of[method] for of in psnr if method in of]
        known = [entry.value for entry in entries if entry.is_ranked]
        means = [value for value in known if math.isfinite(value)] or known or [0.0]
        return method in controls, -len(known), -fmean(means)

    return sorted(dict.fromkeys(row.method for row in rows), key=rank)


def _notes(blocks: Sequence[Block], table: pd.DataFrame, method: str) -> list[str]:
    """Return the footnotes of a method: those of its card, and its failures with their places.

    Args:
        blocks: the columns.
        table: the lines of `table1` of all of them, each with the name of its run.
        method: the method's spec.
    """
    rows = [row for block in blocks for row in block.results.rows if row.method == method]
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
    """Name the run, if there are several, the device and the noise level of a line of `table1`."""
    run = f"{line['run']} " if line["run"] else ""
    sigma = f" σ={line['sigma']:g}" if pd.notna(line["sigma"]) else ""
    told = f" told {line['told']:g}" if pd.notna(line["told"]) else ""
    return f"{run}{DEVICE_NAMES[line['device']]}{sigma}{told}"
