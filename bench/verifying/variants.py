"""Noisy frames and scores under other conventions than the protocol's: pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.metrics.psnr_ssim import SSIM_WINDOW
from denoisebench.protocol import as_float, quantise

if TYPE_CHECKING:
    from denoisebench.cells import Cell
    from denoisebench.datasets import Frame
    from denoisebench.protocol.observation import Observation
    from denoisebench.verifying.conventions import Convention

__all__ = ["AlteredNoise", "VariantScores", "planes_of", "reduced", "ssim_variant"]

_LUMA = {
    # ITU-R BT.601, table 3: 8-bit luma from 16 to 235, as MATLAB's rgb2ycbcr.
    "y-601": (np.array([65.481, 128.553, 24.966]) / 255, 16.0),
    "y-601-full": (np.array([0.299, 0.587, 0.114]), 0.0),
    "y-709-full": (np.array([0.2126, 0.7152, 0.0722]), 0.0),
}
_REDUCED_SIDE = 256  # pixels
_UNIFORM = 7  # pixels


@dataclass(frozen=True)
class AlteredNoise:
    """Source of noisy frames that are changed after the protocol has drawn them.

    The draw stays the same, so that an effect is that of the change alone.

    Attributes:
        drawn: the source of the frames.
        shares: True to give all channels the noise of the first.
        values: ``float``, ``clipped`` or ``8bit``; see `conventions.AXES`.
    """

    drawn: Observation
    shares: bool
    values: str

    @property
    def noise(self) -> str:
        """See `Observation.noise`."""
        return self.drawn.noise

    @property
    def words(self) -> str:
        """See `Observation.words`."""
        return self.drawn.words

    @property
    def telling(self) -> str:
        """See `Observation.telling`."""
        return self.drawn.telling

    def observe(self, cell: Cell, frame: Frame, clean: np.ndarray, out: np.ndarray) -> float:
        """Draw the noisy frame and change it; methods are told the sigma of the draw."""
        sigma = self.drawn.observe(cell, frame, clean, out)
        if self.shares:
            noise = out[..., :1] - as_float(clean[..., :1])
            out[:] = as_float(clean) + noise
        if self.values == "clipped":
            np.clip(out, 0, 1, out=out)
        elif self.values == "8bit":
            out[:] = as_float(quantise(out))
        return sigma


@dataclass(frozen=True)
class VariantScores:
    """Scores of one estimate under conventions.

    Attributes:
        clean: the clean frame, uint8 (H, W, C).
        output: the estimate as the method returned it, float32 (H, W, C).
    """

    clean: np.ndarray
    output: np.ndarray
    _planes: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def psnr(self, convention: Convention) -> tuple[float, float]:
        """Compute the PSNR, and the squared error that is pooled over frames.

        Returns:
            PSNR in dB, infinite without an error, and the mean squared error in units of the
            squared peak; nan for both if nothing is left within the border.
        """
        clean, estimate = self._pair(convention)
        if not clean.size:
            return math.nan, math.nan
        peak = 255.0 if convention.peak == "255" else max(1.0, float(clean.max()))
        errors = np.mean((clean - estimate) ** 2, axis=(0, 1)) / peak**2
        if convention.colour == "channels":
            return float(np.mean([_decibels(e) for e in errors])), float(errors.mean())
        return _decibels(errors.mean()), float(errors.mean())

    def ssim(self, convention: Convention) -> float:
        """Compute the SSIM, the mean over the planes; nan if it is not defined for the frame."""
        clean, estimate = self._pair(convention)
        pairs = zip(np.moveaxis(clean, -1, 0), np.moveaxis(estimate, -1, 0), strict=True)
        return float(np.mean([ssim_variant(x, y, convention) for x, y in pairs]))

    def _pair(self, convention: Convention) -> tuple[np.ndarray, np.ndarray]:
        """Return the planes of the clean frame and of the estimate, without the border."""
        cut = convention.border
        inside = slice(cut, -cut or None)
        clean = self._scored("clean", convention.colour)[inside, inside]
        return clean, self._scored(convention.output, convention.colour)[inside, inside]

    def _scored(self, output: str, colour: str) -> np.ndarray:
        """Return the planes of the clean frame or of a form of the estimate; they are kept."""
        if (output, colour) not in self._planes:
            values = self.clean.astype(float) if output == "clean" else self._values(output)
            self._planes[output, colour] = planes_of(values, colour)
        return self._planes[output, colour]

    def _values(self, output: str) -> np.ndarray:
        """Return a form of the estimate on the 8-bit scale, float64 (H, W, C)."""
        if output == "rounded":
            return quantise(self.output).astype(float)
        scaled: np.ndarray = self.output.astype(float) * 255
        if output == "float":
            return scaled
        clipped: np.ndarray = np.clip(scaled, 0, 255)
        return np.floor(clipped) if output == "truncated" else clipped


def _decibels(error: float) -> float:
    """Convert a squared error in units of the squared peak."""
    return -10 * math.log10(error) if error > 0 else math.inf


def planes_of(image: np.ndarray, colour: str) -> np.ndarray:
    """Return the planes that are scored.

    Args:
        image: float64 (H, W, C) on the 8-bit scale; C = 3 (RGB), or 1 for planes as they are.
        colour: see `conventions.AXES`.

    Returns:
        float64 (H, W, C), or (H, W, 1) for a luma.

    Examples:
        >>> white = np.full((1, 1, 3), 255.0)
        >>> [round(planes_of(white, name).item()) for name in ("y-601", "y-601-full")]
        [235, 255]
    """
    if colour not in _LUMA:
        return image
    weights, offset = _LUMA[colour]
    found: np.ndarray = (image @ weights + offset)[..., np.newaxis]
    return found


def ssim_variant(x: np.ndarray, y: np.ndarray, convention: Convention) -> float:
    """Compute the SSIM of two planes (Wang, Bovik, Sheikh & Simoncelli 2004).

    Args:
        x: a plane, float64 (H, W) on the 8-bit scale.
        y: the other plane, of the same shape.
        convention: the window, its covariance, the constants, the edges and the scale.

    Returns:
        The mean over the windows; nan where no window lies inside the plane.

    Examples:
        >>> from denoisebench.verifying.conventions import Convention
        >>> x = np.full((16, 16), 100.0)
        >>> round(ssim_variant(x, x + 10, Convention()), 4)
        0.9955
    """
    if convention.scale == "reduced":
        x, y = reduced(x), reduced(y)
    weights = _window(convention.window)
    if min(x.shape) < len(weights):
        return math.nan
    mean_x, mean_y, xx, yy, xy = (
        _window_means(plane, weights, convention.edges) for plane in (x, y, x * x, y * y, x * y)
    )
    count = len(weights) ** 2
    bias = count / (count - 1) if convention.covariance == "sample" else 1.0
    variances = bias * (xx + yy - mean_x**2 - mean_y**2)
    covariance = bias * (xy - mean_x * mean_y)
    c1, c2 = _constants(convention.constants)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return float(np.mean(luminance * structure))


def _constants(name: str) -> tuple[float, float]:
    """Return SSIM's two constants."""
    k2 = 0.4 if name == "k2" else 0.03
    span = 255.0 if name == "k2" else float(name)
    return (0.01 * span) ** 2, (k2 * span) ** 2


