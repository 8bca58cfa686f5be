"""DRUNet (Zhang et al., Plug-and-Play Image Restoration with Deep Denoiser Prior, PAMI 2021)."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from denoisebench.denoisers.nets.layers import with_sigma_map
from denoisebench.denoisers.torch_denoiser import on_padded

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DRUNet"]


class DRUNet(nn.Module):
    """A U-Net of residual blocks without biases, told sigma by a noise-level map.

    Strided 2×2 convolutions halve the resolution, transposed ones double it, and shortcuts are
    added (Fig. 2 of the paper). It returns the image itself. With the defaults it has 32,640,960
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
        super().__init__()
        w1, w2, w3, w4 = widths
        self.channels = channels
        self.m_head = nn.Conv2d(channels + 1, w1, 3, padding=1, bias=False)
        self.m_down1 = nn.Sequential(*_residual(w1, blocks), _halving(w1, w2))
        self.m_down2 = nn.Sequential(*_residual(w2, blocks), _halving(w2, w3))
        self.m_down3 = nn.Sequential(*_residual(w3, blocks), _halving(w3, w4))
        self.m_body = nn.Sequential(*_residual(w4, blocks))
        self.m_up3 = nn.Sequential(_doubling(w4, w3), *_residual(w3, blocks))
        self.m_up2 = nn.Sequential(_doubling(w3, w2), *_residual(w2, blocks))
        self.m_up1 = nn.Sequential(_doubling(w2, w1), *_residual(w1, blocks))
        self.m_tail = nn.Conv2d(w1, channels, 3, padding=1, bias=False)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return on_padded(partial(self._estimate, sigma), noisy, 8)

    def _estimate(self, sigma: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        x1 = self.m_head(with_sigma_map(x, sigma))
        x2 = self.m_down1(x1)
        x3 = self.m_down2(x2)
        x4 = self.m_down3(x3)
        x = self.m_up3(self.m_body(x4) + x4)
        x = self.m_up2(x + x3)
        x = self.m_up1(x + x2)
        return self.m_tail(x + x1)


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


def _residual(channels: int, number: int) -> list[nn.Module]:
    return [_ResidualBlock(channels) for _ in range(number)]


def _halving(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 2, stride=2, bias=False)


def _doubling(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False)
