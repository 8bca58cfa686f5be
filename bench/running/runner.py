"""The coordinator: makes the noisy frames, has each method denoise them, scores, and saves."""

from __future__ import annotations

import hashlib
import math
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from denoisebench import metrics, protocol
from denoisebench.cells import Status
from denoisebench.datasets.base import spread
from denoisebench.machine import memory
from denoisebench.running.costs import Costs
from denoisebench.running.jobs import pending
from denoisebench.running.scoring import Scorer
from denoisebench.running.supervisor import Limits, Worker, WorkerLost
from denoisebench.running.worker import Task
from denoisebench.store.crops import Pictures

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from denoisebench.cells import Measurement
    from denoisebench.datasets import Frame
    from denoisebench.running.folder import RunFolder
    from denoisebench.running.jobs import Job
    from denoisebench.running.plan import Plan, Row
    from denoisebench.running.progress import Progress

LOSSES_IN_A_ROW = 2
"""A method that has lost so many processes in a row is given up: each may cost a whole timeout."""


def carry_out(plan: Plan, folder: RunFolder, progress: Progress) -> Costs:
    """Measure every cell of the plan that the folder does not hold already.

    Each measurement is saved before the next begins, so that an interruption loses at most the
    one in flight. Failures are measurements too; nothing that a method does raises here.

    Raises:
        UsageError: frames or the store cannot be read or written any more.
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
            progress.row(row, len(left))
            row_run = _RowRun(plan, row, folder, scorer, pictures, costs)
            with closing(row_run.measure(left)) as measurements:
                for measurement in measurements:
                    folder.store.save(measurement)
                    costs.cells += 1
                    progress.cell(measurement)
    return costs


class _RowRun:
    """Measures one method on one device, in as few worker processes as it takes."""

    def __init__(
        self,
        plan: Plan,
        row: Row,
        folder: RunFolder,
        scorer: Scorer,
        pictures: Pictures,
        costs: Costs,
    ) -> None:
        self._plan = plan
        self._row = row
        self._folder = folder
        self._scorer = scorer
        self._pictures = pictures
        self._costs = costs
        self._worker: Worker | None = None
        self._session: int | None = None
        self._clean: tuple[str, np.ndarray] | None = None

    def measure(self, jobs: Sequence[Job]) -> Generator[Measurement]:
        """Yield one measurement for each job, whatever happens to the method."""
        card = self._row.method.card
        given_up = card.unavailable
        losses = 0
        try:
            for job in jobs:
                if given_up is not None:
                    yield job.outcome(Status.UNAVAILABLE, given_up)
                    continue
                try:
                    yield self._measure(job)
                    losses = 0
                except WorkerLost as lost:
                    self._worker = None
                    losses += 1
                    yield job.outcome(lost.status, lost.reason)
                    if losses == LOSSES_IN_A_ROW:
                        given_up = f"not tried after {losses} losses in a row: {lost.reason}"
        finally:
            if self._worker is not None:
                self._worker.kill()

    def _measure(self, job: Job) -> Measurement:
        card = self._row.method.card
        if card.sees_clean and not job.frame.has_clean:
            return job.outcome(Status.UNAVAILABLE, "nobody knows the clean frame")
        with self._costs.counted("load"):
            clean = self._read(job.frame)
            noisy = np.empty(clean.shape, np.float32)
            strength = self._plan.observation.observe(job.cell, job.frame, clean, noisy)
            told = strength if job.cell.told is None else job.cell.told
            unfit = card.unfit(told)
            if unfit is not None and not self._row.asked_by_name:
                return job.outcome(Status.UNAVAILABLE, unfit)
            worker = self._worker = self._worker or self._start()
            if worker.ready.problem is not None:
                return job.outcome(Status.ERROR, f"cannot be loaded: {worker.ready.problem}")
            worker.frame("noisy", clean.shape)[:] = noisy
            noisy_digest = _digest(noisy)
            if card.sees_clean:
                worker.frame("clean", clean.shape)[:] = protocol.as_float(clean)
        reply = worker.denoise(clean.shape, card.told(told))
        self._costs.call += reply.busy_ns
        if reply.samples is None:
            return job.outcome(reply.status, reply.reason)
        with self._costs.counted("score"):
            scored = protocol.quantise(worker.frame("estimate", clean.shape))
            outcome = replace(job.outcome(Status.OK), output_digest=_digest(scored))
            known = clean if job.frame.has_clean else None
            self._pictures.keep(job.cell, known, noisy, scored)
            return replace(
                self._scored(outcome, job, clean, scored),
                sigma_given=None if card.blind else told,
                call_ns=tuple(reply.samples.call_ns),
                event_ns=tuple(reply.samples.event_ns),
                transfer_ns=reply.transfer_ns,
                cold_ns=reply.samples.cold_ns,
                load_ns=None if reply.samples.cold_ns is None else worker.ready.load_ns,
                peak_memory=reply.samples.peak_memory,
                peak_device_memory=reply.peak_device_memory,
                pixels=clean.shape[0] * clean.shape[1],
                noisy_digest=noisy_digest,
                session=self._session,
            )

    def _scored(
        self, outcome: Measurement, job: Job, clean: np.ndarray, scored: np.ndarray
    ) -> Measurement:
        """The outcome with its scores, where there is a clean frame to score against."""
        if not job.frame.has_clean:
            return outcome
        known = job.known_scores(outcome.output_digest)
        return replace(
            outcome,
            psnr=metrics.psnr(clean, scored),
            ssim=metrics.ssim(clean, scored),
            scores=self._scorer.score(clean, scored, known),
        )

    def _start(self) -> Worker:
        options = self._plan.options
        spec, device = self._row.method.spec, self._row.device
        log = f"{re.sub(r'[^A-Za-z0-9.=_-]', '_', spec)[:150]}-{device}.log"
        task = Task(
            spec,
            device,
            options.plugins,
            self._plan.threads,
            self._plan.rules,
            (self._folder.logs / log).absolute(),
        )
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self._session = self._folder.store.begin_session(spec, device, started)
        limits = Limits(options.timeout, _memory_limit(options.memory_limit))
        worker = Worker(task, limits, max(math.prod(f.shape) for f in self._plan.frames))
        ready = worker.ready
        details = {"threads": ready.threads, "reference_ns": ready.reference_ns}
        self._folder.store.describe_session(self._session, details)
        return worker

    def _read(self, frame: Frame) -> np.ndarray:
        """The clean frame, if there is one; consecutive cells share it."""
        if self._clean is None or self._clean[0] != frame.id:
            self._clean = frame.id, frame.read()
        return self._clean[1]


def _memory_limit(gigabytes: float | None) -> float:
    return memory.available_memory() * 0.8 if gigabytes is None else gigabytes * 1e9


def _digest(frame: np.ndarray) -> str:
    return hashlib.sha256(frame.data).hexdigest()[:16]
