"""Times that methods take, roughly, and what a run of limited time can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.denoisers.registry import Card

__all__ = ["Affordable", "affordable", "cost", "seconds_a_cell"]

_COSTS = {"bm3d": 127.0}
"""Costs as in `denoisers.registry.Card`, of methods whose files stored results depend on."""

LOAD_S = 4.0
"""Seconds to start a method's process and to load the method, roughly."""
_LEAST_S = 0.05
"""Seconds that a cell of a cheap method takes, roughly: noise, calls and scores."""


def cost(card: Card, device: str) -> float:
    """Return a method's seconds for a megapixel of RGB on one core; 0 if they are not known."""
    return _COSTS.get(card.name, card.cost) if device == "cpu" else 0.0


def seconds_a_cell(card: Card, device: str, megapixels: float, threads: int) -> float:
    """Return the seconds that a method takes for a cell, roughly.

    Args:
        card: the method's card.
        device: its device.
        megapixels: size of the frame, as if it had three channels.
        threads: number of threads, which are taken to share the work evenly.
    """
    return max(_LEAST_S, cost(card, device) * megapixels / threads)


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
        >>> affordable([0.5, 1.0, 100.0], frames=20, seconds=800)
        Affordable(rows=3, frames=7, seconds=722.5)
        >>> affordable([0.5], frames=20, seconds=1) is None
        True
    """
    found, most = None, 0
    for rows in range(1, len(costs) + 1):
        a_frame, load = sum(costs[:rows]), rows * LOAD_S
        count = min(frames, int((seconds - load) / a_frame))
        comparisons = count * max(1, rows * (rows - 1) // 2)
        if count > 0 and comparisons >= most:
            found, most = Affordable(rows, count, load + count * a_frame), comparisons
    return found
