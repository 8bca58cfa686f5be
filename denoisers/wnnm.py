"""WNNM: groups of like patches, shrunk towards matrices of low rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from denoisebench.denoisers.opponent import BASIS
from denoisebench.denoisers.registry import register

# For each largest sigma, on the 8-bit scale: side of a patch, patches in a group, passes, and the
# factor of the noise that a pass leaves.
_BY_SIGMA = (
    (20.0, (6, 70, 8, 0.54)),
    (40.0, (7, 90, 12, 0.56)),
    (60.0, (8, 120, 14, 0.58)),
    (float("inf"), (9, 140, 14, 0.58)),
)


@register(
    "wnnm",
    title="WNNM",
    family="patch",
    reference="Gu, Zhang, Zuo & Feng 2014",
    colour="opponent",
    requires=("numba", "scipy", "threadpoolctl"),
    cost=900.0,
    omitted="it takes about 15 minutes a megapixel on one core, more than all others together",
)
@dataclass(frozen=True)
class WNNM:
    """Shrink the singular values of each group of like patches, small ones more, in several passes.

    Gu, Zhang, Zuo & Feng, "Weighted nuclear norm minimization with application to image denoising",
    CVPR 2014, with its authors' settings by sigma: nothing is tuned here. Colour frames go through
    the opponent space: patches are matched in luminance, and each channel's groups are shrunk. On
    validation frames that is better than patches of all channels as one vector.

    Attributes:
        radius: farthest patch searched along an axis, in pixels.
        feedback: share of the noisy frame that returns before each pass.
        weight: c, strength of the shrinkage.
    """

    radius: int = 30
    feedback: float = 0.1
    weight: float = 8**0.5

    def load(self, device: str) -> None:
        self.denoise(np.indices((12, 12, 1)).sum(0).astype(np.float32) % 2, 0.1)

    @np.errstate(invalid="ignore")  # infinities less infinities, of broken frames
    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        from denoisebench.denoisers.classic.low_rank import WnnmSettings, denoise_by_low_rank

        side, patches, passes, remaining = next(v for limit, v in _BY_SIGMA if 255 * sigma <= limit)
        if min(noisy.shape[:2]) < side:
            raise ValueError(f"wnnm needs frames of at least {side} × {side} pixels")
        if sigma == 0:
            return noisy.copy()
        settings = WnnmSettings(
            side=side,
            patches=patches,
            passes=passes,
            remaining=remaining,
            step=side // 2 - 1,
            radius=self.radius,
            feedback=self.feedback,
            weight=self.weight,
        )
        basis = BASIS if noisy.shape[2] == 3 else np.ones((1, 1), np.float32)
        planes = np.ascontiguousarray((noisy @ basis.T).transpose(2, 0, 1))
        estimate: np.ndarray = denoise_by_low_rank(planes, sigma, settings).transpose(1, 2, 0)
        return estimate @ basis
