"""Table 1 in Markdown, as GitHub has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tabulate import tabulate

from denoisebench.reporting.words import NONE, one_line

if TYPE_CHECKING:
    from denoisebench.reporting.table import Entry, Table

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def render(table: Table) -> str:
    """The table, its footnotes and what its figures rest on. The best are in bold."""
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
    remarks = [escape_remark(remark) for remark in (*table.legend, *table.origin)]
    return "\n\n".join(filter(None, [grid, "  \n".join(notes), "  \n".join(remarks)])) + "\n"


def _cell(entry: Entry | None) -> str:
    if entry is None:
        return NONE
    return f"**{entry.text}**" if entry.best else entry.text


def _mark(note: int) -> str:
    return str(note).translate(_SUPERSCRIPTS)


def escape(text: str) -> str:
    """Names come from plugins: they are text, not markup, and break no table.

    Within words underscores are only underscores to GitHub, and brackets are a link only before a
    parenthesis; left as they are, they keep the source readable.
    """
    return _escape_line(one_line(text))


def _escape_line(text: str) -> str:
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    return re.sub(r"[\\`*|$~]|(?<!\w)_|_(?!\w)|(?<=\])\(", r"\\\g<0>", text)


def escape_remark(text: str) -> str:
    """What stands between backticks is shown as it is."""
    parts = re.split(r"(`[^`]*`)", one_line(text))
    return "".join(part if part.startswith("`") else _escape_line(part) for part in parts)
