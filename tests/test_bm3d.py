"""BM3D of our own: its pieces and the whole against plain numpy, and what must hold of it."""

from __future__ import annotations

from itertools import product

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisebench.denoisers import registry
from denoisebench.denoisers.classic import transforms
from denoisebench.denoisers.classic.block_transforms import (
    bior15_matrix,
    block_covariance,
    dct_matrix,
)
from denoisebench.denoisers.classic.bm3d import bm3d
from denoisebench.denoisers.classic.bm3d_stages import PROFILES, Profile, gaussian_kernel
from denoisebench.denoisers.classic.grids import block_grid, search_offsets
from denoisebench.denoisers.classic.matching import match_blocks
from denoisebench.denoisers.classic.variances import haar_variances
from denoisebench.protocol.noise import Correlated
from denoisebench.protocol.pixels import quantise

SIGMA = 25 / 255
RNG = np.random.default_rng(0)


def photograph(height: int, width: int, channels: int = 3) -> np.ndarray:
    from skimage import data

    return (data.astronaut()[80 : 80 + height, 180 : 180 + width, :channels] / 255).astype("f4")


def noisy_photograph(height: int, width: int, channels: int = 3) -> np.ndarray:
    clean = photograph(height, width, channels)
    noise = np.random.default_rng(1).standard_normal(clean.shape, np.float32)
    return clean + np.float32(SIGMA) * noise


def rms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def haar_matrix(count: int) -> np.ndarray:
    """Haar transform along a group, in the order of `transforms.haar`."""
    matrix = np.zeros((count, count))
    matrix[0] = 1 / np.sqrt(count)
    step = 1
    while step < count:
        for g in range(0, count, 2 * step):
            matrix[g + step, g : g + step] = 1 / np.sqrt(2 * step)
            matrix[g + step, g + step : g + 2 * step] = -1 / np.sqrt(2 * step)
        step *= 2
    return matrix


@pytest.mark.parametrize("count", [1, 2, 16, 64])
def test_haar_is_a_product_with_its_matrix(count: int) -> None:
    blocks = RNG.standard_normal((count, 64)).astype(np.float32)
    group = blocks.ravel().copy()
    transforms.haar(group, count)
    assert np.allclose(group.reshape(count, 64), haar_matrix(count) @ blocks, atol=1e-5)
    transforms.inverse_haar(group, count)
    assert np.allclose(group, blocks.ravel(), atol=1e-5)


