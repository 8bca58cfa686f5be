"""The loop behind every score: noise, denoise, quantise. It serves run, tune and train."""

from __future__ import annotations

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
    """A cell has no estimate; the status and reason say why."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Scene:
    """A cell's frames, made when they are first asked for.

    Attributes:
        cell: the cell.
        frame: its frame.
    """

    cell: Cell
    frame: Frame
    _observation: Observation
    _read: Callable[[Frame], np.ndarray]

    @cached_property
    def clean(self) -> np.ndarray:
        """The clean frame, uint8 (H, W, C); the noisy one where nobody knows the clean one."""
        return self._read(self.frame)

    @property
    def noisy(self) -> np.ndarray:
        """The noisy frame, float32 (H, W, C); clean values lie in [0, 1]."""
        return self._observed[0]

    @property
    def sigma(self) -> float:
        """The sigma that the method is told, on the 8-bit scale."""
        return self._observed[1] if self.cell.told is None else self.cell.told

    @cached_property
    def _observed(self) -> tuple[np.ndarray, float]:
        noisy = np.empty(self.clean.shape, np.float32)
        return noisy, self._observation.observe(self.cell, self.frame, self.clean, noisy)


@dataclass(frozen=True)
class Evaluation:
    """A cell's outcome.

    Attributes:
        scene: its frames.
        estimate: rounded to 8 bit, as it is scored, uint8 (H, W, C); None if there is none.
        failure: why there is none.
    """

    scene: Scene
    estimate: np.ndarray | None = None
    failure: NoEstimate | None = None

    def score(self, metric: Callable[[np.ndarray, np.ndarray], float | None]) -> float | None:
        """Score the estimate; None where there is none, or the metric is not defined."""
        return None if self.estimate is None else metric(self.scene.clean, self.estimate)


def evaluate(
    cells: Iterable[tuple[Cell, Frame]],
    observation: Observation,
    denoise: Callable[[Scene], np.ndarray],
) -> Iterator[Evaluation]:
    """Denoise cells one after the other.

    Args:
        cells: with their frames; neighbours of the same frame share the clean one.
        observation: the source of the noisy frames.
        denoise: returns the estimate, float32 (H, W, C), or raises `NoEstimate`.
    """
    read = _Reader()
    for cell, frame in cells:
        scene = Scene(cell, frame, observation, read)
        try:
            yield Evaluation(scene, quantise(denoise(scene)))
        except NoEstimate as failure:
            yield Evaluation(scene, failure=failure)


class _Reader:
    """Reads frames, and keeps the last one."""

    _last: tuple[str, np.ndarray] | None = None

    def __call__(self, frame: Frame) -> np.ndarray:
        if self._last is None or self._last[0] != frame.id:
            self._last = frame.id, frame.read()
        return self._last[1]
