"""Tables of a search for conventions, as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from denoisebench.protocol import PROTOCOL_VERSION, digest
from denoisebench.reporting.escaping import escape_markdown, escape_remark
from denoisebench.reporting.formatting import NONE, decimals
from denoisebench.reporting.summary import jsonable
from denoisebench.text import as_cell, as_json
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.verifying.convention_search import ConventionScore, ConventionSearch

__all__ = ["CONVENTION_FORMATS", "conventions_markdown", "verdict_on"]

_MOST_ROWS = 20
_NEAREST = 5
_DIGITS = {"psnr": 3, "ssim": 5}
_UNITS = {"psnr": " dB", "ssim": ""}


def conventions_markdown(search: ConventionSearch) -> str:
    """Write the table, the verdict and the way it was measured.

    With a print, the rows are the protocol, and the conventions that fit, those with fewer changes
    first, or where none fits the nearest ones; without one, each change alone. CSV has all.

    Args:
        search: the figures.
    """
    rows = _shown(search)
    head = ["Convention", search.options.metric.upper(), "effect", "scatter"]
    if search.printed is not None:
        head += [f"less {search.printed.text}", "tolerance", "fits"]
    grid = tabulate(
        [_cells(search, score) for score in rows],
        head,
        "github",
        disable_numparse=True,
        colalign=["left", *["right"] * (len(head) - 1)],
    )
    notes = [verdict_on(search), *_notes(search), f"Command: `{search.options.command}`"]
    return "\n\n".join([grid, "  \n".join(map(escape_remark, filter(None, notes)))]) + "\n"


def _shown(search: ConventionSearch) -> Sequence[ConventionScore]:
    """Choose the rows that people read; CSV and JSON have all."""
    usual, *others = search.scores
    if search.printed is None:
        single = [score for score in others if len(score.convention.changes) == 1]
        return [usual, *sorted(single, key=lambda score: -abs(score.effect))]
    fitting = [score for score in search.fitting if score is not usual]
    if usual.fits:  # nothing needs a second change
        fitting = [score for score in fitting if len(score.convention.changes) == 1]
    nearest = [score for score in search.nearest if score is not usual]
    return [usual, *(fitting[:_MOST_ROWS] if search.fitting else nearest[:_NEAREST])]


def _cells(search: ConventionSearch, score: ConventionScore) -> list[str]:
    """Write the cells of a row."""
    digits = _DIGITS[search.options.metric]
    plain, signed = decimals(digits), decimals(digits, sign=True)
    cells = [
        escape_markdown(str(score.convention)),
        plain(score.value),
        signed(score.effect) if score.convention.changes else NONE,
        plain(score.scatter),
    ]
    if search.printed is not None:
        fits = "yes" if score.fits else "no"
        cells += [signed(score.distance), plain(score.tolerance), fits]
    return cells


def verdict_on(search: ConventionSearch) -> str:
    """Say whether some convention gives the printed figure; '' without a print."""
    if search.printed is None:
        return ""
    printed, fitting, usual = search.printed, search.fitting, search.scores[0]
    unit, signed = (
        _UNITS[search.options.metric],
        decimals(_DIGITS[search.options.metric], sign=True),
    )
    total = counted(len(search.scores), "convention")
    if not fitting:
        nearest = search.nearest[0]
        return (
            f"None of {total} gives {printed.text}. The nearest is off by "
            f"{signed(nearest.distance)}{unit}: {nearest.convention}. The print is of another "
            "program, other weights, other frames, or a convention that is not among these."
        )
    if usual.fits:
        return (
            f"The protocol gives {printed.text}; {len(fitting) - 1} of {total} with changes do so, "
            "too, and nothing needs them."
        )
    fewest = len(fitting[0].convention.changes)
    alike = [score for score in fitting if len(score.convention.changes) == fewest]
    return (
        f"{len(fitting)} of {total} give {printed.text}. The fewest changes that do: "
        f"{' / or: '.join(str(score.convention) for score in alike)}. Of many combinations some "
        "fit by chance: the paper, its program or a second printed figure decides."
    )


def _notes(search: ConventionSearch) -> list[str]:
    """Say what was measured, and explain the columns."""
    options = search.options
    noise = "recorded noise" if options.sigma is None else f"sigma {options.sigma:g}"
    draws = f"{counted(search.draws, 'noise draw')}"
    notes = [
        f"{search.title} on {search.dataset}, split `{options.split}`, "
        f"{counted(search.frames, 'frame')}, {noise}, {draws}. Each change is made to the same "
        "noise and the same estimates.",
        "Effect: the figure less the protocol's. Scatter: standard deviation of the figure over "
        "single noise draws.",
    ]
    if search.printed is not None:
        if options.frames is not None:
            notes.append("These are some frames only: a print of all frames is another figure.")
        known = search.draws > 1
        notes.append(
            "Tolerance: half of the print's last digit"
            + (
                ", and the 95 % scatter of a figure of one draw about this mean."
                if known
                else "; the scatter over draws is not known from one draw (--seeds 2)."
            )
        )
    return [*notes, f"Protocol {PROTOCOL_VERSION}, digest `{digest()}`."]


def _csv(search: ConventionSearch) -> str:
    """Write all conventions as CSV, figures to six significant digits."""
    text = io.StringIO()
    rows = [score.record for score in search.scores]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _as_text(value) for name, value in row.items()})
    return text.getvalue()


def _as_text(value: Any) -> str:
    """Write a value as a cell of CSV; empty for nan."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return as_cell(str(value))


def _json(search: ConventionSearch) -> str:
    """Write all conventions as JSON."""
    scores = [score.record | {"choices": score.convention.changes} for score in search.scores]
    content = {
        "schema": "denoisebench-conventions-1",
        "method": search.options.method,
        "dataset": search.options.dataset,
        "split": search.options.split,
        "sigma": search.options.sigma,
        "metric": search.options.metric,
        "frames": search.frames,
        "draws": search.draws,
        "printed": None if search.printed is None else search.printed.text,
        "protocol": digest(),
        "command": search.options.command,
        "verdict": verdict_on(search),
        "conventions": scores,
    }
    return as_json(jsonable(content)) + "\n"


CONVENTION_FORMATS = {"md": conventions_markdown, "csv": _csv, "json": _json}
"""Writers of a search by format."""
