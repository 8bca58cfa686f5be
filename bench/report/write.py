"""Writes a run's tables; called at the end of a run, and by ``bench report`` at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisebench.files import make_folder, write_text
from denoisebench.report.markdown import table1_markdown
from denoisebench.report.results import Results, frames_table, table1

if TYPE_CHECKING:
    from pathlib import Path


def write_tables(results: Results, out: Path) -> str:
    """Write ``frames.csv``, ``table1.csv`` and ``table1.md``; return the Markdown.

    Raises:
        UsageError: they cannot be written.
    """
    make_folder(out)
    markdown = table1_markdown(results)
    # Six significant digits and more say nothing that the raw samples do not.
    write_text(out / "frames.csv", frames_table(results).to_csv(index=False, float_format="%.6g"))
    write_text(out / "table1.csv", table1(results).to_csv(index=False, float_format="%.6g"))
    write_text(out / "table1.md", markdown)
    return markdown
