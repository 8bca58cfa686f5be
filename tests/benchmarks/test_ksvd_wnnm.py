"""K-SVD and WNNM beside the package bm3d, on one frame at sigma 25. Run with ``tox -e bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from denoisebench import protocol
from denoisebench.denoisers import registry

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    """128 × 192 grey pixels of a photograph."""
    from skimage import data

    clean = np.ascontiguousarray(data.camera()[100:228, 150:342, None])
    return protocol.add_noise(clean, 25, dataset="benchmarks", frame="camera", seed=0)


@pytest.mark.benchmark(group="K-SVD and WNNM against the package bm3d")
@pytest.mark.parametrize("name", ["bm3d", "ksvd", "wnnm"])
def test_denoise(benchmark: BenchmarkFixture, noisy: np.ndarray, name: str) -> None:
    [method] = registry.select([name])
    denoiser = method.build()
    if hasattr(denoiser, "load"):
        denoiser.load("cpu")
    estimate = benchmark.pedantic(denoiser.denoise, (noisy, 25 / 255), rounds=3)
    benchmark.extra_info["megapixels"] = noisy.size / 1e6
    assert estimate.shape == noisy.shape
