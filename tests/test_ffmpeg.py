"""FFmpeg's filters: pixel formats, the scale of sigma, room for noise, edges, tiles and threads."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from denoisebench.denoisers import ffmpeg_filters, registry

if TYPE_CHECKING:
    from denoisebench.denoisers.registry import Denoiser

av = pytest.importorskip("av")

FORMATS = {
    "ffmpeg-nlmeans": {1: "gray", 3: "gbrp"},
    "ffmpeg-dctdnoiz": {1: "rgb24", 3: "rgb24"},
    "ffmpeg-fftdnoiz": {1: "gray16le", 3: "gbrp16le"},
    "ffmpeg-bm3d": {1: "gray16le", 3: "gbrp16le"},
}
DEEP = ["ffmpeg-fftdnoiz", "ffmpeg-bm3d"]
SHALLOW = ["ffmpeg-nlmeans", "ffmpeg-dctdnoiz"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def method(name: str) -> Denoiser:
    return registry.select([name])[0].build()


def flat(level: float, sigma: float, channels: int = 3, side: int = 128) -> np.ndarray:
    """Return noise on a flat frame, float32; sigma is on the 8-bit scale."""
    noise = np.random.default_rng(7).standard_normal((side, side, channels))
    return (level + sigma / 255 * noise).astype(np.float32)


def error(estimate: np.ndarray, level: float) -> float:
    """Return the root mean square error on the 8-bit scale."""
    return 255 * float(np.sqrt(np.mean((estimate - level) ** 2)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FORMATS)
def test_no_filter_converts_the_format_that_it_is_given(name: str, channels: int) -> None:
    form = FORMATS[name][channels]
    frame = av.VideoFrame(64, 64, form)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=64, height=64, format=frame.format, time_base=Fraction(1))
    last = graph.add(name.removeprefix("ffmpeg-"))
    source.link_to(last)
    last.link_to(graph.add("buffersink"))
    graph.configure()
    graph.push(frame)
    graph.push(None)
    assert graph.pull().format.name == form


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_left_of_noise_grows_with_it(name: str, channels: int) -> None:
    """A sigma on another scale would leave all of the noise, or a different share at each."""
    left = [
        error(method(name).denoise(flat(0.5, s, channels), s / 255), 0.5) / s for s in (8, 16, 32)
    ]
    assert max(left) < 0.3
    assert max(left) < 1.7 * min(left)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FORMATS)
def test_brightness_stays(name: str, channels: int) -> None:
    """The filter dctdnoiz alone would darken by half a code."""
    noisy = flat(0.5, 10, channels)
    estimate = method(name).denoise(noisy, 10 / 255)
    assert abs(float(np.mean(estimate - noisy))) < 0.05 / 255


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("name", FORMATS)
def test_deep_pixels_have_room_for_noise_and_8_bits_clip_it(name: str, level: float) -> None:
    estimate = method(name).denoise(flat(level, 50), 50 / 255)
    moved = abs(float(estimate.mean()) - level) * 255
    assert moved < 0.3 if name in DEEP else moved > 10


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("sigma", [50, 255])
def test_noise_beyond_the_room_of_16_bits_is_rare(name: str, sigma: float) -> None:
    estimate = method(name).denoise(flat(0.5, sigma), sigma / 255)
    assert error(estimate, 0.5) < 0.3 * sigma


@pytest.mark.parametrize("name", FORMATS)
def test_every_call_gives_the_same_bits_also_at_the_edges(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filter fftdnoiz shows memory that it never wrote to, at the right and the bottom."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    noisy = flat(0.4, 25)[:96, :95]
    denoiser = method(name)
    first = denoiser.denoise(noisy, 25 / 255)
    for _ in range(5):
        junk = np.full(1 << 20, 1e30)  # what later memory may hold
        del junk
        assert np.array_equal(denoiser.denoise(noisy, 25 / 255), first)


@pytest.mark.parametrize("name", FORMATS)
def test_threads_change_no_more_than_a_rounding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = flat(0.4, 25)
    one = method(name).denoise(noisy, 25 / 255)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    two = method(name).denoise(noisy, 25 / 255)
    assert np.abs(one - two).max() < 1e-3


@pytest.mark.parametrize("name", FORMATS)
def test_tiles_show_no_seams(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, columns = np.mgrid[0:200, 0:150]
    clean = 0.5 + 0.3 * np.sin(rows / 9) * np.cos(columns / 7)
    noisy = clean[..., None].astype(np.float32) + flat(0, 10, 3, 200)[:, :150]
    whole = method(name).denoise(noisy, 10 / 255)
    monkeypatch.setattr(ffmpeg_filters, "_TILE", 70)
    tiled = method(name).denoise(noisy, 10 / 255)
    assert tiled.shape == whole.shape
    # Blocks lie on another grid from the second tile on, so that the estimates differ a little.
    assert error(tiled, clean[..., None]) < 1.05 * error(whole, clean[..., None])
    # nlmeans and dctdnoiz work on each pixel alike; their tiles' margins are wide enough.
    if name in SHALLOW:
        assert np.abs(tiled - whole).max() < 1.5 / 255


@pytest.mark.parametrize("name", SHALLOW)
def test_noise_that_8_bits_hide_is_left_alone(name: str) -> None:
    noisy = flat(0.5, 0.4)
    estimate = method(name).denoise(noisy, 0.4 / 255)
    assert np.array_equal(estimate, noisy)
    assert estimate is not noisy


@pytest.mark.parametrize("name", FORMATS)
def test_a_build_that_lacks_the_filter_is_told_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("av.filter.filters_available", {"split"})
    lacking = f"has no filter {name.removeprefix('ffmpeg-')}"
    with pytest.raises(ValueError, match=lacking):
        method(name).denoise(flat(0.5, 10), 10 / 255)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", FORMATS)
def test_pixels_that_have_no_code_are_refused(name: str, value: float) -> None:
    noisy = flat(0.5, 10)
    noisy[10:20, 5] = value
    with pytest.raises(ValueError, match=r"^FFmpeg's filters take finite pixels only$"):
        method(name).denoise(noisy, 10 / 255)


@pytest.mark.parametrize("name", FORMATS)
def test_the_card_says_the_conversion_and_the_licence_of_the_wheel(name: str) -> None:
    card = registry.cards()[name]
    assert ("8-bit" in card.note) == (name in SHALLOW)
    assert ("16-bit" in card.note) == (name in DEEP)
    [licence] = {library["license"] for library in av._core.library_meta.values()}
    assert card.licence.startswith("LGPL-3.0-or-later")
    if licence.startswith("LGPL"):  # the wheels on PyPI; a user's own build may be under the GPL
        assert licence == "LGPL version 3 or later"
