"""Our BM3D beside its authors' package, on one frame at equal threads. Run with ``tox -e bench``.

Each group is one frame at one number of threads. Ratios to ``package`` count, not seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from denoisebench import protocol
from denoisebench.denoisers import registry
from denoisebench.machine import threads as machine_threads

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

METHODS = {
    "package": "bm3d",
    "normal": "bm3d-native",
    "fast": "bm3d-native[profile=fast]",
    "high": "bm3d-native[profile=high]",
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
def test_bm3d_beside_the_package(
    benchmark: BenchmarkFixture,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    threads: int,
    channels: int,
) -> None:
    numba = pytest.importorskip("numba")
    if threads > numba.config.NUMBA_NUM_THREADS:
        pytest.skip("fewer threads here")
    pytest.importorskip("bm3d")
    from skimage import data

    clean = data.astronaut()[:320, :320, :channels]
    noisy = protocol.add_noise(clean, 25, dataset="bench", frame="astronaut", seed=0)
    [chosen] = registry.select([METHODS[method]])
    denoiser = chosen.build()
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))  # the package is given it by its plugin
    machine_threads.pin(threads)
    numba.set_num_threads(threads)
    denoiser.denoise(noisy[:32, :32], 25 / 255)
    benchmark.group = f"bm3d, {channels} channels, {threads} threads"
    rounds = 1 if method == "package" else 3
    estimate = benchmark.pedantic(denoiser.denoise, (noisy, 25 / 255), rounds=rounds)
    benchmark.extra_info["megapixels"] = noisy.shape[0] * noisy.shape[1] / 1e6
    assert np.isfinite(estimate).all()
