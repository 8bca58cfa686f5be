"""One table of several runs, each on a data set of its own: the table for a paper."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError, unknown
from denoisebench.parameters import matching
from denoisebench.reporting import footnotes
from denoisebench.reporting.table import Block, Table, cost_columns, filled, score_columns
from denoisebench.store.scores import standard_errors
from denoisebench.store.tables import table1, without_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from denoisebench.reporting.table import Column, Line, TableEntry
    from denoisebench.store.results import Results

__all__ = ["PaperOptions", "joint_table", "reason_apart"]

_COSTS = {"time": "ms_per_megapixel", "memory": "peak_memory_mb"}
"""Columns of `table1` by the words for them; frames of sets differ in size."""

_IN_WORDS = {
    "time": "time: ms a megapixel, the median over frames and sigmas.",
    "memory": "memory: peak, in MB.",
}

_SECOND = "Underlined: the best of the others."
_ERRORS = "±: standard error of the mean over frames."


@dataclass(frozen=True)
class PaperOptions:
    """Options of a table for a paper.

    Attributes:
        columns: data sets, sigmas, metrics, ``time`` and ``memory`` to show; of a kind that is not
            named, all sets, all sigmas and PSNR.
        rows: methods in their order: names, globs, or ``all``; empty for all from best to worst.
        caption: the caption; empty for one that names metrics and sets.
        label: the name by which LaTeX refers to the table; empty for the usual one.
        standard_errors: True to show the standard error of each mean.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    caption: str = ""
    label: str = ""
    standard_errors: bool = False


def joint_table(runs: Sequence[Results], options: PaperOptions) -> Table:
    """Build one table of runs: data sets and sigmas as columns, methods as rows.

    Means are those of each set; they are never taken over several sets.

    Raises:
        UsageError: the runs cannot stand in one table, or an option names nothing in them.
    """
    if reason := reason_apart(runs):
        raise UsageError(reason)
    chosen = _Chosen(runs, options.columns)
    chosen.check_machines()
    order = _methods(runs, options.rows)
    blocks = [block for block in map(chosen.block, chosen.kept(order)) if block.columns]
    lines, noted = filled(blocks, order)
    columns = [column for block in blocks for column in block.columns]
    lines = _with_seconds(lines, columns)
    if options.standard_errors:
        lines = _with_errors(lines, blocks)
    return Table(
        columns,
        lines,
        noted,
        _legend(blocks, is_sorted=not order, has_errors=options.standard_errors),
        [line for block in blocks for line in _origin(block)],
        options.caption.strip() or chosen.caption,
        options.label or "tab:denoisebench",
    )


def reason_apart(runs: Sequence[Results]) -> str:
    """Say why runs cannot stand in one table; '' if they can."""
    first, known = runs[0].manifest, set()
    for results in runs:
        manifest, data = results.manifest, results.manifest.dataset
        if manifest.protocol_digest != first.protocol_digest:
            return (
                f"{first.dataset.label} and {data.label} were measured under different protocols "
                f"({first.protocol_digest} and {manifest.protocol_digest}): their scores cannot "
                "stand in one table"
            )
        if (data.name, data.split) in known:
            return (
                f"two of the runs are on {data.label}, {data.split}: a table has one run a data "
                "set; `bench merge` joins such runs, `bench compare` compares them"
            )
        known.add((data.name, data.split))
    return ""


def _labels(runs: Sequence[Results]) -> list[str]:
    """Name the data sets, so that no two have one name."""
    sets = [results.manifest.dataset for results in runs]
    namings = (
        [data.label for data in sets],
        [f"{data.label} {data.split}" for data in sets],
        [f"{data.label} ({data.name})" for data in sets],
        [f"{data.label} ({data.name}, {data.split})" for data in sets],
    )
    return next(names for names in namings if len(set(names)) == len(names))