def _window(name: str) -> np.ndarray:
    """Return the weights of a window along an axis, (width,)."""
    if name == "uniform":
        return np.full(_UNIFORM, 1 / _UNIFORM)
    places = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-(places**2) / (2 * 1.5**2))
    found: np.ndarray = weights / weights.sum()
    return found


def _window_means(plane: np.ndarray, weights: np.ndarray, edges: str) -> np.ndarray:
    """Return the weighted mean over each window."""
    import cv2

    means: np.ndarray = cv2.sepFilter2D(
        plane, cv2.CV_64F, weights, weights, borderType=cv2.BORDER_REPLICATE
    )
    margin = len(weights) // 2
    return means if edges == "replicated" else means[margin:-margin, margin:-margin]


def reduced(plane: np.ndarray) -> np.ndarray:
    """Average a plane down, so that its shorter side has about 256 pixels (Wang's ssim.m).

    Args:
        plane: float64 (H, W).

    Returns:
        Every f-th mean over f × f pixels, f being the shorter side over 256, rounded, at least 1.

    Examples:
        >>> reduced(np.zeros((512, 768))).shape, reduced(np.zeros((321, 481))).shape
        ((256, 384), (321, 481))
    """
    factor = max(1, int(min(plane.shape) / _REDUCED_SIDE + 0.5))
    if factor == 1:
        return plane
    from scipy import ndimage

    origin = 0 if factor % 2 else -1  # as MATLAB centres a window of even width
    means = ndimage.uniform_filter(plane, factor, mode="reflect", origin=origin)
    return means[::factor, ::factor]
