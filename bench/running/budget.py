"""Choice of methods and frames for a run of limited time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from denoisebench.errors import UsageError
from denoisebench.running.jobs import row_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.datasets import Frame
    from denoisebench.running.plan import PlannedRow

__all__ = ["Affordable", "within_budget"]

_LOAD_S = 4.0
"""Seconds to start a method's process, load the method and score its first frame, roughly."""
_LEAST_FRAME_S = 0.05
"""Seconds that a cell of a cheap method takes, roughly: noise, calls and scores."""


class Affordable(NamedTuple):
    """Part of a run for which the time suffices.

    Attributes:
        rows: number of rows, of the cheapest.
        frames: number of frames, the same for all rows.
        seconds: time that they will take, roughly.
    """

    rows: int
    frames: int
    seconds: float


def within_budget(
    rows: Sequence[PlannedRow], frames: Sequence[Frame], draws: int, seconds: float, threads: int
) -> tuple[list[PlannedRow], int, str]:
    """Choose the rows and the number of frames that tell most methods apart in a given time.

    Args:
        rows: the rows of the whole run.
        frames: its frames.
        draws: number of noisy frames of each frame.
        seconds: the time.
        threads: number of threads, which are taken to share the work evenly.

    Returns:
        The rows in their order, the number of frames for all of them, and a sentence on what is
        left out; '' for nothing.

    Raises:
        UsageError: the time does not suffice for one frame by the cheapest method.
    """
    megapixels = sum(math.prod(frame.shape) for frame in frames) / len(frames) / 3e6
    by_cost = sorted(rows, key=row_cost)
    costs = [draws * max(_LEAST_FRAME_S, row_cost(row) * megapixels / threads) for row in by_cost]
    chosen = affordable(costs, len(frames), seconds)
    if chosen is None:
        raise UsageError(
            f"--budget: {seconds:g} s do not suffice for one frame; a method takes some "
            f"{_LOAD_S + costs[0]:.0f} s"
        )
    kept = by_cost[: chosen.rows]
    return (
        [row for row in rows if row in kept],
        chosen.frames,
        _left(by_cost, costs, chosen, frames),
    )


def affordable(costs: Sequence[float], frames: int, seconds: float) -> Affordable | None:
    """Choose how many of the cheapest rows get how many frames, the same for all.

    What tells methods apart are comparisons of two methods on a frame: their number is made as
    large as the time allows. Of choices with the same number, the one with more rows is taken.

    Args:
        costs: seconds that a row takes for a frame, by row, in ascending order.
        frames: the greatest number of frames.
        seconds: the time.

    Returns:
        None if the time does not suffice for one frame of the first row.

    Examples:
        >>> affordable([0.5, 1.0, 100.0], frames=20, seconds=50)
        Affordable(rows=2, frames=20, seconds=38.0)
        >>> affordable([0.5, 1.0, 100.0], frames=20, seconds=400)
        Affordable(rows=3, frames=3, seconds=316.5)
        >>> affordable([0.5], frames=20, seconds=1) is None
        True
    """
    found, most = None, 0
    for rows in range(1, len(costs) + 1):
        a_frame, load = sum(costs[:rows]), rows * _LOAD_S
        count = min(frames, int((seconds - load) / a_frame))
        comparisons = count * max(1, rows * (rows - 1) // 2)
        if count > 0 and comparisons >= most:
            found, most = Affordable(rows, count, load + count * a_frame), comparisons
    return found


def _left(
    rows: Sequence[PlannedRow],
    costs: Sequence[float],
    chosen: Affordable,
    frames: Sequence[Frame],
) -> str:
    """Say what is left out, and how long it would take."""
    told = []
    if chosen.frames < len(frames):
        told.append(f"{len(frames) - chosen.frames} of {len(frames)} frames")
    told += [
        f"{row.method.title} ({_about(cost * chosen.frames + _LOAD_S)})"
        for row, cost in zip(rows[chosen.rows :], costs[chosen.rows :], strict=True)
    ]
    return f"Left out by --budget: {'; '.join(told)}." if told else ""


def _about(seconds: float) -> str:
    """Write a time, roughly."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"
