r"""Tables for LaTeX: a ``table*`` with the booktabs and siunitx packages, for ``\input``."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from denoisebench.reporting.table import Column, Line, Table, TableEntry

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "σ": r"$\sigma$",
    "Δ": r"$\Delta$",
    "∞": r"$\infty$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "²": r"\textsuperscript{2}",
}
_LAST_LATIN = "\u017f"
"""Last letter that LaTeX sets without further packages."""

_LONG_TITLE = 48
"""Number of letters above which a title is broken into lines."""

_PREAMBLE = (
    r"\usepackage[T1]{fontenc}",
    r"\usepackage{booktabs,graphicx,siunitx}",
)

_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]+)(?P<places>(\.[0-9]+)?)")


def table_latex(table: Table) -> str:
    """Render the table with its footnotes and legend; comments above it name its origin.

    Figures are aligned at their points. A table that is wider than the page is made smaller. The
    text needs the packages booktabs, graphicx and siunitx (version 3), and T1 fonts.
    """
    comments = ["By bench report. In the preamble, with siunitx 3:", *_PREAMBLE, *table.origin]
    return "\n".join([*(f"% {one_line(line)}" for line in comments), *_float(table), ""])


def _float(table: Table) -> Iterator[str]:
    """Yield the lines of the ``table*`` environment."""
    yield r"\begin{table*}"
    yield r"\centering\footnotesize"
    yield r"\setlength{\tabcolsep}{3pt}"
    legend = " ".join(escape_latex(remark) for remark in table.legend)
    yield rf"\caption{{{escape_latex(table.caption) or legend}}}"
    yield rf"\label{{{re.sub(r'[^A-Za-z0-9:._/-]', '-', table.label)}}}"
    yield r"\smallskip"
    yield r"\sisetup{mode=text,reset-text-series=false,separate-uncertainty,retain-explicit-plus}"
    yield r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    is_long = any(len(line.title) > _LONG_TITLE for line in table.lines)
    titles = r"p{0.3\linewidth}" if is_long else "l"
    shapes = [_Shape([line.entries[n] for line in table.lines]) for n in range(len(table.columns))]
    yield rf"\begin{{tabular}}{{{titles}{''.join(shape.column for shape in shapes)}}}"
    yield r"\toprule"
    yield from _head(table.columns)
    yield r"\midrule"
    was_control = False
    for line in table.lines:
        if line.is_control and not was_control:
            yield r"\midrule"
        was_control = line.is_control
        yield _row(line, shapes)
    yield r"\bottomrule"
    yield r"\end{tabular}}"
    if table.footnotes or table.caption:
        yield r"\par\smallskip"
    for number, note in enumerate(table.footnotes, 1):
        yield rf"\par\raggedright\textsuperscript{{{number}}} {escape_latex(note)}"
    if table.caption:
        yield rf"\par\raggedright {legend}"
    yield r"\end{table*}"


def _head(columns: list[Column]) -> Iterator[str]:
    """Yield the groups' heads with a rule below each, then the columns' own heads."""
    cells, rules, start = [""], [], 2
    for group, same in groupby(columns, lambda c: c.group):
        named = [bool(column.name) for column in same]
        end = start + len(named) - 1
        if any(named):
            cells.append(rf"\multicolumn{{{len(named)}}}{{c}}{{{escape_latex(group)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
        else:
            cells.append("")
        start = end + 1
    yield " & ".join(cells) + r" \\"
    if rules:
        yield " ".join(rules)
    names = (f"{{{escape_latex(column.name or column.group)}}}" for column in columns)
    yield " & ".join(["Method", *names]) + r" \\"


def _row(line: Line, shapes: list[_Shape]) -> str:
    """Write one row of the table."""
    notes = ",".join(map(str, line.notes))
    mark = rf"\textsuperscript{{{notes}}}" if notes else ""
    cells = [shape.cell(entry) for shape, entry in zip(shapes, line.entries, strict=True)]
    return " & ".join([escape_latex(line.title) + mark, *cells]) + r" \\"


class _Shape:
    """Room that the figures of a column need on both sides of their points.

    Args:
        entries: the column's entries.
    """

    def __init__(self, entries: Sequence[TableEntry | None]) -> None:
        numbers = [found for e in entries if e is not None and (found := _number(e))]
        self._sign = "+" if any(number["sign"] for number in numbers) else ""
        self._whole = max((len(number["whole"]) for number in numbers), default=0)
        self._places = max((len(number["places"]) for number in numbers), default=0)
        errors = [entry.error for entry in entries if entry is not None]
        self._error = max((len(error.replace(".", "").lstrip("0")) for error in errors), default=0)

    @property
    def column(self) -> str:
        """Type of the column; one without any number is centred."""
        if not self._whole:
            return "c"
        digits = f"{self._sign}{self._whole}.{max(0, self._places - 1)}".removesuffix(".0")
        return f"S[table-format={digits}{f'({self._error})' if self._error else ''}]"

    def cell(self, entry: TableEntry | None) -> str:
        """Write one figure; the best are bold, the second best underlined."""
        if entry is None:
            return "{--}"
        number = _number(entry)
        if number is None:
            text = escape_latex(entry.text)
            return rf"{{\textbf{{{text}}}}}" if entry.best else f"{{{text}}}"
        text = number[0] + (rf" \pm {entry.error}" if entry.error else "")
        if entry.second:
            return self._underlined(number, text)
        return rf"\bfseries {text}" if entry.best else text

    def _underlined(self, number: re.Match[str], text: str) -> str:
        """Underline a number. siunitx aligns none that is underlined, so blanks fill its room."""
        before = "0" * (self._whole - len(number["whole"]))
        before = ("+" if self._sign and not number["sign"] else "") + before
        after = f".{'0' * self._places}"[len(number["places"]) : self._places]
        blanks = [rf"\phantom{{{part}}}" if part else "" for part in (before, after)]
        shown = text.replace(r"\pm", r"$\pm$").replace("-", "$-$")
        return rf"{{{blanks[0]}\underline{{{shown}}}{blanks[1]}}}"


def _number(entry: TableEntry) -> re.Match[str] | None:
    """Match the figure as a number that siunitx reads; None for another text."""
    return _NUMBER.fullmatch(entry.text.replace("−", "-"))


def escape_latex(text: str) -> str:
    r"""Escape text for LaTeX; letters that it lacks become question marks.

    Examples:
        >>> print(escape_latex("50 % of my_method"))
        50 \% of my\_method
    """
    return "".join(
        _ESCAPES.get(letter, letter if " " <= letter <= _LAST_LATIN else "?")
        for letter in one_line(text).replace("`", "")
    )
