"""Is native non-local means what its definition says, by each engine, whatever the frame?"""

from __future__ import annotations

import sys
from itertools import product

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from denoisebench import protocol
from denoisebench.denoisers.classic import engines, nlm_torch
from denoisebench.denoisers.classic.nlm import non_local_means
from denoisebench.denoisers.nlm_native import NonLocalMeansNative
from denoisebench.denoisers.nlm_skimage import NonLocalMeans

SIGMA = 25 / 255


def noisy_photograph(height: int, width: int, channels: int, sigma: float = 25) -> np.ndarray:
    from skimage import data

    clean = data.astronaut()[40 : 40 + height, 160 : 160 + width, :channels]
    return protocol.add_noise(clean, sigma, dataset="test", frame="nlm", seed=0)


def by_definition(
    frame: np.ndarray, sigma: float, patch_size: int, distance: int, h: float
) -> np.ndarray:
    """Compare all patches around each pixel, in float64: IPOL 2011, eq. 1 to 3."""
    H, W, _ = frame.shape
    margin = patch_size // 2 + distance
    edges = ((margin, margin), (margin, margin), (0, 0))
    mirrored = np.pad(frame.astype(np.float64), edges, mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(mirrored, (patch_size, patch_size), (0, 1))
    here = patches[distance : distance + H, distance : distance + W]
    total, weights = np.zeros(frame.shape), np.zeros((H, W, 1))
    for y, x in product(range(2 * distance + 1), repeat=2):
        there = patches[y : y + H, x : x + W]
        apart = ((here - there) ** 2).mean((2, 3, 4))[..., None]
        weight = np.exp(-np.maximum(apart - 2 * sigma**2, 0) / (h * sigma) ** 2)
        total += weight * there[..., patch_size // 2, patch_size // 2]
        weights += weight
    return total / weights


def by_torch(
    frame: np.ndarray, sigma: float, patch_size: int, distance: int, h: float
) -> np.ndarray:
    tensor = torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))[None]
    output = nlm_torch.nlm_by_torch(tensor, sigma, patch_size, distance, h)
    return output[0].numpy().transpose(1, 2, 0)


def by_numba(
    frame: np.ndarray, sigma: float, patch_size: int, distance: int, h: float
) -> np.ndarray:
    half = patch_size // 2
    return non_local_means(frame, sigma, box=(half, half), distance=distance, h=h)


@pytest.mark.parametrize("engine", [by_numba, by_torch])
@pytest.mark.parametrize("sigma", [1, 25, 100])
@pytest.mark.parametrize(("patch_size", "distance"), [(1, 3), (3, 2), (5, 3), (7, 1)])
@pytest.mark.parametrize("shape", [(9, 11, 1), (8, 7, 3), (1, 5, 3), (2, 1, 1)])
def test_each_engine_is_the_definition(engine, sigma, patch_size, distance, shape) -> None:  # type: ignore[no-untyped-def]
    noisy = noisy_photograph(*shape, sigma=sigma)
    case = (sigma / 255, patch_size, distance, 0.6)
    assert np.abs(engine(noisy, *case) - by_definition(noisy, *case)).max() < 1e-5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("patch_size", "distance", "h"), [(3, 6, 0.5), (5, 4, 0.6), (7, 6, 0.8)])
def test_with_its_box_it_is_scikit_image_but_for_the_rough_exponential(
    channels: int, patch_size: int, distance: int, h: float
) -> None:
    """Its box lacks a row and a column, is divided as if whole, and weights end at exp(-5)."""
    noisy = noisy_photograph(64, 90, channels)
    half = patch_size // 2
    estimate = non_local_means(
        noisy,
        SIGMA,
        box=(half - 1, half),
        distance=distance,
        h=h * patch_size / (patch_size - 1),
        farthest=5,
    )
    method = NonLocalMeans(patch_size, distance, h)  # type: ignore[arg-type]
    assert np.abs(estimate - method.denoise(noisy, SIGMA)).max() < 5e-3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("patch_size", "sigma"), [(1, 5), (3, 25), (7, 75)])
def test_the_engines_agree_across_tiles_and_bands(
    channels: int, patch_size: int, sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nlm_torch, "_BAND", 300 * 50)
    noisy = noisy_photograph(75, 300, channels, sigma)
    case = (sigma / 255, patch_size, 6, 0.6)
    assert np.abs(by_numba(noisy, *case) - by_torch(noisy, *case)).max() < 1e-5


