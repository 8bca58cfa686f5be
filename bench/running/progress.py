"""Progress of a run on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

from denoisebench.cells import Status

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from denoisebench.cells import Measurement
    from denoisebench.running.plan import PlannedRow

HEARTBEAT_S = 30
"""Longest silence in seconds where no bar moves."""
WORTH_TELLING_S = 60
"""Expected time of a row in seconds from which it is told before the row begins."""


class Progress(Protocol):
    """Observer of a run; the runner calls it as the run goes on."""

    def begin(self, total: int, done: int, twice: int) -> None:
        """Begin a run.

        Args:
            total: number of cells.
            done: number of cells that were measured before.
            twice: number of cells that are scored, and measured again to be timed.
        """
        ...

    def row(self, row: PlannedRow, cells: int, seconds: float) -> None:
        """Begin a method.

        Args:
            row: the method on its device.
            cells: number of its cells to measure, above 0.
            seconds: time that they will take, roughly; 0 if it is not known.
        """
        ...

    def compiling(self, row: PlannedRow) -> None:
        """Note that a method compiles its code, before its first frame."""
        ...

    def cell(self, measurement: Measurement) -> None:
        """Note that a cell has been measured and saved."""
        ...

    def end(self) -> None:
        """End the run, whether it is complete or not."""
        ...


def for_stderr() -> Progress:
    """Return a live display if stderr is a terminal, else plain lines."""
    return _LiveProgress() if sys.stderr.isatty() else PlainProgress()


def live_bar() -> Bar:
    """Return a bar on stderr that shows progress, times and a description beside it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    return Bar(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        speed_estimate_period=300,
    )


def _title(row: PlannedRow) -> str:
    """Name a method and its device."""
    return f"{row.method.spec} on {row.device}"


def _compiling(row: PlannedRow) -> str:
    """Say that a method compiles its code; what is compiled is kept for the runs to come."""
    return f"{_title(row)}: compiling, once"


def _forecast(row: PlannedRow, cells: int, seconds: float) -> str:
    """Say how long a slow method will take, roughly."""
    minutes = round(seconds / 60)
    about = f"{minutes / 60:.1f} h" if minutes > 120 else f"{minutes} min"
    return f"{_title(row)}: {cells} cells, about {about}"


class _RowTally:
    """Measurements of one method so far."""

    def __init__(self, row: PlannedRow, cells: int) -> None:
        self.title = _title(row)
        self.cells = cells
        self.seen: list[Measurement] = []

    @property
    def is_complete(self) -> bool:
        """True once there is a measurement of each cell."""
        return len(self.seen) == self.cells

    def line(self) -> str:
        """Write one line: cells, mean PSNR by noise level, median time and failures."""
        ok = [m for m in self.seen if m.status is Status.OK]
        parts = [f"{self.title}: {len(ok)} of {self.cells} cells"]
        parts += [
            f"{sum(p) / len(p):.2f} dB at {level}"
            for level in dict.fromkeys(m.cell.level for m in ok)
            if (p := [m.psnr for m in ok if m.cell.level == level and m.psnr is not None])
        ]
        if times := [ns for m in ok for ns in m.call_ns]:
            ms = median(times) / 1e6
            parts.append(f"{ms:.0f} ms a frame" if ms >= 100 else f"{ms:.3g} ms a frame")
        failed = [m for m in self.seen if m.status is not Status.OK]
        if failed:
            kinds = Counter(m.status.value for m in failed)
            parts += [f"{count} {kind}" for kind, count in kinds.items()]
            parts.append(failed[0].reason)
        return ", ".join(parts)


class _Tallies:
    """Tallies of the rows at work, by method and device; several may be at work at once."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], _RowTally] = {}

    def begin(self, row: PlannedRow, cells: int) -> _RowTally:
        """Begin a row's tally."""
        tally = self._rows[row.method.spec, row.device] = _RowTally(row, cells)
        return tally

    def count(self, measurement: Measurement) -> _RowTally:
        """Return the tally of a measurement's row, with the measurement in it."""
        tally = self._rows[measurement.cell.method, measurement.cell.device]
        tally.seen.append(measurement)
        return tally


class PlainProgress:
    """Plain lines on stderr: one for each method, and one at least every half minute."""

    def __init__(self) -> None:
        self._tallies = _Tallies()
        self._done = self._total = 0
        self._spoke = time.monotonic()

    def begin(self, total: int, done: int, twice: int) -> None:
        """See `Progress.begin`."""
        self._done, self._total = done, total + twice
        before = f", {done} measured before" if done else ""
        later = f"; {twice} are timed once all are scored" if twice else ""
        self._say(f"{total} cell{'s' * (total != 1)}{before}{later}")

    def row(self, row: PlannedRow, cells: int, seconds: float) -> None:
        """See `Progress.row`."""
        self._tallies.begin(row, cells)
        if seconds >= WORTH_TELLING_S:
            self._say(_forecast(row, cells, seconds))

    def compiling(self, row: PlannedRow) -> None:
        """See `Progress.compiling`."""
        self._say(_compiling(row))

    def cell(self, measurement: Measurement) -> None:
        """See `Progress.cell`."""
        self._done += 1
        tally = self._tallies.count(measurement)
        if tally.is_complete or time.monotonic() - self._spoke > HEARTBEAT_S:
            self._say(f"[{self._done}/{self._total}] {tally.line()}")

    def end(self) -> None:
        """See `Progress.end`."""

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
        self._spoke = time.monotonic()


class Silent:
    """Observer that shows nothing."""

    def begin(self, total: int, done: int, twice: int) -> None:
        """See `Progress.begin`."""

    def row(self, row: PlannedRow, cells: int, seconds: float) -> None:
        """See `Progress.row`."""

    def compiling(self, row: PlannedRow) -> None:
        """See `Progress.compiling`."""

    def cell(self, measurement: Measurement) -> None:
        """See `Progress.cell`."""

    def end(self) -> None:
        """See `Progress.end`."""


class _LiveProgress:
    """Live bar on stderr with the current method, its last score and the time left."""

    def __init__(self) -> None:
        self._bar = live_bar()
        self._task: Any = None
        self._tallies = _Tallies()

    def begin(self, total: int, done: int, twice: int) -> None:
        """See `Progress.begin`."""
        self._bar.start()
        self._task = self._bar.add_task("", total=total + twice, completed=done)

    def row(self, row: PlannedRow, cells: int, seconds: float) -> None:
        """See `Progress.row`."""
        tally = self._tallies.begin(row, cells)
        self._bar.update(self._task, description=tally.title)
        if seconds >= WORTH_TELLING_S:
            line = _forecast(row, cells, seconds)
            self._bar.console.print(line, markup=False, highlight=False)

    def compiling(self, row: PlannedRow) -> None:
        """See `Progress.compiling`."""
        self._bar.update(self._task, description=_compiling(row))

    def cell(self, measurement: Measurement) -> None:
        """See `Progress.cell`."""
        tally = self._tallies.count(measurement)
        last = (
            f"{measurement.psnr:.2f} dB at {measurement.cell.level}"
            if measurement.psnr is not None
            else measurement.status.value
        )
        self._bar.update(self._task, advance=1, description=f"{tally.title}: {last}")
        if tally.is_complete:
            self._bar.console.print(tally.line(), markup=False, highlight=False)

    def end(self) -> None:
        """See `Progress.end`."""
        self._bar.stop()
