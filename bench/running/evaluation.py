"""The loop behind every score (noise, denoise, quantise), shared by run, tune and train."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.protocol import quantise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from denoisebench.cells import Cell, Status
    from denoisebench.datasets import Frame
    from denoisebench.protocol.observation import Observation


class NoEstimate(Exception):  # noqa: N818 - an outcome of the method, not a fault of ours
    """Outcome of a cell that has no estimate.

    Attributes:
        status: a status other than ``ok``.
        reason: one line that says why there is none.
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Scene:
    """Clean and noisy frame of a cell, made when they are first asked for.

    Attributes:
        cell: the cell.
        frame: its frame in the data set.
    """

    cell: Cell
    frame: Frame
    _observation: Observation
    _read: Callable[[Frame], np.ndarray]
    _room: Callable[[tuple[int, int, int]], np.ndarray]

    @cached_property
    def clean(self) -> np.ndarray:
        """The clean frame, uint8 (H, W, C); the noisy one if nobody knows the clean one."""
        return self._read(self.frame)

    @property
    def noisy(self) -> np.ndarray:
        """The noisy frame, float32 (H, W, C), until its room is used again."""
        return self._observed[0]

    @property
    def sigma(self) -> float:
        """The sigma that the method is told, on the 8-bit scale."""
        return self._observed[1] if self.cell.told is None else self.cell.told

    @cached_property
    def _observed(self) -> tuple[np.ndarray, float]:
        """The noisy frame, and the sigma of its noise on the 8-bit scale."""
        noisy = self._room(self.clean.shape)
        return noisy, self._observation.observe(self.cell, self.frame, self.clean, noisy)


@dataclass(frozen=True)
class Evaluation:
    """Outcome of a cell.

    Attributes:
        scene: the cell with its frames.
        output: the estimate as the method returned it, float32 (H, W, C), until the next cell is
            denoised; None if there is none.
        failure: status and reason if there is no estimate; else None.
    """

    scene: Scene
    output: np.ndarray | None = None
    failure: NoEstimate | None = None

    @cached_property
    def estimate(self) -> np.ndarray | None:
        """The estimate as it is scored: rounded to 8 bit, uint8 (H, W, C); None without output."""
        return None if self.output is None else quantise(self.output)

    def score(self, metric: Callable[[np.ndarray, np.ndarray], float | None]) -> float | None:
        """Score the estimate.

        Args:
            metric: function of the clean frame and the estimate, both uint8 (H, W, C).

        Returns:
            None if there is no estimate, nobody knows the clean frame, or the metric is not defined
            for it.
        """
        if self.estimate is None or not self.scene.frame.has_clean:
            return None
        return metric(self.scene.clean, self.estimate)


class FrameReader:
    """Reader of frames that keeps those it read last; threads may share it.

    Args:
        limit: size in bytes of what is kept; the last frame is kept whatever its size.
    """

    def __init__(self, limit: int = 100_000_000) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()

    def __call__(self, frame: Frame) -> np.ndarray:
        """Return a frame, uint8 (H, W, C), which nobody may change.

        Raises:
            UsageError: the frame cannot be read, or has changed.
        """
        with self._lock:
            known = self._kept.get(frame.id)
            if known is not None:
                self._kept.move_to_end(frame.id)
                return known
        pixels = frame.read()
        pixels.flags.writeable = False
        with self._lock:
            self._kept[frame.id] = pixels
            while len(self._kept) > 1 and self._size() > self._limit:
                self._kept.popitem(last=False)
        return pixels

    def _size(self) -> int:
        """Return the number of bytes that are kept."""
        return sum(pixels.nbytes for pixels in self._kept.values())


def evaluate(
    cells: Iterable[tuple[Cell, Frame]],
    observation: Observation,
    denoise: Callable[[Scene], np.ndarray],
    read: Callable[[Frame], np.ndarray] | None = None,
    room: Callable[[tuple[int, int, int]], np.ndarray] | None = None,
) -> Iterator[Evaluation]:
    """Denoise cells one after the other.

    Args:
        cells: cells with their frames.
        observation: the source of the noisy frames.
        denoise: function that returns the estimate of a scene, float32 (H, W, C), or raises
            `NoEstimate`.
        read: reader of the frames; None takes a `FrameReader`.
        room: function that returns an array of a shape for a noisy frame; None makes new ones.

    Yields:
        The outcome of each cell, in the order of ``cells``.
    """
    read = read or FrameReader()
    room = room or (lambda shape: np.empty(shape, np.float32))
    for cell, frame in cells:
        scene = Scene(cell, frame, observation, read, room)
        try:
            found = Evaluation(scene, denoise(scene))
        except NoEstimate as failure:
            found = Evaluation(scene, failure=failure)
        yield found
