"""BM3D by torch: each step against a plain version, the whole against the numba engine.

All of it runs on the CPU here, by the same functions as on a GPU.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from denoisebench import metrics, protocol
from denoisebench.denoisers import bm3d_native
from denoisebench.denoisers.bm3d_native import BM3DNative
from denoisebench.denoisers.classic import bm3d_torch
from denoisebench.denoisers.classic.bm3d import bm3d
from denoisebench.denoisers.classic.bm3d_stages import bm3d_stages
from denoisebench.denoisers.classic.bm3d_torch import bm3d_by_torch

SIGMAS = (5, 25, 100)


def photograph(height: int, width: int, channels: int) -> np.ndarray:
    from skimage import data

    return data.astronaut()[60 : 60 + height, 180 : 180 + width, :channels].copy()


def noised(clean: np.ndarray, sigma: float) -> np.ndarray:
    return protocol.add_noise(clean, sigma, dataset="test", frame="bm3d", seed=0)


def by_torch(noisy: np.ndarray, sigma: float, **settings: Any) -> np.ndarray:
    frame = torch.from_numpy(noisy.transpose(2, 0, 1).copy())[None]
    with torch.no_grad():
        return bm3d_by_torch(frame, sigma / 255, **settings)[0].numpy().transpose(1, 2, 0)


def assert_alike(clean: np.ndarray, sigma: float, **settings: Any) -> None:
    noisy = noised(clean, sigma)
    one, other = by_torch(noisy, sigma, **settings), bm3d(noisy, sigma / 255, **settings)
    assert np.sqrt(np.mean((one - other) ** 2)) < 1e-4
    one, other = (metrics.psnr(clean, protocol.quantise(e)) for e in (one, other))
    assert abs(one - other) < 0.005


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_both_engines_compute_the_same(sigma: float, channels: int) -> None:
    assert_alike(photograph(61, 74, channels), sigma)


@pytest.mark.parametrize("profile", ["fast", "high"])
def test_both_engines_compute_the_same_in_each_profile(profile: str) -> None:
    assert_alike(photograph(40, 47, 3), 25, profile=profile)


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 3), (3, 20, 3), (12, 9, 1), (40, 11, 3)])
def test_both_engines_compute_the_same_on_small_frames(shape: tuple[int, int, int]) -> None:
    assert_alike(photograph(*shape), 25)


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = noised(photograph(60, 40, 1), 25)
    whole = by_torch(noisy, 25)
    monkeypatch.setattr(bm3d_torch, "_AT_ONCE", {"cpu": 30})
    assert np.abs(by_torch(noisy, 25) - whole).max() < 1e-5


def test_the_same_input_gives_the_same_bits() -> None:
    noisy = noised(photograph(40, 40, 3), 25)
    assert np.array_equal(by_torch(noisy, 25), by_torch(noisy, 25))


def test_a_flat_frame_stays() -> None:
    flat = np.full((24, 30, 3), 0.4, np.float32)
    assert np.abs(by_torch(flat, 25) - flat).max() < 1e-5


def test_a_nan_ends_nothing() -> None:
    noisy = noised(photograph(70, 30, 1), 25)
    noisy[5, 5] = np.nan
    by_torch(noisy, 25)


def test_distances_are_those_of_blocks() -> None:
    guide = np.random.default_rng(0).random((20, 23)).astype(np.float32)
    rows, columns = [0, 3, 6], [0, 3, 6, 9, 12, 15]
    found = bm3d_torch._distances(torch.from_numpy(guide), rows, columns, 3, 4)
    offsets = product(range(-4, 5), repeat=2)
    for distances, (dy, dx) in zip(found.numpy(), offsets, strict=True):
        for (r, y), (c, x) in product(enumerate(rows), enumerate(columns)):
            there = guide[max(y + dy, 0) : y + dy + 8, max(x + dx, 0) : x + dx + 8]
            inside = y + dy >= 0 and x + dx >= 0 and there.shape == (8, 8)
            here = guide[y : y + 8, x : x + 8]
            expected = np.mean((here - there) ** 2) if inside else math.inf
            assert distances[r, c] == pytest.approx(expected, abs=1e-6)


def test_the_last_row_of_blocks_is_a_band_of_its_own() -> None:
    assert bm3d_torch._bands([0, 5, 10, 12], 2) == [[0, 5], [10], [12]]
    assert bm3d_torch._bands([0], 0) == [[0]]


@pytest.mark.parametrize("count", [1, 2, 16])
def test_the_haar_transform_is_orthonormal(count: int) -> None:
    haar = bm3d_torch._haar(count)
    assert np.allclose(haar @ haar.T, np.eye(count))
    assert np.allclose(haar[0], 1 / np.sqrt(count))


def test_the_mean_of_blocks_is_that_of_their_weights() -> None:
    rng = np.random.default_rng(0)
    pixels, values = rng.integers(0, 60, 5000), rng.normal(size=5000).astype(np.float32)
    weights = rng.uniform(1e-4, 1, 5000).astype(np.float32)
    mean = bm3d_torch._Mean(torch.zeros(1, 6, 10), height=6)
    mean.add(0, *map(torch.from_numpy, (pixels, values, weights)))
    expected = np.bincount(pixels, values * weights, 60) / np.bincount(pixels, weights, 60)
    assert np.abs(mean.finish(6).numpy().ravel() - expected).max() < 1e-6


def test_variances_are_those_of_the_noise_in_overlapping_blocks() -> None:
    """Every coefficient is a sum over the frame's pixels: its variance is that of its factors."""
    stage, _ = bm3d_stages(1, 1)
    places = torch.tensor([[0, 3, 41, 44]])
    found = bm3d_torch._Filter(stage, torch.zeros(1)).variances(places, 20)[0, 0]
    transform = np.kron(*[stage.forward.reshape(8, 8)] * 2)
    factors = np.zeros((4, 64, 20 * 20))
    for k, place in enumerate(places[0]):
        pixels = place.item() + (np.arange(8)[:, None] * 20 + np.arange(8)).ravel()
        factors[k][:, pixels] = transform
    expected = (np.einsum("jk,kux->jux", bm3d_torch._haar(4), factors) ** 2).sum(2)
    assert np.abs(found.numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("tables", [1, 3])
def test_both_engines_compute_the_same_in_correlated_noise(tables: int) -> None:
    kernel = np.outer([1, 2, 1], [1, 3, 2])[..., None] ** np.arange(1, tables + 1)
    assert_alike(photograph(40, 44, 3), 25, profile="fast", kernel=kernel)


def test_the_plugin_takes_tensors_and_has_torch_in_the_place_of_numba(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noisy = noised(photograph(24, 26, 3), 25)
    method = BM3DNative(profile="fast")
    expected = method.denoise(noisy, 25 / 255)
    batch = torch.from_numpy(noisy.transpose(2, 0, 1).copy())[None]
    by_device = method.denoise(batch, 25 / 255)[0].numpy().transpose(1, 2, 0)
    assert np.abs(by_device - expected).max() < 1e-3
    monkeypatch.setattr(bm3d_native, "takes_numba", lambda frame: False)
    assert np.array_equal(method.denoise(noisy, 25 / 255), by_device)
