"""Writes a run's tables and reports; called at the end of a run, and by ``bench report``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError, unknown
from denoisebench.files import make_folder, write_text
from denoisebench.reporting.contents import Contents
from denoisebench.reporting.figures.strip import write_strip
from denoisebench.reporting.markdown import PLOTS, overview, render
from denoisebench.reporting.table import full_table
from denoisebench.store.tables import frames_table, table1

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from denoisebench.store.results import Results

PAGE = "report.html"


def write_tables(results: Results, out: Path) -> str:
    """Write ``frames.csv``, ``table1.csv`` and ``table1.md``; return the Markdown.

    Raises:
        UsageError: they cannot be written.
    """
    make_folder(out)
    _write_csv(results, out)
    markdown = render(full_table(results))
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
        formats: of `denoisebench.reporting.FORMATS`.
        against: the method that others are compared with; None takes each run's best by PSNR.

    Raises:
        UsageError: they cannot be written, or no run has ``against`` among its contestants.
    """
    known = {m for _, results in runs.values() for m in results.contestants}
    if against is not None and against not in known:
        raise UsageError(f"--against: {unknown('method', against, known)}")
    contents = [Contents(name, *run, against) for name, run in runs.items()]
    make_folder(out)
    for run in contents:
        _write_own(run, out if len(contents) == 1 else out / run.name, formats)
    if "json" in formats:
        from denoisebench.reporting.summary import document

        found = document(run.summary for run in contents)
        text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(out / "report.json", text + "\n")
    if "html" in formats:
        from denoisebench.reporting.html import page

        write_text(out / PAGE, page(contents))
    return "\n".join(render(run.table) for run in contents) if "md" in formats else ""


def _write_own(run: Contents, out: Path, formats: Collection[str]) -> None:
    """Write the files that each run has for itself."""
    if {"csv", "latex", "md"} & set(formats):
        make_folder(out)
    if "csv" in formats:
        _write_csv(run.results, out)
    if "latex" in formats:
        from denoisebench.reporting.latex import table1_latex

        write_text(out / "table1.tex", table1_latex(run.table))
    if "md" in formats:
        write_text(out / "table1.md", render(run.table))
        _write_overview(run, out)
        write_strip(run.results, run.folder, out)


def _write_csv(results: Results, out: Path) -> None:
    """Write the tidy tables; digits after the sixth say nothing that raw samples do not."""
    write_text(out / "frames.csv", frames_table(results).to_csv(index=False, float_format="%.6g"))
    write_text(out / "table1.csv", table1(results).to_csv(index=False, float_format="%.6g"))


def _write_overview(run: Contents, out: Path) -> None:
    make_folder(out / PLOTS)
    for plot in run.plots:
        write_text(out / PLOTS / f"{plot.name}.svg", plot.svg)
    write_text(out / "report.md", overview(run))
