"""FFmpeg's filters beside the libraries that people take instead, on one frame and thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from denoisebench.denoisers import registry

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

pytest.importorskip("av")

PEERS = {
    "NLM": ("ffmpeg-nlmeans", "nlm-opencv", "nlm-skimage"),
    "transforms": ("ffmpeg-dctdnoiz", "ffmpeg-fftdnoiz", "ffmpeg-bm3d", "wavelet-bayes"),
}


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group, names in PEERS.items() for name in names]
)
def test_seconds_a_frame(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, group: str, name: str
) -> None:
    """480 × 320 colour pixels at sigma 25."""
    import cv2

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    benchmark.group = f"{group}: one thread"
    noise = np.random.default_rng(0).standard_normal((320, 480, 3))
    noisy = (0.5 + 25 / 255 * noise).astype(np.float32)
    denoiser = registry.select([name])[0].build()
    benchmark.pedantic(denoiser.denoise, (noisy, 25 / 255), rounds=3, warmup_rounds=1)
