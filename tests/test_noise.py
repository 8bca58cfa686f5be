"""Synthetic noises against their closed forms, and estimates of recorded noise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisebench import protocol
from denoisebench.datasets.images import read_image
from denoisebench.errors import UsageError
from denoisebench.protocol import estimation, noise

KEY = {"dataset": "set", "frame": "a", "seed": 0}
SIGMA = 25
SHAPE = (400, 300, 3)
ADDITIVE = ("gaussian", "poisson-gaussian", "correlated", "uneven")
ALL = tuple(noise.NOISES)


def noisy(expression: str, clean: np.ndarray, sigma: float = SIGMA, **key: object) -> np.ndarray:
    """Return the noisy frame on the 8-bit scale."""
    drawn = protocol.add_noise(
        clean,
        sigma,
        noise=noise.select_noise(expression),
        **{**KEY, **key},  # type: ignore[arg-type]
    )
    assert drawn.dtype == np.float32
    return 255 * drawn.astype(np.float64)


def grey(level: int) -> np.ndarray:
    return np.full(SHAPE, level, np.uint8)


def drawn(expression: str, level: int = 128, sigma: float = SIGMA) -> np.ndarray:
    return noisy(expression, grey(level), sigma) - level


@pytest.mark.parametrize(
    "expression", [*ADDITIVE, "poisson-gaussian[shot=1]", "correlated[width=3]"]
)
def test_noise_has_no_mean(expression: str) -> None:
    found = drawn(expression)
    # Neighbours within the window do not count as independent.
    independent = found.size / (50 * 3**2 if "width" in expression else 13)
    assert abs(found.mean()) < 5 * SIGMA / math.sqrt(independent)


@pytest.mark.parametrize("level", [0, 16, 128, 255])
@pytest.mark.parametrize("shot", [0.0, 0.3, 1.0])
def test_poisson_gaussian_has_the_variance_and_skewness_of_photons_and_read_noise(
    level: int, shot: float
) -> None:
    found = drawn(f"poisson-gaussian[shot={shot}]", level) / 255
    a, b = 2 * shot * (SIGMA / 255) ** 2, (1 - shot) * (SIGMA / 255) ** 2
    variance = a * level / 255 + b
    # The variance of a sample's variance: (kurtosis − 1) / n; Poisson adds a³x to the 4th moment.
    fourth = 3 * variance**2 + a**3 * level / 255
    error = math.sqrt((fourth - variance**2) / found.size)
    assert (found**2).mean() == pytest.approx(variance, abs=5 * error + 1e-7)
    third = a**2 * level / 255
    bound = 5 * math.sqrt(15 * max(variance, a) ** 3 / found.size) * 2
    assert (found**3).mean() == pytest.approx(third, abs=bound + 1e-9)


def test_poisson_gaussian_at_mid_grey_is_as_strong_as_sigma_says() -> None:
    assert drawn("poisson-gaussian", 128).std() == pytest.approx(SIGMA, rel=0.01)


@settings(max_examples=10, deadline=None)
@given(width=st.floats(0.3, 3))
def test_correlated_noise_has_its_autocorrelation(width: float) -> None:
    found = drawn(f"correlated[width={width!r}]")[..., :1] / SIGMA
    window = noise.Correlated(width).window.astype(np.float64)
    independent = found.size / max(1, 4 * math.pi * width**2)
    for axis, lag in [(0, 0), (0, 1), (1, 1), (1, 2), (0, 4)]:
        expected = (window[lag:] * window[: len(window) - lag]).sum()
        first = np.delete(found, range(lag), axis)
        last = np.delete(found, range(found.shape[axis] - lag, found.shape[axis]), axis)
        assert (first * last).mean() == pytest.approx(expected, abs=6 / math.sqrt(independent))


@pytest.mark.parametrize("width", [1.0, 1.5, 2.5])
def test_the_window_correlates_as_the_formula_says(width: float) -> None:
    window = noise.Correlated(width).window.astype(np.float64)
    for lag in (1, 2, 3):
        expected = math.exp(-(lag**2) / (4 * width**2))
        found = (window[lag:] * window[: len(window) - lag]).sum()
        assert found == pytest.approx(expected, abs=0.01)


def test_correlated_noise_is_its_channels_own() -> None:
    found = drawn("correlated") / SIGMA
    independent = found[..., 0].size / (4 * math.pi)
    for one, other in [(0, 1), (1, 2), (0, 2)]:
        product = found[..., one] * found[..., other]
        assert abs(product.mean()) < 5 / math.sqrt(independent)


@pytest.mark.parametrize("contrast", [0.0, 0.5, 1.0])
def test_uneven_noise_grows_from_left_to_right(contrast: float) -> None:
    found = drawn(f"uneven[contrast={contrast}]")
    expected = noise.Uneven(contrast).variance(SHAPE[1]) * SIGMA**2
    assert expected.mean() == pytest.approx(SIGMA**2)
    quarters = np.split((found**2).mean((0, 2)), 4)
    for quarter, wanted in zip(quarters, np.split(expected, 4), strict=True):
        assert quarter.mean() == pytest.approx(wanted.mean(), rel=5 * math.sqrt(8 / found.size))


@pytest.mark.parametrize("expression", ["gaussian-8bit", "jpeg"])
def test_what_a_file_holds_are_whole_levels(expression: str) -> None:
    levels = noisy(expression, grey(250))
    assert np.allclose(levels, np.rint(levels), atol=1e-4)
    assert levels.min() >= 0
    assert levels.max() <= 255 + 1e-4


def test_gaussian_8bit_is_gaussian_clipped_and_rounded() -> None:
    found = drawn("gaussian-8bit")
    assert (found**2).mean() == pytest.approx(SIGMA**2 + 1 / 12, rel=0.02)
    # Of a black frame half the noise is cut off, and half the energy with it.
    assert (drawn("gaussian-8bit", 0) ** 2).mean() == pytest.approx(SIGMA**2 / 2, rel=0.02)


def test_jpeg_keeps_less_of_the_noise_the_lower_its_quality() -> None:
    left = [(drawn(f"jpeg[quality={q}]") ** 2).mean() for q in (5, 20, 40, 70)]
    assert left == sorted(left)
    # At quality 100 the luma is kept to a level; of the noise in the chroma, 4:2:0 loses most.
    luma = drawn("jpeg[quality=100]") @ [0.299, 0.587, 0.114]
    assert luma.std() == pytest.approx(SIGMA * math.hypot(0.299, 0.587, 0.114), rel=0.02)


def test_the_default_noise_has_the_bits_it_always_had() -> None:
    clean = np.random.default_rng(0).integers(0, 256, (17, 23, 3), dtype=np.uint8)
    generator = protocol.noise_generator("set", "a", 25.0, 0)
    expected = generator.standard_normal(clean.shape, dtype=np.float32)
    expected *= np.float32(25 / 255)
    expected += clean * np.float32(1 / 255)
    assert np.array_equal(protocol.add_noise(clean, 25, **KEY), expected)  # type: ignore[arg-type]
    assert protocol.digest() == protocol.digest("gaussian") == "01f03d1a36d7"


@pytest.mark.parametrize("expression", ALL)
def test_noise_depends_on_its_key_alone(expression: str) -> None:
    frame = grey(100)[:40, :32]
    first = noisy(expression, frame)
    for other in ({"frame": "b"}, {"seed": 1}, {"dataset": "other"}):
        assert not np.array_equal(first, noisy(expression, frame, **other))
    for name in ALL:
        noisy(name, frame, sigma=5)
    assert np.array_equal(first, noisy(expression, frame))


@pytest.mark.parametrize("expression", ALL)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 3), (5, 2, 1), (33, 20, 3)])
@pytest.mark.parametrize("sigma", [0, 0.01, 255])
def test_any_frame_and_sigma_will_do(
    expression: str, shape: tuple[int, int, int], sigma: float
) -> None:
    clean = np.arange(math.prod(shape), dtype=np.uint8).reshape(shape)
    found = noisy(expression, clean, sigma)
    assert np.isfinite(found).all()
    if sigma == 0 and expression != "jpeg":
        assert np.allclose(found, clean, atol=1e-4)


def test_each_noise_and_parameter_has_a_protocol_of_its_own() -> None:
    specs = (*ALL, "jpeg[quality=50]", "poisson-gaussian[shot=0.5]", protocol.RECORDED)
    assert len({protocol.digest(spec) for spec in specs}) == len(specs)


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        ("gaussian", "gaussian"),
        ("jpeg[quality=80]", "jpeg"),
        ("jpeg[quality=20]", "jpeg[quality=20]"),
        (" correlated[ width = 2 ] ", "correlated[width=2.0]"),
    ],
)
def test_a_noise_has_one_spec(given: str, spec: str) -> None:
    assert noise.noise_spec(noise.select_noise(given)) == spec
    assert noise.select_noise(spec) == noise.select_noise(given)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("poison-gaussian", "did you mean poisson-gaussian"),
        ("jpeg[quality=0]", "quality is between 1 and 100"),
        ("jpeg[qualty=5]", "did you mean quality"),
        ("jpeg[quality=high]", "takes int"),
        ("correlated[width=nan]", "takes float"),
        ("poisson-gaussian[shot=2]", "between 0 and 1"),
        ("uneven[contrast=-1]", "between 0 and 1"),
        ("jpeg[", "cannot read noise"),
    ],
)
def test_a_wrong_noise_is_refused_in_one_line(expression: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        noise.select_noise(expression)


@pytest.mark.parametrize("sigma", [5, 15, 50])
def test_white_noise_is_estimated(sigma: float) -> None:
    found = drawn("gaussian", sigma=sigma).astype(np.float32)
    assert estimation.estimate_sigma(found) == pytest.approx(sigma, rel=0.02)


def test_correlated_noise_is_estimated_where_the_finest_scale_misses_it() -> None:
    found = drawn("correlated").astype(np.float32)
    assert estimation.estimate_sigma(found) == pytest.approx(SIGMA, rel=0.15)
    assert estimation.of_white_noise(found[..., 0]) < SIGMA / 5


def test_the_estimate_of_white_noise_is_that_of_scikit_image() -> None:
    from skimage.restoration import estimate_sigma

    plane = drawn("gaussian")[..., 0]
    assert estimation.of_white_noise(plane) == pytest.approx(estimate_sigma(plane))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 3), (1, 9, 1), (4, 4, 3)])
def test_a_frame_too_small_or_flat_to_say_is_estimated_as_clean(
    shape: tuple[int, int, int],
) -> None:
    assert estimation.estimate_sigma(np.full(shape, 0.7, np.float32)) == 0


def test_camera_noise_is_estimated(documentary_root: Path) -> None:
    """CC15: our estimate is 0.86 of the truth in the mean, the finest scale's 0.24."""
    folder = documentary_root / "real" / "CC15"
    if not folder.is_dir():
        pytest.skip("CC15 is not on disk")
    ours, finest = [], []
    for path in sorted(folder.glob("*_real.png"))[::3]:
        picture = read_image(path).astype(np.float32)
        clean = read_image(path.with_name(path.name.replace("_real", "_mean")))
        truth = noise.rms(picture, clean)
        ours.append(estimation.estimate_sigma(picture) / truth)
        planes = [estimation.of_white_noise(picture[..., c]) for c in range(3)]
        finest.append(np.mean(planes) / truth)
    assert 0.6 < min(ours) < max(ours) < 1.3
    assert max(finest) < 0.4


def test_the_help_and_the_guide_know_every_noise() -> None:
    from denoisebench.cli.run import run_command

    [option] = [p for p in run_command.params if p.name == "noise"]
    guide = (Path(__file__).parents[1] / "docs" / "noise.md").read_text(encoding="utf-8")
    for name, model in noise.NOISES.items():
        assert name in str(option.help)  # type: ignore[attr-defined]
        for key, value in noise.noise_parameters(model()).items():
            assert f"| `{name}` | `{key}={value}` |" in guide
