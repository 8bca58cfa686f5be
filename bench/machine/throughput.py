"""Throughput: the batch of frames of one size of which a method denoises the most pixels a second.

The time of a single frame says how long a user waits. A network on a GPU can be many times as fast
on a batch, since a single small frame leaves most of the device idle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from denoisebench.machine.timing import measure
from denoisebench.plugins import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from denoisebench.machine.energy import EnergyCounter
    from denoisebench.machine.timing import Clock, TimingRules

__all__ = ["Alone", "BatchRules", "Throughput", "find_throughput"]

_LARGEST = 256
_GAIN = 1.03
"""A batch must be faster than one of half its size by this factor, or no larger one is tried."""
_METERED_S = 1.0
"""Time for which energy is counted: the counter moves some ten times a second."""
_CLOSE = 1 / 255
"""Difference of an estimate in a batch from that of the frame alone: libraries sum up otherwise."""


@dataclass(frozen=True)
class Throughput:
    """Times of a method on a batch of frames of one size.

    Attributes:
        pixels: number of pixels of a frame.
        batch: number of frames in the batch.
        ns: times of its calls on the batch, in nanoseconds.
        joules: energy of a call, of the whole GPU; None where it is not counted.
        problem: one line that says why larger batches failed; empty if they did not.

    Examples:
        >>> Throughput(pixels=500_000, batch=8, ns=(2_000_000_000,)).megapixels_per_second
        2.0
    """

    pixels: int
    batch: int
    ns: tuple[int, ...]
    joules: float | None = None
    problem: str = ""

    @property
    def megapixels_per_second(self) -> float:
        """Pixels that it denoises in a second, in millions."""
        return 1e3 * self.pixels * self.batch / median(self.ns)

    @property
    def joules_per_megapixel(self) -> float | None:
        """Energy for a million pixels."""
        return None if self.joules is None else 1e6 * self.joules / (self.pixels * self.batch)


class Alone(NamedTuple):
    """A frame that was denoised alone.

    Attributes:
        frame: a tensor (1, C, H, W).
        estimate: its estimate, of the same shape.
        ns: times of calls on it, in nanoseconds.
        peak: bytes that a call took; None where that is not known.
    """

    frame: Any
    estimate: Any
    ns: Sequence[int]
    peak: int | None


@dataclass(frozen=True)
class BatchRules:
    """Bounds of the search for the best batch.

    Attributes:
        memory: bytes that a call may take; infinite for a device that refuses what is too large.
        seconds: longest call that is risked.
    """

    memory: float
    seconds: float

    def largest(self, peak: int | None) -> int:
        """Return the largest batch to try.

        Args:
            peak: bytes that a call on a single frame takes; None if that is not known.

        Examples:
            >>> BatchRules(8e9, 2).largest(10**9), BatchRules(math.inf, 2).largest(10**9)
            (8, 256)
        """
        if not math.isfinite(self.memory):
            return _LARGEST
        if peak is None:
            return 1
        return max(1, min(_LARGEST, int(self.memory / max(1, peak))))


def find_throughput(
    denoise: Callable[[Any], Any],
    alone: Alone,
    clock: Clock,
    timing: TimingRules,
    rules: BatchRules,
    counter: EnergyCounter | None = None,
) -> Throughput:
    """Double a batch of copies of a frame as long as more pixels come out a second.

    Args:
        denoise: takes frames, a tensor (N, C, H, W), and returns their estimates.
        alone: what is known of the frame.
        clock: the clock of the device on which the method works.
        timing: the number of calls.
        rules: bounds of the search.
        counter: the counter of the device's energy; None for none.
    """
    found = _fastest(denoise, alone, clock, timing, rules)
    if counter is None or median(found.ns) > rules.seconds * 1e9:
        return found
    batch = alone.frame.repeat(found.batch, 1, 1, 1)
    try:
        return replace(found, joules=_joules(lambda: denoise(batch), clock, counter))
    except Exception:  # a method or a driver may raise anything; that costs this figure alone
        return found


def _joules(call: Callable[[], Any], clock: Clock, counter: EnergyCounter) -> float:
    """Return the energy of a call that is repeated for a second."""
    spent_ns, calls, before = 0, 0, counter()
    while spent_ns < _METERED_S * 1e9:
        _, ns, _ = clock.time(call)
        spent_ns, calls = spent_ns + ns, calls + 1
    return (counter() - before) / 1e3 / calls


def _fastest(
    denoise: Callable[[Any], Any],
    alone: Alone,
    clock: Clock,
    timing: TimingRules,
    rules: BatchRules,
) -> Throughput:
    """Find the batch; see `find_throughput`."""
    largest = rules.largest(alone.peak)
    found = Throughput(alone.frame.shape[2] * alone.frame.shape[3], 1, tuple(alone.ns))
    while 2 * found.batch <= largest and 2 * median(found.ns) <= rules.seconds * 1e9:
        size = 2 * found.batch
        try:
            larger = replace(found, batch=size, ns=_timed(denoise, alone, size, clock, timing))
        except Exception as error:  # a method may raise anything
            if _is_lack_of_memory(error):
                break
            reason = f"batches of {size} frames fail: {describe_error(error)}"
            return replace(found, problem=reason)
        if larger.megapixels_per_second < _GAIN * found.megapixels_per_second:
            break
        found = larger
    return found


def _timed(
    denoise: Callable[[Any], Any], alone: Alone, size: int, clock: Clock, timing: TimingRules
) -> tuple[int, ...]:
    """Return the times of calls on a batch in nanoseconds, after one that is checked.

    Raises:
        ValueError: the estimates are wrong.
        Exception: whatever the method raises.
    """
    batch = alone.frame.repeat(size, 1, 1, 1)
    _check(denoise(batch), alone.estimate, size)
    _, samples = measure(lambda: denoise(batch), clock, timing, cold=False, warm_up=False)
    return tuple(samples.call_ns)


def _check(estimates: Any, estimate: Any, size: int) -> None:
    """Check that the first and the last of a batch get the estimate that the frame got alone.

    Raises:
        ValueError: they do not.
    """
    if estimates.shape != (size, *estimate.shape[1:]):
        raise ValueError(f"returned shape {tuple(estimates.shape)}")
    for one in (estimates[:1], estimates[-1:]):
        if not float((one - estimate).abs().max()) <= _CLOSE:
            raise ValueError("a frame has another estimate in a batch than alone")


def _is_lack_of_memory(error: Exception) -> bool:
    """Tell whether a device, or torch on the CPU, had too little memory."""
    words = ("out of memory", "allocate memory")
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in words)
