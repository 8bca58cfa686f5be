"""Coordinator of a run: it has methods denoise noisy frames, scores the estimates and saves."""

from __future__ import annotations

import hashlib
import math
import re
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench import metrics, protocol
from denoisebench.cells import Status
from denoisebench.datasets.base import spread
from denoisebench.denoisers import registry, torch_model
from denoisebench.machine import memory
from denoisebench.protocol.shift import estimate_shift
from denoisebench.running.evaluation import NoEstimate, evaluate
from denoisebench.running.jobs import expected_seconds, pending
from denoisebench.running.scoring import Scorer
from denoisebench.running.supervisor import Worker, WorkerLimits, WorkerLost
from denoisebench.running.worker import Task
from denoisebench.store.crops import Pictures

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from denoisebench.cells import Measurement
    from denoisebench.running.evaluation import Evaluation, Scene
    from denoisebench.running.jobs import Job
    from denoisebench.running.plan import Plan, PlannedRow
    from denoisebench.running.progress import Progress
    from denoisebench.running.run_folder import RunFolder
    from denoisebench.running.worker import Reply

_SHIFT_TRIALS = 3
"""Estimates of a process that are tried for their shift: a trial takes some milliseconds, and an
estimate of a smooth or very noisy frame shows none."""

_LOSSES_IN_A_ROW = 2
"""A method that loses this many processes in a row is given up: each loss may take a timeout."""


@dataclass
class Costs:
    """Wall time of a run by kind of work, in nanoseconds.

    The rest of ``wall`` is the harness's own time.

    Attributes:
        load: starting workers, loading methods, reading frames, making noise.
        call: the methods' calls, warm-up included.
        score: metrics, digests and the kept crops.
        cells: number of cells that were measured.
        wall: the whole run.

    Examples:
        >>> costs = Costs(load=1_000_000, call=3_000_000, cells=2, wall=5_000_000)
        >>> costs.summary()["harness_ms_per_cell"]
        0.5
    """

    load: int = 0
    call: int = 0
    score: int = 0
    cells: int = 0
    wall: int = 0

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        """Add the time spent inside the context to a sum, such as ``load``."""
        start = perf_counter_ns()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + perf_counter_ns() - start)

    def summary(self) -> dict[str, float]:
        """Return the costs in seconds, and the harness's own in milliseconds a cell."""
        harness = self.wall - self.load - self.call - self.score
        seconds = {
            f"{name}_s": round(getattr(self, name) / 1e9, 3)
            for name in ("wall", "load", "call", "score")
        }
        return seconds | {
            "cells": self.cells,
            "harness_ms_per_cell": round(harness / 1e6 / max(1, self.cells), 3),
        }


