"""NAFNet (Chen, Chu, Zhang & Sun, Simple Baselines for Image Restoration, ECCV 2022)."""

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

__all__ = ["NAFBlock", "NAFNet"]


class _ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        normal = (x - mean) * torch.rsqrt(variance + 1e-6)
        return normal * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


def _gate(x: torch.Tensor) -> torch.Tensor:
    """Multiply one half of the channels by the other: SimpleGate, Eq. 4 of the paper."""
    one, other = x.chunk(2, dim=1)
    return one * other


class NAFBlock(nn.Module):
    """The nonlinear-activation-free block, Fig. 3c of the paper.

    Two residual parts, each scaled channel by channel: norm, 1×1, depthwise 3×3, gate, simplified
    channel attention (Eq. 5), 1×1; then norm, 1×1, gate, 1×1. The scales begin with 0.

    Args:
        channels: of input and output.

    Examples:
        >>> NAFBlock(4)(torch.ones(1, 4, 8, 8)).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.norm1 = _ChannelNorm(channels)
        self.conv1 = nn.Conv2d(channels, wide, 1)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.norm2 = _ChannelNorm(channels)
        self.conv4 = nn.Conv2d(channels, wide, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = _gate(self.conv2(self.conv1(self.norm1(x))))
        x = x + self.beta * self.conv3(inner * self.sca(inner))
        return x + self.gamma * self.conv5(_gate(self.conv4(self.norm2(x))))


class NAFNet(nn.Module):
    """A U-Net of NAF blocks, which adds its output to the image.

    Strided 2×2 convolutions halve the resolution and double the channels; a 1×1 convolution with
    pixel shuffle goes back; shortcuts are added. The authors' networks for SIDD have the blocks
    that are the defaults: 115,982,915 parameters with width 64, 29,159,715 with width 32. The
    channel attention takes the mean over the whole image, so a tile's estimate is not the frame's.

    Args:
        channels: of the images, 1 or 3.
        width: channels at full resolution.
        encoder: number of blocks at each resolution on the way down, the full one first.
        middle: number of blocks at the lowest resolution.
        decoder: number of blocks at each resolution on the way up, the full one last.
        sigma_map: tell sigma by a noise-level map; the authors' networks are not told it.

    Examples:
        >>> network = NAFNet(width=4, encoder=(1, 1), middle=1, decoder=(1, 1))
        >>> network(torch.zeros(1, 3, 9, 7), torch.tensor([0.1])).shape
        torch.Size([1, 3, 9, 7])
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        encoder: Sequence[int] = (2, 2, 4, 8),
        middle: int = 12,
        decoder: Sequence[int] = (2, 2, 2, 2),
        sigma_map: bool = False,
    ) -> None:
        super().__init__()
        widths = [width << level for level in range(len(encoder) + 1)]  # full resolution first
        below = list(reversed(widths[1:]))
        self.channels = channels
        self.sigma_map = sigma_map
        self.intro = nn.Conv2d(channels + sigma_map, width, 3, padding=1)
        self.encoders = nn.ModuleList(map(_blocks, widths, encoder))
        self.downs = nn.ModuleList(nn.Conv2d(w, 2 * w, 2, stride=2) for w in widths[:-1])
        self.middle_blks = _blocks(widths[-1], middle)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(w, 2 * w, 1, bias=False), nn.PixelShuffle(2)) for w in below
        )
        self.decoders = nn.ModuleList(
            _blocks(w // 2, n) for w, n in zip(below, decoder, strict=True)
        )
        self.ending = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        run = partial(self._residual, sigma)
        return noisy + on_padded(run, noisy, 1 << len(self.encoders))

    def _residual(self, sigma: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        x = self.intro(with_sigma_map(x, sigma) if self.sigma_map else x)
        kept = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            kept.append(encoder(x))
            x = down(kept[-1])
        x = self.middle_blks(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + kept.pop())
        return self.ending(x)


def _blocks(channels: int, number: int) -> nn.Module:
    return nn.Sequential(*(NAFBlock(channels) for _ in range(number)))
