"""NL-Bayes: its pieces held against plain numpy in float64, and its properties."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisebench.denoisers.classic.bayes_steps import BayesStep, estimate_patches
from denoisebench.denoisers.classic.gaussian_groups import centre, shrink, variance
from denoisebench.denoisers.classic.similar_patches import (
    add_patches,
    find_similar,
    gather_patches,
)
from denoisebench.denoisers.nl_bayes import NonLocalBayes

SIGMA = 25 / 255
FIRST = BayesStep(5, 45, 11, SIGMA**2, 1.05 * SIGMA**2, 0, False)
SECOND = BayesStep(3, 27, 6, 1.2 * SIGMA**2, 0, 27 * (4 / 255) ** 2, True)


def noisy_planes(planes: int, height: int, width: int) -> np.ndarray:
    """Return waves of two directions, with noise, (P, H, W)."""
    y, x = np.mgrid[:height, :width] / 6
    clean = 0.5 + 0.3 * np.stack([np.sin(x), np.sin(y), np.sin(x + y)][:planes])
    noise = np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    return (clean + noise).astype(np.float32)


def random_group(n: int, d: int) -> np.ndarray:
    """Return n correlated vectors, centred."""
    rng = np.random.default_rng(n)
    group = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) * 0.05
    return (group - group.mean(0)).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(27, 9), (45, 25), (75, 27), (150, 147)])
def test_shrinking_is_the_estimate_of_bayes(n: int, d: int) -> None:
    """Check both equations of the paper: (C - s² 1) C⁻¹ x, and C (C + s² 1)⁻¹ x."""
    group, samples = random_group(n, d), random_group(n + 1, d)[:n]
    noise = 0.01
    for ridge in (0.0, noise):
        wide = samples.astype(np.float64)
        clean = wide.T @ wide / (n - 1) + (ridge - noise) * np.eye(d)
        gain = clean @ np.linalg.inv(clean + noise * np.eye(d))
        expected = group @ gain.T
        estimate = group.copy()
        shrink(estimate, samples, noise, ridge)
        scale = np.abs(expected).max() * (np.linalg.cond(clean + noise * np.eye(d)))
        assert np.abs(estimate - expected).max() < 1e-6 * scale
        assert np.abs(expected - group).max() > 1e-3


def test_a_group_smaller_than_its_dimension_stays_as_it_is() -> None:
    group = random_group(9, 25)
    before = group.copy()
    shrink(group, group, 0.01, 0.0)
    assert np.array_equal(group, before)
    one = np.zeros((1, 25), np.float32)
    shrink(one, one, 0.01, 0.0)
    assert (one == 0).all()


def test_mean_and_variance_are_those_of_numpy() -> None:
    group = np.random.default_rng(0).random((45, 25)).astype(np.float32)
    expected_mean, expected_variance = group.mean(0), group.var()
    mean = np.empty(25, np.float32)
    centre(group, mean)
    assert np.allclose(mean, expected_mean, atol=1e-6)
    assert np.abs(group.mean(0)).max() < 1e-6
    assert variance(group, mean) == pytest.approx(expected_variance, rel=1e-5)


def search(
    guide: np.ndarray, size: int, y: int, x: int, radius: int, count: int, reach: float, most: int
) -> np.ndarray:
    distance, found = np.empty((2 * radius + 1) ** 2, np.float32), np.empty((most, 2), np.int64)
    return found[: find_similar(guide, size, y, x, radius, count, reach, distance, found)]


@pytest.mark.parametrize(("y", "x"), [(0, 0), (12, 9), (25, 35)])
@pytest.mark.parametrize("reach", [0.0, 0.9])
@pytest.mark.parametrize("planes", [1, 3])
def test_similar_patches_are_those_of_a_plain_search(
    y: int, x: int, reach: float, planes: int
) -> None:
    guide = noisy_planes(planes, 30, 40)
    patches = np.lib.stride_tricks.sliding_window_view(guide, (5, 5), axis=(1, 2))
    squares = ((patches - patches[:, y, x][:, None, None]) ** 2).sum((0, 3, 4))
    inside = np.zeros(squares.shape, bool)
    inside[max(0, y - 7) : y + 8, max(0, x - 7) : x + 8] = True
    limit = max(np.sort(squares[inside])[20 - 1], reach)
    expected = set(map(tuple, np.argwhere(inside & (squares <= limit * (1 + 1e-5)))))
    found = search(guide, 5, y, x, 7, 20, reach, 400)
    assert set(map(tuple, found)) == expected
    assert len(found) == len(expected)
    assert tuple(found[0]) == (y, x)


def test_a_search_finds_what_there_is() -> None:
    guide = noisy_planes(1, 6, 7)
    assert len(search(guide, 5, 0, 0, 4, 45, 0.0, 45)) == 6
    flat = np.zeros((1, 30, 30), np.float32)
    assert search(flat, 5, 9, 9, 4, 10, 0.0, 12)[0].tolist() == [9, 9]
    assert len(search(flat, 5, 9, 9, 4, 10, 0.0, 12)) == 12
    guide[0, 3, 3] = np.nan
    assert search(guide, 5, 0, 0, 4, 45, 0.0, 45).tolist() == [[0, 0]]


def test_patches_go_back_to_their_places() -> None:
    planes = noisy_planes(2, 12, 13)
    found = np.array([[0, 0], [7, 8], [2, 3]])
    group, total = np.empty((3, 50), np.float32), np.zeros_like(planes)
    gather_patches(planes, 5, found, group)
    assert np.array_equal(group[1], planes[:, 7:12, 8:13].ravel())
    add_patches(group[1:], np.ones(50, np.float32), 5, found[1:], total)
    assert np.array_equal(total[:, 7:, 8:], planes[:, 7:, 8:] + 1)
    assert (total[:, :2] == 0).all()


@pytest.mark.parametrize("stride", [1, 2])
def test_each_pixel_is_estimated(stride: int) -> None:
    noisy = noisy_planes(3, 100, 131)
    for step in (FIRST, SECOND):
        assert np.isfinite(estimate_patches(noisy, noisy, step, stride)).all()


def test_one_tile_is_a_plain_loop_over_groups() -> None:
    """Check the first step against the paper's algorithm, by numpy in float64."""
    noisy = noisy_planes(1, 40, 33)
    total, weights = np.zeros((40, 33)), np.zeros((40, 33))
    done = np.zeros((36, 29), bool)
    for y, x in np.ndindex(36, 29):
        if done[y, x] or (y % 2 and y != 35) or (x % 2 and x != 28):
            continue
        found = search(noisy, 5, y, x, 11, 45, 0.0, 45)
        group = np.array([noisy[0, v : v + 5, u : u + 5].ravel() for v, u in found], np.float64)
        mean, covariance = group.mean(0), np.cov(group.T)
        gain = (covariance - SIGMA**2 * np.eye(25)) @ np.linalg.inv(covariance)
        is_flat = group.var() < 1.05 * SIGMA**2
        estimate = np.full(group.shape, group.mean()) if is_flat else (group - mean) @ gain.T + mean
        for (v, u), patch in zip(found, estimate, strict=True):
            total[v : v + 5, u : u + 5] += patch.reshape(5, 5)
            weights[v : v + 5, u : u + 5] += 1
            done[v, u] = True
    assert np.abs(estimate_patches(noisy, noisy, FIRST, 2)[0] - total / weights).max() < 1e-4


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    channels=st.sampled_from([1, 3]),
    value=st.floats(-1, 2, width=32),
    sigma=st.floats(1e-3, 1),
)
def test_constant_frames_stay(
    height: int, width: int, channels: int, value: float, sigma: float
) -> None:
    flat = np.full((height, width, channels), value, np.float32)
    assert np.abs(NonLocalBayes().denoise(flat, sigma) - flat).max() < 1e-5


