"""Node of a cluster: it measures batches of cells, each run in a process of its own.

A Dask worker holds the process and never runs a method itself: a method may end the process that
supervises it, and what it did then is known to the cell. The process plans the run again from its
options, reads the data on its machine, and refuses cells whose identity is another one there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass, field, fields, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.errors import UsageError
from denoisebench.plugins import describe_error
from denoisebench.running.costs import Costs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from denoisebench.cells import Cell, Measurement
    from denoisebench.datasets import Frame
    from denoisebench.running.jobs import Job
    from denoisebench.running.plan import PlannedRow, RunOptions
    from denoisebench.running.row_run import Outcome

__all__ = [
    "BatchResult",
    "CellBatch",
    "NodeOutcome",
    "RemoteCell",
    "end_run",
    "measure_batch",
    "serve_run",
]

_SLACK_S = 900.0
"""Time for a run to be planned and a method to compile its code, beyond the limits of a cell."""
_LOG_BYTES = 100_000
"""Most bytes of a method's output that are sent with a batch."""


@dataclass(frozen=True)
class RemoteCell:
    """Cell to measure, with the identity that it has for the coordinator.

    Attributes:
        cell: the cell.
        pixels: digest of its frame.
        quality_key: see `running.identity.Identities`.
        known: the stored measurement of the cell; None if there is none.
    """

    cell: Cell
    pixels: str
    quality_key: str
    known: Measurement | None


@dataclass(frozen=True)
class CellBatch:
    """Cells of one row, with all that a node needs to measure them.

    Attributes:
        run: name of the coordinator's run, the same for all its batches.
        folder: the coordinator's working folder; relative paths of the options begin there.
        options: the options of the run on a node.
        metrics: keys of the further metrics' definitions, by name.
        row: method and device.
        requests: the cells.
    """

    run: str
    folder: str
    options: RunOptions
    metrics: dict[str, str | None]
    row: tuple[str, str]
    requests: tuple[RemoteCell, ...]


@dataclass(frozen=True)
class NodeOutcome:
    """Outcome of a cell on a node.

    Attributes:
        outcome: the outcome, with a copy of its session.
        session: name of the session, the same for all its cells.
    """

    outcome: Outcome
    session: str


@dataclass
class BatchResult:
    """Outcomes of a batch.

    Attributes:
        outcomes: the outcomes of its first cells; of all, unless the process died.
        died: words on the death of the process that supervises the method; empty if it lives.
        problem: a sentence on why the node cannot take part; empty if it can.
        costs: sums of the times.
        logs: what the method wrote, by the name of the log.
    """

    outcomes: list[NodeOutcome] = field(default_factory=list)
    died: str = ""
    problem: str = ""
    costs: Costs = field(default_factory=Costs)
    logs: dict[str, bytes] = field(default_factory=dict)


def measure_batch(batch: CellBatch) -> BatchResult:
    """Measure a batch; this is the task of a Dask worker."""
    with _HELD:
        if _at_work and _at_work[0].run != batch.run:
            _at_work.pop().stop()
        if not _at_work:
            _at_work.append(_Process(batch.run))
        result = _at_work[0].measure(batch)
        if result.died:
            _at_work.pop().stop()
        return result


def end_run(run: str) -> None:
    """End the process of a run, if this worker has one, also while it measures a batch."""
    for process in _at_work:
        if process.run == run:
            process.kill()
    if _HELD.acquire(blocking=False):  # a batch at work sees the end itself
        try:
            if _at_work and _at_work[0].run == run:
                _at_work.pop().stop()
        finally:
            _HELD.release()


_HELD = threading.Lock()
"""Held while a batch is measured: a worker measures one at a time, however many threads it has."""
_at_work: list[_Process] = []
"""The process of the run that was at work last, if there is one."""


