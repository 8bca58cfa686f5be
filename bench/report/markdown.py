"""Table 1 in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tabulate import tabulate

from denoisebench.report.table import full_table

if TYPE_CHECKING:
    from denoisebench.report.results import Results
    from denoisebench.report.table import Entry, Table

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def table1_markdown(results: Results) -> str:
    """The table, its footnotes and what its figures rest on. The best are in bold."""
    return render(full_table(results))


def render(table: Table) -> str:
    body = [
        [
            escape(line.title) + "".join(f" {_mark(note)}" for note in line.notes),
            *map(_cell, line.entries),
        ]
        for line in table.lines
    ]
    headers = ["Method", *(escape(column.header) for column in table.columns)]
    alignment = ["left", *["right"] * len(table.columns)]
    grid = tabulate(body, headers, "github", disable_numparse=True, colalign=alignment)
    notes = [f"{_mark(number)} {escape(note)}" for number, note in enumerate(table.footnotes, 1)]
    remarks = [_escape_remark(remark) for remark in table.remarks]
    return "\n\n".join(filter(None, [grid, "  \n".join(notes), "  \n".join(remarks)])) + "\n"


def _cell(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    return f"**{entry.text}**" if entry.best else entry.text


def _mark(note: int) -> str:
    return str(note).translate(_SUPERSCRIPTS)


def escape(text: str) -> str:
    """Names come from plugins: keep them from breaking the table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _escape_remark(text: str) -> str:
    """What stands between backticks is shown as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else escape(part) for part in parts)
