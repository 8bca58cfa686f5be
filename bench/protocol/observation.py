"""Observations: a cell's noisy frame, drawn by the harness or recorded by a camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from denoisebench.errors import UsageError
from denoisebench.protocol.estimation import estimate_sigma
from denoisebench.protocol.noise import WHITE_GAUSSIAN, noise_spec, rms
from denoisebench.protocol.pixels import as_float
from denoisebench.protocol.rules import RECORDED, add_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from denoisebench.cells import Cell
    from denoisebench.datasets import Dataset, Frame
    from denoisebench.protocol.noise import Noise


__all__ = ["Drawn", "Observation", "Recorded", "choose_observation"]


class Observation(Protocol):
    """Source of a run's noisy frames."""

    @property
    def noise(self) -> str:
        """The noise's spec, or `RECORDED`; the protocol's digest depends on it."""
        ...

    @property
    def words(self) -> str:
        """Description of the noise, for a table's footer."""
        ...

    @property
    def telling(self) -> str:
        """Description of the sigma that methods are told; empty if it is the true one."""
        ...

    def observe(self, cell: Cell, frame: Frame, clean: np.ndarray, out: np.ndarray) -> float:
        """Write a cell's noisy frame.

        Args:
            cell: the cell.
            frame: its frame.
            clean: the array that ``frame.read`` returned, uint8 (H, W, C).
            out: takes the noisy frame, float32 (H, W, C).

        Returns:
            The strength of the noise on the 8-bit scale, which methods that need a sigma are told.
        """
        ...


@dataclass(frozen=True)
class Drawn:
    """Synthetic noise, the same for every method.

    Attributes:
        model: the noise.
        dataset: name of the data set, for the noise generator's key.

    Examples:
        >>> Drawn(WHITE_GAUSSIAN, "stills").words
        'the same noise for every method'
    """

    model: Noise
    dataset: str

    @property
    def noise(self) -> str:
        """See `Observation.noise`."""
        return noise_spec(self.model)

    @property
    def words(self) -> str:
        """See `Observation.words`."""
        if self.model == WHITE_GAUSSIAN:
            return "the same noise for every method"
        return f"noise `{self.noise}`: {self.model.words}, the same for every method"

    @property
    def telling(self) -> str:
        """See `Observation.telling`."""
        if self.model == WHITE_GAUSSIAN:
            return ""
        return "methods that need a sigma are told the root mean square of the frame's noise"

    def observe(self, cell: Cell, frame: Frame, clean: np.ndarray, out: np.ndarray) -> float:
        """Add the noise; measure its strength, except that of white Gaussian noise, its sigma."""
        assert cell.sigma is not None
        add_noise(
            clean,
            cell.sigma,
            dataset=self.dataset,
            frame=frame.id,
            seed=cell.seed,
            noise=self.model,
            out=out,
        )
        if self.model == WHITE_GAUSSIAN:
            return cell.sigma
        return 255 * rms(out, as_float(clean))


@dataclass(frozen=True)
class Recorded:
    """Noise that came with the frames; its strength is estimated from the noisy frame alone.

    Examples:
        >>> Recorded().noise
        'recorded'
    """

    _estimates: dict[str, float] = field(default_factory=dict)

    noise = RECORDED
    words = "the noise was recorded with them"
    telling = "methods that need a sigma are told an estimate from the noisy frame"

    def observe(self, cell: Cell, frame: Frame, clean: np.ndarray, out: np.ndarray) -> float:
        """Copy the recorded frame; estimate the strength of its noise once a frame."""
        assert frame.read_noisy is not None
        out[:] = as_float(frame.read_noisy())
        if frame.id not in self._estimates:
            self._estimates[frame.id] = 255 * estimate_sigma(out)
        return self._estimates[frame.id]


def choose_observation(
    model: Noise | None, dataset: Dataset, frames: Sequence[Frame]
) -> Observation:
    """Choose the noise that the frames bring along, or else the one that the user names.

    Args:
        model: the noise that the user names; None if the user names none.
        dataset: the frames' data set.
        frames: the frames of the run.

    Raises:
        UsageError: the frames bring their own noise and the user names one, or only some of the
            frames bring their own.

    Examples:
        >>> from types import SimpleNamespace
        >>> dataset = SimpleNamespace(name="stills")
        >>> choose_observation(None, dataset, [SimpleNamespace(read_noisy=None)]).noise
        'gaussian'
    """
    recorded = [frame for frame in frames if frame.read_noisy is not None]
    if not recorded:
        return Drawn(model or WHITE_GAUSSIAN, dataset.name)
    if len(recorded) < len(frames):
        raise UsageError(f"{dataset.name}: only some of its frames bring their own noise")
    if model is not None:
        spec = noise_spec(model)
        raise UsageError(f"--noise {spec}: {dataset.name} brings its own noise; leave it out")
    return Recorded()
