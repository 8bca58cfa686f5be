"""Rows at work on the machines of a cluster, where they are scored and not timed.

Batches of cells go to nodes. A node that is lost, or gives no sign of life, loses its batch: the
cells are tried again one at a time, and one whose node is lost again and again counts as killed.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.cells import Status
from denoisebench.errors import UsageError
from denoisebench.running.dask_link import DaskLink, NodeLostError, SchedulerLostError
from denoisebench.running.jobs import expected_seconds
from denoisebench.running.node import CellBatch, RemoteCell
from denoisebench.running.row_run import Outcome

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from denoisebench.cells import Cell
    from denoisebench.running.costs import Costs
    from denoisebench.running.dask_link import Node
    from denoisebench.running.jobs import Job
    from denoisebench.running.node import BatchResult
    from denoisebench.running.plan import PlannedRow, RunOptions
    from denoisebench.running.progress import Progress
    from denoisebench.running.row_run import Workbench, WorkerSession

__all__ = ["Cluster"]

_log = logging.getLogger("denoisebench")

_MOST_LOSSES = 3
"""Losses of the node of a cell, tried alone, after which the cell counts as killed."""
_KILLED_IN_A_ROW = 2
"""Killed cells in a row after which a row's other cells are not tried."""
_SILENT_S = 30.0
"""Time without a sign of life after which a node counts as lost; it gives one each second or so."""
_BATCH_S = 3.0
"""Work of a batch, which is what a lost node loses at most."""
_MOST_CELLS = 64
_WORTH_S = 5.0
"""Work of a row from which one more node joins it."""
_LOOK_S = 1.0
"""Time between two looks at the nodes."""


@dataclass
class _Work:
    """Jobs of a row.

    Attributes:
        row: the row.
        left: the jobs that no node has.
        alone: jobs whose node was lost; each is tried alone.
        nodes: addresses of the nodes at work on it.
        seconds: time of a cell; None if none was measured.
        is_begun: True once a node had any of it.
        killed: number of cells in a row that counted as killed.
    """

    row: PlannedRow
    left: deque[Job]
    alone: deque[Job] = field(default_factory=deque)
    nodes: set[str] = field(default_factory=set)
    seconds: float | None = None
    is_begun: bool = False
    killed: int = 0

    @property
    def waits(self) -> bool:
        """True if a node could have some of it."""
        return bool(self.left or self.alone)

    @property
    def seconds_left(self) -> float:
        """The time that the jobs left will take the nodes at work; infinite if it is not known."""
        if self.seconds is None:
            return math.inf
        return self.seconds * len(self.left) / max(1, len(self.nodes))

    def take(self, nodes: int) -> list[Job]:
        """Take the jobs of a batch.

        Args:
            nodes: number of nodes that may share them.
        """
        if self.alone:
            return [self.alone.popleft()]
        most = 1 if self.seconds is None else int(_BATCH_S / max(self.seconds, 1e-3))
        fair = math.ceil(len(self.left) / nodes)
        return [self.left.popleft() for _ in range(max(1, min(most, fair, _MOST_CELLS)))]


@dataclass(frozen=True)
class _Sent:
    """CellBatch at work on a node."""

    work: _Work
    jobs: list[Job]
    node: Node


