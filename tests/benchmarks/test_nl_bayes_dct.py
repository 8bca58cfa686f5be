"""NL-Bayes and DCT denoising against their peers: the `bm3d` package and scikit-image's NLM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from denoisebench import protocol
from denoisebench.denoisers import registry

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

PEERS = ["dct", "nl-bayes", "nlm-skimage", "bm3d"]


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """481 × 321 pixels, as those of BSD68."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[:321, :481])


@pytest.mark.parametrize(
    ("channels", "sigma"),
    [
        pytest.param(channels, sigma, marks=pytest.mark.benchmark(group=f"{words}, sigma {sigma}"))
        for channels, words in ((1, "grey"), (3, "colour"))
        for sigma in (15, 25, 50)
    ],
)
@pytest.mark.parametrize("name", PEERS)
def test_time_of_a_frame(
    benchmark: BenchmarkFixture, photograph: np.ndarray, name: str, channels: int, sigma: float
) -> None:
    """0.154 megapixels; threads as OMP_NUM_THREADS and NUMBA_NUM_THREADS say."""
    [method] = registry.select([name])
    denoiser = method.build()
    if hasattr(denoiser, "load"):
        denoiser.load("cpu")
    clean = photograph[..., :channels]
    noisy = protocol.add_noise(clean, sigma, dataset="x", frame="y", seed=0)
    estimate = benchmark.pedantic(
        denoiser.denoise, (noisy, sigma / 255), rounds=3, warmup_rounds=name != "bm3d"
    )
    assert estimate.shape == noisy.shape
