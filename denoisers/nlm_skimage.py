"""Non-local means by scikit-image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from denoisebench.denoisers.registry import register


@register(
    "nlm-skimage",
    title="NLM (scikit-image)",
    family="patch",
    reference="Buades, Coll & Morel 2005",
    licence="BSD-3-Clause",
    colour="joint",
    requires=("skimage",),
)
@dataclass(frozen=True)
class NonLocalMeans:
    """A mean over the pixels nearby, each weighted by how alike its patch is.

    Buades, Coll & Morel, "A non-local algorithm for image denoising", CVPR 2005; patch distances
    lose the noise's share, 2 sigma² (Buades et al., IPOL 2011).

    Attributes:
        patch_size: side of a patch in pixels, odd.
        patch_distance: farthest offset searched, in pixels.
        h: filter strength in units of sigma.
    """

    patch_size: Literal[3, 5, 7] = 3
    patch_distance: int = 6
    h: float = 0.5
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "patch_size": (3, 5, 7),
        "patch_distance": (4, 6, 10),
        "h": (0.4, 0.5, 0.6, 0.7, 0.8),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        from skimage.restoration import denoise_nl_means

        if sigma == 0:
            return noisy.copy()
        estimate = denoise_nl_means(
            noisy,
            patch_size=self.patch_size,
            patch_distance=self.patch_distance,
            h=self.h * sigma,
            sigma=sigma,
            channel_axis=-1,
        )
        return np.asarray(estimate, np.float32).reshape(noisy.shape)
