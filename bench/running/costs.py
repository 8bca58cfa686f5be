"""Where the wall time of a run goes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Costs:
    """Sums in nanoseconds; what is left of the whole is the harness's own.

    Attributes:
        load: starting workers, loading methods, reading frames, making noise.
        call: the method's calls, warm-up included.
        score: rounding, metrics and digests.
        cells: how many were measured.
        wall: of the whole.
    """

    load: int = 0
    call: int = 0
    score: int = 0
    cells: int = 0
    wall: int = 0

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        """Add the time spent inside to one of the sums."""
        start = perf_counter_ns()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + perf_counter_ns() - start)

    def summary(self) -> dict[str, float]:
        """The costs in seconds, and the harness's own in milliseconds a cell."""
        harness = self.wall - self.load - self.call - self.score
        seconds = {
            f"{name}_s": round(getattr(self, name) / 1e9, 3)
            for name in ("wall", "load", "call", "score")
        }
        return seconds | {
            "cells": self.cells,
            "harness_ms_per_cell": round(harness / 1e6 / max(1, self.cells), 3),
        }
