"""DRUNet (Zhang et al., Plug-and-Play Image Restoration with Deep Denoiser Prior, PAMI 2021)."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from denoisebench.denoisers.nets.layers import with_sigma_map
from denoisebench.denoisers.nets.trunk import FourScales
from denoisebench.denoisers.torch_denoiser import on_padded

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DRUNet"]


class DRUNet(FourScales):
    """A U-Net of residual blocks without biases, told sigma by a noise-level map.

    See Fig. 2 of the paper. It returns the image itself. With the defaults it has 32,640,960
    parameters for colour, 32,638,656 for grey.

    Args:
        channels: of the images, 1 or 3.
        widths: channels at the four resolutions, the full one first.
        blocks: number of residual blocks at each resolution, on either way.

    Examples:
        >>> network = DRUNet(channels=1, widths=(2, 2, 4, 4), blocks=1)
        >>> network(torch.zeros(1, 1, 9, 17), torch.tensor([0.1])).shape
        torch.Size([1, 1, 9, 17])
    """

    def __init__(
        self, channels: int = 3, widths: Sequence[int] = (64, 128, 256, 512), blocks: int = 4
    ) -> None:
        super().__init__(
            nn.Conv2d(channels + 1, widths[0], 3, padding=1, bias=False),
            widths,
            lambda width: [_ResidualBlock(width) for _ in range(blocks)],
            nn.Conv2d(widths[0], channels, 3, padding=1, bias=False),
        )
        self.channels = channels

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return on_padded(lambda x: self.through_scales(with_sigma_map(x, sigma)), noisy, 8)


class _ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a ReLU between, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.res = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.res(x)
