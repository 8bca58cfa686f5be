"""K-SVD: patches as sparse sums of atoms that are learned from the noisy frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from denoisebench.denoisers.opponent import in_opponent_space
from denoisebench.denoisers.registry import register


@register(
    "ksvd",
    title="K-SVD",
    family="transform",
    reference="Elad & Aharon 2006",
    colour="opponent",
    requires=("numba", "scipy", "threadpoolctl"),
    cost=6.0,
)
@dataclass(frozen=True)
class KSVD:
    """Code each patch by as few atoms of a learned dictionary as come within the noise.

    Elad & Aharon, "Image denoising via sparse and redundant representations over learned
    dictionaries", IEEE TIP 2006, with the parameters of the paper but for `examples`. The channels
    of a colour frame, in the opponent space, learn a dictionary each: on validation frames that is
    better than one dictionary of colour patches.

    Attributes:
        gain: tolerated distance of a coded patch from the noisy one, in units of sigma a pixel.
        rounds: number of times that the dictionary is updated.
        examples: patches that it is learned from, at most.
    """

    gain: float = 1.15
    rounds: int = 10
    examples: int = 10_000

    def load(self, device: str) -> None:
        self.denoise(np.indices((16, 16, 1)).sum(0).astype(np.float32) % 2, 0.1)

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if min(noisy.shape[:2]) < 8:
            raise ValueError("ksvd needs frames of at least 8 × 8 pixels")
        if sigma == 0:
            return noisy.copy()
        return in_opponent_space(noisy, lambda frame: self._denoise(frame, sigma))

    def _denoise(self, frame: np.ndarray, sigma: float) -> np.ndarray:
        from denoisebench.denoisers.classic.dictionaries import denoise_by_dictionary

        estimate = np.empty_like(frame)
        for channel in range(frame.shape[2]):
            plane = np.ascontiguousarray(frame[:, :, channel])
            estimate[:, :, channel] = denoise_by_dictionary(
                plane, sigma, gain=self.gain, rounds=self.rounds, examples=self.examples
            )
        return estimate