class _Chosen:
    """Data sets, sigmas, metrics and costs that a table shows.

    Args:
        runs: the runs.
        words: what `PaperOptions.columns` names.

    Raises:
        UsageError: a word names nothing in the runs.
    """

    def __init__(self, runs: Sequence[Results], words: Iterable[str]) -> None:
        self._labels = dict(zip(_labels(runs), runs, strict=True))
        scored = [m.name for results in runs for m in results.metrics if not m.unavailable]
        metrics = list(dict.fromkeys(scored))
        sigmas = {level.sigma for results in runs for level in results.levels}
        self._sets: list[str] = []
        self._sigmas: list[float] = []
        self._metrics: list[str] = []
        self._costs: list[str] = []
        for word in words:
            sets = [label for label in self._labels if self._is_named(label, word)]
            if _number(word) in sigmas - {None}:
                self._sigmas.append(float(word))
            elif word in _COSTS:
                self._costs.append(word)
            elif scores := matching(word, metrics):
                self._metrics += [name for name in scores if name not in self._metrics]
            elif sets:
                self._sets += [label for label in sets if label not in self._sets]
            else:
                known = [*self._labels, *(f"{s:g}" for s in sorted(filter(None, sigmas)))]
                known += [*metrics, *_COSTS]
                raise UsageError(f"--columns: {unknown('column', word, known)}")
        self._sets = self._sets or [*self._labels]
        if not self._metrics and not self._costs and metrics:
            self._metrics = ["psnr"]

    def _is_named(self, label: str, word: str) -> bool:
        """Return True if a word names a data set: by its label, its name or the name's end."""
        name = self._labels[label].manifest.dataset.name
        names = (label, name, name.rpartition(":")[2])
        return any(fnmatch.fnmatch(known.lower(), word.lower()) for known in names)

    def kept(self, methods: Sequence[str]) -> list[tuple[str, Results]]:
        """Return the chosen sets, each with the chosen methods and sigmas alone; none for all."""
        return [(label, self._kept(self._labels[label], methods)) for label in self._sets]

    def _kept(self, results: Results, methods: Sequence[str]) -> Results:
        rows = tuple(row for row in results.rows if not methods or row.method in methods)
        levels = results.levels
        if self._sigmas and not results.manifest.is_recorded:
            found = [[at for at in levels if at.sigma == sigma] for sigma in self._sigmas]
            levels = tuple(level for same in found for level in same)
        common = results.common
        kept = replace(results, manifest=replace(results.manifest, rows=rows, levels=levels))
        return kept if common is None else replace(kept, common=None).on_common_frames()

    def block(self, named: tuple[str, Results]) -> Block:
        """Return the columns of a set."""
        label, results = named
        several = len(self._sets) > 1
        table = table1(results)
        if not self._costs:
            table = table.assign(note=table["note"].map(without_times))
        known = {m.name: m for m in results.metrics if not m.unavailable}
        columns = []
        for metric in (known[name] for name in self._metrics if name in known):
            group = label if len(self._metrics) == 1 else f"{label} {metric.title}"
            found = score_columns(metric, results)
            columns += [replace(c, group=group) for c in found] if several else found
        figures = [_COSTS[word] for word in self._costs]
        costs = [column for column in cost_columns(results) if column.figure in figures]
        columns += [replace(c, group=f"{label} {c.group}") for c in costs] if several else costs
        return Block(label if several else "", results, table, columns)

    def check_machines(self) -> None:
        """Raise UsageError if times of several machines would stand in one table."""
        if not self._costs:
            return
        conditions = []
        for label in self._sets:
            manifest = self._labels[label].manifest
            machine = manifest.environment
            conditions.append((label, (machine.identity, machine.cuda, manifest.threads)))
        for label, other in conditions[1:]:
            if other != conditions[0][1]:
                raise UsageError(
                    f"--columns {','.join(self._costs)}: {conditions[0][0]} and {label} were "
                    "measured on different machines, whose times cannot stand in one table"
                )

    @property
    def caption(self) -> str:
        """Caption that names the metrics and the data sets."""
        titles = {m.name: m for results in self._labels.values() for m in results.metrics}
        shown = [
            f"{titles[name].title}{f' in {titles[name].unit}' if titles[name].unit else ''}"
            for name in self._metrics
        ]
        return f"{_listed([*shown, *self._costs])} on {_listed(self._sets)}."


