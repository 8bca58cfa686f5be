"""A fixed piece of work, timed beside every method: how fast the machine was just then.

A method's time over the reference's is a number without a unit. It stays about the same where a
machine is replaced by a faster one, or throttles, so that a history of it survives both.
"""

from __future__ import annotations

from time import perf_counter_ns

import numpy as np

ROUNDS = 9
SIZE = 256


def times() -> tuple[int, ...]:
    """Nanoseconds of each round, after one that is not counted.

    A round takes about 2 ms: a Fourier transform there and back, which computes, and a sort, which
    branches, of the same 256 × 256 values everywhere. numpy does both in one thread, whatever the
    thread counts are. The work must never change, or histories break; numpy's version is in a run's
    manifest.
    """
    values = np.random.Generator(np.random.Philox(key=1)).random((SIZE, SIZE))
    _work(values)
    samples = []
    for _ in range(ROUNDS):
        start = perf_counter_ns()
        _work(values)
        samples.append(perf_counter_ns() - start)
    return tuple(samples)


def _work(values: np.ndarray) -> None:
    spectrum = np.fft.rfft2(values)
    np.fft.irfft2(spectrum, values.shape)
    np.sort(values[:128], axis=0)