@pytest.mark.parametrize("matrix", [dct_matrix(), bior15_matrix()])
def test_blocks_are_transformed_side_by_side(matrix: np.ndarray) -> None:
    blocks = RNG.standard_normal((16, 8, 8)).astype(np.float32)
    lanes, scratch, back = np.empty((3, 1024), np.float32)
    transforms.to_lanes(blocks.ravel(), 16, lanes)
    transforms.transform_blocks(lanes, matrix.astype(np.float32).ravel(), scratch)
    expected = matrix @ blocks @ matrix.T
    assert np.allclose(lanes.reshape(64, 16).T.reshape(16, 8, 8), expected, atol=1e-5)
    transforms.from_lanes(lanes, 16, back)
    assert np.allclose(back.reshape(16, 8, 8), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Level value")
def test_the_wavelet_is_that_of_pywavelets() -> None:
    import pywt

    signal = RNG.standard_normal(8)
    levels = pywt.wavedec(signal, "bior1.5", mode="periodization", level=3)
    ours = bior15_matrix() @ signal
    assert np.allclose(ours[4:], levels[-1])  # the finest level has unit norm already
    assert abs(np.corrcoef(ours[1:], np.concatenate(levels[1:]))[0, 1]) > 0.95


@pytest.mark.parametrize("kernel", [np.ones((1, 1)), gaussian_kernel(0.6), RNG.random((3, 3))])
def test_variances_are_those_of_the_definition(kernel: np.ndarray) -> None:
    """Check against the covariance matrix of all pixels of the group's surroundings."""
    matrix, size, count = bior15_matrix(), 20, 4
    places = np.array([[3, 3], [4, 6], [3, 10], [11, 2]])
    padded = size + len(kernel) - 1
    mixing = np.zeros((size, size, padded, padded))
    for y, x in np.ndindex(size, size):
        mixing[y, x, y : y + len(kernel), x : x + len(kernel)] = kernel
    analysis = np.zeros((count, 64, size, size))
    for k, (y, x) in enumerate(places):
        analysis[k, :, y : y + 8, x : x + 8] = np.kron(matrix, matrix).reshape(64, 8, 8)
    groups = np.tensordot(haar_matrix(count), analysis, 1).reshape(count * 64, -1)
    expected = ((groups @ mixing.reshape(size**2, -1)) ** 2).sum(1).reshape(count, 64)
    reach = len(kernel) - 1
    correlation = np.zeros((2 * reach + 1, 2 * reach + 1))
    for dy, dx in product(range(-reach, reach + 1), repeat=2):
        there = np.pad(kernel, reach)[reach + dy :, reach + dx :][: len(kernel), : len(kernel)]
        correlation[reach + dy, reach + dx] = (kernel * there).sum()
    variance = np.empty((count, 64), np.float32)
    haar_variances(places, count, block_covariance(matrix, correlation), variance)
    assert np.allclose(variance, expected, rtol=1e-3, atol=1e-4)


def plain_stage(plane: np.ndarray, pilot: np.ndarray, profile: Profile, stage: int) -> np.ndarray:
    """Run a stage in float64, one group at a time, on one plane of white noise."""
    matrix = (bior15_matrix(), dct_matrix())[stage]
    step, count = profile.step[stage], profile.count[stage]
    _, found = match_blocks(pilot[np.newaxis].astype("f4"), 8, step, profile.radius, count)
    grids, offsets = [block_grid(n, 8, step) for n in plane.shape], search_offsets(profile.radius)
    window = np.outer(np.kaiser(8, profile.beta), np.kaiser(8, profile.beta))
    total, weights = np.zeros(plane.shape), np.zeros(plane.shape)
    table = block_covariance(matrix, np.array([[SIGMA**2]]))
    for r, c in np.ndindex(found.shape[:2]):
        there = offsets[found[r, c][found[r, c] >= 0]] + np.array([grids[0][r], grids[1][c]])
        there = there[: 2 ** int(np.log2(len(there)))]
        n = len(there)
        along, variance = haar_matrix(n), np.empty((n, 64), np.float32)
        haar_variances(there, n, table, variance)

        def analyse(image: np.ndarray, along: np.ndarray, there: np.ndarray) -> np.ndarray:
            blocks = np.stack([image[y : y + 8, x : x + 8] for y, x in there])
            return np.tensordot(along, matrix @ blocks @ matrix.T, 1).reshape(-1, 64)

        group = analyse(plane, along, there)
        if stage == 0:
            gain = (group**2 > profile.threshold**2 * variance).astype(float)
        else:
            power = analyse(pilot, along, there) ** 2
            gain = power / (power + profile.wiener * variance)
        gain[0, 0] = 1
        inverse = np.linalg.inv(matrix)
        blocks = np.tensordot(along.T, (gain * group).reshape(n, 8, 8), 1)
        share = window / (gain**2 * variance).sum()
        for (y, x), block in zip(there, inverse @ blocks @ inverse.T, strict=True):
            total[y : y + 8, x : x + 8] += share * block
            weights[y : y + 8, x : x + 8] += share
    return total / weights


@pytest.mark.parametrize("shape", [(30, 37), (9, 8)])
def test_the_whole_is_the_algorithm_in_plain_numpy(shape: tuple[int, int]) -> None:
    noisy = noisy_photograph(*shape, 1)
    profile, plane = PROFILES["fast"], noisy[..., 0].astype(np.float64)
    pilot = plain_stage(plane, plane, profile, 0)
    expected = plain_stage(plane, pilot, profile, 1)
    # A coefficient at the threshold, or a tie in matching, may fall either way.
    assert rms(bm3d(noisy, SIGMA, profile="fast")[..., 0], expected) < 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_threads_do_not_change_a_bit(channels: int) -> None:
    noisy = noisy_photograph(190, 230, channels)
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(bm3d(noisy, SIGMA, profile="fast"))
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(*results)


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    channels=st.sampled_from([1, 3]),
    value=st.floats(-0.5, 1.5, width=32),
    sigma=st.sampled_from([1e-8, 1e-4, 0.1, 1.0]),
)
def test_flat_frames_stay(
    height: int, width: int, channels: int, value: float, sigma: float
) -> None:
    flat = np.full((height, width, channels), value, np.float32)
    assert np.allclose(bm3d(flat, sigma), flat, atol=1e-5)