def _listed(names: Sequence[str]) -> str:
    """Join names by commas, and the last one by an and.

    Examples:
        >>> _listed(["Set12", "BSD68", "CBSD68"])
        'Set12, BSD68 and CBSD68'
    """
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def _number(word: str) -> float | None:
    """Return the number that a word is; None for another word."""
    try:
        return float(word)
    except ValueError:
        return None


def _methods(runs: Sequence[Results], expressions: Sequence[str]) -> list[str]:
    """Return the methods that expressions name, in their order; empty for no expressions.

    Raises:
        UsageError: one names no method of the runs.
    """
    rows = {row.method: row for results in runs for row in results.rows}
    found: list[str] = []
    for expression in expressions:
        named = [m for m, row in rows.items() if expression in (m, row.name)]
        named = [expression] if expression in rows else named or matching(expression, rows)
        if not named:
            raise UsageError(f"--rows: {unknown('method', expression, rows)}")
        found += [method for method in named if method not in found]
    return found


def _with_seconds(lines: Sequence[Line], columns: Sequence[Column]) -> list[Line]:
    """Mark in each column the best figures of those that are not bold."""
    entries = [list(line.entries) for line in lines]
    for place, column in enumerate(columns):
        rivals = {
            number: entry
            for number, line in enumerate(lines)
            if not line.is_control and (entry := line.entries[place]) is not None
        }
        others = {n: e for n, e in rivals.items() if not e.best and e.is_ranked}
        if column.direction is None or len(others) == len(rivals) or not others:
            continue
        best = column.best_of(entry.value for entry in others.values())
        for number, entry in others.items():
            if entry.text == column.shown(best):
                entries[number][place] = replace(entry, second=True)
    return [replace(line, entries=found) for line, found in zip(lines, entries, strict=True)]


def _with_errors(lines: Sequence[Line], blocks: Sequence[Block]) -> list[Line]:
    """Give each mean its standard error, in as many decimal places."""
    errors: list[dict[str, str]] = []
    for block in blocks:
        for column in block.columns:
            known: dict[str, float] = {}
            if column.metric is not None and column.level is not None:
                known = standard_errors(block.results, column.level, column.metric)
            places = 0 if column.metric is None else column.metric.decimals
            errors.append({method: f"{error:.{places}f}" for method, error in known.items()})

    def entry(found: TableEntry | None, error: str) -> TableEntry | None:
        return found if found is None else replace(found, error=error)

    return [
        replace(
            line,
            entries=[
                entry(found, known.get(line.method, ""))
                for found, known in zip(line.entries, errors, strict=True)
            ],
        )
        for line in lines
    ]


def _legend(blocks: Sequence[Block], *, is_sorted: bool, has_errors: bool) -> list[str]:
    """Explain the table: data, bold type, order, errors and metrics."""
    shown = {c.metric.name: c.metric for b in blocks for c in b.columns if c.metric is not None}
    figures = {column.figure for block in blocks for column in block.columns}
    how = [
        *(text for word, text in _IN_WORDS.items() if _COSTS[word] in figures),
        footnotes.BOLD,
        _SECOND,
        *([_ERRORS] if has_errors else []),
        *(["Rows: by mean PSNR over the columns."] if is_sorted else []),
    ]
    lacking = any(block.is_lacking for block in blocks)
    return [
        *(footnotes.data_line(block.results) for block in blocks),
        *([footnotes.ON_COMMON_FRAMES] if lacking else []),
        " ".join(how),
        *(footnotes.metric_line(m) for m in shown.values() if m.name not in ("psnr", "ssim")),
    ]


def _origin(block: Block) -> list[str]:
    """Name the origin of a set's figures, with the digest of the data and what was left out."""
    data, name = block.results.manifest.dataset, block.name
    return [
        f"{name or data.label}: data set {data.name}, split {data.split}, digest `{data.digest}`.",
        *footnotes.origin(block.results),
        *block.results.manifest.left_out,
    ]
