"""BM3D and CBM3D by their authors' library."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from denoisebench.denoisers.registry import register


@register(
    "bm3d",
    title="BM3D",
    family="transform",
    reference="Dabov, Foi, Katkovnik & Egiazarian 2007",
    licence="non-commercial (Tampere University)",
    colour="opponent",
    requires=("bm3d",),
    deterministic=False,
)
@dataclass(frozen=True)
class BM3D:
    """Collaborative filtering of groups of like blocks in a 3-D transform domain.

    Dabov, Foi, Katkovnik & Egiazarian, IEEE TIP 2007, as revised by Mäkinen, Azzari & Foi, IEEE
    TIP 2020. Colour frames go through the opponent space with the blocks matched in luminance
    (CBM3D). The settings are the authors' own (profile ``np``): nothing is tuned here.
    """

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        import bm3d

        if min(noisy.shape[:2]) < 9:  # blocks of 8; the library crashes on 8 × 8
            raise ValueError("bm3d needs frames of at least 9 × 9 pixels")
        if sigma == 0:
            return noisy.copy()
        profile = bm3d.BM3DProfile()
        # The library ignores the usual setting, and would take all cores.
        profile.num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
        filtered = bm3d.bm3d_rgb if noisy.shape[2] == 3 else bm3d.bm3d
        return np.asarray(filtered(noisy, sigma, profile), np.float32).reshape(noisy.shape)
