"""Progress of a run on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

from denoisebench.cells import Status
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType
    from rich.progress import Progress as Bar

    from denoisebench.cells import Level, Measurement
    from denoisebench.running.plan import PlannedRow

HEARTBEAT_S = 30
"""Longest silence in seconds where no bar moves."""
WORTH_TELLING_S = 60
"""Expected time of a row in seconds from which it is told before the row begins."""
_LINES_AROUND = 6
"""Lines of the screen beside those of the table so far."""
_FIRST_LOOK_S = 5
"""Time after which the first cells of a row tell how long the others will take."""


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
    return f"{_title(row)}: {counted(cells, 'cell')}, about {about}"


class _RowTally:
    """Measurements of one method so far.

    Args:
        row: the method on its device.
        cells: number of its cells to measure.
        forecast: line that says how long it will take; None if nobody knows yet.
        before: the row's measurements before, of cells that are now timed.
    """

    def __init__(
        self, row: PlannedRow, cells: int, forecast: str | None, before: Iterable[Measurement]
    ) -> None:
        self.title = _title(row)
        self.cells = cells
        self.seen: list[Measurement] = []
        self._before = tuple(before)
        self._row = row
        self._told = forecast is not None
        self._began = time.monotonic()

    def forecast(self) -> str | None:
        """Say once how long the rest will take, if that is long; the first cells tell."""
        left, spent = self.cells - len(self.seen), time.monotonic() - self._began
        seconds = spent / max(1, len(self.seen)) * left
        if self._told or spent < _FIRST_LOOK_S or seconds < WORTH_TELLING_S:
            return None
        self._told = True
        return _forecast(self._row, left, seconds)

    @property
    def is_complete(self) -> bool:
        """True once there is a measurement of each cell."""
        return len(self.seen) == self.cells

    def line(self) -> str:
        """Write one line: cells, mean PSNR by noise level, median time and failures."""
        parts = [f"{self.title}: {self.finished} of {counted(self.cells, 'cell')}"]
        parts += [f"{psnr:.2f} dB at {level}" for level, psnr in self.psnr().items()]
        if time_a_frame := self.time_a_frame():
            parts.append(f"{time_a_frame} a frame")
        failed = [m for m in self.seen if m.status is not Status.OK]
        if failed:
            kinds = Counter(m.status.value for m in failed)
            parts += [f"{count} {kind}" for kind, count in kinds.items()]
            parts.append(failed[0].reason)
        return ", ".join(parts)

    @property
    def finished(self) -> int:
        """Number of cells with an estimate."""
        return sum(m.status is Status.OK for m in self.seen)

    def psnr(self) -> dict[Level, float]:
        """Return the mean PSNR in dB so far by noise level; levels without scores are left out."""
        scores: dict[Level, list[float]] = {}
        for m in {m.cell: m for m in (*self._before, *self.seen)}.values():
            if m.psnr is not None:
                scores.setdefault(m.cell.level, []).append(m.psnr)
        return {level: sum(found) / len(found) for level, found in scores.items()}

    def time_a_frame(self) -> str:
        """Write the median time so far; '' if no cell was timed."""
        times = [ns for m in self.seen for ns in m.call_ns]
        if not times:
            return ""
        ms = median(times) / 1e6
        return f"{ms:.0f} ms" if ms >= 100 else f"{ms:.3g} ms"


class _Tallies:
    """Tallies of the rows at work, by method and device; several may be at work at once."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], _RowTally] = {}

    def begin(self, row: PlannedRow, cells: int, seconds: float) -> str | None:
        """Begin a row's tally; return a line that says how long it will take, if that is long."""
        told = _forecast(row, cells, seconds) if seconds >= WORTH_TELLING_S else None
        key = row.method.spec, row.device
        before = self._rows[key].seen if key in self._rows else ()
        self._rows.pop(key, None)  # it is the latest again
        self._rows[key] = _RowTally(row, cells, told, before)
        return told

    def latest(self, count: int) -> list[_RowTally]:
        """Return the rows that began last, in the order in which they began."""
        return list(self._rows.values())[-count:]

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
        later = f"; {twice} to be timed once all are scored" if twice else ""
        self._say(f"{counted(total, 'cell')}{before}{later}")

    def row(self, row: PlannedRow, cells: int, seconds: float) -> None:
        """See `Progress.row`."""
        if forecast := self._tallies.begin(row, cells, seconds):
            self._say(forecast)

    def compiling(self, row: PlannedRow) -> None:
        """See `Progress.compiling`."""
        self._say(_compiling(row))

    def cell(self, measurement: Measurement) -> None:
        """See `Progress.cell`."""
        self._done += 1
        tally = self._tallies.count(measurement)
        if forecast := tally.forecast():
            self._say(forecast)
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
    """Live display on stderr: the table so far, as far as the screen is high, above a bar.

    It vanishes as the run ends, since the whole table follows.
    """

    def __init__(self) -> None:
        from rich.live import Live

        self._tallies = _Tallies()
        self._bar = live_bar()
        self._live = Live(console=self._bar.console, get_renderable=self._screen, transient=True)
        self._task: Any = None

    def _screen(self) -> RenderableType:
        """Draw the table so far and the bar."""
        from rich.console import Group
        from rich.markup import escape
        from rich.table import Table

        shown = self._tallies.latest(max(1, self._bar.console.height - _LINES_AROUND))
        levels = dict.fromkeys(level for tally in shown for level in tally.psnr())
        table = Table(box=None, pad_edge=False)
        table.add_column("Method")
        for heading in ("cells", *map(str, levels), "a frame"):
            table.add_column(heading, justify="right")
        for tally in shown:
            psnr = tally.psnr()
            scores = [f"{psnr[level]:.2f} dB" if level in psnr else "" for level in levels]
            cells = f"{tally.finished} of {tally.cells}"
            table.add_row(escape(tally.title), cells, *scores, tally.time_a_frame())
        return Group(table, self._bar.get_renderable())

    def begin(self, total: int, done: int, twice: int) -> None:
        """See `Progress.begin`."""
        self._task = self._bar.add_task("", total=total + twice, completed=done)
        self._live.start()

    def row(self, row: PlannedRow, cells: int, seconds: float) -> None:
        """See `Progress.row`."""
        self._say(self._tallies.begin(row, cells, seconds))

    def compiling(self, row: PlannedRow) -> None:
        """See `Progress.compiling`."""
        self._say(_compiling(row))

    def cell(self, measurement: Measurement) -> None:
        """See `Progress.cell`."""
        self._bar.update(self._task, advance=1)
        tally = self._tallies.count(measurement)
        self._say(tally.forecast())
        if tally.is_complete and tally.finished < tally.cells:
            self._say(tally.line())

    def end(self) -> None:
        """See `Progress.end`."""
        self._live.stop()

    def _say(self, line: str | None) -> None:
        """Print a line above the display."""
        if line is not None:
            self._live.console.print(line, markup=False, highlight=False)
