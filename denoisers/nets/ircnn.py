"""IRCNN's denoiser (Zhang, Zuo, Gu & Zhang, Learning Deep CNN Denoiser Prior, CVPR 2017)."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["IRCNN"]

_DILATIONS = (1, 2, 3, 4, 3, 2, 1)
_STEP = 2  # of sigma from one network to the next, on the 8-bit scale


class IRCNN(nn.ModuleList):
    """Networks of seven dilated convolutions, one for each range of sigma.

    Network i is trained for sigma 2·(i + 1) on the 8-bit scale, and serves what lies above the one
    before; each estimates the noise, which is subtracted. The receptive field is 33 pixels wide
    (Sec. 3.2 of the paper). Each network has 185,857 parameters for grey, 188,163 for colour.

    Args:
        channels: of the images, 1 or 3.
        width: channels of every layer but the last.
        levels: number of networks; the authors' files have 25, up to sigma 50.

    Examples:
        >>> networks = IRCNN(channels=1, width=8, levels=3)
        >>> [networks.level(sigma / 255) for sigma in (1, 2, 2.5, 25)]
        [0, 0, 1, 2]
        >>> networks(torch.zeros(2, 1, 9, 7), torch.tensor([0.01, 0.1])).shape
        torch.Size([2, 1, 9, 7])
    """

    def __init__(self, channels: int = 1, width: int = 64, levels: int = 25) -> None:
        super().__init__(_DilatedCnn(channels, width) for _ in range(levels))
        self.channels = channels

    def level(self, sigma: float) -> int:
        """Return the number of the network for a sigma on the [0, 1] scale."""
        # Rounded first, so that 26/255, once in float32, is not taken for more than 26.
        return min(len(self), max(1, math.ceil(round(sigma * 255 / _STEP, 3)))) - 1

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        levels = [self.level(float(one)) for one in sigma]
        if len(set(levels)) == 1:
            return self[levels[0]](noisy)
        return torch.cat([self[i](one[None]) for i, one in zip(levels, noisy, strict=True)])


class _DilatedCnn(nn.Module):
    """One of the networks (Fig. 1 of the paper)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        widths = [channels, *[width] * (len(_DILATIONS) - 1), channels]
        layers: list[nn.Module] = []
        for inputs, outputs, dilation in zip(widths, widths[1:], _DILATIONS, strict=False):
            conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
            layers += [conv, nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*layers[:-1])

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        return noisy - self.model(noisy)
