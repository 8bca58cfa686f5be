"""Tables on a terminal: as many columns as fit its width, those that matter most first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from denoisebench.reporting.formatting import NONE
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from denoisebench.reporting.table import Column, Line, Table, TableEntry

__all__ = ["draw_rows", "draw_table"]

_LEAST = 18
"""Width to which a column of words may shrink: they are broken into lines."""
_GAP = 2
"""Blanks between two columns: the one that divides them, and one beside it."""
_TIMES = ("ms_per_frame", "ms_per_megapixel")
"""Columns of `table1` with times; the first that a table has is shown first."""

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class _Shown:
    """One column on the terminal.

    Attributes:
        head: its head, in one or two lines.
        cells: its cells from top to bottom.
        name: its name where it is left out; several may share one.
        is_number: True for figures, which are never broken into lines.
    """

    head: str
    cells: Sequence[Text]
    name: str
    is_number: bool

    @property
    def width(self) -> int:
        """Least width."""
        texts = [*self.head.split("\n"), *(cell.plain for cell in self.cells)]
        widest = max(Text(text).cell_len for text in texts)
        return widest if self.is_number else min(widest, _LEAST)

    @property
    def natural_width(self) -> int:
        """Width without any broken line."""
        return max(Text(text).cell_len for text in (self.head, *(c.plain for c in self.cells)))


def draw_table(table: Table, *, wide: bool = False) -> None:
    """Draw a table with its footnotes and legend on stdout, which is a terminal.

    Args:
        table: the table.
        wide: True to draw all columns, however wide the terminal is, and the origin.
    """
    titles = [Text(_title(line), style=_style(line)) for line in table.lines]
    first = _Shown("Method", titles, "", is_number=False)
    shown = [
        _Shown(
            f"{one_line(column.group)}\n{one_line(column.name)}".strip(),
            [_figure(line.entries[place], line) for line in table.lines],
            _name(column),
            is_number=True,
        )
        for place, column in enumerate(table.columns)
    ]
    console = Console(highlight=False)
    if table.caption:
        console.print(Text(one_line(table.caption)))
    _draw(console, first, shown, *_by_weight(table.columns), wide)
    notes = [f"{_mark(number)} {one_line(note)}" for number, note in enumerate(table.footnotes, 1)]
    for note in ["", *notes, ""] if notes else [""]:
        console.print(Text(note))
    for remark in (*table.legend, *(table.origin if wide else ())):
        console.print(Text(one_line(remark), style="dim"))


def draw_rows(rows: Sequence[Mapping[str, str]], order: Sequence[str], *, wide: bool) -> None:
    """Draw rows of texts on stdout, which is a terminal; the first entry names a row.

    Args:
        rows: the rows, of the same entries.
        order: names of entries, those that matter most first; the others come last.
        wide: True to draw all columns, however wide the terminal is.
    """
    first, *names = rows[0]
    shown = [
        _Shown(name, [Text(row[name]) for row in rows], name, is_number=False) for name in names
    ]
    rest = [name for name in names if name not in order]
    groups = [[names.index(name)] for name in (*order, *rest)]
    title = _Shown(first, [Text(row[first], style="bold") for row in rows], first, is_number=True)
    _draw(Console(highlight=False), title, shown, groups, [], wide)


def _draw(
    console: Console,
    first: _Shown,
    shown: Sequence[_Shown],
    groups: list[list[int]],
    further: list[list[int]],
    wide: bool,
) -> None:
    """Draw columns, and say which are left out.

    Args:
        console: the terminal.
        first: the column that is always shown.
        shown: the others.
        groups: places of columns that are shown together, those that matter most first.
        further: the same for columns that are shown only where they break no title into lines.
        wide: True to draw all.
    """
    kept: list[int] = []
    for group in (*groups, *further):
        title = first.natural_width if group in further else first.width
        room = console.width - title - sum(shown[n].width + _GAP for n in (*kept, *group))
        if not (wide or room >= 0):
            break
        kept += group
    columns = [first, *(shown[place] for place in sorted(kept))]
    if wide:
        console.width = max(console.width, sum(c.natural_width + _GAP for c in columns))
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in columns:
        justify = "right" if column.is_number and column is not first else "left"
        grid.add_column(Text(column.head), justify=justify, no_wrap=column.is_number)  # type: ignore[arg-type]
    for cells in zip(*(column.cells for column in columns), strict=True):
        grid.add_row(*cells)
    console.print(grid)
    left = dict.fromkeys(c.name for place, c in enumerate(shown) if place not in kept)
    if left:
        console.print(Text(f"Not shown: {', '.join(left)} (--wide shows all)", style="dim"))


def _by_weight(columns: Sequence[Column]) -> tuple[list[list[int]], list[list[int]]]:
    """Return places of columns: PSNR level by level with times, and what else shares a head.

    Of several data sets the first one's levels come alone, those of the others together.
    """
    places = range(len(columns))
    psnr = [n for n in places if columns[n].figure == "psnr_mean"]
    sets = [list(same) for _, same in groupby(psnr, lambda n: columns[n].group)]
    time = next((f for f in _TIMES if any(c.figure == f for c in columns)), "")
    times = [n for n in places if columns[n].figure == time]
    rest = [n for n in places if n not in (*psnr, *times)]
    together = groupby(rest, lambda n: (columns[n].group, columns[n].device and columns[n].name))
    alone = [[n] for n in (sets[0] if sets else [])]
    return [*alone, *sets[1:], *([n] for n in times)], [list(same) for _, same in together]


def _name(column: Column) -> str:
    """Name a column where it is left out: scores but PSNR by their metric alone."""
    is_score = column.metric is not None and column.figure != "psnr_mean"
    return one_line(column.group if is_score else column.header)


def _title(line: Line) -> str:
    """Write a method's title with the marks of its footnotes."""
    return "".join([one_line(line.title), *(f" {_mark(note)}" for note in line.notes)])


def _mark(note: int) -> str:
    return str(note).translate(_SUPERSCRIPTS)


def _style(line: Line) -> str:
    """Return the style of a row: controls do not compete."""
    return "dim" if line.is_control else ""


def _figure(entry: TableEntry | None, line: Line) -> Text:
    """Write one figure with its error; the best are bold, the second best underlined."""
    if entry is None:
        return Text(NONE, style=_style(line))
    style = "bold" if entry.best else "underline" if entry.second else _style(line)
    error = f" ± {entry.error}" if entry.error else ""
    return Text.assemble((entry.text, style), (error, _style(line)))
