"""Rows at work on this machine: scored side by side, then timed one after the other."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from denoisebench.cells import Status
from denoisebench.running.costs import Costs
from denoisebench.running.jobs import expected_seconds
from denoisebench.running.row_run import Outcome, RowRun

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from denoisebench.running.jobs import Job
    from denoisebench.running.plan import PlannedRow
    from denoisebench.running.progress import Progress
    from denoisebench.running.row_run import Workbench

__all__ = ["Local", "scored_first"]

_WORTH_S = 5.0
"""Work of a row from which one more process joins it: to start one takes some seconds, too."""


class SharedWork(Protocol):
    """Executor of the jobs that are scored before others are timed."""

    def outcomes(self, jobs: Mapping[PlannedRow, Sequence[Job]]) -> Generator[Outcome]:
        """Yield an outcome for each job, as they come."""
        ...


class Local:
    """Executor of a run's jobs on this machine.

    Args:
        bench: what the rows share.
        progress: observer of the run.
        costs: sums of the times.
        shared: executor of the jobs that are scored first; None scores them side by side here.
    """

    def __init__(
        self, bench: Workbench, progress: Progress, costs: Costs, shared: SharedWork | None = None
    ) -> None:
        self._bench = bench
        self._progress = progress
        self._costs = costs
        self._shared = shared or _SideBySide(bench, progress, costs)

    def outcomes(self, jobs: Mapping[PlannedRow, Sequence[Job]]) -> Generator[Outcome]:
        """Yield an outcome for each job, as they come, until the plan's budget is spent.

        Args:
            jobs: the jobs of each row, in the order in which the rows begin.

        Raises:
            UsageError: a frame cannot be read.
        """
        failed = set()
        for outcome in self._shared.outcomes(scored_first(self._bench, jobs)):
            if outcome.measurement.status is not Status.OK:
                failed.add(outcome.measurement.cell)
            yield outcome
        with self._costs.counted("worked"):
            for row, left in jobs.items():
                yield from self._alone(row, [j for j in left if j.timed and j.cell not in failed])

    def _alone(self, row: PlannedRow, jobs: Sequence[Job]) -> Generator[Outcome]:
        """Time a row's jobs."""
        if not jobs:
            return
        self._progress.row(row, len(jobs), expected_seconds(row, jobs, self._bench.plan.threads))
        run = RowRun(self._bench, row, self._costs)
        with closing(run.measure(self._bench.in_time(jobs))) as measured:
            yield from measured


def scored_first(
    bench: Workbench, jobs: Mapping[PlannedRow, Sequence[Job]]
) -> dict[PlannedRow, list[Job]]:
    """Return the jobs that are scored before anything is timed, so that the table is soon whole.

    Those that are timed are measured again afterwards. Rows without any are left out.
    """
    parts = {
        row: [job for job in left if not (job.timed and job.is_scored(bench.scorer))]
        for row, left in jobs.items()
        if bench.plan.is_shared(row)
    }
    return {row: part for row, part in parts.items() if part}


@dataclass
class _Share:
    """Jobs of a row that processes take one by one.

    Attributes:
        row: the row.
        left: the jobs that nobody has taken.
        total: number of its jobs.
        workers: number of processes at work on it.
        done: number of jobs with an outcome.
        spent: time that these took, in seconds of one process.
    """

    row: PlannedRow
    left: deque[Job]
    total: int = field(init=False)
    workers: int = 0
    done: int = 0
    spent: float = 0.0

    def __post_init__(self) -> None:
        self.total = len(self.left)

    @property
    def seconds_left(self) -> float:
        """The time that the jobs left will take its processes together; 0 if it is not known."""
        if not self.done:
            return 0.0
        return self.spent / self.done * len(self.left) / self.workers


class _SideBySide:
    """Threads that each supervise a process; rows are begun in order, and shared at the end.

    The threads hand over what there is to do in the main thread: it alone stores and shows.
    """

    def __init__(self, bench: Workbench, progress: Progress, costs: Costs) -> None:
        self._progress = progress
        self._costs = costs
        self._news: SimpleQueue[Outcome | BaseException | Callable[[], None] | None] = SimpleQueue()
        compiling = bench.on_compiling
        self._bench = replace(
            bench, on_compiling=lambda row: self._news.put(lambda: compiling(row))
        )
        self._changed = threading.Condition()
        self._stopped = False
        self._at_work: dict[int, RowRun] = {}

    def outcomes(self, jobs: Mapping[PlannedRow, Sequence[Job]]) -> Generator[Outcome]:
        """See `Local.outcomes`."""
        if not jobs:
            return
        self._shares = [_Share(row, deque(left)) for row, left in jobs.items()]
        threads = [
            threading.Thread(target=self._work, args=(place,), name=f"bench {place}")
            for place in range(1, self._bench.plan.jobs + 1)
        ]
        for thread in threads:
            thread.start()
        try:
            working = len(threads)
            while working:
                news = self._news.get()
                if isinstance(news, Outcome):
                    yield news
                elif isinstance(news, BaseException):
                    raise news
                elif news is None:
                    working -= 1
                else:
                    news()
        finally:
            self._stop(threads)

    def _stop(self, threads: Sequence[threading.Thread]) -> None:
        """End all processes and threads."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in threads:
            while thread.is_alive():
                for run in list(self._at_work.values()):
                    run.stop()
                thread.join(0.1)

    def _work(self, place: int) -> None:
        """Take up rows until nothing is left; one thread."""
        costs = Costs()
        try:
            while (share := self._next()) is not None:
                with costs.counted("worked"):
                    self._take_part(share, place, costs)
        except BaseException as error:  # it belongs to the main thread
            self._news.put(error)
        finally:
            self._news.put(lambda: self._costs.add(costs))
            self._news.put(None)

    def _next(self) -> _Share | None:
        """Wait for a row to begin or to join; None once all jobs are taken."""
        with self._changed:
            while not self._stopped:
                open_ones = [share for share in self._shares if share.left]
                if not open_ones or self._bench.is_late():
                    return None
                found = next((share for share in open_ones if not share.workers), None)
                if found is None:
                    longest = max(open_ones, key=lambda share: share.seconds_left)
                    found = longest if longest.seconds_left > _WORTH_S else None
                if found is not None:
                    self._begin(found)
                    return found
                self._changed.wait()
        return None

    def _begin(self, share: _Share) -> None:
        """Count one more process at work on a row."""
        if share.total == len(share.left):
            row, total = share.row, share.total
            seconds = expected_seconds(row, list(share.left), self._bench.plan.jobs)
            self._news.put(lambda: self._progress.row(row, total, seconds))
        share.workers += 1

    def _take_part(self, share: _Share, place: int, costs: Costs) -> None:
        """Carry out jobs of a row until none is left."""
        run = self._at_work[place] = RowRun(self._bench, share.row, costs, place)
        begin = time.monotonic()
        try:
            for outcome in run.measure(self._taken(share)):
                if self._stopped:  # and its process was ended for it
                    return
                self._news.put(outcome)
                now = time.monotonic()
                with self._changed:
                    share.done += 1
                    share.spent += now - begin
                    self._changed.notify_all()
                begin = now
        finally:
            run.stop()
            with self._changed:
                share.workers -= 1
                self._changed.notify_all()

    def _taken(self, share: _Share) -> Iterator[Job]:
        """Take the jobs of a row, one at a time."""
        while True:
            with self._changed:
                if self._stopped or not share.left or self._bench.is_late():
                    return
                job = share.left.popleft()
            yield job
