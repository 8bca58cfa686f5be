"""The figures of a run under names that last from run to run, for histories and other tools."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from denoisebench.cells import told_to
from denoisebench.store.tables import table1

if TYPE_CHECKING:
    from denoisebench.cells import Level
    from denoisebench.store.results import Results


def row_name(row: dict[str, Any], level: Level | None = None) -> str:
    """A row in words, at one noise level or at all; what a blind method is told does not matter."""
    name = f"{row['method']} {row['device']}"
    return name if level is None else f"{name} {told_to(row.get('blind', False), [level])[0]}"


def named_lines(results: Results) -> dict[str, dict[str, Any]]:
    """The lines of `table1`, which has one for each row and level in this order, by name."""
    rows = product(results.manifest["rows"], results.levels)
    lines = table1(results).to_dict("records")
    return {
        row_name(row, level): {str(key): value for key, value in line.items()}
        for (row, level), line in zip(rows, lines, strict=True)
    }
