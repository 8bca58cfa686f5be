"""Classical methods beside their peers, on one photograph. Run with ``tox -e bench``.

Each group is a frame at a number of threads: read the ratios within it. The aims, at equal threads:
``bm3d-native`` at least 20 times as fast as the package ``bm3d`` in colour and 15 times in grey,
its profile ``fast`` 40 times; ``nlm-native`` at least 4 times as fast as ``nlm-skimage``, and
faster than ``nlm-opencv`` on the same patches. scikit-image's NLM has one thread, whatever it gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from denoisebench import plugins, protocol
from denoisebench.denoisers import registry
from denoisebench.machine import threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

METHODS = (
    *("bm3d", "bm3d-native", "bm3d-native[profile=fast]", "bm3d-native[profile=high]"),
    *("nlm-skimage[patch_size=3]", "nlm-opencv[patch_size=3]", "nlm-native[patch_size=3]"),
    *("nlm-skimage[patch_size=7]", "nlm-opencv[patch_size=7]", "nlm-native[patch_size=7]"),
    *("nl-bayes", "ksvd", "wnnm", "dct", "wavelet-bayes"),
    *("ffmpeg-bm3d", "ffmpeg-nlmeans", "ffmpeg-dctdnoiz", "ffmpeg-fftdnoiz"),
)
SIGMA = 25
SLOW = ("bm3d", "wnnm")


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def thread_count(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    count: int = request.param
    if count > threads.available_cores():
        pytest.skip(f"fewer than {count} cores")
    monkeypatch.setenv("OMP_NUM_THREADS", str(count))  # plugins hand it to some libraries
    yield count
    threads.pin(threads.available_cores())


@pytest.mark.parametrize("spec", METHODS)
@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_classic(benchmark: BenchmarkFixture, spec: str, channels: int, thread_count: int) -> None:
    """481 × 321 pixels at sigma 25; ``seconds_a_megapixel`` is the median."""
    from skimage import data

    if not benchmark.enabled and (channels, thread_count) != (1, 1):
        pytest.skip("measured with --benchmark-only")
    [method] = registry.select([spec])
    if (lack := plugins.lacking(method.card.requires)) is not None:
        pytest.skip(lack)
    height, width = (321, 481) if benchmark.enabled else (24, 32)
    clean = data.astronaut()[:height, :width, :channels]
    noisy = protocol.add_noise(clean, SIGMA, dataset="benchmarks", frame="astronaut", seed=0)
    denoiser = method.build()
    denoiser.denoise(noisy[:24, :24], SIGMA / 255)  # imports and compiles
    threads.pin(thread_count)
    benchmark.group = f"{'grey' if channels == 1 else 'colour'}, {thread_count} threads"
    rounds = 1 if spec in SLOW else 3
    estimate = benchmark.pedantic(denoiser.denoise, (noisy, SIGMA / 255), rounds=rounds)
    if benchmark.enabled:
        benchmark.extra_info["seconds_a_megapixel"] = (
            benchmark.stats["median"] / noisy.shape[0] / noisy.shape[1] * 1e6
        )
    assert np.isfinite(estimate).all()