def carry_out(plan: Plan, folder: RunFolder, progress: Progress) -> Costs:
    """Measure every cell of the plan that the folder does not hold already.

    Each measurement is saved before the next begins, so an interruption loses at most one. Failures
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
        pictures = Pictures(folder.path, (frame.id for frame in kept))
        jobs = pending(plan, folder.store.measurements(), scorer)
        progress.begin(plan.size, plan.size - sum(map(len, jobs.values())))
        for row, left in jobs.items():
            if not left:
                continue
            progress.row(row, len(left), expected_seconds(row, left, plan.threads))
            row_run = _RowRun(plan, row, folder, scorer, pictures, costs, progress)
            with closing(row_run.measure(left)) as measurements:
                for measurement in measurements:
                    folder.store.save(measurement)
                    costs.cells += 1
                    progress.cell(measurement)
    return costs


class _RowRun:
    """Measurement of one method on one device, in as few worker processes as possible."""

    def __init__(
        self,
        plan: Plan,
        row: PlannedRow,
        folder: RunFolder,
        scorer: Scorer,
        pictures: Pictures,
        costs: Costs,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._row = row
        self._folder = folder
        self._scorer = scorer
        self._pictures = pictures
        self._costs = costs
        self._progress = progress
        self._worker: Worker | None = None
        self._session: int | None = None
        self._losses = 0
        self._given_up = row.method.card.unavailable
        self._reply: Reply | None = None
        self._details: dict[str, Any] = {}
        self._shift_trials = 0

    def measure(self, jobs: Sequence[Job]) -> Generator[Measurement]:
        """Yield one measurement for each job, in order, whatever happens to the method."""
        cells = ((job.cell, job.frame) for job in jobs)
        evaluations = evaluate(cells, self._plan.observation, self._denoise)
        try:
            for job, evaluation in zip(jobs, evaluations, strict=True):
                if evaluation.failure is not None:
                    yield job.outcome(evaluation.failure.status, evaluation.failure.reason)
                else:
                    yield self._measurement(job, evaluation)
        finally:
            if self._worker is not None:
                self._worker.kill()

    def _denoise(self, scene: Scene) -> np.ndarray:
        """Have the worker denoise a frame; return the estimate, float32 (H, W, C).

        Raises:
            NoEstimate: the method could not be tried, or failed.
        """
        if self._given_up is not None:
            raise NoEstimate(Status.UNAVAILABLE, self._given_up)
        try:
            with self._costs.counted("load"):
                worker = self._loaded(scene)
            reply = worker.denoise(scene.noisy.shape, self._row.method.card.told(scene.sigma))
        except WorkerLost as lost:
            self._count_loss(lost)
            raise
        self._losses = 0
        self._costs.call += reply.busy_ns
        if reply.samples is None:
            raise NoEstimate(reply.status, reply.reason)
        self._reply = reply
        estimate = worker.frame("estimate", scene.noisy.shape)
        # Not in the method's process, where its code could have changed what this function does.
        if not np.isfinite(estimate).all():
            raise NoEstimate(Status.INVALID_OUTPUT, "returned values that are not finite")
        return estimate

    def _count_loss(self, lost: WorkerLost) -> None:
        """Count a lost process, and give the method up after too many in a row."""
        self._worker = None
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
        worker.frame("noisy", noisy.shape)[:] = noisy
        if card.sees_clean:
            worker.frame("clean", noisy.shape)[:] = protocol.as_float(scene.clean)
        return worker

    def _measurement(self, job: Job, evaluation: Evaluation) -> Measurement:
        """Return the measurement of an estimate: its scores, times, memory and digests."""
        scene, reply = evaluation.scene, self._reply
        assert reply is not None
        assert reply.samples is not None
        assert self._worker is not None
        samples, ready = reply.samples, self._worker.ready
        with self._costs.counted("score"):
            estimate = evaluation.estimate
            assert estimate is not None
            outcome = replace(job.outcome(Status.OK), output_digest=_digest(estimate))
            known = scene.clean if job.frame.has_clean else None
            self._pictures.keep(job.cell, known, scene.noisy, estimate)
            return replace(
                self._scored(outcome, job, scene.clean, estimate),
                sigma_given=None if self._row.method.card.blind else scene.sigma,
                call_ns=tuple(samples.call_ns),
                event_ns=tuple(samples.event_ns),
                transfer_ns=reply.transfer_ns,
                cold_ns=samples.cold_ns,
                load_ns=None if samples.cold_ns is None else ready.load_ns,
                peak_memory=samples.peak_memory,
                peak_device_memory=reply.peak_device_memory,
                pixels=estimate.shape[0] * estimate.shape[1],
                noisy_digest=_digest(scene.noisy),
                session=self._session,
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
            scores=self._scorer.score(clean, estimate, known),
        )

    def _look_for_shift(self, clean: np.ndarray, estimate: np.ndarray) -> None:
        """Record the shift of the process's estimates, by the first of them that shows it."""
        if self._shift_trials == _SHIFT_TRIALS or "shift" in self._details:
            return
        self._shift_trials += 1
        found = estimate_shift(clean, estimate)
        if found is not None:
            self._describe(shift=(found.down, found.right))

    def _describe(self, **details: Any) -> None:
        """Add details of the process to its session in the store."""
        assert self._session is not None
        self._details |= details
        self._folder.store.describe_session(self._session, self._details)

    def _start(self) -> Worker:
        """Start a worker, and enter its session in the store."""
        options = self._plan.options
        method, device = self._row.method, self._row.device
        log = f"{re.sub(r'[^A-Za-z0-9.=_-]', '_', method.spec)[:150]}-{device}.log"
        task = Task(
            method.spec,
            device,
            registry.files_behind(method, options.plugins),
            self._plan.threads,
            self._plan.rules,
            (self._folder.logs / log).absolute(),
            method.module,
            method.source,
            method.trained,
            torch_model.model_behind(method),
            tuple(w for w in options.weights if w.partition("=")[0] == method.card.name),
        )
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self._session = self._folder.store.begin_session(method.spec, device, started)
        limits = WorkerLimits(options.timeout, _memory_limit(options.memory_limit))
        size = max(math.prod(frame.shape) for frame in self._plan.frames)
        worker = Worker(task, limits, size, lambda: self._progress.compiling(self._row))
        ready = worker.ready
        self._details, self._shift_trials = {}, 0
        remark = {"remark": ready.remark} if ready.remark else {}
        self._describe(threads=ready.threads, reference_ns=ready.reference_ns, **remark)
        return worker


def _memory_limit(gigabytes: float | None) -> float:
    """Return the memory limit in bytes; None takes 80 % of what is free."""
    return memory.available_memory() * 0.8 if gigabytes is None else gigabytes * 1e9


def _digest(frame: np.ndarray) -> str:
    """Return the first 16 hex digits of the sha256 of a frame's bytes."""
    return hashlib.sha256(frame.data).hexdigest()[:16]
