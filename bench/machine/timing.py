"""Timing of calls: only the call is timed, not loading, transfer or scoring."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from denoisebench.machine.memory import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Output = TypeVar("_Output")

_NOISY_IQR = 0.10  # an interquartile range above this share of the median is flagged
_REFERENCE_ROUNDS = 9


@dataclass(frozen=True)
class TimingRules:
    """Rules for the number of calls. A slow method is timed once a frame, a fast one more often.

    Attributes:
        warmup_s: seconds for which a process repeats its first call of each frame shape, untimed.
        min_rounds: least number of timed calls in a cell.
        max_rounds: greatest number of timed calls in a cell.
        budget_s: no further round starts once the rounds have taken this many seconds.
    """

    warmup_s: float = 0.2
    min_rounds: int = 1
    max_rounds: int = 10
    budget_s: float = 0.1


class Clock(Protocol):
    """Clock that times one call on a device."""

    def time(self, call: Callable[[], _Output]) -> tuple[_Output, int, int | None]:
        """Return the call's result, its wall time and its time by the device's clock, in ns.

        The last is None where the device has no clock.
        """
        ...


class WallClock:
    """Clock for work that is done when the call returns."""

    def time(self, call: Callable[[], _Output]) -> tuple[_Output, int, int | None]:
        """See `Clock.time`."""
        start = perf_counter_ns()
        output = call()
        return output, perf_counter_ns() - start, None


class CudaClock:
    """Clock that waits for the CUDA device before each reading; CUDA events time the call, too."""

    def __init__(self) -> None:
        import torch

        self._cuda = torch.cuda

    def time(self, call: Callable[[], _Output]) -> tuple[_Output, int, int | None]:
        """See `Clock.time`."""
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
    """Raw times of one cell's calls in nanoseconds, and its peak memory in bytes.

    See `Measurement` for the fields.
    """

    call_ns: list[int] = field(default_factory=list)
    event_ns: list[int] = field(default_factory=list)
    cold_ns: int | None = None
    peak_memory: int | None = None

    def add(self, wall: int, event: int | None) -> None:
        """Add the times of one call."""
        self.call_ns.append(wall)
        if event is not None:
            self.event_ns.append(event)


def measure(
    call: Callable[[], _Output], clock: Clock, rules: TimingRules, *, cold: bool, warm_up: bool
) -> tuple[_Output, Samples]:
    """Repeat a call until the rules are satisfied, and time it.

    Garbage collection is off while calls are timed.

    Args:
        call: the work, without arguments.
        clock: the clock of the device on which it works.
        rules: the number of calls.
        cold: True for the process's first call, which is timed apart.
        warm_up: True for the process's first call on a frame of this shape. Its memory is measured,
            and it is repeated untimed.

    Returns:
        The first call's result, and the samples.
    """
    samples = Samples()
    outputs: list[_Output] = []

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
    """Return True if the rules ask for a further round."""
    if len(samples) < rules.min_rounds:
        return True
    return len(samples) < rules.max_rounds and sum(samples) < rules.budget_s * 1e9


FEWEST_JUDGED = 4
"""Fewest samples of a cell that can show that they scatter."""


def scatter(samples: np.ndarray) -> np.ndarray:
    """Find the cells whose samples scatter: the interquartile range exceeds a tenth of the median.

    Args:
        samples: times in any unit, (cells, rounds); fewer than `FEWEST_JUDGED` give False.

    Returns:
        bool (cells,).

    Examples:
        >>> scatter(np.array([[100, 101, 99, 100, 102], [100, 150, 80, 100, 130]])).tolist()
        [False, True]
    """
    cells, rounds = samples.shape
    if rounds < FEWEST_JUDGED:
        return np.zeros(cells, bool)
    lower, middle, upper = np.quantile(samples, (0.25, 0.5, 0.75), axis=1, method="weibull")
    found: np.ndarray = upper - lower > _NOISY_IQR * middle
    return found


def reference_times() -> tuple[int, ...]:
    """Time a fixed piece of work, which tells how fast the machine is just now.

    A method's time divided by the reference's has no unit. It stays about the same where a faster
    machine replaces another, or a machine throttles, so that a history of it survives both.

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
    """Do one round of `reference_times`."""
    spectrum = np.fft.rfft2(values)
    np.fft.irfft2(spectrum, values.shape)
    np.sort(values[:128], axis=0)
