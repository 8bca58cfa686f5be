"""NL-Bayes: groups of similar patches as samples of a Gaussian."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from denoisebench.denoisers.opponent import in_opponent_space
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    from denoisebench.denoisers.classic.bayes_steps import BayesStep


def _of_sigma(sigma: float, bounds: tuple[float, ...], values: tuple[float, ...]) -> float:
    """Choose a value by sigma: the first below the first bound, and so on."""
    return values[bisect(bounds, sigma)]


@register(
    "nl-bayes",
    title="NL-Bayes",
    family="patch",
    reference="Lebrun, Buades & Morel 2013",
    colour="joint",
    requires=("numba", "scipy", "threadpoolctl"),
    cost=4.0,
)
@dataclass(frozen=True)
class NonLocalBayes:
    """The best linear estimate of each patch, if those similar to it are samples of a Gaussian.

    Lebrun, Buades & Morel, "A nonlocal Bayesian image denoising algorithm", SIAM Journal on Imaging
    Sciences 6(3), 2013, and their "Implementation of the Non-Local Bayes (NL-Bayes) image denoising
    algorithm", IPOL 2013. The first step compares patches by luminance, and learns a Gaussian for
    each channel of the opponent space from the noisy patches; the second compares patches of all
    channels of the first estimate, and learns one Gaussian of these.

    Sizes of patches and groups are those of the authors' program. It also skips the neighbours of
    estimated patches, which costs 0.3 dB, and is left out here.

    Attributes:
        flat: a group of the first step is flat, and becomes its mean, if its variance is below this
            many times sigma².
        reach: patches of the second step belong to a group if the first estimates differ by no more
            than this, root mean square, on the 8-bit scale.
    """

    flat: float = 1.05
    reach: float = 4.0
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "flat": (1.0, 1.05, 1.1),
        "reach": (2.0, 4.0, 6.0),
    }

    def load(self, device: str) -> None:
        """Compile the kernels, or take them from the cache."""
        self.denoise(np.zeros((9, 9, 1), np.float32), 0.1)

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if sigma == 0:
            return noisy.copy()
        return in_opponent_space(noisy, lambda frame: self._estimate(frame, sigma))

    def _estimate(self, frame: np.ndarray, sigma: float) -> np.ndarray:
        from denoisebench.denoisers.classic.bayes_steps import estimate_patches

        height, width, channels = frame.shape
        first, second = self._steps(channels, sigma)
        least = max(first.size, second.size)
        lacking = [(0, max(0, least - side)) for side in (height, width)]
        planes = np.pad(frame.transpose(2, 0, 1), [(0, 0), *lacking], mode="symmetric")
        noisy = np.ascontiguousarray(planes)
        estimate = estimate_patches(noisy, noisy, first, first.size // 2)
        estimate = estimate_patches(noisy, estimate, second, second.size // 2)
        return estimate[:, :height, :width].transpose(1, 2, 0)

    def _steps(self, channels: int, sigma: float) -> tuple[BayesStep, BayesStep]:
        """Choose the parameters of both steps, as the authors' program does."""
        from denoisebench.denoisers.classic.bayes_steps import BayesStep

        s = sigma * 255
        if channels == 3:
            size = (
                round(_of_sigma(s, (20, 50), (3, 5, 7))),
                round(_of_sigma(s, (50, 70), (3, 5, 7))),
            )
            count = 3 * size[0] ** 2, 3 * size[1] ** 2
            beta = 1.0, _of_sigma(s, (50,), (1.2, 1.0))
        else:
            size = round(_of_sigma(s, (30,), (5, 7))), 5
            count = (
                round(_of_sigma(s, (10, 30, 80), (35, 45, 90, 100))),
                round(_of_sigma(s, (20, 40, 80), (15, 25, 30, 45))),
            )
            beta = _of_sigma(s, (15, 70), (1.1, 1.0, 0.9)), _of_sigma(s, (15, 35), (1.1, 1.0, 0.9))
        reach = channels * size[1] ** 2 * (self.reach / 255) ** 2
        variance = sigma**2
        return (
            BayesStep(
                size[0],
                count[0],
                count[0] // 4,
                beta[0] * variance,
                self.flat * variance,
                0.0,
                False,
            ),
            BayesStep(size[1], count[1], count[1] // 4, beta[1] * variance, 0.0, reach, True),
        )
