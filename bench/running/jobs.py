"""Jobs of a run: the cells whose stored measurements are missing or stale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.cells import Cell, Measurement, Status
from denoisebench.running.budget import cost
from denoisebench.running.identity import Identities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from denoisebench.cells import Score
    from denoisebench.datasets import Frame
    from denoisebench.running.plan import Plan, PlannedRow
    from denoisebench.running.scoring import Scorer
    from denoisebench.store.measurements import Measurements


@dataclass(frozen=True, slots=True)
class Job:
    """Cell to measure, with the identities that its measurement will carry.

    Attributes:
        cell: the cell.
        frame: its frame.
        quality_key: see `Identities`.
        timing_key: see `Identities`.
        known: the stored measurement of the cell; None if there is none.
        timed: True if the method is timed on it, alone on the machine.
    """

    cell: Cell
    frame: Frame
    quality_key: str
    timing_key: str
    known: Measurement | None
    timed: bool

    def is_scored(self, scorer: Scorer) -> bool:
        """Return True if the stored measurement is ok, with all scores and no times of elsewhere.

        Estimates are not stored: if a further score is missing, the cell is measured again.
        """
        known = self.known
        return (
            known is not None
            and known.status is Status.OK
            and known.quality_key == self.quality_key
            and known.timing_key in ("", self.timing_key)
            and scorer.is_complete(known.scores)
        )

    def is_done(self, scorer: Scorer) -> bool:
        """Return True if nothing is left to measure: it is scored, and timed if it is to be."""
        if not self.is_scored(scorer):
            return False
        assert self.known is not None
        return not self.timed or self.known.timing_key == self.timing_key

    def ends_with(self, measurement: Measurement) -> bool:
        """Return True if a measurement leaves nothing to do; it may be scored and not yet timed."""
        has_failed = measurement.status is not Status.OK
        return has_failed or not self.timed or measurement.timing_key == self.timing_key

    def outcome(self, status: Status, reason: str = "") -> Measurement:
        """Return a measurement of this cell without scores and times."""
        return Measurement(
            self.cell, status, reason, quality_key=self.quality_key, timing_key=self.timing_key
        )

    def known_scores(self, output_digest: str) -> Mapping[str, Score]:
        """Return the stored further scores, if they are of the same estimate of the same frame."""
        same = self.quality_key, output_digest
        if self.known is None or (self.known.quality_key, self.known.output_digest) != same:
            return {}
        return self.known.scores


def pending(plan: Plan, measured: Measurements, scorer: Scorer) -> dict[PlannedRow, list[Job]]:
    """List the jobs of each row that are not done, or must be done again; cheap rows come first.

    Args:
        plan: the run.
        measured: the stored measurements of the run's folder.
        scorer: the further metrics.
    """
    identities = Identities(plan)
    whole = [*scorer.complete(measured).tolist(), False]  # at the place -1 is what is missing
    quality, timing = ([*measured.column(name), ""] for name in ("quality_key", "timing_key"))
    frames = [frame.id for frame in plan.frames]

    def jobs(row: PlannedRow) -> list[Job]:
        """Return the row's jobs; most cells of a long run are done, and have the same keys."""
        forced, of_row = row.method.spec in plan.forced, (row.method.spec, row.device)
        grid = measured.grid(of_row, frames, plan.levels_of(row), plan.options.seeds)
        keys = zip(grid.ravel().tolist(), identities.of_row(row), strict=True)
        left = {
            number: (place, key)
            for number, (place, key) in enumerate(keys)
            if forced or not (whole[place] and quality[place] == key[0] and timing[place] == key[1])
        }
        cells = enumerate(plan.cells(row)) if left else ()
        found = [
            Job(
                cell,
                frame,
                *key,
                measured.at(place) if place >= 0 else None,
                plan.is_timed(row, frame),
            )
            for number, (cell, frame) in cells
            if number in left
            for place, key in [left[number]]
        ]
        return [job for job in found if forced or not job.is_done(scorer)]

    return {row: jobs(row) for row in sorted(plan.rows, key=_cost)}


def _cost(row: PlannedRow) -> float:
    """Return a row's seconds for a megapixel of RGB on one core; 0 if they are not known."""
    return cost(row.method.card, row.device)


def expected_seconds(row: PlannedRow, jobs: Sequence[Job], threads: int) -> float:
    """Estimate the time of a row's jobs; 0 if its cost is not known.

    The first frame of each shape is denoised twice, as `machine.timing.measure` does.

    Args:
        row: the row.
        jobs: its jobs.
        threads: the number of threads, which are taken to share the work evenly.
    """
    shapes = [job.frame.shape for job in jobs]
    values = sum(map(math.prod, (*shapes, *set(shapes))))
    return _cost(row) * values / 3e6 / threads
