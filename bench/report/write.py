"""Writes a run's tables and reports; called at the end of a run, and by ``bench report``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from denoisebench.files import make_folder, write_text
from denoisebench.report.markdown import table1_markdown
from denoisebench.report.results import Results, frames_table, table1
from denoisebench.report.strip import write_strip

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from denoisebench.report.plots import Plot

PAGE = "report.html"


def write_tables(results: Results, out: Path) -> str:
    """Write ``frames.csv``, ``table1.csv`` and ``table1.md``; return the Markdown.

    Raises:
        UsageError: they cannot be written.
    """
    make_folder(out)
    _write_csv(results, out)
    markdown = table1_markdown(results)
    write_text(out / "table1.md", markdown)
    return markdown


def write_reports(
    runs: Mapping[str, tuple[Path, Results]],
    out: Path,
    formats: Collection[str],
    against: str | None = None,
) -> str:
    """Write reports of runs; return the Markdown of their tables.

    The page and the JSON hold all runs. Tables are a run's own: those of several runs go into a
    folder each.

    Args:
        runs: folder and content of each run, by name.
        formats: of `denoisebench.report.FORMATS`.
        against: see `summary.document`.

    Raises:
        UsageError: they cannot be written, or ``against`` is not known.
    """
    from denoisebench.report.summary import document

    make_folder(out)
    summaries = document({name: results for name, (_, results) in runs.items()}, against)
    figures: dict[str, list[Plot]] = {}
    if {"md", "html"} & set(formats):
        from denoisebench.report.plots import plots

        figures = {run["name"]: list(plots(run)) for run in summaries["runs"]}
    printed = []
    for run, (folder, results) in zip(summaries["runs"], runs.values(), strict=True):
        own = out if len(runs) == 1 else out / run["name"]
        make_folder(own)
        if "csv" in formats:
            _write_csv(results, own)
        if "latex" in formats:
            from denoisebench.report.latex import table1_latex

            write_text(own / "table1.tex", table1_latex(results))
        if "md" in formats:
            printed.append(table1_markdown(results))
            write_text(own / "table1.md", printed[-1])
            _write_overview(results, run, figures[run["name"]], own)
            write_strip(results, folder, own)
    if "json" in formats:
        text = json.dumps(summaries, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(out / "report.json", text + "\n")
    if "html" in formats:
        from denoisebench.report.html import page

        write_text(out / PAGE, page(runs, summaries, figures))
    return "\n".join(printed)


def _write_csv(results: Results, out: Path) -> None:
    """Six significant digits: more say nothing that the raw samples do not."""
    write_text(out / "frames.csv", frames_table(results).to_csv(index=False, float_format="%.6g"))
    write_text(out / "table1.csv", table1(results).to_csv(index=False, float_format="%.6g"))


def _write_overview(
    results: Results, run: dict[str, Any], figures: Sequence[Plot], out: Path
) -> None:
    from denoisebench.report.overview import PLOTS, overview

    make_folder(out / PLOTS)
    for figure in figures:
        write_text(out / PLOTS / f"{figure.name}.svg", figure.svg)
    write_text(out / "report.md", overview(results, run, figures))
