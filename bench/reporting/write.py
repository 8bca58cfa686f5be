"""Write a run's tables and reports, at the end of a run and for ``bench report``.

To add a format, write a function and enter it in `REPORT_FORMATS`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError, unknown
from denoisebench.files import make_folder, replacing, write_text
from denoisebench.reporting.contents import Contents
from denoisebench.reporting.figures.strip import write_strip
from denoisebench.reporting.joint import PaperOptions, joint_table, reason_apart
from denoisebench.reporting.markdown import PLOTS, overview, render
from denoisebench.store.parquet import copied_to_parquet
from denoisebench.store.tables import as_csv, frames_tables, table1
from denoisebench.text import as_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from denoisebench.reporting.table import Table
    from denoisebench.store.results import Results

_log = logging.getLogger("denoisebench")

PAGE = "report.html"


def write_tables(results: Results, table: Table, out: Path) -> str:
    """Write ``frames.csv``, ``table1.csv`` and ``table1.md``; return the Markdown.

    Args:
        results: the stored run.
        table: its Table 1.
        out: folder for the files; created if it is absent.

    Raises:
        UsageError: they cannot be written.
    """
    make_folder(out)
    _write_csv(results, out)
    markdown = render(table)
    write_text(out / "table1.md", markdown)
    return markdown


def write_reports(
    runs: Mapping[str, tuple[Path, Results]],
    out: Path,
    formats: Collection[str],
    against: str | None = None,
    paper: PaperOptions | None = None,
    *,
    with_paper: bool = True,
) -> list[Table]:
    """Write reports of runs; return their tables.

    The page and the JSON hold all runs. The tables of several runs go into a folder for each run;
    where they can stand in one table, that is written, too.

    Args:
        runs: folder and content of each run, by name.
        out: folder for the files; created if it is absent.
        formats: names in `REPORT_FORMATS`.
        against: spec of the method with which the others are compared; None takes each run's best
            by PSNR.
        paper: options of one table of all runs; None for none unless there are several.
        with_paper: False to leave out the PSNR of the paper in Table 1.

    Returns:
        The one table if there is one, else that of each run.

    Raises:
        UsageError: they cannot be written, no run can compare others with ``against``, or the runs
            cannot stand in the one table that is asked for.
    """
    known = dict.fromkeys(m for _, results in runs.values() for m in results.contestants)
    if against is not None and against not in known:
        raise UsageError(f"--against: {unknown('method', against, known)}")
    contents = [Contents(name, *run, against, with_paper=with_paper) for name, run in runs.items()]
    _check_compared(contents, against)
    joint = joint_if_possible([run.results for run in contents], paper)
    make_folder(out)
    for name, write in REPORT_FORMATS.items():
        if name in formats:
            write(contents, out)
    for name, (file, render_joint) in _JOINT_FORMATS.items():
        if name in formats and joint is not None:
            write_text(out / file, render_joint(joint))
    return [run.table for run in contents] if joint is None else [joint]


def joint_if_possible(runs: Sequence[Results], options: PaperOptions | None = None) -> Table | None:
    """Return one table of runs, if options ask for it or they are several that can share one.

    Raises:
        UsageError: options ask for it, and the runs cannot share one.
    """
    if options is None and len(runs) < 2:
        return None
    if options is None and (reason := reason_apart(runs)):
        _log.warning("No table of all runs: %s", reason)
        return None
    return joint_table(runs, options or PaperOptions())


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
    from denoisebench.reporting.latex import table_latex

    write_text(out / "table1.tex", table_latex(run.table))


def _joint_latex(table: Table) -> str:
    """Render one table of all runs for LaTeX."""
    from denoisebench.reporting.latex import table_latex

    return table_latex(table)


def _joint_html(table: Table) -> str:
    """Render one table of all runs as a part of a page."""
    from denoisebench.reporting.html import table_html

    return table_html(table)


_JOINT_FORMATS: dict[str, tuple[str, Callable[[Table], str]]] = {
    "md": ("table.md", render),
    "latex": ("table.tex", _joint_latex),
    "html": ("table.html", _joint_html),
}
"""Files of one table of all runs, with the functions that render them."""


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
