"""Peak memory of a method on a large frame, in a process of its own.

    python tests/large_frames.py bm3d-native --size 4320 7680

prints the peak above the level before the call, the estimate included, and the call's seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from time import perf_counter

import numpy as np

FRAME_8K = (4320, 7680)
LIMIT = 2e9
"""Bytes that a method may hold beside a frame of 8K and its estimate."""


@dataclass(frozen=True)
class Peak:
    """Peak memory of a call in bytes, above the level before it, and the call's seconds."""

    bytes: int
    seconds: float


def measure(method: str, height: int, width: int, channels: int = 3, threads: int = 2) -> Peak:
    """Measure a method, loaded and called before on a small frame, on one of noise at sigma 25."""
    size = ["--size", str(height), str(width), "--channels", str(channels)]
    words = [sys.executable, __file__, method, *size, "--here"]
    count = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "NUMBA")}
    answer = subprocess.run(
        words, env=os.environ | count, capture_output=True, text=True, check=True
    ).stdout
    return Peak(**json.loads(answer.splitlines()[-1]))


def measure_here(method: str, height: int, width: int, channels: int) -> Peak:
    """Measure a method in this process."""
    from denoisebench.denoisers import registry
    from denoisebench.machine.memory import PeakMemory
    from denoisebench.machine.transfer import device_of, without_gradients

    [chosen] = registry.select([method])
    device = device_of(chosen.card, "cpu")
    denoiser = chosen.build()
    if hasattr(denoiser, "load"):
        denoiser.load("cpu")

    def given(*shape: int) -> object:
        noisy = np.random.default_rng(0).standard_normal(shape, np.float32)
        noisy *= np.float32(25 / 255)
        noisy += np.float32(0.5)
        return device.upload(noisy)[0]

    with without_gradients(chosen.card):
        denoiser.denoise(given(96, 128, channels), 25 / 255)  # type: ignore[arg-type]
        noisy = given(height, width, channels)
        start = perf_counter()
        with PeakMemory() as memory:
            denoiser.denoise(noisy, 25 / 255)  # type: ignore[arg-type]
        return Peak(memory.bytes or 0, perf_counter() - start)


def main() -> None:
    """Print the peak of the methods that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--size", nargs=2, type=int, default=FRAME_8K, metavar="PIXELS")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--here", action="store_true", help="do not start a process")
    asked = parser.parse_args()
    for method in asked.methods:
        if asked.here:
            print(json.dumps(vars(measure_here(method, *asked.size, asked.channels))))
            continue
        peak = measure(method, *asked.size, asked.channels, asked.threads)
        estimate = 4 * asked.size[0] * asked.size[1] * asked.channels
        print(
            f"{method}: {peak.bytes / 1e9:.2f} GB, {(peak.bytes - estimate) / 1e9:.2f} GB beside "
            f"the estimate; {peak.seconds:.1f} s"
        )


if __name__ == "__main__":
    main()