@pytest.mark.parametrize("channels", [1, 3])
def test_any_number_of_threads_gives_the_same_bits(channels: int) -> None:
    noisy = noisy_photograph(150, 300, channels)
    before, results = numba.get_num_threads(), []
    for count in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(count)
        results.append(by_numba(noisy, SIGMA, 3, 6, 0.6))
    numba.set_num_threads(before)
    assert all(np.array_equal(results[0], other) for other in results)


def test_float32_is_as_good_beside_an_edge_in_little_noise() -> None:
    """A running sum over rows would lose the small differences here."""
    step = np.full((24, 24, 1), 0.1, np.float32)
    step[:12] = 0.9
    noisy = step + noisy_photograph(24, 24, 1, 0.5) / 200
    case = (0.001, 3, 6, 0.6)
    assert np.abs(by_numba(noisy, *case) - by_definition(noisy, *case)).max() < 1e-5


FRAMES = arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3])),
    elements=st.floats(-1, 2, width=32),
)


@settings(max_examples=40)
@given(frame=FRAMES, sigma=st.floats(1, 300), method=st.sampled_from([0, 1, 5]))
def test_transposition_and_the_range_of_the_frame_stay(
    frame: np.ndarray, sigma: float, method: int
) -> None:
    method = NonLocalMeansNative(patch_size=method, patch_distance=3)  # type: ignore[arg-type]
    estimate = method.denoise(frame, sigma / 255)
    turned = method.denoise(frame.transpose(1, 0, 2), sigma / 255).transpose(1, 0, 2)
    assert np.abs(estimate - turned).max() < 1e-5
    assert estimate.min() > frame.min() - 1e-5
    assert estimate.max() < frame.max() + 1e-5


@settings(max_examples=15)
@given(value=st.floats(-1, 2, width=32), sigma=st.floats(1e-12, 1e3))
def test_a_constant_frame_stays(value: float, sigma: float) -> None:
    flat = np.full((9, 7, 3), value, np.float32)
    for estimate in (NonLocalMeansNative().denoise(flat, sigma), by_torch(flat, sigma, 3, 6, 0.6)):
        assert np.abs(estimate - flat).max() < 1e-5


@pytest.mark.parametrize("sigma", [1e-30, 1e-12, 1e-4])
def test_no_noise_leaves_the_frame(sigma: float) -> None:
    clean = noisy_photograph(20, 20, 3, 30)
    assert np.abs(NonLocalMeansNative().denoise(clean, sigma) - clean).max() < 1e-6


def test_a_nan_stays_near_its_place() -> None:
    noisy = noisy_photograph(40, 40, 3)
    noisy[5, 5, 1] = np.nan
    estimate = NonLocalMeansNative(3, 4).denoise(noisy, SIGMA)
    assert np.isfinite(estimate[12:]).all()


def test_it_shifts_with_the_frame() -> None:
    noisy = noisy_photograph(60, 60, 3)
    whole, part = (NonLocalMeansNative().denoise(f, SIGMA) for f in (noisy, noisy[7:, 5:]))
    assert np.abs(whole[20:, 20:] - part[13:, 15:]).max() < 1e-5


def test_tensors_are_filtered_where_they_are_and_as_arrays_are() -> None:
    noisy = noisy_photograph(30, 31, 3)
    batch = torch.from_numpy(noisy.transpose(2, 0, 1).copy())[None]
    before = batch.clone()
    estimate = NonLocalMeansNative().denoise(batch, SIGMA)
    assert estimate.shape == batch.shape
    assert torch.equal(batch, before)
    expected = NonLocalMeansNative().denoise(noisy, SIGMA)
    assert np.abs(estimate[0].numpy().transpose(1, 2, 0) - expected).max() < 1e-5


def test_torch_takes_the_place_of_numba_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = noisy_photograph(30, 31, 3)
    expected = NonLocalMeansNative().denoise(noisy, SIGMA)
    assert NonLocalMeansNative().load("cpu") is None
    monkeypatch.setitem(sys.modules, "denoisebench.denoisers.classic.compiled", None)
    engines.remark_on_torch.cache_clear()
    remark = NonLocalMeansNative().load("cpu")
    assert remark is not None
    assert remark.startswith("torch computed it, since numba cannot be used (")
    estimate = NonLocalMeansNative().denoise(noisy, SIGMA)
    engines.remark_on_torch.cache_clear()
    assert isinstance(estimate, np.ndarray)
    assert np.abs(estimate - expected).max() < 1e-5
