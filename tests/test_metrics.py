"""The scores, against independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from denoisebench import metrics


def pair(shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth frame and a disturbed one."""
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(shape[0]), 2 * np.arange(shape[1]))[..., None]
    clean = (ramp + 40 * np.arange(shape[2])) % 256
    other = np.clip(clean + rng.normal(0, 20, shape), 0, 255)
    return clean.astype(np.uint8), other.astype(np.uint8)


frames = hnp.arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14), st.just(3)))


@pytest.mark.parametrize("shape", [(40, 31, 3), (40, 31, 1), (1, 1, 3)])
def test_psnr_agrees_with_scikit_image(shape: tuple[int, int, int]) -> None:
    from skimage.metrics import peak_signal_noise_ratio

    clean, other = pair(shape)
    expected = peak_signal_noise_ratio(clean, other, data_range=255)
    assert metrics.psnr(clean, other) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("shape", [(40, 31, 3), (40, 31, 1), (11, 11, 1)])
def test_ssim_agrees_with_scikit_image(shape: tuple[int, int, int]) -> None:
    from skimage.metrics import structural_similarity

    clean, other = pair(shape)
    expected = structural_similarity(
        clean,
        other,
        data_range=255,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert metrics.ssim(clean, other) == pytest.approx(expected, abs=1e-10)


def test_psnr_of_known_errors() -> None:
    black = np.zeros((4, 5, 3), np.uint8)
    assert metrics.psnr(black, black + np.uint8(255)) == 0
    assert metrics.psnr(black, black + np.uint8(1)) == pytest.approx(20 * math.log10(255))
    one_pixel = black.copy()
    one_pixel[0, 0, 0] = 10
    assert metrics.psnr(black, one_pixel) == pytest.approx(10 * math.log10(255**2 * 60 / 100))


def test_a_large_frame_does_not_overflow() -> None:
    black = np.zeros((3000, 3000, 1), np.uint8)
    assert metrics.psnr(black, black + np.uint8(255)) == 0


@given(frames)
def test_identical_frames_are_perfect(frame: np.ndarray) -> None:
    assert metrics.psnr(frame, frame) == math.inf
    assert metrics.ssim(frame, frame) in (None, pytest.approx(1))


@given(frames, st.integers(0, 2**32))
def test_scores_are_symmetric_and_bounded(frame: np.ndarray, seed: int) -> None:
    other = np.random.default_rng(seed).integers(0, 256, frame.shape, np.uint8)
    assert metrics.psnr(frame, other) == metrics.psnr(other, frame)
    assert metrics.psnr(frame, other) >= 0
    similarity = metrics.ssim(frame, other)
    if min(frame.shape[:2]) < metrics.SSIM_WINDOW:
        assert similarity is None
    else:
        assert similarity is not None
        assert similarity == pytest.approx(metrics.ssim(other, frame))
        assert -1 <= similarity <= 1


@given(st.integers(1, 100), st.integers(101, 155))
def test_a_larger_error_scores_lower(small: int, large: int) -> None:
    clean, _ = pair((12, 12, 3))
    clean = clean // 3
    nearer, farther = clean + np.uint8(small), clean + np.uint8(large)
    assert metrics.psnr(clean, nearer) > metrics.psnr(clean, farther)


def test_saturation_error_of_printed_colours() -> None:
    """CIELAB of sRGB primaries under D65 (Lindbloom's calculator): red has C* 104.55."""
    grey = np.full((3, 4, 3), 119, np.uint8)
    red = np.zeros_like(grey)
    red[..., 0] = 255
    assert metrics.saturation_error(red, grey) == pytest.approx(-104.55, abs=0.05)
    assert metrics.saturation_error(grey, red) == pytest.approx(104.55, abs=0.05)
    assert metrics.saturation_error(grey, grey // 2) == pytest.approx(0, abs=0.02)


@given(st.floats(0, 1))
def test_a_paler_estimate_has_a_negative_saturation_error(share: float) -> None:
    clean, _ = pair((12, 12, 3))
    grey = clean.mean(axis=2, keepdims=True)
    paler = np.rint(grey + share * (clean - grey)).astype(np.uint8)
    error = metrics.saturation_error(clean, paler)
    assert error is not None
    assert error <= 0.05
    assert metrics.saturation_error(clean, clean) == 0


def test_grey_frames_have_no_saturation_error() -> None:
    clean, other = pair((12, 12, 1))
    assert metrics.saturation_error(clean, other) is None
