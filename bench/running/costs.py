"""Wall time of a run by kind of work: what the harness itself costs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Costs:
    """Wall time by kind of work, in nanoseconds.

    Attributes:
        load: starting workers, loading methods, reading frames, making noise.
        call: the methods' calls, warm-up included.
        score: metrics, digests and the kept crops.
        worked: time of all threads that had something to do. What is in none of the former is the
            harness's own.
        cells: number of cells that were measured.
        wall: the whole run.
        left: number of cells that are left as the budget is spent.

    Examples:
        >>> costs = Costs(load=1_000_000, call=3_000_000, worked=5_000_000, cells=2)
        >>> costs.summary()["harness_ms_per_cell"]
        0.5
    """

    load: int = 0
    call: int = 0
    score: int = 0
    worked: int = 0
    cells: int = 0
    wall: int = 0
    left: int = 0

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        """Add the time spent inside the context to a sum, such as ``load``."""
        start = perf_counter_ns()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + perf_counter_ns() - start)

    def add(self, other: Costs) -> None:
        """Add the sums of a thread that has ended."""
        for name in ("load", "call", "score", "worked"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def summary(self) -> dict[str, float]:
        """Return the costs in seconds, and the harness's own in milliseconds a cell."""
        harness = self.worked - self.load - self.call - self.score
        seconds = {
            f"{name}_s": round(getattr(self, name) / 1e9, 3)
            for name in ("wall", "load", "call", "score")
        }
        return seconds | {
            "cells": self.cells,
            "harness_ms_per_cell": round(harness / 1e6 / max(1, self.cells), 3),
        }
