"""Coordinator of a run: it has methods denoise noisy frames, and stores the measurements."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from denoisebench.datasets.base import spread
from denoisebench.running.costs import Costs
from denoisebench.running.evaluation import FrameReader
from denoisebench.running.jobs import pending
from denoisebench.running.local import Local, scored_first
from denoisebench.running.row_run import Workbench
from denoisebench.running.scoring import Scorer
from denoisebench.store.crops import Pictures, write_crops

if TYPE_CHECKING:
    from typing import Any

    from denoisebench.cells import Measurement
    from denoisebench.running.cluster import Cluster
    from denoisebench.running.plan import Plan
    from denoisebench.running.progress import Progress
    from denoisebench.running.row_run import Outcome, WorkerSession
    from denoisebench.running.run_folder import RunFolder
    from denoisebench.store.sqlite import Store


def carry_out(plan: Plan, folder: RunFolder, progress: Progress) -> Costs:
    """Measure every cell of the plan that the folder does not hold already.

    Each measurement is saved as it comes, so an interruption loses what is at work alone. Failures
    are measurements, too; nothing that a method does raises here.

    Args:
        plan: the run.
        folder: its folder, open.
        progress: observer of the run.

    Returns:
        The wall time by kind of work.

    Raises:
        UsageError: frames or the store can no longer be read or written.
    """
    costs = Costs()
    with costs.counted("wall"):
        scorer = Scorer(plan.metrics)
        kept = spread(plan.frames, plan.options.keep_images)
        pictures = Pictures(frame.id for frame in kept)
        jobs = pending(plan, folder.store.measurements(), scorer)
        bench = Workbench(plan, folder.logs, scorer, pictures, FrameReader(), progress.compiling)
        twice = sum(job.timed for part in scored_first(bench, jobs).values() for job in part)
        progress.begin(plan.size, plan.size - sum(map(len, jobs.values())), twice)
        sessions = _Sessions(folder.store)
        shared = None if plan.options.scheduler is None else _cluster(bench, progress, costs)
        left = {job.cell: job for part in jobs.values() for job in part}
        with closing(Local(bench, progress, costs, shared).outcomes(jobs)) as outcomes:
            for outcome in outcomes:
                measurement = sessions.numbered(outcome)
                write_crops(folder.path, outcome.crops)
                folder.store.save(measurement)
                costs.cells += 1
                if left[measurement.cell].ends_with(measurement):
                    del left[measurement.cell]
                progress.cell(measurement)
        costs.left = len(left)
    return costs


def _cluster(bench: Workbench, progress: Progress, costs: Costs) -> Cluster:
    """Return the executor on a cluster; without one, Dask is not needed."""
    from denoisebench.running.cluster import Cluster

    return Cluster(bench, progress, costs)


class _Sessions:
    """Worker processes in the store: each is entered with its first measurement."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, tuple[WorkerSession, int, dict[str, Any]]] = {}

    def numbered(self, outcome: Outcome) -> Measurement:
        """Return an outcome's measurement with the number of its session in the store."""
        session = outcome.session
        if session is None:
            return outcome.measurement
        # Sessions are kept here, so that no two of them ever have the same id.
        _, number, told = self._known.get(id(session)) or (session, self._begun(session), {})
        details = dict(session.details)
        if details != told:
            self._store.describe_session(number, details)
        self._known[id(session)] = session, number, details
        return replace(outcome.measurement, session=number)

    def _begun(self, session: WorkerSession) -> int:
        return self._store.begin_session(session.method, session.device, session.started)
