"""Timing of calls: what is timed is the call, not its loading, transfer or scoring."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter_ns
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from denoisebench.machine.memory import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Output = TypeVar("Output")

_NOISY_IQR = 0.10  # an interquartile range above this share of the median is flagged
_REFERENCE_ROUNDS = 9


@dataclass(frozen=True)
class TimingRules:
    """How often a call is repeated. A slow method is timed once a frame, a fast one more often.

    Attributes:
        warmup_s: a process repeats its first call of each frame shape for as long, untimed.
        min_rounds, max_rounds: timed calls a cell.
        budget_s: no further round starts once the rounds have taken as long.
    """

    warmup_s: float = 0.2
    min_rounds: int = 1
    max_rounds: int = 10
    budget_s: float = 0.1


class Clock(Protocol):
    """Times one call."""

    def time(self, call: Callable[[], Output]) -> tuple[Output, int, int | None]:
        """Return the call's result, its wall time and its time by the device's clock, in ns."""
        ...


class WallClock:
    """For work that is done when the call returns."""

    def time(self, call: Callable[[], Output]) -> tuple[Output, int, int | None]:
        start = perf_counter_ns()
        output = call()
        return output, perf_counter_ns() - start, None


class CudaClock:
    """Waits for the device before it reads the clock; CUDA events give a second opinion."""

    def __init__(self) -> None:
        import torch

        self._cuda = torch.cuda

    def time(self, call: Callable[[], Output]) -> tuple[Output, int, int | None]:
        first, last = (self._cuda.Event(enable_timing=True) for _ in range(2))
        self._cuda.synchronize()
        start = perf_counter_ns()
        first.record()
        output = call()
        last.record()
        self._cuda.synchronize()
        wall = perf_counter_ns() - start
        return output, wall, round(first.elapsed_time(last) * 1e6)


@dataclass
class Samples:
    """Raw times of one cell's calls, in nanoseconds; see `Measurement` for the fields."""

    call_ns: list[int] = field(default_factory=list)
    event_ns: list[int] = field(default_factory=list)
    cold_ns: int | None = None
    peak_memory: int | None = None

    def add(self, wall: int, event: int | None) -> None:
        self.call_ns.append(wall)
        if event is not None:
            self.event_ns.append(event)


def measure(
    call: Callable[[], Output], clock: Clock, rules: TimingRules, *, cold: bool, warm_up: bool
) -> tuple[Output, Samples]:
    """Call until the rules are satisfied; return the first call's result and the times.

    Args:
        cold: this is the process's first call; it is timed apart.
        warm_up: this is the process's first call on a frame of this shape. Its memory is measured,
            and it is repeated untimed.
    """
    samples = Samples()
    outputs: list[Output] = []

    def once() -> tuple[int, int | None]:
        output, wall, event = clock.time(call)
        if not outputs:
            outputs.append(output)
        return wall, event

    if warm_up:
        gc.collect()
    gc.disable()
    try:
        if cold:
            samples.cold_ns, _ = once()
        if warm_up:
            with PeakMemory() as memory:
                spent, _ = once()
            samples.peak_memory = memory.bytes
            while spent < rules.warmup_s * 1e9:
                spent += once()[0]
        while _wants_more(samples.call_ns, rules):
            samples.add(*once())
    finally:
        gc.enable()
    return outputs[0], samples


def _wants_more(samples: Sequence[int], rules: TimingRules) -> bool:
    if len(samples) < rules.min_rounds:
        return True
    return len(samples) < rules.max_rounds and sum(samples) < rules.budget_s * 1e9


def is_noisy(samples: Sequence[float]) -> bool:
    """True if the interquartile range is more than a tenth of the median."""
    if len(samples) < 4:
        return False
    lower, _, upper = quantiles(samples, n=4)
    return upper - lower > _NOISY_IQR * median(samples)


def reference_times() -> tuple[int, ...]:
    """Time a fixed piece of work: how fast the machine is just now.

    A method's time over the reference's is a number without a unit. It stays about the same where a
    machine is replaced by a faster one, or throttles, so that a history of it survives both.

    A round takes about 2 ms: a Fourier transform there and back, which computes, and a sort, which
    branches, of the same 256 × 256 values everywhere. numpy does both in one thread, whatever the
    thread counts are. The work must never change, or histories break; numpy's version is in a run's
    manifest.

    Returns:
        Nanoseconds of each of 9 rounds, after one that is not counted.
    """
    values = np.random.Generator(np.random.Philox(key=1)).random((256, 256))
    _reference_work(values)
    samples = []
    for _ in range(_REFERENCE_ROUNDS):
        start = perf_counter_ns()
        _reference_work(values)
        samples.append(perf_counter_ns() - start)
    return tuple(samples)


def _reference_work(values: np.ndarray) -> None:
    spectrum = np.fft.rfft2(values)
    np.fft.irfft2(spectrum, values.shape)
    np.sort(values[:128], axis=0)
