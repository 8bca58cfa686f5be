"""Cells, the unit of work and storage, and their measurements."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LARGEST_SIGMA = 255.0
"""Largest sigma that a user can ask for, on the 8-bit scale."""

MOST_SEEDS = 1000
"""Largest number of noise draws of a frame that a user can ask for."""

NOISY_CONTROL = "noisy"
"""Name of the control that returns its input."""


class Status(StrEnum):
    """Outcome of a cell. The vocabulary is closed: reports and exit codes rely on it."""

    OK = "ok"
    ERROR = "error"  # the method raised
    TIMEOUT = "timeout"  # the time limit was reached
    KILLED = "killed"  # its process died: a crash, a signal, too much memory
    INVALID_OUTPUT = "invalid_output"  # wrong shape or dtype, not finite, or the input was changed
    UNAVAILABLE = "unavailable"  # it could not be tried


@dataclass(frozen=True)
class Level:
    """Noise level of a frame, with the sigma that methods are told in its place, if any.

    Attributes:
        sigma: strength of the drawn noise on the 8-bit scale; None where noise was recorded.
        told: sigma, on the same scale, that the user has methods told; None tells them the true
            one, or an estimate of it.

    Examples:
        >>> str(Level(25.0)), str(Level(25.0, told=50.0)), str(Level(None))
        ('sigma 25', 'sigma 25 told as 50', 'recorded noise')
    """

    sigma: float | None
    told: float | None = None

    def __str__(self) -> str:
        """Write the level in words."""
        noise = "recorded noise" if self.sigma is None else f"sigma {self.sigma:g}"
        return noise if self.told is None else f"{noise} told as {self.told:g}"

    def cell(self, method: str, device: str, frame: str, seed: int) -> Cell:
        """Build the cell of a method and frame at this level."""
        return Cell(method, device, frame, self.sigma, seed, self.told)

    def as_told_to(self, blind: bool) -> Level:
        """Return the level as it is for a method: a blind one is told nothing."""
        return Level(self.sigma) if blind else self


def told_to(blind: bool, levels: Iterable[Level]) -> list[Level]:
    """List the levels that differ for a method, in their order; a blind one is told nothing.

    Examples:
        >>> told_to(True, [Level(25.0), Level(25.0, told=50.0)])
        [Level(sigma=25.0, told=None)]
    """
    return list(dict.fromkeys(level.as_told_to(blind) for level in levels))


@dataclass(frozen=True)
class Cell:
    """One method on one noisy frame on one device: the unit of work, resume and storage.

    Attributes:
        method: the method's spec, ``name[param=value,…]``.
        device: ``cpu`` or ``cuda``.
        frame: the frame's id.
        sigma: strength of the drawn noise on the 8-bit scale; None where noise was recorded.
        seed: number of the noise draw, from 0.
        told: see `Level`; always None for a blind method.
    """

    method: str
    device: str
    frame: str
    sigma: float | None
    seed: int
    told: float | None = None

    @property
    def level(self) -> Level:
        """Its noise level."""
        return Level(self.sigma, self.told)


@dataclass(frozen=True)
class Score:
    """Score of a cell by one metric.

    Attributes:
        value: in the metric's unit; None where it is not defined for the frame, or could not be
            computed.
        key: identity of the metric's definition; scores under different keys are never mixed.
        reason: one line that says why it could not be computed; else empty.
    """

    value: float | None
    key: str
    reason: str = ""


@dataclass(frozen=True)
class Measurement:
    """Result of a cell that has been tried. Times are raw samples in nanoseconds.

    Attributes:
        cell: the cell that was measured.
        status: its outcome; there are scores and times only if it is ``ok``.
        reason: one line that says why the status is not ``ok``; else empty.
        psnr: in dB; infinite for a perfect estimate; None where nobody knows the clean frame.
        ssim: None there, too, and where the frame is smaller than the window.
        sigma_given: sigma that the method was given, on the 8-bit scale; None if it is blind.
        scores: scores by the further metrics that were asked for, by the metric's name.
        call_ns: times of the warm calls, one sample each.
        event_ns: times of the same calls by the device's own clock (CUDA only).
        transfer_ns: times to move the frame to the device and the estimate back, one sample per
            frame (CUDA only).
        cold_ns: time of the process's first call; only on the cell that made it.
        load_ns: time to import and build the method; only on the same cell.
        peak_memory: bytes resident above the level before the call, where it was measured.
        peak_device_memory: bytes allocated on the device above the level before the call.
        pixels: height times width.
        quality_key: identity of everything that decides the scores.
        timing_key: identity of everything that decides the times.
        noisy_digest: digest of the noisy frame's bytes.
        output_digest: digest of the scored output's bytes.
        session: number of the worker process that measured it (`Session`).
    """

    cell: Cell
    status: Status
    reason: str = ""
    psnr: float | None = None
    ssim: float | None = None
    sigma_given: float | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    call_ns: tuple[int, ...] = ()
    event_ns: tuple[int, ...] = ()
    transfer_ns: tuple[int, ...] = ()
    cold_ns: int | None = None
    load_ns: int | None = None
    peak_memory: int | None = None
    peak_device_memory: int | None = None
    pixels: int = 0
    quality_key: str = ""
    timing_key: str = ""
    noisy_digest: str = ""
    output_digest: str = ""
    session: int | None = None

    @property
    def peak(self) -> int | None:
        """Peak memory in bytes of the device that the method ran on, where it was measured."""
        return self.peak_memory if self.cell.device == "cpu" else self.peak_device_memory
