"""The scores, against independent implementations."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from denoisebench import metrics, protocol
from denoisebench.datasets import catalogue
from denoisebench.metrics.ms_ssim import MS_SSIM_SMALLEST_SIDE, ms_ssim
from denoisebench.metrics.psnr_y import psnr_y
from denoisebench.metrics.registry import Metric
from denoisebench.metrics.registry import metrics as all_metrics

if TYPE_CHECKING:
    from pathlib import Path


def pair(shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth frame and a disturbed one."""
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


@pytest.mark.parametrize("shape", [(11, 11, 1), (12, 40, 3), (57, 13, 3), (40, 61, 1)])
def test_ssim_is_the_same_without_numba(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(sum(shape))
    clean = rng.integers(0, 256, shape, dtype=np.uint8)
    other = np.clip(clean + rng.normal(0, 20, shape), 0, 255).astype(np.uint8)
    compiled = metrics.ssim(clean[::-1], other[::-1])  # memory that is not in the usual order
    monkeypatch.setitem(sys.modules, "denoisebench.metrics.ssim_kernel", None)
    assert metrics.ssim(clean[::-1], other[::-1]) == pytest.approx(compiled, abs=1e-12)


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


@pytest.mark.parametrize("shape", [(176, 192, 1), (208, 192, 3)])
def test_ms_ssim_agrees_with_an_independent_implementation(shape: tuple[int, int, int]) -> None:
    """pytorch-msssim, whose window is rounded to float32; odd sides it pads where we drop."""
    import torch

    reference = pytest.importorskip("pytorch_msssim")

    def batch(frame: np.ndarray) -> torch.Tensor:
        planes = np.ascontiguousarray(frame.transpose(2, 0, 1))
        return torch.from_numpy(planes)[None].double()

    clean, other = pair(shape)
    expected = float(reference.ms_ssim(batch(other), batch(clean), data_range=255))
    assert ms_ssim(clean, other) == pytest.approx(expected, abs=1e-5)
    assert 0.7 < expected < 0.9


def test_ms_ssim_is_undefined_for_a_small_frame_and_0_for_a_negative() -> None:
    clean, other = pair((MS_SSIM_SMALLEST_SIDE, MS_SSIM_SMALLEST_SIDE - 1, 1))
    assert ms_ssim(clean, other) is None
    clean = np.random.default_rng(0).integers(
        0, 256, (MS_SSIM_SMALLEST_SIDE, MS_SSIM_SMALLEST_SIDE, 1), np.uint8
    )
    assert ms_ssim(clean, 255 - clean) == 0


def test_psnr_y_agrees_with_scikit_images_luma() -> None:
    from skimage.color import rgb2ycbcr
    from skimage.metrics import peak_signal_noise_ratio

    clean, other = pair((40, 31, 3))
    luma = [rgb2ycbcr(frame)[..., 0] for frame in (clean, other)]
    expected = peak_signal_noise_ratio(*luma, data_range=255)
    assert psnr_y(clean, other) == pytest.approx(expected, abs=1e-10)
    black = np.zeros_like(clean)
    assert psnr_y(black, black + np.uint8(255)) == pytest.approx(20 * math.log10(255 / 219))
    assert psnr_y(clean[..., :1], other[..., :1]) is None


LPIPS_PRINTS = {(64, 80, 3): 0.119205095, (31, 31, 3): 0.145273447, (97, 33, 1): 0.339624971}
"""By the package lpips 0.1.4 on AlexNet of torchvision 0.29.2, given `lpips_weights`."""


@pytest.fixture
def lpips_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in the published form, with drawn weights: the published ones cannot be shipped."""
    import torch

    from denoisebench.metrics import lpips

    rng = np.random.default_rng(0)
    layers = {
        0: (3, 64, 11),
        3: (64, 192, 5),
        6: (192, 384, 3),
        8: (384, 256, 3),
        10: (256, 256, 3),
    }
    backbone, heads = {}, {}
    for number, (layer, (inputs, outputs, size)) in enumerate(layers.items()):
        scale = (2 / (inputs * size**2)) ** 0.5
        weight = rng.normal(0, scale, (outputs, inputs, size, size)).astype(np.float32)
        backbone[f"features.{layer}.weight"] = torch.from_numpy(weight)
        bias = rng.normal(0, 0.1, outputs).astype(np.float32)
        backbone[f"features.{layer}.bias"] = torch.from_numpy(bias)
        head = rng.random((1, outputs, 1, 1), dtype=np.float32)
        heads[f"lin{number}.model.1.weight"] = torch.from_numpy(head)
    torch.save(backbone, tmp_path / lpips.BACKBONE)
    torch.save(heads, tmp_path / lpips.HEADS)
    monkeypatch.setenv(lpips.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize("shape", LPIPS_PRINTS)
def test_lpips_agrees_with_the_package_of_its_authors(shape: tuple[int, int, int]) -> None:
    lpips = all_metrics()["lpips"]
    assert lpips.unavailable is None
    assert lpips(*pair(shape)) == pytest.approx(LPIPS_PRINTS[shape], rel=1e-5)
    assert lpips(*pair((30, 31, 3))) is None


def test_lpips_says_which_weights_it_misses(lpips_weights: Path) -> None:
    import torch

    lpips = all_metrics()["lpips"]
    heads = lpips_weights / "alex.pth"
    torch.save({"lin0.model.1.weight": torch.zeros(1, 64, 1, 1)}, heads)
    with pytest.raises(ValueError, match=r"alex.pth has no lin1"):
        lpips(*pair((64, 64, 3)))
    heads.write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"alex.pth cannot be read as weights"):
        lpips(*pair((64, 64, 3)))
    heads.unlink()
    assert "alex.pth" in str(lpips.unavailable)


def test_lpips_runs_no_code_that_a_file_of_weights_brings(
    lpips_weights: Path, tmp_path: Path
) -> None:
    import pickle

    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return open, (str(tmp_path / "ran"), "w")

    (lpips_weights / "alex.pth").write_bytes(
        pickle.dumps({"lin0.model.1.weight": Code()}, protocol=2)
    )
    with pytest.raises(ValueError, match="cannot be read as weights"):
        all_metrics()["lpips"](*pair((64, 64, 3)))
    assert not (tmp_path / "ran").exists()


@pytest.fixture(params=list(all_metrics()))
def metric(request: pytest.FixtureRequest) -> Metric:
    """Each metric in turn."""
    name: str = request.param
    if name == "lpips":
        request.getfixturevalue("lpips_weights")
    found = all_metrics()[name]
    if found.unavailable is not None:
        pytest.skip(f"{name}: {found.unavailable}")
    return found


@pytest.fixture(scope="module")
def noisy_frames() -> list[np.ndarray]:
    """Return a photograph, with more and more noise."""
    frame = catalogue.open_dataset("stills").frames("test")[0]
    clean = frame.read()[:200, :200]
    return [clean] + [
        protocol.quantise(
            protocol.add_noise(clean, sigma, dataset="stills", frame=frame.id, seed=0)
        )
        for sigma in (5, 15, 50)
    ]


def test_every_metric_keeps_to_what_its_card_says(
    metric: Metric, noisy_frames: list[np.ndarray]
) -> None:
    clean = noisy_frames[0]
    low, high = metric.range
    best = {"higher": high, "lower": low, "zero": 0}[metric.direction]
    assert metric(clean, clean) == pytest.approx(best)
    scores = [metric(clean, frame) for frame in noisy_frames]
    assert all(score is not None and low <= score <= high for score in scores)
    losses = [-score if metric.direction == "higher" else abs(score) for score in scores if score]
    assert losses == sorted(losses), "noise makes it worse"
    worst = metric(np.zeros_like(clean), np.full_like(clean, 255))
    assert worst is not None
    assert low - 1e-9 <= worst <= high
    mirrored = metric(noisy_frames[2], clean)
    assert mirrored == pytest.approx(-scores[2] if metric.direction == "zero" else scores[2])


def test_every_metric_takes_grey_and_tiny_frames(metric: Metric) -> None:
    for shape in [(200, 190, 1), (1, 1, 3), (1, 300, 1), (11, 11, 3)]:
        score = metric(*pair(shape))
        assert score is not None or metric.undefined
