"""DCT denoising, held against scipy's DCT of each patch, one after the other."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn, idctn

from denoisebench.denoisers.classic.block_transforms import dct_matrix
from denoisebench.denoisers.classic.sliding_dct import threshold_patches
from denoisebench.denoisers.dct import SlidingDCT

SIGMA = 25 / 255


def noisy_frame(*shape: int, seed: int = 0) -> np.ndarray:
    """Return a ramp with an edge, and noise on it."""
    ramp, edge = np.linspace(0.1, 0.9, shape[1])[:, None], np.arange(shape[0]) > 9
    clean = ramp + 0.2 * edge[:, None, None]
    noise = np.random.default_rng(seed).normal(0, SIGMA, shape)
    return (clean + noise).astype(np.float32)


def patch_by_patch(frame: np.ndarray, threshold: float) -> np.ndarray:
    """Threshold one patch at a time, in float64."""
    total, weights = np.zeros(frame.shape), np.zeros(frame.shape)
    height, width, channels = frame.shape
    for y, x, c in np.ndindex(height - 7, width - 7, channels):
        coefficients = dctn(frame[y : y + 8, x : x + 8, c].astype(np.float64), norm="ortho")
        kept = np.abs(coefficients) >= threshold
        kept[0, 0] = True
        weight = 1 / kept.sum()
        total[y : y + 8, x : x + 8, c] += weight * idctn(coefficients * kept, norm="ortho")
        weights[y : y + 8, x : x + 8, c] += weight
    return total / weights


# One band of one tile, exactly; more of both by a little; three bands; a single patch.
@pytest.mark.parametrize("shape", [(39, 71, 1), (40, 73, 3), (104, 12, 1), (8, 8, 3)])
def test_the_estimate_is_that_of_all_patches(shape: tuple[int, int, int]) -> None:
    noisy = noisy_frame(*shape)
    expected = patch_by_patch(noisy, 2.6 * SIGMA)
    # A coefficient within rounding of the threshold may fall on its other side.
    assert np.quantile(np.abs(threshold_patches(noisy, 2.6 * SIGMA) - expected), 0.99) < 1e-6
    assert np.abs(threshold_patches(noisy, 0) - noisy).max() < 1e-6
    assert np.abs(expected - noisy).max() > 0.1


def test_the_basis_is_orthonormal_and_that_of_scipy() -> None:
    basis = dct_matrix()
    assert np.allclose(basis @ basis.T, np.eye(8))
    block = np.random.default_rng(0).random((8, 8))
    assert np.allclose(basis @ block @ basis.T, dctn(block, norm="ortho"))


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 45),
    width=st.integers(1, 80),
    value=st.floats(-1, 2, width=32),
    sigma=st.floats(1e-3, 1),
)
def test_constant_frames_stay(height: int, width: int, value: float, sigma: float) -> None:
    flat = np.full((height, width, 3), value, np.float32)
    assert np.abs(SlidingDCT().denoise(flat, sigma) - flat).max() < 1e-5


def test_transposed_mirrored_and_shifted_frames_give_such_estimates() -> None:
    noisy = noisy_frame(60, 90, 1)
    estimate = threshold_patches(noisy, 0.25)
    transposed = threshold_patches(noisy.transpose(1, 0, 2), 0.25).transpose(1, 0, 2)
    mirrored = threshold_patches(noisy[:, ::-1], 0.25)[:, ::-1]
    for other in (transposed, mirrored):
        assert np.quantile(np.abs(other - estimate), 0.99) < 1e-6
    part = threshold_patches(noisy[5:, 3:], 0.25)
    # Only patches that leave the part are missing from it.
    difference = np.abs(part - estimate[5:, 3:])
    assert np.quantile(difference[7:, 7:], 0.99) < 1e-6


def test_mean_of_flat_noise_comes_near_the_truth() -> None:
    """Nearly all patches keep their mean alone; it has a standard deviation of sigma / 8."""
    noise = np.random.default_rng(0).normal(0, SIGMA, (200, 200, 1)).astype(np.float32)
    assert SlidingDCT().denoise(noise, SIGMA).std() < SIGMA / 5


def test_threads_do_not_change_a_bit() -> None:
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("numba has one thread here")
    noisy = noisy_frame(150, 140, 3)
    before = numba.get_num_threads()
    results = []
    for count in (1, 2):
        numba.set_num_threads(count)
        results.append(threshold_patches(noisy, 0.25))
    numba.set_num_threads(before)
    assert np.array_equal(*results)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_pixel_that_is_no_number_spoils_its_patches_alone(bad: float) -> None:
    noisy = noisy_frame(40, 100, 1)
    noisy[20, 50] = bad
    with np.errstate(invalid="ignore"):
        estimate = threshold_patches(noisy, 0.25)
    spoilt = np.argwhere(~np.isfinite(estimate[..., 0]))
    assert spoilt.min(0).tolist() == [13, 43]
    assert spoilt.max(0).tolist() == [27, 57]


def test_a_huge_sigma_leaves_finite_values() -> None:
    assert np.isfinite(SlidingDCT().denoise(noisy_frame(30, 30, 3), 255 / 255)).all()
