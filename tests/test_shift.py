"""Shifts of estimates: found where they are, told from blur and noise, and remarked on in a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data

from denoisebench.protocol.shift import NOTICEABLE, Shift, estimate_shift

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

FRAMES = {
    "colour": data.astronaut()[:192, 100:300],
    "grey": data.camera()[100:300, 100:292, None],
    "regular": data.brick()[:224, :200, None],
    "bright": data.coffee()[100:300, 200:400],
}
EVEN = """
from dataclasses import dataclass
from denoisebench.denoisers import register

@register("even", title="Even", family="local")
@dataclass(frozen=True)
class Even:
    width: int = 4

    def denoise(self, noisy, sigma):
        import cv2
        return cv2.blur(noisy, (self.width, self.width)).reshape(noisy.shape)
"""


def shifted(frame: np.ndarray, down: float, right: float) -> np.ndarray:
    """Return the frame moved by the Fourier shift theorem, float64 (H, W, C)."""
    spectrum = np.fft.fftn(frame.astype(float), axes=(0, 1))
    moved = ndimage.fourier_shift(spectrum, (down, right, 0))
    return np.asarray(np.fft.ifftn(moved, axes=(0, 1)).real)


def rounded(frame: np.ndarray) -> np.ndarray:
    return np.clip(np.round(frame), 0, 255).astype(np.uint8)


def assert_found(found: Shift | None, down: float, right: float, within: float = 0.05) -> None:
    assert found is not None
    assert found.down == pytest.approx(down, abs=within)
    assert found.right == pytest.approx(right, abs=within)


@given(
    st.sampled_from(sorted(FRAMES)),
    st.floats(-3, 3),
    st.floats(-3, 3),
    st.sampled_from([(0.0, 0.0), (1.0, 0.0), (0.0, 5.0), (1.0, 2.0)]),
)
def test_a_shift_is_found_below_some_blur_and_noise(
    name: str, down: float, right: float, lost: tuple[float, float]
) -> None:
    blur, noise = lost
    moved = ndimage.gaussian_filter(shifted(FRAMES[name], down, right), (blur, blur, 0))
    moved += np.random.default_rng(0).normal(0, noise, moved.shape)
    assert_found(estimate_shift(FRAMES[name], rounded(moved)), down, right)


@given(st.sampled_from(sorted(FRAMES)), st.floats(1, 4))
def test_a_strong_blur_alone_is_no_shift(name: str, blur: float) -> None:
    found = estimate_shift(
        FRAMES[name], rounded(ndimage.gaussian_filter(1.0 * FRAMES[name], (blur, blur, 0)))
    )
    assert found is None or found.distance < NOTICEABLE


@given(st.sampled_from(sorted(FRAMES)), st.integers(0, 1000), st.sampled_from([0.0, 15.0, 60.0]))
def test_what_is_said_of_a_noisy_estimate_is_right(name: str, seed: int, noise: float) -> None:
    """Strong noise may hide the shift, and is then not taken for one."""
    drawn = np.random.default_rng(seed).normal(0, noise, FRAMES[name].shape)
    found = estimate_shift(FRAMES[name], rounded(shifted(FRAMES[name], 0.5, -0.5) + drawn))
    if noise < 60:
        assert found is not None
    if found is not None:
        assert abs(found.down - 0.5) < 0.1
        assert abs(found.right + 0.5) < 0.1


def test_brightness_and_contrast_move_nothing() -> None:
    frame = FRAMES["colour"]
    assert_found(estimate_shift(frame, rounded(0.6 * frame + 40.0)), 0, 0)


@pytest.mark.parametrize("noise", [0.0, 3.0, 25.0])
def test_a_frame_without_texture_tells_no_shift(noise: float) -> None:
    rows, columns = np.mgrid[:128, :128]
    frames = {
        "flat": np.full((128, 128, 3), 100.0),
        "shaded": np.repeat((rows + 0.7 * columns)[..., None], 3, axis=2) / 2,
        "striped": np.repeat(128 + 60 * np.sin(rows / 3)[..., None], 3, axis=2),
        "small": FRAMES["grey"][:12, :200].astype(float),
    }
    drawn = np.random.default_rng(1)
    for name, frame in frames.items():
        estimate = rounded(shifted(frame, 0.5, 0.5) + drawn.normal(0, noise, frame.shape))
        assert estimate_shift(rounded(frame), estimate) is None, name


def test_another_frame_is_not_a_shifted_one() -> None:
    frame = FRAMES["colour"]
    other = rounded(np.random.default_rng(2).normal(128, 40, frame.shape))
    assert estimate_shift(frame, other) is None
    assert estimate_shift(frame, np.full_like(frame, 90)) is None


def test_a_large_frame_costs_no_more_than_its_middle() -> None:
    frame = np.tile(data.astronaut(), (2, 2, 1))
    assert_found(estimate_shift(frame, np.roll(frame, (1, -2), axis=(0, 1))), 1, -2)


def test_a_run_remarks_on_shifted_estimates_in_every_format(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "even.py").write_text(EVEN)
    words = ["--plugin", "even.py", "--methods", "even,even[width=3],gaussian"]
    options = ["--dataset", "stills", "--sigma", "25,5", "--frames", "1", "--out", "out"]
    result = bench("run", *words, *options)
    assert result.returncode == 0, result.stderr
    half = r"0\.(?:49|5\d)"
    pattern = (
        rf"estimates are shifted by \({half}, {half}\) pixels \(down, right\) "
        "against the clean frame, which lowers PSNR"
    )
    assert re.search(f"^[¹²³⁴] (Times .*; )?{pattern}", result.stdout, re.MULTILINE)
    notes = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method").note.fillna("")
    assert notes["even"].str.contains(pattern).all()
    assert not notes.drop("even").str.contains("shifted").any()

    formats = "html,md,latex,csv,json"
    assert bench("report", "out", "--format", formats, "--out", "report").returncode == 0
    for name in ("report.html", "report.md", "table1.md", "table1.tex", "report.json"):
        text = " ".join((tmp_path / "report" / name).read_text(encoding="utf-8").split())
        assert "estimates are shifted by (0.5" in text, name

    # A run that goes on, or is scored by further metrics, keeps what it knows.
    again = bench("run", *words, *options, "--metrics", "psnr-y")
    assert "estimates are shifted by (0.5" in again.stdout
