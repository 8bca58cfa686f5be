"""Denoising filters of FFmpeg, which many know from its command line, through PyAV."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, ClassVar, Literal

import numpy as np

from denoisebench.denoisers.opponent import in_opponent_space
from denoisebench.denoisers.registry import register

_LICENCE = "LGPL-3.0-or-later (FFmpeg)"
_8_BIT = "Takes 8-bit pixels only ({}): it sees the noisy frame clipped and quantised."
_16_BIT = (
    "Takes 16-bit pixels (gray16, gbrp16, here with room for noise): it sees the noisy frame "
    "rounded to 1/5000, not clipped."
)

_MIDDLE, _UNIT = 1 << 15, 5000
"""Code of the value 0 in 16 bits, and codes for a unit: values from -6.5 to 6.5 have one."""
_OF_8_BITS = _UNIT / 256
"""The unit on the scale of 8 bits, on which the filters take sigma for pixels of any depth."""

_UNSEEN = 0.5 / 255
"""Sigma below which 8 bits hide the noise."""

_TILE, _MARGIN, _LEAST = 1024, 64, 64
"""Sides in pixels: of a tile without its margins, of these, and the least of a frame."""

_Build = Callable[[Any, Any], Any]
"""Function that adds filters to a graph behind its source, and returns the last one."""


def _chain(name: str, **options: float) -> _Build:
    """Return the function that adds one filter."""

    def build(graph: Any, source: Any) -> Any:
        added = _add(graph, name, **options)
        source.link_to(added)
        return added

    return build


def _add(graph: Any, name: str, **options: float | str) -> Any:
    """Add a filter to a graph.

    Raises:
        ValueError: this build of FFmpeg lacks it.
    """
    from av.filter import filters_available

    if name not in filters_available:
        raise ValueError(f"the FFmpeg in this build of PyAV has no filter {name}")
    return graph.add(name, ":".join(f"{key}={value}" for key, value in options.items()))


def _filter(pixels: np.ndarray, form: str, build: _Build) -> np.ndarray:
    """Send one frame through filters.

    Args:
        pixels: (H, W, C), in the type of the format.
        form: FFmpeg's name of the pixel format, such as ``gbrp16le``.
        build: adds the filters.

    Returns:
        The filtered frame, of the same shape and type.
    """
    import av

    planes = pixels if pixels.shape[2] == 3 else pixels[..., 0]
    frame = av.VideoFrame.from_ndarray(planes, format=form)
    graph = av.filter.Graph()
    graph.threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1)
    )
    build(graph, source).link_to(graph.add("buffersink"))
    graph.configure()
    graph.push(frame)
    graph.push(None)
    filtered: np.ndarray = graph.pull().to_ndarray().reshape(pixels.shape)
    return filtered


def _in_tiles(noisy: np.ndarray, process: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Process a frame (H, W, C) in tiles, as if mirrored to 64 × 64 where it is smaller.

    At once, a frame of 8K would take some filters more than 3 GB.

    Raises:
        ValueError: a pixel is infinite or nan, for which the filters' formats have no code.
    """
    H, W = noisy.shape[:2]
    sides = [(0, max(0, _LEAST - side)) for side in (H, W)]
    padded = np.pad(noisy, (*sides, (0, 0)), mode="symmetric")
    estimate = np.empty_like(padded)
    for rows, columns in product(*map(_spans, padded.shape[:2])):
        (top, bottom, above), (left, right, before) = rows, columns
        tile = padded[above : bottom + _MARGIN, before : right + _MARGIN]
        if not np.isfinite(tile).all():
            raise ValueError("FFmpeg's filters take finite pixels only")
        inner = process(tile)[top - above :, left - before :]
        estimate[top:bottom, left:right] = inner[: bottom - top, : right - left]
    return np.ascontiguousarray(estimate[:H, :W])


def _spans(side: int) -> Iterator[tuple[int, int, int]]:
    """Yield a side's tiles: begin, end, and begin of the margin before it."""
    for begin in range(0, side, _TILE):
        yield begin, min(begin + _TILE, side), max(0, begin - _MARGIN)


def _in_8_bits(tile: np.ndarray, form: str, build: _Build) -> np.ndarray:
    """Filter a tile (H, W, C) as 8-bit pixels of a format."""
    pixels = np.rint(tile.clip(0, 1) * 255).astype(np.uint8)
    return _filter(pixels, form, build) / np.float32(255)


def _in_16_bits(tile: np.ndarray, build: _Build) -> np.ndarray:
    """Filter a tile (H, W, C) as 16-bit pixels with room for noise; channels apart."""
    codes = np.rint(_MIDDLE + _UNIT * tile).clip(0, (1 << 16) - 1).astype("<u2")
    filtered = _filter(codes, "gbrp16le" if tile.shape[2] == 3 else "gray16le", build)
    return (filtered.astype(np.float32) - _MIDDLE) / np.float32(_UNIT)


@register(
    "ffmpeg-nlmeans",
    title="NLM (FFmpeg)",
    family="patch",
    reference="Buades, Coll & Morel 2005",
    licence=_LICENCE,
    requires=("av",),
    note=_8_BIT.format("gray, gbrp"),
)
@dataclass(frozen=True)
class FFmpegNonLocalMeans:
    """The filter ``nlmeans``: a mean over pixels nearby, weighted by how alike their patches are.

    Attributes:
        strength: the filter's ``s`` in units of sigma on the 8-bit scale; ``s`` is at most 30.
        patch: side of a patch in pixels, odd.
        research: side of the window that is searched, in pixels, odd.
    """

    strength: float = 0.5
    patch: Literal[3, 5, 7, 9] = 5
    research: int = 11
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "strength": (0.45, 0.5, 0.55, 0.6),
        "patch": (5, 7),
        "research": (11, 15),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if sigma < _UNSEEN:
            return noisy.copy()
        s = min(max(1.0, self.strength * sigma * 255), 30.0)
        build = _chain("nlmeans", s=s, p=self.patch, r=self.research)
        form = "gbrp" if noisy.shape[2] == 3 else "gray"
        return _in_tiles(noisy, lambda tile: _in_8_bits(tile, form, build))


