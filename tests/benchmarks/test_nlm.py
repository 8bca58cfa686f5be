"""Non-local means by three libraries, on the same patches and search. Run with ``tox -e bench``.

Each group is one frame and one number of threads: read its ratios. The aims: at equal threads,
``nlm-native`` at least 4 times as fast as ``nlm-skimage``, and faster than ``nlm-opencv``, which
works on 8-bit pixels. scikit-image has one thread, whatever it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from denoisebench.denoisers import registry
from denoisebench.machine import threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

SIGMA = 25 / 255
METHODS = ("nlm-native", "nlm-skimage", "nlm-opencv")


@pytest.fixture(params=[1, 2])
def thread_count(request: pytest.FixtureRequest) -> Iterator[int]:
    count: int = request.param
    if count > threads.available_cores():
        pytest.skip(f"fewer than {count} cores")
    yield count
    threads.pin(threads.available_cores())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("patch_size", [3, 5, 7])
@pytest.mark.parametrize("channels", [1, 3])
def test_nlm(
    benchmark: BenchmarkFixture, channels: int, patch_size: int, method: str, thread_count: int
) -> None:
    """Filter 480 × 320 pixels, offsets of 6 pixels; ``seconds_a_megapixel`` is the median."""
    colours = "colour" if channels == 3 else "grey"
    benchmark.group = f"NLM, {colours}, patches of {patch_size}, {thread_count} threads"
    noise = np.random.default_rng(0).normal(0.5, SIGMA, (320, 480, channels))
    noisy = noise.astype(np.float32)
    strength = 1.0 if method == "nlm-opencv" else 0.6
    [chosen] = registry.select([f"{method}[patch_size={patch_size},h={strength}]"])
    denoiser = chosen.build()
    denoiser.denoise(noisy, SIGMA)
    threads.pin(thread_count)  # what the first call has imported
    benchmark(denoiser.denoise, noisy, SIGMA)
    if benchmark.enabled:
        benchmark.extra_info["seconds_a_megapixel"] = benchmark.stats["median"] / 0.1536
