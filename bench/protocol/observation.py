"""Where a cell's noisy frame comes from: the harness draws the noise, or a camera recorded it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from denoisebench import protocol
from denoisebench.errors import UsageError
from denoisebench.protocol import noise as noises
from denoisebench.protocol.estimation import estimate_sigma
from denoisebench.protocol.noise import WHITE_GAUSSIAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from denoisebench.cells import Cell
    from denoisebench.datasets import Dataset, Frame
    from denoisebench.protocol.noise import Noise


class Observation(Protocol):
    """How a run comes by its noisy frames."""

    @property
    def noise(self) -> str:
        """The noise's spec, or `protocol.RECORDED`: what the protocol's digest depends on."""
        ...

    @property
    def words(self) -> str:
        """The noise, for a table's footer."""
        ...

    @property
    def telling(self) -> str:
        """What methods that need a sigma are told, for the same; empty if it is the true one."""
        ...

    def observe(self, cell: Cell, frame: Frame, clean: np.ndarray, out: np.ndarray) -> float:
        """Write a cell's noisy frame.

        Args:
            frame: the cell's.
            clean: what ``frame.read`` returned.
            out: takes the noisy frame, float32 (H, W, C).

        Returns:
            How strong its noise is, on the 8-bit scale: what a method is told that needs a sigma.
        """
        ...


@dataclass(frozen=True)
class Drawn:
    """Synthetic noise, the same for every method."""

    model: Noise
    dataset: str

    @property
    def noise(self) -> str:
        return noises.noise_spec(self.model)

    @property
    def words(self) -> str:
        if self.model == WHITE_GAUSSIAN:
            return "the same noise for every method"
        return f"noise `{self.noise}`: {self.model.words}, the same for every method"

    @property
    def telling(self) -> str:
        if self.model == WHITE_GAUSSIAN:
            return ""
        return "methods that need a sigma are told the root mean square of the frame's noise"

    def observe(self, cell: Cell, frame: Frame, clean: np.ndarray, out: np.ndarray) -> float:
        """White Gaussian noise is as strong as its sigma; of other noise it is measured."""
        assert cell.sigma is not None
        protocol.add_noise(
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
        return 255 * noises.rms(out, protocol.as_float(clean))


@dataclass(frozen=True)
class Recorded:
    """Noise that came with the frames; how strong it is, is estimated from the noisy one alone."""

    _estimates: dict[str, float] = field(default_factory=dict)

    noise = protocol.RECORDED
    words = "the noise was recorded with them"
    telling = "methods that need a sigma are told an estimate from the noisy frame"

    def observe(self, cell: Cell, frame: Frame, clean: np.ndarray, out: np.ndarray) -> float:
        assert frame.read_noisy is not None
        out[:] = protocol.as_float(frame.read_noisy())
        if frame.id not in self._estimates:
            self._estimates[frame.id] = 255 * estimate_sigma(out)
        return self._estimates[frame.id]


def choose_observation(
    model: Noise | None, dataset: Dataset, frames: Sequence[Frame]
) -> Observation:
    """The noise that the frames bring along, or the one that the user names.

    Args:
        model: None where the user names none.

    Raises:
        UsageError: the frames have their own.
    """
    recorded = [frame for frame in frames if frame.read_noisy is not None]
    if not recorded:
        return Drawn(model or WHITE_GAUSSIAN, dataset.name)
    if len(recorded) < len(frames):
        raise UsageError(f"{dataset.name}: only some of its frames bring their own noise")
    if model is not None:
        spec = noises.noise_spec(model)
        raise UsageError(f"--noise {spec}: {dataset.name} brings its own noise; leave it out")
    return Recorded()
