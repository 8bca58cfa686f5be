"""All that a report shows of a run, each part made once, when a format first asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from denoisebench.reporting.summary import summary
from denoisebench.reporting.table import Table, full_table

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.reporting.figures.drawing import Plot
    from denoisebench.store.results import Results


@dataclass(frozen=True)
class Contents:
    """A run and what follows from it.

    Attributes:
        name: what the run is called.
        folder: where it is.
        results: what it stored.
        against: the method that others are compared with; see `summary`.
    """

    name: str
    folder: Path
    results: Results
    against: str | None = None

    @cached_property
    def table(self) -> Table:
        return full_table(self.results)

    @cached_property
    def summary(self) -> dict[str, Any]:
        return summary(self.name, self.results, self.table, self.against)

    @cached_property
    def plots(self) -> list[Plot]:
        from denoisebench.reporting.figures.plots import plots

        return list(plots(self.summary))
