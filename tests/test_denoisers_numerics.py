"""Do the methods compute what they say? Against definitions and other libraries.

BM3D is held against printed figures in test_verify.py.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from denoisebench import protocol
from denoisebench.denoisers.bilateral import Bilateral
from denoisebench.denoisers.bm3d_method import BM3D
from denoisebench.denoisers.gaussian import Gaussian
from denoisebench.denoisers.median import Median
from denoisebench.denoisers.nlm_opencv import NonLocalMeans8Bit
from denoisebench.denoisers.nlm_skimage import NonLocalMeans
from denoisebench.denoisers.opponent import BASIS, in_opponent_space
from denoisebench.denoisers.tv_chambolle import TotalVariation
from denoisebench.denoisers.wavelet_bayes import WaveletBayes
from denoisebench.denoisers.wiener import Wiener

SIGMA = 25 / 255


def noisy_photograph(size: int, channels: int) -> np.ndarray:
    from skimage import data

    clean = data.astronaut()[80 : 80 + size, 200 : 200 + size + 1, :channels]
    return protocol.add_noise(clean, 25, dataset="test", frame="numerics", seed=0)


def neighbours(frame: np.ndarray, reach: int, mode: str) -> dict[tuple[int, int], np.ndarray]:
    """Return the frame shifted by every offset up to ``reach``; numpy pads the border."""
    padded = np.pad(frame, ((reach, reach), (reach, reach), (0, 0)), mode=mode)  # type: ignore
    height, width = frame.shape[:2]
    offsets = product(range(-reach, reach + 1), repeat=2)
    return {
        (dy, dx): padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
        for dy, dx in offsets
    }


def nlm_by_definition(frame: np.ndarray, method: NonLocalMeans, sigma: float) -> np.ndarray:
    """Every patch against every other, one pair of offsets at a time."""
    half, reach = method.patch_size // 2, method.patch_distance
    there = neighbours(frame.astype(np.float64), half + reach, "reflect")
    patch = list(product(range(-half + 1, half + 1), repeat=2))
    total, weights = np.zeros(frame.shape), np.zeros((*frame.shape[:2], 1))
    for dy, dx in product(range(-reach, reach + 1), repeat=2):
        squares = sum((there[y, x] - there[y + dy, x + dx]) ** 2 - 2 * sigma**2 for y, x in patch)
        strength = (method.h * sigma * method.patch_size) ** 2
        distance = np.maximum(squares.mean(2, keepdims=True), 0) / strength
        weight = np.where(distance > 5, 0, rough_exponential(-distance))
        total += weight * there[dy, dx]
        weights += weight
    return total / weights


def rough_exponential(x: np.ndarray) -> np.ndarray:
    """Schraudolph 1999, the one that scikit-image uses: off by up to 4 %."""
    high = (1512775.3951951856938 * x).astype(np.int32).astype(np.int64) + 1072632447
    return (high << 32).view(np.float64)


NLM_CASES = [(channels, s, d) for channels in (1, 3) for s, d in [(3, 1), (5, 3), (7, 4)]]


@pytest.mark.parametrize(("channels", "patch_size", "patch_distance"), NLM_CASES)
def test_nlm_by_scikit_image_is_the_definition_with_a_rough_exponential(
    channels: int, patch_size: int, patch_distance: int
) -> None:
    noisy = noisy_photograph(14, channels)
    method = NonLocalMeans(patch_size, patch_distance, 0.6)  # type: ignore[arg-type]
    expected = nlm_by_definition(noisy, method, SIGMA)
    assert np.abs(method.denoise(noisy, SIGMA) - expected).max() < 1e-6


def test_nlm_by_opencv_sees_a_clipped_and_quantised_frame() -> None:
    noisy = noisy_photograph(32, 3)
    quantised = protocol.as_float(protocol.quantise(noisy))
    method = NonLocalMeans8Bit()
    assert np.array_equal(method.denoise(noisy, SIGMA), method.denoise(quantised, SIGMA))


@pytest.mark.parametrize(("channels", "function"), [(1, "bm3d"), (3, "bm3d_rgb")])
def test_bm3d_takes_the_threads_that_it_is_given(
    channels: int, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def fake(noisy: np.ndarray, sigma: float, profile: object) -> np.ndarray:
        threads.append(profile.num_threads)  # type: ignore[attr-defined]
        return noisy

    monkeypatch.setattr(f"bm3d.{function}", fake)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    BM3D().denoise(noisy_photograph(9, channels), SIGMA)
    assert threads == [3]


@pytest.mark.parametrize("channels", [1, 3])
def test_median_is_the_median_of_the_window(channels: int) -> None:
    noisy = noisy_photograph(20, channels)
    for size in (3, 5):
        window = np.stack(list(neighbours(noisy, size // 2, "edge").values()))
        estimate = Median(size).denoise(noisy, SIGMA)  # type: ignore[arg-type]
        assert np.array_equal(estimate, np.median(window, axis=0))


@pytest.mark.parametrize("sigma", [15, 50])
def test_gaussian_is_the_convolution(sigma: float) -> None:
    noisy = noisy_photograph(24, 3)
    method = Gaussian(width=0.9, growth=0.8)
    width = 0.9 * (sigma / 25) ** 0.8
    shifted = neighbours(noisy, 12, "reflect")
    weights = {(y, x): np.exp(-(y * y + x * x) / (2 * width**2)) for y, x in shifted}
    expected = sum(weights[o] * shifted[o] for o in shifted) / sum(weights.values())
    assert np.abs(method.denoise(noisy, sigma / 255) - expected).max() < 2e-4


@pytest.mark.parametrize("channels", [1, 3])
def test_bilateral_is_the_definition(channels: int) -> None:
    noisy = noisy_photograph(20, channels)
    method = Bilateral(width=2.0, tone=2.0)
    total, weights = np.zeros(noisy.shape), np.zeros((*noisy.shape[:2], 1))
    for (dy, dx), there in neighbours(noisy, 3, "reflect").items():
        if dy * dy + dx * dx > 9:
            continue
        apart = np.abs(there - noisy).mean(2, keepdims=True) / (2.0 * SIGMA)
        weight = np.exp(-(dy * dy + dx * dx) / (2 * 2.0**2) - apart**2 / 2)
        total += weight * there
        weights += weight
    assert np.abs(method.denoise(noisy, SIGMA) - total / weights).max() < 2e-3


def test_wiener_is_the_definition() -> None:
    noisy = noisy_photograph(24, 1)
    window = np.stack(list(neighbours(noisy.astype(np.float64), 2, "reflect").values()))
    mean, variance = window.mean(0), window.var(0)
    gain = np.maximum(variance - SIGMA**2, 0) / variance
    estimate = Wiener(size=5).denoise(noisy, SIGMA)
    assert np.abs(estimate - (mean + gain * (noisy - mean))).max() < 1e-4


def total_variation(frame: np.ndarray) -> float:
    dy = np.diff(frame[..., 0], axis=0, append=frame[-1:, :, 0])
    dx = np.diff(frame[..., 0], axis=1, append=frame[:, -1:, 0])
    return float(np.hypot(dy, dx).sum())


def test_total_variation_is_at_the_minimum_of_its_energy() -> None:
    noisy = noisy_photograph(40, 1).astype(np.float64)
    method = TotalVariation()
    weight = method.weight * SIGMA
    estimate = method.denoise(noisy.astype(np.float32), SIGMA).astype(np.float64)

    def energy(frame: np.ndarray) -> float:
        return weight * total_variation(frame) + float(((frame - noisy) ** 2).sum()) / 2

    for other in (noisy, Gaussian().denoise(estimate, SIGMA), estimate + 0.01):
        assert energy(other) > energy(estimate)
    # Of all frames mean + s (estimate - mean), the energy is least at an s that has a closed form.
    centred = estimate - noisy.mean()
    pull = float((centred * (noisy - noisy.mean())).sum()) - weight * total_variation(estimate)
    assert pull / float((centred**2).sum()) == pytest.approx(1, abs=2e-3)


def test_a_wavelet_estimate_is_the_mean_over_the_shifts() -> None:
    noisy = noisy_photograph(32, 1)
    single = WaveletBayes(shifts=1)
    spun = [
        np.roll(single.denoise(np.roll(noisy, (y, x), (0, 1)), SIGMA), (-y, -x), (0, 1))
        for y, x in product(range(2), repeat=2)
    ]
    estimate = WaveletBayes(shifts=2).denoise(noisy, SIGMA)
    assert np.abs(estimate - np.mean(spun, axis=0)).max() < 1e-6


def test_the_opponent_space_is_orthonormal_and_comes_back() -> None:
    assert np.allclose(BASIS @ BASIS.T, np.eye(3), atol=1e-6)
    noisy = noisy_photograph(16, 3)
    seen = []
    back = in_opponent_space(noisy, lambda frame: seen.append(frame) or frame)  # type: ignore
    assert np.abs(back - noisy).max() < 1e-6
    assert np.allclose(seen[0][..., 0], noisy.sum(2) / np.sqrt(3), atol=1e-6)