def test_colours_near_grey_stay() -> None:
    """Check that the mean of a group counts as signal, however small it is beside the noise."""
    tint = np.full((40, 40, 3), [0.5, 0.497, 0.5], np.float32)
    assert np.allclose(bm3d(tint, SIGMA), tint, atol=1e-5)


@pytest.mark.parametrize("profile", PROFILES)
def test_little_noise_changes_little(profile: str) -> None:
    clean = photograph(40, 44)
    assert rms(bm3d(clean, 1e-5, profile=profile), clean) < 1e-5


def test_a_transposed_frame_gives_nearly_the_transposed_estimate() -> None:
    noisy = noisy_photograph(60, 60)
    turned = bm3d(noisy.transpose(1, 0, 2), SIGMA).transpose(1, 0, 2)
    assert rms(turned, bm3d(noisy, SIGMA)) < 2e-3


def test_nan_stays_near_its_place() -> None:
    noisy = noisy_photograph(80, 90, 1)
    noisy[5, 5] = np.nan
    estimate = bm3d(noisy, SIGMA)
    assert np.isnan(estimate[5, 5])
    assert np.isfinite(estimate[40:, 40:]).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_known_correlation_helps_much(channels: int) -> None:
    clean = photograph(64, 72, channels)
    noisy = np.empty_like(clean)
    Correlated().add(quantise(clean), SIGMA, np.random.default_rng(2), noisy)
    kernel = gaussian_kernel(1.0)
    known, white = bm3d(noisy, SIGMA, kernel=kernel), bm3d(noisy, SIGMA)
    assert rms(known, clean) < 0.8 * rms(white, clean)
    padded = np.zeros(clean.shape[:2])
    padded[: len(kernel), : len(kernel)] = kernel
    by_psd = bm3d(noisy, SIGMA, psd=np.abs(np.fft.fft2(padded)) ** 2)
    assert rms(by_psd, known) < 1e-4
    one_each = np.repeat(kernel[..., np.newaxis], channels, 2)
    assert rms(bm3d(noisy, SIGMA, kernel=one_each), known) < 1e-4


def test_a_kernel_of_one_pixel_is_white_noise() -> None:
    noisy = noisy_photograph(40, 40)
    assert np.array_equal(bm3d(noisy, SIGMA, kernel=np.ones((1, 1))), bm3d(noisy, SIGMA))


def test_a_kernel_and_a_psd_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="not both"):
        bm3d(noisy_photograph(9, 9), SIGMA, kernel=np.ones((1, 1)), psd=np.ones((9, 9)))


@pytest.mark.parametrize("channels", [1, 3])
def test_it_scores_what_the_authors_package_scores(channels: int) -> None:
    clean, noisy = photograph(120, 130, channels), noisy_photograph(120, 130, channels)
    [theirs] = registry.select(["bm3d"])
    reference = rms(theirs.build().denoise(noisy, SIGMA), clean)
    for profile in PROFILES:
        loss = 20 * np.log10(rms(bm3d(noisy, SIGMA, profile=profile), clean) / reference)
        assert abs(loss) < 0.15, f"{profile}: {loss:.3f} dB"
