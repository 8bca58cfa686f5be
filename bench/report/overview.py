"""The report as Markdown for GitHub, with its figures as SVG files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from denoisebench.report.markdown import escape, render
from denoisebench.report.plots import interval
from denoisebench.report.table import full_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.report.plots import Plot
    from denoisebench.report.results import Results

PLOTS = "plots"
_CHAPTERS = {
    "frontier": "Quality and time",
    "course": "PSNR against sigma",
    "forest": "Paired differences",
    "frames": "Frame by frame",
    "times": "Where the time goes",
}


def overview(results: Results, run: dict[str, Any], plots: Sequence[Plot]) -> str:
    """Table 1, the figures, and the paired differences as a table.

    Args:
        run: its summary.
        plots: its figures, which are expected in the folder `PLOTS` beside the file.
    """
    parts = [f"# {escape(run['name'])}", render(full_table(results)).rstrip("\n")]
    for kind, chapter in _CHAPTERS.items():
        shown = [plot for plot in plots if plot.kind == kind]
        if shown:
            parts.append(f"## {chapter}")
            parts += [f"![{_alt(plot)}]({PLOTS}/{plot.name}.svg)" for plot in shown]
            if kind == "forest":
                parts.append(_differences(run))
    return "\n\n".join(parts) + "\n"


def _alt(plot: Plot) -> str:
    text = escape(f"{plot.title}. {plot.alt}")
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _differences(run: dict[str, Any]) -> str:
    titles = {method["method"]: escape(method["title"]) for method in run["methods"]}
    rows = [
        [
            titles[line["method"]],
            run["levels"][line["level"]]["label"],
            interval(line),
            f"{line['win_rate']:.0%}",
            "< 0.001" if line["p"] < 0.001 else f"{line['p']:.3f}",
        ]
        for line in run["differences"]
    ]
    against = titles[run["reference"]]
    headers = ["Method", "Level", f"PSNR less that of {against} [95 %]", "Win rate", "p"]
    alignment = ["left", "left", "right", "right", "right"]
    grid = tabulate(rows, headers, "github", disable_numparse=True, colalign=alignment)
    return (
        f"{grid}\n\nDifferences are paired by frame; bootstrap intervals of the mean. "
        "p: Wilcoxon's signed-rank test, corrected by Holm's method."
    )
