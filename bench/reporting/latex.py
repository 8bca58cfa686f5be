r"""Table 1 for LaTeX: a ``table*`` with the booktabs package, for ``\input``."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    r"\usepackage{booktabs,graphicx}",
)


def table1_latex(table: Table) -> str:
    """Render the table with its footnotes and legend; comments above it name its origin.

    A table that is wider than the page is made smaller. The text needs the packages booktabs and
    graphicx, and T1 fonts.
    """
    comments = ["Table 1, by bench report. In the preamble:", *_PREAMBLE, *table.origin]
    return "\n".join([*(f"% {one_line(line)}" for line in comments), *_float(table), ""])


def _float(table: Table) -> Iterator[str]:
    """Yield the lines of the ``table*`` environment."""
    yield r"\begin{table*}"
    yield r"\centering\footnotesize"
    yield r"\setlength{\tabcolsep}{3pt}"
    yield rf"\caption{{{' '.join(escape_latex(remark) for remark in table.legend)}}}"
    yield r"\label{tab:denoisebench}"
    yield r"\smallskip"
    yield r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    is_long = any(len(line.title) > _LONG_TITLE for line in table.lines)
    titles = r"p{0.3\linewidth}" if is_long else "l"
    yield rf"\begin{{tabular}}{{{titles}{'r' * len(table.columns)}}}"
    yield r"\toprule"
    yield from _head(table.columns)
    yield r"\midrule"
    was_control = False
    for line in table.lines:
        if line.is_control and not was_control:
            yield r"\midrule"
        was_control = line.is_control
        yield _row(line)
    yield r"\bottomrule"
    yield r"\end{tabular}}"
    if table.footnotes:
        yield r"\par\smallskip"
    for number, note in enumerate(table.footnotes, 1):
        yield rf"\par\raggedright\textsuperscript{{{number}}} {escape_latex(note)}"
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
    names = (escape_latex(column.name or column.group) for column in columns)
    yield " & ".join(["Method", *names]) + r" \\"


def _row(line: Line) -> str:
    """Write one row of the table."""
    notes = ",".join(map(str, line.notes))
    mark = rf"\textsuperscript{{{notes}}}" if notes else ""
    return " & ".join([escape_latex(line.title) + mark, *map(_cell, line.entries)]) + r" \\"


def _cell(entry: TableEntry | None) -> str:
    """Write one figure; the best are bold."""
    if entry is None:
        return "--"
    text = escape_latex(entry.text)
    return rf"\textbf{{{text}}}" if entry.best else text


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
