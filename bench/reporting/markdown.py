"""Table 1 and the report as Markdown for GitHub; figures are SVG files beside the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabulate import tabulate

from denoisebench.reporting.contents import SECTIONS
from denoisebench.reporting.escaping import escape_comment, escape_markdown, escape_remark
from denoisebench.reporting.formatting import NONE, interval, percent, pvalue

if TYPE_CHECKING:
    from denoisebench.reporting.contents import Contents
    from denoisebench.reporting.figures.drawing import Plot
    from denoisebench.reporting.summary import Summary
    from denoisebench.reporting.table import Table, TableEntry

PLOTS = "plots"
"""Name of the folder with the figures, beside the report."""

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def render(table: Table) -> str:
    """Render the table with its footnotes and remarks; the best figures are bold.

    Of a table with a caption the origin stands in a comment.
    """
    body = [
        [
            escape_markdown(line.title) + "".join(f" {_mark(note)}" for note in line.notes),
            *map(_cell, line.entries),
        ]
        for line in table.lines
    ]
    headers = ["Method", *(escape_markdown(column.header) for column in table.columns)]
    alignment = ["left", *["right"] * len(table.columns)]
    grid = tabulate(body, headers, "github", disable_numparse=True, colalign=alignment)
    notes = [
        f"{_mark(number)} {escape_markdown(note)}" for number, note in enumerate(table.footnotes, 1)
    ]
    shown = table.legend if table.caption else (*table.legend, *table.origin)
    remarks = [escape_remark(remark) for remark in shown]
    parts = [escape_remark(table.caption), grid, "  \n".join(notes), "  \n".join(remarks)]
    if table.caption:
        origin = "\n".join(map(escape_comment, table.origin))
        parts.append(f"<!--\n{origin}\n-->")
    return "\n\n".join(filter(None, parts)) + "\n"


def _cell(entry: TableEntry | None) -> str:
    """Write one figure with its error; the best are bold, the second best underlined."""
    if entry is None:
        return NONE
    text = f"**{entry.text}**" if entry.best else entry.text
    text = f"<ins>{text}</ins>" if entry.second else text
    return f"{text} ± {entry.error}" if entry.error else text


def _mark(note: int) -> str:
    """Write a number in superscript."""
    return str(note).translate(_SUPERSCRIPTS)


def overview(contents: Contents) -> str:
    """Render Table 1, links to the figures, and the table of paired differences.

    The links point to files in the folder `PLOTS` beside the report.
    """
    parts = [f"# {escape_markdown(contents.name)}", render(contents.table).rstrip("\n")]
    for section in SECTIONS:
        shown = [plot for plot in contents.plots if plot.kind == section.kind]
        if shown:
            parts += [f"## {section.title}", section.words]
            parts += [_figure(plot) for plot in shown]
            if section.kind == "forest":
                parts.append(_differences(contents.summary))
    return "\n\n".join(parts) + "\n"


def _figure(plot: Plot) -> str:
    """Write the link to a figure, with its remark."""
    link = f"![{_alt(plot)}]({PLOTS}/{plot.name}.svg)"
    return "\n\n".join(filter(None, [link, escape_markdown(plot.remark)]))


def _alt(plot: Plot) -> str:
    """Write a figure's text for readers who do not see it."""
    return escape_markdown(f"{plot.title}. {plot.alt}").replace("[", "\\[").replace("]", "\\]")


def _differences(run: Summary) -> str:
    """Write the table of the differences from the reference."""
    titles = {method: escape_markdown(title) for method, title in run.titles.items()}
    rows = [
        [
            titles[line.method],
            run.levels[line.level].label,
            interval(line),
            percent(line.win_rate),
            pvalue(line.p),
        ]
        for line in run.differences
    ]
    assert run.reference is not None
    against = titles[run.reference]
    headers = ["Method", "Level", f"PSNR less that of {against} [95 %]", "Win rate", "p"]
    alignment = ["left", "left", "right", "right", "right"]
    return tabulate(rows, headers, "github", disable_numparse=True, colalign=alignment)