class _Process:
    """Process that supervises the methods of one run.

    Args:
        run: name of the run.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self._logs = tempfile.TemporaryDirectory(prefix="bench-")
        self._connection, theirs = Pipe()
        # Dask's workers are daemons, which may not have children by multiprocessing.
        code = (
            f"from {__name__} import serve_run; serve_run({theirs.fileno()}, {self._logs.name!r})"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the coordinator alone
        )
        theirs.close()

    def measure(self, batch: CellBatch) -> BatchResult:
        """Have the process measure a batch."""
        outcomes = []
        try:
            self._connection.send(batch)
            while isinstance(news := self._next(batch.options.timeout), NodeOutcome):
                outcomes.append(news)
        except (EOFError, OSError):
            return BatchResult(outcomes, died=self._death())
        return replace(news, outcomes=outcomes)

    def _next(self, timeout: float) -> NodeOutcome | BatchResult:
        """Wait for the next news; a process that hangs is killed.

        Args:
            timeout: time limit of loading the method, and of a cell, which the process keeps.

        Raises:
            EOFError, OSError: the process has ended.
        """
        if not self._connection.poll(2 * timeout + _SLACK_S):
            self.kill()
        news: NodeOutcome | BatchResult = self._connection.recv()
        return news

    def _death(self) -> str:
        """Say how the process ended."""
        code = self._process.wait()
        if code < 0:
            return f"the process that supervised it was ended by {signal.Signals(-code).name}"
        return f"the process that supervised it exited with code {code}"

    def stop(self) -> None:
        """End the process, and remove what it wrote."""
        self._connection.close()
        self.kill()
        self._process.wait()
        self._logs.cleanup()

    def kill(self) -> None:
        """Kill the process; another thread may wait for its outcomes. Its methods end with it."""
        self._process.kill()


class _Station:
    """Methods of one run at work on this node.

    Args:
        batch: any batch of the run.
        logs: folder for the methods' output.

    Raises:
        UsageError: the run cannot be planned here, or not alike.
    """

    def __init__(self, batch: CellBatch, logs: Path) -> None:
        from denoisebench.datasets.base import spread
        from denoisebench.running.evaluation import FrameReader
        from denoisebench.running.identity import Identities
        from denoisebench.running.plan import make_plan
        from denoisebench.running.row_run import Workbench
        from denoisebench.running.scoring import Scorer
        from denoisebench.store.crops import Pictures

        with contextlib.suppress(OSError):  # without a shared file system there is none
            os.chdir(batch.folder)
        plan, _ = make_plan(batch.options)
        own = {metric.name: metric.description["key"] for metric in plan.metrics}
        for name, key in batch.metrics.items():
            if own.get(name) != key:
                raise UsageError(f"it lacks the metric {name}, or has another definition of it")
        self.costs = Costs()
        self._frames = {frame.id: frame for frame in plan.frames}
        self._rows = {(row.method.spec, row.device): row for row in plan.rows}
        self._identities = Identities(plan)
        kept = spread(plan.frames, plan.options.keep_images)
        pictures = Pictures(frame.id for frame in kept)
        scorer = Scorer(plan.metrics)
        self._bench = Workbench(plan, logs, scorer, pictures, FrameReader(), lambda row: None)
        self._row: PlannedRow | None = None
        self._left: deque[Job] = deque()
        self._outcomes: Generator[Outcome] | None = None

    def measure(self, batch: CellBatch) -> Iterator[Outcome]:
        """Yield the outcomes of a batch; the method's process stays for the next batch of it.

        Raises:
            UsageError: something of the batch is another one here.
        """
        row = self._rows.get(batch.row)
        if row is None:
            raise UsageError(f"{batch.row[0]} cannot run on {batch.row[1]} there")
        jobs = [self._job(row, request) for request in batch.requests]
        if row is not self._row or self._outcomes is None:
            self._begin(row)
        assert self._outcomes is not None
        for job in jobs:
            self._left.append(job)
            outcome = next(self._outcomes)
            if outcome.session is not None:
                outcome.session.details["machine"] = self._machine
            yield outcome

    def _begin(self, row: PlannedRow) -> None:
        """Begin a row, whose process takes a job when it is asked for an outcome."""
        from denoisebench.running.row_run import RowRun

        if self._outcomes is not None:
            self._outcomes.close()
        self._row = row
        run = RowRun(self._bench, row, self.costs, place=1)
        self._outcomes = run.measure(iter(self._left.popleft, None))

    @property
    def _machine(self) -> dict[str, Any]:
        """Description of this machine, for the session."""
        from denoisebench.machine import environment

        identity = {"cpu": environment.cpu_name(), "cores": os.cpu_count()}
        return identity | {"machine": environment.machine_id(self._bench.plan.options.machine)}

    def _job(self, row: PlannedRow, request: RemoteCell) -> Job:
        """Return the job of a cell.

        Raises:
            UsageError: its identity is another one here.
        """
        from denoisebench.running.jobs import Job

        frame = self._frame(request)
        keys = self._identities.of(row, request.cell, frame)
        if keys[0] != request.quality_key:
            raise UsageError(
                f"{row.method.spec} is another version there: its code, libraries or weights differ"
            )
        return Job(request.cell, frame, *keys, request.known, timed=False)

    def _frame(self, request: RemoteCell) -> Frame:
        """Return the frame of a cell.

        Raises:
            UsageError: there is none here, or one with other pixels.
        """
        frame = self._frames.get(request.cell.frame)
        if frame is None or frame.digest != request.pixels:
            raise UsageError(f"the frame {request.cell.frame} is missing there, or another one")
        return frame


def serve_run(descriptor: int, folder: str) -> None:
    """Measure batches until the Dask worker ends, or wants no more; this is the process of a run.

    Args:
        descriptor: its end of a pipe, by which batches come and outcomes go.
        folder: folder for the methods' output.
    """
    os.set_inheritable(descriptor, False)
    connection, logs = Connection(descriptor), _Logs(Path(folder))
    threading.Thread(target=_end_with, args=(os.getppid(), folder), daemon=True).start()
    station: _Station | None = None
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            batch: CellBatch = connection.recv()
            problem, costs = "", Costs()
            try:
                station = station or _Station(batch, logs.folder)
                before = replace(station.costs)
                with station.costs.counted("worked"):
                    for outcome in station.measure(batch):
                        connection.send(NodeOutcome(outcome, _name(outcome)))
                costs = _difference(station.costs, before)
            except UsageError as error:
                problem = str(error)
            except Exception as error:  # of a data set or metric of the user's
                problem = describe_error(error)
            connection.send(BatchResult([], "", problem, costs, logs.news()))
    shutil.rmtree(folder, ignore_errors=True)


def _end_with(parent: int, folder: str) -> None:
    """End this process, and with it its methods and their logs, when the Dask worker has ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _name(outcome: Outcome) -> str:
    """Name the session of an outcome, among all of the cluster."""
    if outcome.session is None:
        return ""
    return f"{outcome.session.details.setdefault('process', os.urandom(8).hex())}"


def _difference(now: Costs, before: Costs) -> Costs:
    """Return the costs that were added."""
    return Costs(**{f.name: getattr(now, f.name) - getattr(before, f.name) for f in fields(Costs)})


class _Logs:
    """Logs of the methods, of which the news are sent.

    Args:
        folder: the folder of the logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sizes: dict[str, int] = {}

    def news(self) -> dict[str, bytes]:
        """Return what was written since, by the log's name; of much, the end."""
        found = {}
        for path in self.folder.glob("*.log"):
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = max(self._sizes.get(path.name, 0), size - _LOG_BYTES)
                file.seek(start)
                found[path.name] = file.read()
            self._sizes[path.name] = size
        return {name: content for name, content in found.items() if content}
