"""Noise and quantisation, on which every score rests."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from denoisebench import metrics, protocol

KEY = {"dataset": "set", "frame": "a", "seed": 0}
GREY = np.full((400, 300, 3), 128, np.uint8)


def noise(sigma: float = 25, **key: object) -> np.ndarray:
    """Return the noise alone, on the 8-bit scale."""
    noisy = protocol.add_noise(GREY, sigma, **{**KEY, **key})  # type: ignore[arg-type]
    return 255 * (noisy.astype(np.float64) - protocol.as_float(GREY))


@pytest.mark.parametrize("sigma", [0, 1, 25, 100])
def test_the_noise_has_the_stated_mean_and_deviation(sigma: float) -> None:
    drawn = noise(sigma)
    count = drawn.size
    assert abs(drawn.mean()) <= 5 * sigma / np.sqrt(count) + 1e-5
    assert drawn.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * count), abs=1e-5)


def test_the_noise_is_gaussian() -> None:
    drawn = noise() / 25
    count = drawn.size
    assert abs((drawn**3).mean()) < 5 * np.sqrt(15 / count)
    assert abs((drawn**4).mean() - 3) < 5 * np.sqrt(96 / count)


def test_the_noise_is_white() -> None:
    drawn = noise() / 25
    limit = 5 / np.sqrt(drawn.size)
    for axis, shift in [(0, 1), (0, 2), (1, 1), (1, 7), (2, 1)]:
        assert abs((drawn * np.roll(drawn, shift, axis)).mean()) < limit, (axis, shift)


@pytest.mark.parametrize(
    "other", [{"dataset": "other"}, {"frame": "b"}, {"seed": 1}, {"sigma": 50}], ids=str
)
def test_each_key_has_noise_of_its_own(other: dict[str, object]) -> None:
    first, second = noise() / 25, noise(**other) / float(other.get("sigma", 25))  # type: ignore
    assert abs((first * second).mean()) < 5 / np.sqrt(first.size)


def test_the_same_key_has_the_same_bits() -> None:
    first = protocol.add_noise(GREY, 25, **KEY)  # type: ignore[arg-type]
    noise(50)
    assert np.array_equal(first, protocol.add_noise(GREY, 25.0, **KEY))  # type: ignore[arg-type]
    assert first.dtype == np.float32


def test_the_noise_is_what_it_was() -> None:
    """A numpy that draws other variates makes old results incomparable: notice it."""
    drawn = protocol.add_noise(GREY[:16, :16], 25, **KEY)  # type: ignore[arg-type]
    assert hashlib.sha256(drawn.tobytes()).hexdigest()[:16] == "f8407e1bc871278e"


def test_the_noisy_frame_is_neither_clipped_nor_quantised() -> None:
    noisy = protocol.add_noise(GREY * 0, 25, **KEY)  # type: ignore[arg-type]
    assert 0.45 < (noisy < 0).mean() < 0.55
    assert len(np.unique(noisy)) > 0.9 * noisy.size / 3


def expected_squared_error(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a noisy pixel's squared error for each clean grey level.

    Clipping and rounding give level k where the noise lands within half a level of it; the
    outermost levels take the tails.
    """
    from scipy.special import ndtr

    levels = np.arange(256)
    edges = np.concatenate([[-np.inf], levels[:-1] + 0.5, [np.inf]])
    below = ndtr((edges[None] - levels[:, None]) / sigma)
    probability = np.diff(below, axis=1)
    squared = (levels[None] - levels[:, None]) ** 2
    mean = (probability * squared).sum(1)
    return mean, (probability * squared**2).sum(1) - mean**2


@pytest.mark.parametrize("sigma", [5, 15, 25, 50])
def test_the_noisy_control_scores_what_theory_says(sigma: float) -> None:
    clean = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (4, 128, 3))
    noisy = protocol.add_noise(clean, sigma, **KEY)  # type: ignore[arg-type]
    scored = metrics.psnr(clean, protocol.quantise(noisy))
    mean, variance = expected_squared_error(sigma)
    measured = 255**2 / 10 ** (scored / 10)
    standard_error = np.sqrt(variance.mean() / clean.size)
    assert abs(measured - mean.mean()) < 4 * standard_error


@given(hnp.arrays(np.uint8, (5, 4, 3)))
def test_a_clean_frame_survives_the_way_to_float_and_back(frame: np.ndarray) -> None:
    assert np.array_equal(protocol.quantise(protocol.as_float(frame)), frame)


@given(hnp.arrays(np.float32, (5, 4, 3), elements=st.floats(-4, 4, width=32)))
def test_quantising_takes_the_nearest_level_and_leaves_its_input_alone(frame: np.ndarray) -> None:
    before = frame.copy()
    levels = protocol.quantise(frame)
    assert np.array_equal(frame, before)
    assert levels.dtype == np.uint8
    clipped = np.clip(frame.astype(np.float64), 0, 1)
    assert np.abs(levels - 255 * clipped).max() <= 0.5 + 1e-4
    assert np.array_equal(protocol.quantise(protocol.as_float(levels)), levels)


def test_the_mean_psnr_does_not_pool_the_errors() -> None:
    assert protocol.mean_psnr([20.0, 40.0]) == 30


def test_the_digest_covers_the_description(monkeypatch: pytest.MonkeyPatch) -> None:
    before = protocol.digest()
    changed = {**protocol.description(), "noisy_input": "clipped"}
    monkeypatch.setattr("denoisebench.protocol.rules.description", lambda noise: changed)
    protocol.digest.cache_clear()
    try:
        assert protocol.digest() != before
    finally:
        protocol.digest.cache_clear()
