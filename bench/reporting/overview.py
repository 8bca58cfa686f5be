"""The report as Markdown for GitHub, with its figures as SVG files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from denoisebench.reporting.chapters import CHAPTERS
from denoisebench.reporting.markdown import escape, render
from denoisebench.reporting.words import interval, percent, pvalue

if TYPE_CHECKING:
    from denoisebench.reporting.contents import Contents
    from denoisebench.reporting.figures.drawing import Plot

PLOTS = "plots"


def overview(contents: Contents) -> str:
    """Table 1, the figures, and the paired differences as a table.

    The figures are expected in the folder `PLOTS` beside the file.
    """
    parts = [f"# {escape(contents.name)}", render(contents.table).rstrip("\n")]
    for chapter in CHAPTERS:
        shown = [plot for plot in contents.plots if plot.kind == chapter.kind]
        if shown:
            parts += [f"## {chapter.title}", chapter.words]
            parts += [f"![{_alt(plot)}]({PLOTS}/{plot.name}.svg)" for plot in shown]
            if chapter.kind == "forest":
                parts.append(_differences(contents.summary))
    return "\n\n".join(parts) + "\n"


def _alt(plot: Plot) -> str:
    return escape(f"{plot.title}. {plot.alt}").replace("[", "\\[").replace("]", "\\]")


def _differences(run: dict[str, Any]) -> str:
    titles = {method["method"]: escape(method["title"]) for method in run["methods"]}
    rows = [
        [
            titles[line["method"]],
            run["levels"][line["level"]]["label"],
            interval(line),
            percent(line["win_rate"]),
            pvalue(line["p"]),
        ]
        for line in run["differences"]
    ]
    against = titles[run["reference"]]
    headers = ["Method", "Level", f"PSNR less that of {against} [95 %]", "Win rate", "p"]
    alignment = ["left", "left", "right", "right", "right"]
    return tabulate(rows, headers, "github", disable_numparse=True, colalign=alignment)