@register(
    "ffmpeg-dctdnoiz",
    title="DCT (FFmpeg)",
    family="transform",
    reference="Yu & Sapiro 2011",
    licence=_LICENCE,
    colour="joint",
    requires=("av",),
    note=_8_BIT.format("rgb24, also for grey frames"),
)
@dataclass(frozen=True)
class FFmpegDct:
    """The filter ``dctdnoiz``: hard thresholds on the DCT of all patches, colours decorrelated.

    Attributes:
        strength: the filter's ``sigma`` in units of sigma on the 8-bit scale.
        bits: binary logarithm of the patch's side.
    """

    strength: float = 0.8
    bits: Literal[3, 4] = 4
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "strength": (0.8, 0.9, 1.0),
        "bits": (3, 4),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if sigma < _UNSEEN:
            return noisy.copy()
        is_grey = noisy.shape[2] == 1
        # Three equal channels have all their noise in the luminance.
        strength = min(self.strength * sigma * 255 * (3**0.5 if is_grey else 1), 999.0)
        build = _chain("dctdnoiz", sigma=strength, n=self.bits)

        def process(tile: np.ndarray) -> np.ndarray:
            estimate = _in_8_bits(tile.repeat(3, 2) if is_grey else tile, "rgb24", build)
            # The filter cuts what is behind the point, which darkens by half a code.
            return estimate[..., : tile.shape[2]] + np.float32(0.5 / 255)

        return _in_tiles(noisy, process)


@register(
    "ffmpeg-fftdnoiz",
    title="FFT Wiener (FFmpeg)",
    family="transform",
    licence=_LICENCE,
    colour="opponent",
    requires=("av",),
    note=_16_BIT,
)
@dataclass(frozen=True)
class FFmpegFft:
    """The filter ``fftdnoiz``: Wiener's filter on the spectra of overlapping blocks.

    Attributes:
        strength: the filter's ``sigma``, which is a variance, in units of the noise's.
        block: side of a block in pixels.
        opponent: denoise colour frames in the opponent space instead of RGB.
    """

    strength: float = 0.4
    block: Literal[8, 16, 32, 64] = 32
    opponent: bool = True
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "strength": (0.3, 0.4, 0.5),
        "block": (16, 32),
        "opponent": (False, True),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if sigma == 0:
            return noisy.copy()
        variance = min(self.strength * (sigma * _OF_8_BITS) ** 2, 100.0)
        build = _chain("fftdnoiz", sigma=variance, block=self.block, overlap=0.8)
        H, W = noisy.shape[:2]
        # At the right and the bottom the filter shows memory that it never wrote to.
        edges = ((0, self.block), (0, self.block), (0, 0))
        padded = np.pad(noisy, edges, mode="symmetric")
        return np.ascontiguousarray(_opponent_tiles(padded, self.opponent, build)[:H, :W])


@register(
    "ffmpeg-bm3d",
    title="BM3D (FFmpeg)",
    family="transform",
    reference="Dabov, Foi, Katkovnik & Egiazarian 2007",
    licence=_LICENCE,
    colour="opponent",
    requires=("av",),
    note=f"{_16_BIT} Each block is a group of its own, as the filter's default is: larger groups "
    "score lower. Last bits differ with the number of threads.",
)
@dataclass(frozen=True)
class FFmpegBm3d:
    """The filter ``bm3d`` twice: hard thresholds on the DCT of blocks, then Wiener's filter.

    Attributes:
        strength: ``sigma`` of the first pass in units of sigma on the 8-bit scale.
        wiener: ``sigma`` of the second pass, likewise.
        opponent: denoise colour frames in the opponent space instead of RGB.
    """

    strength: float = 8.0
    wiener: float = 4000.0
    opponent: bool = True
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "strength": (7.0, 7.5, 8.0),
        "wiener": (4000.0, 5000.0, 6000.0),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if sigma == 0:
            return noisy.copy()
        return _opponent_tiles(noisy, self.opponent, self._passes(sigma * _OF_8_BITS))

    def _passes(self, sigma: float) -> _Build:
        """Return the function that adds both passes.

        Args:
            sigma: of the noise, on the 8-bit scale.
        """
        blocks = {"block": 8, "bstep": 2}

        def build(graph: Any, source: Any) -> Any:
            both = _add(graph, "split")
            basic = _add(graph, "bm3d", sigma=self.strength * sigma, **blocks)
            strength = min(self.wiener * sigma, 99999.0)
            final = _add(graph, "bm3d", sigma=strength, estim="final", ref=1, **blocks)
            source.link_to(both)
            both.link_to(basic)
            both.link_to(final, 1, 0)
            basic.link_to(final, 0, 1)
            return final

        return build


def _opponent_tiles(noisy: np.ndarray, opponent: bool, build: _Build) -> np.ndarray:
    """Filter a frame as 16-bit pixels, in the opponent space or as it is."""

    def process(tile: np.ndarray) -> np.ndarray:
        if opponent:
            return in_opponent_space(tile, lambda channels: _in_16_bits(channels, build))
        return _in_16_bits(tile, build)

    return _in_tiles(noisy, process)
