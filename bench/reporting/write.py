"""Write a run's tables and reports, at the end of a run and for ``bench report``.

To add a format, write a function and enter it in `REPORT_FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError, unknown
from denoisebench.files import make_folder, replacing, write_text
from denoisebench.reporting.contents import Contents
from denoisebench.reporting.figures.strip import write_strip
from denoisebench.reporting.markdown import PLOTS, overview, render
from denoisebench.reporting.table import full_table
from denoisebench.store.parquet import copied_to_parquet
from denoisebench.store.tables import as_csv, frames_tables, table1
from denoisebench.text import as_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from denoisebench.store.results import Results

PAGE = "report.html"


def write_tables(results: Results, out: Path) -> str:
    """Write ``frames.csv``, ``table1.csv`` and ``table1.md``; return the Markdown.

    Args:
        results: the stored run.
        out: folder for the files; created if it is absent.

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

    The page and the JSON hold all runs. The tables of several runs go into a folder for each run.

    Args:
        runs: folder and content of each run, by name.
        out: folder for the files; created if it is absent.
        formats: names in `REPORT_FORMATS`.
        against: spec of the method with which the others are compared; None takes each run's best
            by PSNR.

    Returns:
        The tables, one after the other; empty if ``md`` is not among the formats.

    Raises:
        UsageError: they cannot be written, or no run can compare others with ``against``.
    """
    known = dict.fromkeys(m for _, results in runs.values() for m in results.contestants)
    if against is not None and against not in known:
        raise UsageError(f"--against: {unknown('method', against, known)}")
    contents = [Contents(name, *run, against) for name, run in runs.items()]
    _check_compared(contents, against)
    make_folder(out)
    for name, write in REPORT_FORMATS.items():
        if name in formats:
            write(contents, out)
    return "\n".join(render(run.table) for run in contents) if "md" in formats else ""


def _check_compared(runs: Sequence[Contents], against: str | None) -> None:
    """Raise UsageError if others are to be compared with a method that lacks frames."""
    levels = [(run, level) for run in runs for level in range(len(run.results.levels))]
    comparable = {method for run, level in levels for method in run.differences.psnr(level)}
    if against is not None and comparable and against not in comparable:
        raise UsageError(
            f"--against {against}: it lacks frames at every level of noise; "
            "finish the run, or compare on the frames that all methods have with --common"
        )


def _write_page(runs: Sequence[Contents], out: Path) -> None:
    """Write the page, which holds all runs."""
    from denoisebench.reporting.html import page

    write_text(out / PAGE, page(runs))


def _write_json(runs: Sequence[Contents], out: Path) -> None:
    """Write the document of all runs, as `bench schema` describes it."""
    from denoisebench.reporting.summary import document

    found = document(run.summary for run in runs)
    write_text(out / "report.json", as_json(found) + "\n")


def _write_markdown(run: Contents, out: Path) -> None:
    """Write the table, the overview with its figures, and the strip of crops."""
    write_text(out / "table1.md", render(run.table))
    make_folder(out / PLOTS)
    for plot in run.plots:
        write_text(out / PLOTS / f"{plot.name}.svg", plot.svg)
    write_text(out / "report.md", overview(run))
    write_strip(run.results, run.folder, out)


def _write_latex(run: Contents, out: Path) -> None:
    """Write the table for LaTeX."""
    from denoisebench.reporting.latex import table1_latex

    write_text(out / "table1.tex", table1_latex(run.table))


def _write_csv(results: Results, out: Path) -> None:
    """Write the tidy tables; the table of frames as Parquet, too, where pyarrow is installed."""
    frames = copied_to_parquet(out / "frames.parquet", frames_tables(results))
    for name, tables in (("frames.csv", frames), ("table1.csv", [table1(results)])):
        with replacing(out / name) as file:
            for lines in as_csv(tables):
                file.write(lines.encode(errors="backslashreplace"))


_Writer = Callable[[Sequence[Contents], Path], None]


def _for_each(write: Callable[[Contents, Path], None]) -> _Writer:
    """Return a writer that writes each run alone; several runs have a folder each."""

    def write_all(runs: Sequence[Contents], out: Path) -> None:
        for run in runs:
            folder = out if len(runs) == 1 else out / run.name
            make_folder(folder)
            write(run, folder)

    return write_all


REPORT_FORMATS: dict[str, _Writer] = {
    "html": _write_page,
    "md": _for_each(_write_markdown),
    "latex": _for_each(_write_latex),
    "csv": _for_each(lambda run, out: _write_csv(run.results, out)),
    "json": _write_json,
}
"""The formats of a report: functions that write runs into a folder."""
