"""Tables of a verification, as Markdown and CSV: pure functions of its comparisons."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from denoisebench.machine import environment
from denoisebench.protocol import PROTOCOL_VERSION, digest
from denoisebench.text import as_cell
from denoisebench.verifying.agreement import Agreement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from denoisebench.verifying.agreement import FigureComparison

_HEADERS = (
    *("Method", "Data", "σ", "published", "ours", "difference", "tolerance", "worst image"),
    *("source", "verdict"),
)
_NONE = "–"


def verification_markdown(comparisons: Sequence[FigureComparison], command: str) -> str:
    """Write the Markdown table: a row for each printed figure, and notes under the table.

    The notes name the sources and give the reasons of the tolerances.

    Args:
        comparisons: the rows, in the order of the table.
        command: the command that repeats the verification.
    """
    grid = tabulate(
        [[*_figures(c), _verdict(c)] for c in comparisons],
        _HEADERS,
        "github",
        disable_numparse=True,
        colalign=["left", "left", *["right"] * 6, "left", "left"],
    )
    return "\n\n".join([grid, _footer(comparisons, command)]) + "\n"


def _figures(c: FigureComparison) -> list[str]:
    """Write the cells of a row, without the verdict."""
    e = c.expectation
    worst = _NONE if c.worst is None else f"{c.worst[0]} {c.worst[1]:+.2f} ({c.image_tolerance:g})"
    return [
        e.label if c.device in ("", "cpu") else f"{e.label} ({c.device})",
        e.dataset.removeprefix("standard:"),
        _NONE if c.sigma is None else f"{c.sigma:g}",
        _decibels(c.printed),
        _decibels(c.measured),
        _NONE if c.difference is None else f"{c.difference:+.2f}",
        f"{e.tolerance:g}" if e.tolerance else _NONE,
        worst,
        f"{e.source.name} {e.table}".strip(),
    ]


def _decibels(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}"


def _verdict(c: FigureComparison) -> str:
    """Write the verdict, with its reason."""
    if c.verdict is Agreement.AGREES:
        return str(c.verdict)
    # A reason that begins with "off by" contains the verdict.
    text = c.reason if c.reason.startswith("off") else f"{c.verdict}: {c.reason}"
    return text.replace("|", "\\|").replace("\n", " ")


def _footer(comparisons: Sequence[FigureComparison], command: str) -> str:
    """Write the notes under the table."""
    sources = dict.fromkeys(c.expectation.source for c in comparisons)
    modules = {"numpy"}.union(*(_requires(c) for c in comparisons if c.device))
    versions = ", ".join(f"{name} {v}" for name, v in environment.versions(modules).items())
    lines = [
        "PSNR in dB, means over images; one noise draw. Worst image: the one that differs most "
        "from its own printed figure, and by how much it may, where single images were printed.",
        *(f"{s.name}: {s.citation}. Its convention: {s.convention}." for s in sources),
        *(f"Tolerance for {what}: {reason}" for what, reason in _reasons(comparisons)),
        f"Protocol {PROTOCOL_VERSION}, digest `{digest()}`. Versions: {versions}.",
        f"Command: `{command}`",
    ]
    return "  \n".join(lines)


def _requires(c: FigureComparison) -> Iterable[str]:
    """Return the libraries that the method needs, whose versions the notes give."""
    from denoisebench.denoisers import registry

    return registry.cards()[c.expectation.method].requires


def _reasons(comparisons: Sequence[FigureComparison]) -> dict[tuple[str, str], None]:
    """List what each tolerance that was used is for, with its reason; no pair twice."""
    return dict.fromkeys(
        (f"{c.expectation.label} on {c.expectation.dataset}", c.expectation.reason)
        for c in comparisons
        if c.device and c.expectation.reason
    )


def verification_csv(comparisons: Sequence[FigureComparison]) -> str:
    """Write the CSV table: one line for each comparison, figures to 6 significant digits."""
    text = io.StringIO()
    rows = [_record(c) for c in comparisons]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _record(c: FigureComparison) -> dict[str, Any]:
    """Return one line of the CSV table."""
    e = c.expectation
    image, image_difference = c.worst or (None, None)
    figures = {
        "printed": c.printed,
        "measured": c.measured,
        "difference": c.difference,
        "tolerance": e.tolerance,
        "worst_image_difference": image_difference,
        "image_tolerance": c.image_tolerance,
    }
    return {
        "method": e.method,
        "label": e.label,
        "dataset": e.dataset,
        "sigma": c.sigma,
        "device": c.device,
        "source": e.source.name,
        "table": e.table,
        **{name: None if value is None else f"{value:.6g}" for name, value in figures.items()},
        "worst_image": image,
        "frames": c.frames,
        "verdict": c.verdict.value,
        "reason": as_cell(c.reason),
    }
