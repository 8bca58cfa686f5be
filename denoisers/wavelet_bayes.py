"""Wavelet shrinkage with BayesShrink thresholds and cycle spinning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from denoisebench.denoisers.opponent import in_opponent_space
from denoisebench.denoisers.registry import register


@register(
    "wavelet-bayes",
    title="Wavelet (BayesShrink)",
    family="transform",
    reference="Chang, Yu & Vetterli 2000; Coifman & Donoho 1995",
    licence="BSD-3-Clause",
    colour="opponent",
    requires=("skimage", "pywt"),
)
@dataclass(frozen=True)
class WaveletBayes:
    """Soft thresholds on wavelet coefficients: in each sub-band sigma² over the signal's deviation.

    Chang, Yu & Vetterli, "Adaptive wavelet thresholding", IEEE TIP 2000; averaged over circular
    shifts, as Coifman & Donoho, "Translation-invariant de-noising", 1995.

    Attributes:
        wavelet: name of an orthogonal wavelet, as PyWavelets has it.
        shifts: shifts along each axis, 0 to ``shifts - 1`` pixels.
        opponent: denoise colour frames in the opponent space instead of RGB.
    """

    wavelet: str = "db2"
    shifts: int = 4
    opponent: bool = True
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "wavelet": ("haar", "db2", "sym4", "db4"),
        "shifts": (1, 2, 4),
        "opponent": (False, True),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if sigma == 0:
            return noisy.copy()
        if self.opponent:
            return in_opponent_space(noisy, lambda frame: self._spin(frame, sigma))
        return self._spin(noisy, sigma)

    def _spin(self, frame: np.ndarray, sigma: float) -> np.ndarray:
        total = np.zeros_like(frame)
        for dy, dx in np.ndindex(self.shifts, self.shifts):
            shrunk = self._shrink(np.roll(frame, (dy, dx), (0, 1)), sigma)
            total += np.roll(shrunk, (-dy, -dx), (0, 1))
        return total / np.float32(self.shifts**2)

    def _shrink(self, frame: np.ndarray, sigma: float) -> np.ndarray:
        import pywt
        from skimage.restoration import denoise_wavelet

        levels = pywt.dwtn_max_level(frame.shape[:2], self.wavelet)
        if levels == 0:
            width = 2 * (pywt.Wavelet(self.wavelet).dec_len - 1)
            raise ValueError(f"{self.wavelet} needs frames of at least {width} × {width} pixels")
        shrunk: np.ndarray = denoise_wavelet(
            frame, sigma, self.wavelet, wavelet_levels=levels, channel_axis=-1
        )
        return shrunk.reshape(frame.shape)