@pytest.mark.parametrize("sigma", [1e-7, 1e-5, 1e-3])
def test_a_tiny_sigma_leaves_a_clean_frame_as_it_is(sigma: float) -> None:
    clean = noisy_planes(3, 40, 40).transpose(1, 2, 0)
    assert np.abs(NonLocalBayes().denoise(clean, sigma) - clean).max() < 10 * sigma + 1e-5


@pytest.mark.parametrize("sigma", [15, 25, 50, 80, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_removed_at_any_sigma(channels: int, sigma: float) -> None:
    noise = np.random.default_rng(0).normal(0, sigma / 255, (48, 48, channels))
    noisy = (0.5 + noise).astype(np.float32)
    assert NonLocalBayes().denoise(noisy, sigma / 255).std() < 0.4 * sigma / 255


@pytest.mark.parametrize("sigma", [25, 75])
def test_threads_do_not_change_a_bit(sigma: float) -> None:
    noisy = noisy_planes(3, 110, 120).transpose(1, 2, 0)
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(NonLocalBayes().denoise(noisy, sigma / 255))
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(*results)


def test_pixels_that_are_no_numbers_do_no_harm_far_away() -> None:
    noisy = noisy_planes(1, 60, 90).transpose(1, 2, 0).copy()
    noisy[20, 20] = np.nan
    with np.errstate(invalid="ignore"):
        estimate = NonLocalBayes().denoise(noisy, SIGMA)
    assert np.isnan(estimate[20, 20])
    assert np.isfinite(estimate[:, 60:]).all()