class Cluster:
    """Executor of a run's jobs on a cluster.

    Args:
        bench: what the rows share; the frames are read where they are needed.
        progress: observer of the run.
        costs: sums of the times.
    """

    def __init__(self, bench: Workbench, progress: Progress, costs: Costs) -> None:
        self._bench = bench
        self._progress = progress
        self._costs = costs
        self._options = bench.plan.options
        described = [metric.description for metric in bench.plan.metrics]
        self._metrics = {m["name"]: m["key"] for m in described if m["unavailable"] is None}
        self._sent: dict[int, _Sent] = {}
        self._numbers = 0
        self._nodes: dict[str, Node] = {}
        self._signs: dict[str, tuple[float, float]] = {}
        self._looked = -math.inf
        self._losses: Counter[Cell] = Counter()
        self._sessions: dict[str, WorkerSession] = {}
        self._is_told = False
        self._ready: deque[Outcome] = deque()

    def outcomes(self, jobs: Mapping[PlannedRow, Sequence[Job]]) -> Generator[Outcome]:
        """Yield an outcome for each job, as they come, until the plan's budget is spent.

        Args:
            jobs: the jobs of each row, in the order in which the rows begin.

        Raises:
            UsageError: the cluster cannot be reached, or a node is not fit for the run.
        """
        if not jobs:
            return
        self._works = [_Work(row, deque(left)) for row, left in jobs.items()]
        assert self._options.scheduler is not None
        with DaskLink(self._options.scheduler) as self._link:
            while self._sent or (self._waits and not self._bench.is_late()):
                try:
                    self._step()
                except SchedulerLostError:
                    self._start_over()
                while self._ready:
                    yield self._ready.popleft()

    @property
    def _waits(self) -> bool:
        """True if a node could have some job."""
        return any(work.waits for work in self._works)

    def _step(self) -> None:
        """Hand out work, and wait for a batch; its node gets the next before anything is stored.

        Raises:
            SchedulerLostError: see `DaskLink`.
        """
        self._look()
        self._hand_out()
        number = self._link.finished(_LOOK_S)
        if number in self._sent:
            self._receive(number)
            self._hand_out()

    def _look(self) -> None:
        """Look at the nodes once in a while, and take back what is lost with them.

        Raises:
            SchedulerLostError: see `DaskLink.nodes`.
        """
        now = time.monotonic()
        if now < self._looked + _LOOK_S:
            return
        self._looked = now
        self._nodes = {a: n for a, n in self._link.nodes().items() if self._lives(n, now)}
        for work in self._works:
            work.nodes &= self._nodes.keys()
        for number, sent in list(self._sent.items()):
            if sent.node.address not in self._nodes:
                self._link.forget(number)
                self._lose(number)

    def _lives(self, node: Node, now: float) -> bool:
        """Return True unless a node has given no sign of life for some time."""
        seen, at = self._signs.get(node.address, (math.nan, now))
        if seen != node.seen:
            at = now
        self._signs[node.address] = node.seen, at
        return now - at < _SILENT_S

    def _start_over(self) -> None:
        """Take all batches back, and join the scheduler again when it is there again."""
        for sent in self._sent.values():
            sent.work.left.extendleft(reversed(sent.jobs))
        self._sent.clear()
        self._nodes = {}
        self._looked = -math.inf
        _log.warning("the scheduler is lost; waiting for it at %s", self._options.scheduler)
        self._link.reconnect()

    def _hand_out(self) -> None:
        """Give a batch to each idle node, until the budget is spent."""
        if self._bench.is_late():
            return
        busy = {sent.node.address for sent in self._sent.values()}
        if not self._nodes and not self._is_told:
            _log.warning("waiting for workers at %s", self._options.scheduler)
        self._is_told = not self._nodes
        for node in self._nodes.values():
            if node.address not in busy and (work := self._choice(node)) is not None:
                self._send(work, node)

    def _choice(self, node: Node) -> _Work | None:
        """Choose a row for a node: the one whose process it has, one that nobody has, the longest.

        Returns:
            None if nothing is worth the time that a process takes to start.
        """
        waiting = [work for work in self._works if work.waits]
        own = [work for work in waiting if node.address in work.nodes]
        nobodys = [work for work in waiting if not work.nodes - {node.address} or work.alone]
        if own or nobodys:
            return (own or nobodys)[0]
        longest = max(waiting, key=lambda work: work.seconds_left, default=None)
        return longest if longest is not None and longest.seconds_left > _WORTH_S else None

    def _send(self, work: _Work, node: Node) -> None:
        """Give a node a batch of a row."""
        if not work.is_begun:
            work.is_begun = True
            seconds = expected_seconds(work.row, list(work.left), len(self._nodes))
            self._progress.row(work.row, len(work.left), seconds)
        for other in self._works:
            other.nodes.discard(node.address)
        work.nodes.add(node.address)
        jobs = work.take(len(self._nodes))
        self._numbers += 1
        self._sent[self._numbers] = _Sent(work, jobs, node)
        self._link.submit(self._numbers, self._batch(work.row, jobs, node), node)

    def _batch(self, row: PlannedRow, jobs: Sequence[Job], node: Node) -> CellBatch:
        """Describe jobs for a node."""
        return CellBatch(
            self._link.run,
            str(Path.cwd()),
            self._node_options(node),
            self._metrics,
            (row.method.spec, row.device),
            tuple(RemoteCell(j.cell, j.frame.digest, j.quality_key, j.known) for j in jobs),
        )

    def _node_options(self, node: Node) -> RunOptions:
        """Return the options of the run on a node, whose workers share its machine."""
        shares = sum(other.host == node.host for other in self._nodes.values())
        threads = self._options.threads or node.threads
        return replace(
            self._options,
            scheduler=None,
            jobs=shares,
            threads=threads * shares,
            timed_frames=0,
            budget=None,
            force=(),
            fresh=False,
            out=None,
        )

    def _receive(self, number: int) -> None:
        """Take what came of a batch."""
        sent = self._sent[number]
        try:
            result = self._link.result(number)
        except NodeLostError:
            self._lose(number)
            return
        if result.problem:
            raise UsageError(f"the node {sent.node.address} cannot take part: {result.problem}")
        self._accept(number, result)

    def _accept(self, number: int, result: BatchResult) -> None:
        """Take the outcomes of a batch; of one whose process died, the others are done again."""
        sent = self._sent.pop(number)
        self._costs.add(result.costs)
        self._keep_logs(result.logs)
        done = len(result.outcomes)
        if done and not result.died:
            costs = result.costs
            sent.work.seconds = (costs.call + costs.score) / 1e9 / done
        for found in result.outcomes:
            sent.work.killed = 0
            session = found.outcome.session
            if session is not None:
                known = self._sessions.setdefault(found.session, session)
                known.details.update(session.details)
                session = known
            self._ready.append(found.outcome._replace(session=session))
        if done < len(sent.jobs):
            sent.work.nodes.discard(sent.node.address)
            sent.work.left.extendleft(reversed(sent.jobs[done + 1 :]))
            self._suspect(sent.work, sent.jobs[done], result.died)

    def _lose(self, number: int) -> None:
        """Count the loss of a batch's node; of several cells, each is tried alone."""
        sent = self._sent.pop(number)
        sent.work.nodes.discard(sent.node.address)
        if len(sent.jobs) == 1:
            self._suspect(sent.work, sent.jobs[0], "its node was lost")
        else:
            sent.work.alone.extend(sent.jobs)

    def _suspect(self, work: _Work, job: Job, reason: str) -> None:
        """Count a loss of a cell's node, and give the cell up after too many."""
        self._losses[job.cell] += 1
        if self._losses[job.cell] < _MOST_LOSSES:
            work.alone.append(job)
            return
        words = f"{reason}, {_MOST_LOSSES} times"
        self._ready.append(Outcome(job.outcome(Status.KILLED, words)))
        work.killed += 1
        if work.killed < _KILLED_IN_A_ROW:
            return
        words = f"not tried after {work.killed} losses in a row: {words}"
        for left in (work.alone, work.left):
            while left:
                self._ready.append(Outcome(left.popleft().outcome(Status.UNAVAILABLE, words)))

    def _keep_logs(self, logs: Mapping[str, bytes]) -> None:
        """Append what methods wrote to their logs."""
        for name, content in logs.items():
            with (self._bench.logs / name).open("ab") as file:
                file.write(content)
