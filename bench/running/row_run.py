"""A method at work on cells: it denoises noisy frames in a worker, and its estimates are scored."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from denoisebench import metrics, protocol
from denoisebench.cells import Status
from denoisebench.machine import memory
from denoisebench.machine.throughput import BatchRules
from denoisebench.protocol.pixels import is_finite
from denoisebench.protocol.shift import estimate_shift
from denoisebench.running.evaluation import NoEstimate, evaluate
from denoisebench.running.supervisor import Worker, WorkerLimits, WorkerLost, shared_frames
from denoisebench.running.worker import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    import numpy as np

    from denoisebench.cells import Cell, Measurement
    from denoisebench.datasets import Frame
    from denoisebench.running.costs import Costs
    from denoisebench.running.evaluation import Evaluation, FrameReader, Scene
    from denoisebench.running.jobs import Job
    from denoisebench.running.plan import Plan, PlannedRow
    from denoisebench.running.scoring import Scorer
    from denoisebench.running.worker import Reply, SharedFrames
    from denoisebench.store.crops import Pictures

_SHIFT_TRIALS = 3
"""Estimates of a process that are tried for their shift: a trial takes some milliseconds, and an
estimate of a smooth or very noisy frame shows none."""

_LEAST_MEMORY = 1e9
"""Bytes that a process may hold however many share the machine: a library takes some of them."""

_LONGEST_BATCH_S = 2.0
"""Longest call on a batch that is risked; there are some for each size of frames."""

_LOSSES_IN_A_ROW = 2
"""A method that loses this many processes in a row is given up: each loss may take a timeout."""


@dataclass
class WorkerSession:
    """Worker process, as it is known so far.

    Attributes:
        method: spec of its method.
        device: its device.
        started: time of its start, ISO 8601.
        details: what was found out about it, ready for JSON; it grows.
    """

    method: str
    device: str
    started: str
    details: dict[str, Any] = field(default_factory=dict)


class Outcome(NamedTuple):
    """Measurement of a cell, with what else is to be stored.

    Attributes:
        measurement: the measurement, without the number of its session.
        session: the process that made it; None if there was none.
        crops: contents of the files of its pictures, by their names.
    """

    measurement: Measurement
    session: WorkerSession | None = None
    crops: dict[str, bytes] = {}  # noqa: RUF012 - never changed


@dataclass(frozen=True)
class Workbench:
    """Things that the methods at work share.

    Attributes:
        plan: the run.
        logs: folder for the methods' output.
        scorer: the further metrics.
        pictures: maker of the crops that are kept.
        read: reader of the frames.
        on_compiling: called when a row's method says that it compiles its code.
        began: `time.monotonic` at the beginning of the run.
    """

    plan: Plan
    logs: Path
    scorer: Scorer
    pictures: Pictures
    read: FrameReader
    on_compiling: Callable[[PlannedRow], None]
    began: float = field(default_factory=time.monotonic)

    def is_late(self) -> bool:
        """Return True once the run's budget is spent."""
        budget = self.plan.options.budget
        return budget is not None and time.monotonic() - self.began > budget

    def in_time(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Yield jobs until the budget is spent."""
        return itertools.takewhile(lambda job: not self.is_late(), jobs)


class RowRun:
    """One method on one device, on cells one after the other, in as few processes as possible.

    Args:
        bench: what it shares with others.
        row: the method on its device.
        costs: sums to which its times are added.
        place: its place among those that work side by side, which score and do not time; None for
            one that is alone on the machine.
    """

    def __init__(
        self, bench: Workbench, row: PlannedRow, costs: Costs, place: int | None = None
    ) -> None:
        self._bench = bench
        self._plan = bench.plan
        self._row = row
        self._costs = costs
        self._place = place
        self._frames: SharedFrames | None = None
        self._worker: Worker | None = None
        self._session: WorkerSession | None = None
        self._losses = 0
        self._given_up = row.method.card.unavailable
        self._noisy_digest = ""
        self._crops: dict[str, bytes] = {}
        self._reply: Reply | None = None
        self._shift_trials = 0

    def measure(self, jobs: Iterable[Job]) -> Generator[Outcome]:
        """Yield one outcome for each job, in order, whatever happens to the method.

        Args:
            jobs: the jobs, each taken when the one before it has its outcome.
        """
        cells, observation = self._cells(jobs), self._plan.observation
        evaluations = evaluate(cells, observation, self._denoise, self._bench.read, self._room)
        try:
            for evaluation in evaluations:
                yield self._outcome(self._job, evaluation)
        finally:
            self.stop()
            self._worker = self._frames = None  # the frames' memory is for the next row

    def _cells(self, jobs: Iterable[Job]) -> Iterator[tuple[Cell, Frame]]:
        """Yield the cells of jobs with their frames, and remember the job."""
        for self._job in jobs:
            yield self._job.cell, self._job.frame

    def stop(self) -> None:
        """End the worker, whatever it does; another thread may ask for it."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    def _room(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Return the array for a noisy frame, where the worker finds it.

        Raises:
            WorkerLost: see `shared_frames`.
        """
        return self._shared.pixels(shape)

    @property
    def _shared(self) -> SharedFrames:
        """The memory for the frames of the worker that is there or comes next."""
        if self._frames is None:
            self._frames = shared_frames(max(math.prod(f.shape) for f in self._plan.frames))
        return self._frames

    def _denoise(self, scene: Scene) -> np.ndarray:
        """Have the worker denoise a frame; return the estimate, float32 (H, W, C).

        Raises:
            NoEstimate: the method could not be tried, or failed.
        """
        self._crops = {}
        if self._given_up is not None:
            raise NoEstimate(Status.UNAVAILABLE, self._given_up)
        try:
            with self._costs.counted("load"):
                worker = self._loaded(scene)
            with self._costs.counted("score"):
                self._look_at(scene)
            reply = worker.denoise(scene.noisy.shape, self._row.method.card.told(scene.sigma))
        except WorkerLost as lost:
            self._count_loss(lost)
            raise
        self._losses = 0
        self._costs.call += reply.busy_ns
        if reply.samples is None:
            raise NoEstimate(reply.status, reply.reason)
        self._reply = reply
        estimate = worker.frames.pixels(scene.clean.shape)
        # Not in the method's process, where its code could have changed what this function does.
        if not is_finite(estimate):
            raise NoEstimate(Status.INVALID_OUTPUT, "returned values that are not finite")
        return estimate

    def _look_at(self, scene: Scene) -> None:
        """Keep what is to be known of a noisy frame, in whose place the estimate comes."""
        known = scene.clean if scene.frame.has_clean else None
        self._noisy_digest = _digest(scene.noisy)
        self._crops = self._bench.pictures.of_scene(scene.cell, known, scene.noisy)

    def _count_loss(self, lost: WorkerLost) -> None:
        """Count a lost process, and give the method up after too many in a row."""
        self._worker = self._frames = None  # a process that lives on may write there
        self._losses += 1
        if self._losses == _LOSSES_IN_A_ROW:
            self._given_up = f"not tried after {self._losses} losses in a row: {lost.reason}"

    def _loaded(self, scene: Scene) -> Worker:
        """Return a worker with the method loaded and the frames in the shared memory.

        Raises:
            NoEstimate: the method is not for this frame, or cannot be loaded.
        """
        card = self._row.method.card
        if card.sees_clean and not scene.frame.has_clean:
            raise NoEstimate(Status.UNAVAILABLE, "nobody knows the clean frame")
        noisy = scene.noisy
        unfit = card.unfit(scene.sigma)
        if unfit is not None and not self._row.asked_by_name:
            raise NoEstimate(Status.UNAVAILABLE, unfit)
        worker = self._worker = self._worker or self._start()
        if worker.ready.problem is not None:
            raise NoEstimate(Status.ERROR, f"cannot be loaded: {worker.ready.problem}")
        if card.sees_clean:
            worker.frames.clean(noisy.shape)[:] = protocol.as_float(scene.clean)
        return worker

    def _outcome(self, job: Job, evaluation: Evaluation) -> Outcome:
        """Return the measurement of a cell: its scores, times, memory and digests."""
        if evaluation.failure is not None:
            failure = job.outcome(evaluation.failure.status, evaluation.failure.reason)
            return Outcome(failure, crops=self._crops)
        scene = evaluation.scene
        with self._costs.counted("score"):
            estimate = evaluation.estimate
            assert estimate is not None
            scored = self._scored(
                replace(
                    job.outcome(Status.OK),
                    sigma_given=None if self._row.method.card.blind else scene.sigma,
                    pixels=estimate.shape[0] * estimate.shape[1],
                    noisy_digest=self._noisy_digest,
                    output_digest=_digest(estimate),
                ),
                job,
                scene.clean,
                estimate,
            )
            crops = self._bench.pictures.of_estimate(job.cell, estimate)
        return Outcome(self._timed(scored), self._session, self._crops | crops)

    def _timed(self, scored: Measurement) -> Measurement:
        """Add times and memory, unless other work went on beside it."""
        reply = self._reply
        assert reply is not None
        assert reply.samples is not None
        assert self._worker is not None
        if self._place is not None:
            return replace(scored, timing_key="")
        samples = reply.samples
        if reply.throughput is not None:
            assert self._session is not None
            found = self._session.details.get("throughput", ())
            self._session.details["throughput"] = (*found, asdict(reply.throughput))
        return replace(
            scored,
            call_ns=tuple(samples.call_ns),
            event_ns=tuple(samples.event_ns),
            transfer_ns=reply.transfer_ns,
            cold_ns=samples.cold_ns,
            load_ns=None if samples.cold_ns is None else self._worker.ready.load_ns,
            peak_memory=samples.peak_memory,
            peak_device_memory=reply.peak_device_memory,
        )

    def _scored(
        self, outcome: Measurement, job: Job, clean: np.ndarray, estimate: np.ndarray
    ) -> Measurement:
        """Add the scores to an outcome, if there is a clean frame to score against."""
        if not job.frame.has_clean:
            return outcome
        self._look_for_shift(clean, estimate)
        known = job.known_scores(outcome.output_digest)
        return replace(
            outcome,
            psnr=metrics.psnr(clean, estimate),
            ssim=metrics.ssim(clean, estimate),
            scores=self._bench.scorer.score(clean, estimate, known),
        )

    def _look_for_shift(self, clean: np.ndarray, estimate: np.ndarray) -> None:
        """Record the shift of the process's estimates, by the first of them that shows it."""
        assert self._session is not None
        details = self._session.details
        if self._shift_trials == _SHIFT_TRIALS or "shift" in details:
            return
        self._shift_trials += 1
        found = estimate_shift(clean, estimate)
        if found is not None:
            details["shift"] = (found.down, found.right)

    @property
    def _shares(self) -> int:
        """Number of processes that share the machine's cores and memory."""
        return 1 if self._place is None else self._plan.jobs

    def _start(self) -> Worker:
        """Start a worker."""
        method, device = self._row.method, self._row.device
        started = datetime.now(UTC).isoformat(timespec="seconds")
        options = self._plan.options
        limits = WorkerLimits(options.timeout, _memory_limit(options.memory_limit, self._shares))
        worker = Worker(
            self._task(limits), limits, self._shared, lambda: self._bench.on_compiling(self._row)
        )
        ready = worker.ready
        self._session = WorkerSession(method.spec, device, started)
        self._session.details |= {"threads": ready.threads, "reference_ns": ready.reference_ns}
        if ready.remark:
            self._session.details["remark"] = ready.remark
        self._shift_trials = 0
        return worker

    def _task(self, limits: WorkerLimits) -> Task:
        """Describe the work of a worker."""
        options, method = self._plan.options, self._row.method
        place = "" if self._place is None else f"-{self._place}"
        spec = re.sub(r"[^A-Za-z0-9.=_-]", "_", method.spec)[:150]
        return Task.of(
            method,
            self._row.device,
            options.plugins,
            options.weights,
            threads=max(1, self._plan.threads // self._shares),
            rules=self._plan.rules if self._place is None else None,
            log=(self._bench.logs / f"{spec}-{self._row.device}{place}.log").absolute(),
            batches=self._batch_rules(limits) if options.times_batches(self._row.device) else None,
        )

    def _batch_rules(self, limits: WorkerLimits) -> BatchRules:
        """Bound the batches that are timed, well within the limits of a cell."""
        memory = math.inf if self._row.device == "cuda" else limits.memory / 2
        return BatchRules(memory, min(_LONGEST_BATCH_S, limits.seconds / 20))


def _memory_limit(gigabytes: float | None, shares: int) -> float:
    """Return the memory limit of a process in bytes.

    Args:
        gigabytes: as the user has it; None takes a fair part of 80 % of what is free.
        shares: number of processes that share the machine.
    """
    if gigabytes is not None:
        return gigabytes * 1e9
    return max(memory.memory_for_methods() / shares, _LEAST_MEMORY)


def _digest(frame: np.ndarray) -> str:
    """Return the first 16 hex digits of the sha256 of a frame's bytes."""
    return hashlib.sha256(frame.data).hexdigest()[:16]
