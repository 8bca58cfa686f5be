"""The cells left to measure: those whose stored measurements are missing or stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.cells import Cell, Measurement, Status
from denoisebench.running.identity import Identities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from denoisebench.cells import Score
    from denoisebench.datasets import Frame
    from denoisebench.running.plan import Plan, PlannedRow
    from denoisebench.running.scoring import Scorer


@dataclass(frozen=True)
class Job:
    """A cell to measure, with the identities that its measurement will carry.

    Attributes:
        known: what was measured of it before.
    """

    cell: Cell
    frame: Frame
    quality_key: str
    timing_key: str
    known: Measurement | None

    def is_done(self, scorer: Scorer) -> bool:
        """True if what is known holds: it is ok, of the same identities, and has all its scores.

        Estimates are not stored: where a further score is missing, the cell is measured again.
        """
        known = self.known
        return (
            known is not None
            and known.status is Status.OK
            and (known.quality_key, known.timing_key) == (self.quality_key, self.timing_key)
            and scorer.is_complete(known.scores)
        )

    def outcome(self, status: Status, reason: str = "") -> Measurement:
        """A measurement of this cell without scores and times."""
        return Measurement(
            self.cell, status, reason, quality_key=self.quality_key, timing_key=self.timing_key
        )

    def known_scores(self, output_digest: str) -> Mapping[str, Score]:
        """The further scores that were measured before, of the same estimate of the same frame."""
        same = self.quality_key, output_digest
        if self.known is None or (self.known.quality_key, self.known.output_digest) != same:
            return {}
        return self.known.scores


def pending(
    plan: Plan, measured: Mapping[Cell, Measurement], scorer: Scorer
) -> dict[PlannedRow, list[Job]]:
    """List the jobs of each row that are not done, or are to be done again.

    Args:
        measured: what the run's folder holds.
    """
    identities = Identities(plan)

    def jobs(row: PlannedRow) -> list[Job]:
        return [
            Job(cell, frame, *identities.of(row, cell, frame), measured.get(cell))
            for cell, frame in plan.cells(row)
        ]

    return {
        row: [j for j in jobs(row) if row.method.spec in plan.forced or not j.is_done(scorer)]
        for row in plan.rows
    }
