"""``bench report``: write reports of runs, offline, from their stored measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from denoisebench.cli import shared
from denoisebench.cli.types import COLUMN_LIST, METHODS, METRICS, format_list

if TYPE_CHECKING:
    from collections.abc import Collection

    from denoisebench.library import ReportOptions


def _formats() -> Collection[str]:
    from denoisebench.reporting.write import REPORT_FORMATS

    return REPORT_FORMATS


@click.command("report", short_help="Write the tables and the page of runs.")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--format",
    "formats",
    type=format_list(_formats),
    default="html,md,csv",
    show_default=True,
    help="Formats to write: html, md, latex, csv and json.",
)
@click.option(
    "--against",
    metavar="METHOD",
    help="Method with which the others are compared.  [default: the best]",
)
@click.option(
    "--metrics",
    type=METRICS,
    default="all",
    show_default=True,
    help="Scores to show beside PSNR: all, names or globs.",
)
@click.option(
    "--common",
    is_flag=True,
    help="Take means over the frames that all methods have, if some lack frames.",
)
@click.option(
    "--columns",
    type=COLUMN_LIST,
    default=(),
    help="Columns of one table of all runs: data sets, sigmas, metrics, time and memory.  "
    "[default: PSNR of all data sets and sigmas]",
)
@click.option(
    "--rows",
    type=METHODS,
    default=(),
    help="Its methods, in their order: names, globs, or all.  [default: all, from best to worst]",
)
@click.option("--caption", default="", help="Its caption.  [default: metrics and data sets]")
@click.option(
    "--label", default="", help="Its name in LaTeX, for references.  [default: tab:denoisebench]"
)
@click.option(
    "--standard-errors", is_flag=True, help="Show the standard error of each of its means."
)
@click.option(
    "--paper/--no-paper",
    default=True,
    show_default=True,
    help="Show the PSNR that the paper prints, in Table 1 of documentary.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the reports.  [default: the run's own folder]",
)
@shared.wide
@click.option("--open", "show", is_flag=True, help="Write the page, and open it in a browser.")
def report_command(
    runs: tuple[Path, ...],
    formats: tuple[str, ...],
    out: Path | None,
    show: bool,
    wide: bool,
    **options: Any,
) -> None:
    """Write reports of the runs in the folders RUNS from their stored measurements.

    \b
    html   report.html, one page that needs no network
    md     table1.md, and report.md with its figures in plots
    latex  table1.tex, a booktabs table
    csv    table1.csv and frames.csv; with the extra `parquet`, frames.parquet
    json   report.json, as `bench schema` describes it

    Runs on several data sets also have one table with the sets as columns: table.md, table.tex and
    table.html. Any of --columns, --rows, --caption, --label and --standard-errors makes it of one
    run as well.

    The tables are also printed, drawn on a terminal and as Markdown elsewhere. A method that lacks
    frames, in an interrupted run or because some failed, has no means, unless --common is given.
    """
    from denoisebench import library
    from denoisebench.reporting.write import PAGE

    if show:
        formats = tuple(dict.fromkeys([*formats, "html"]))
    tables = library.report_tables(runs, formats, out, cast("ReportOptions", options))
    if "md" in formats:
        shared.show_tables(tables, wide)
    page = (out or runs[0]) / PAGE
    if "html" in formats:
        click.echo(f"Wrote {page}", err=True)
    if show:
        _open(page)


def _open(page: Path) -> None:
    """Open the page in a browser, or say that there is none."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        click.echo(f"No browser was found; open {page} yourself", err=True)
