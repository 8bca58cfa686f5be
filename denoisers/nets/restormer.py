"""Restormer for Gaussian denoising (Zamir et al., Efficient Transformer, CVPR 2022)."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from denoisebench.denoisers.torch_denoiser import on_padded

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Restormer"]


class Restormer(nn.Module):
    """A U-Net whose attention runs across channels, not pixels; its output is the residual.

    Fig. 2 of the paper, with the layer normalisation without bias that its authors' networks for
    Gaussian denoising have. It is not told sigma. With the defaults it has 26,111,668 parameters
    for colour, 26,109,076 for grey. The attention takes sums over the whole image, so a tile's
    estimate is not the frame's.

    Args:
        channels: of the images, 1 or 3.
        width: channels at full resolution, a multiple of 2.
        blocks: number of blocks at the four resolutions, the full one first.
        heads: number of attention heads there; factors of the channels, which double each time.
        refinement: number of blocks at the end, at full resolution.

    Examples:
        >>> network = Restormer(channels=1, width=8, blocks=(1, 1, 1, 1), refinement=1)
        >>> network(torch.zeros(1, 1, 9, 17), torch.tensor([0.1])).shape
        torch.Size([1, 1, 9, 17])
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 48,
        blocks: Sequence[int] = (4, 6, 6, 8),
        heads: Sequence[int] = (1, 2, 4, 8),
        refinement: int = 4,
    ) -> None:
        super().__init__()
        w1, w2, w3, w4 = (width << level for level in range(4))
        (n1, n2, n3, n4), (h1, h2, h3, h4) = blocks, heads
        self.channels = channels
        self.patch_embed = nn.ModuleDict({"proj": _conv(channels, w1, 3)})
        self.encoder_level1 = _transformers(w1, h1, n1)
        self.down1_2 = _halving(w1)
        self.encoder_level2 = _transformers(w2, h2, n2)
        self.down2_3 = _halving(w2)
        self.encoder_level3 = _transformers(w3, h3, n3)
        self.down3_4 = _halving(w3)
        self.latent = _transformers(w4, h4, n4)
        self.up4_3 = _doubling(w4)
        self.reduce_chan_level3 = _conv(w4, w3, 1)
        self.decoder_level3 = _transformers(w3, h3, n3)
        self.up3_2 = _doubling(w3)
        self.reduce_chan_level2 = _conv(w3, w2, 1)
        self.decoder_level2 = _transformers(w2, h2, n2)
        self.up2_1 = _doubling(w2)
        self.decoder_level1 = _transformers(w2, h1, n1)
        self.refinement = _transformers(w2, h1, refinement)
        self.output = _conv(w2, channels, 3)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return noisy + on_padded(self._residual, noisy, 8)

    def _residual(self, images: torch.Tensor) -> torch.Tensor:
        x1 = self.encoder_level1(self.patch_embed["proj"](images))
        x2 = self.encoder_level2(_first(self.down1_2)(x1))
        x3 = self.encoder_level3(_first(self.down2_3)(x2))
        x4 = self.latent(_first(self.down3_4)(x3))
        x = torch.cat([_first(self.up4_3)(x4), x3], dim=1)
        x = self.decoder_level3(self.reduce_chan_level3(x))
        x = torch.cat([_first(self.up3_2)(x), x2], dim=1)
        x = self.decoder_level2(self.reduce_chan_level2(x))
        x = torch.cat([_first(self.up2_1)(x), x1], dim=1)
        return self.output(self.refinement(self.decoder_level1(x)))


class _Transformer(nn.Module):
    """Attention across channels, then a gated layer; each is added to its input."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = _BiasFreeNorm(channels)
        self.attn = _ChannelAttention(channels, heads)
        self.norm2 = _BiasFreeNorm(channels)
        self.ffn = _GatedLayer(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class _BiasFreeNorm(nn.Module):
    """Layer normalisation over the channels of each pixel that divides, but does not centre."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.ParameterDict({"weight": torch.ones(channels)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        variance = x.var(1, correction=0, keepdim=True)
        return x * torch.rsqrt(variance + 1e-5) * self.body["weight"].view(-1, 1, 1)


class _ChannelAttention(nn.Module):
    """Multi-Dconv head transposed attention: MDTA of the paper, Eq. 1."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = _conv(channels, 3 * channels, 1)
        self.qkv_dwconv = _conv(3 * channels, 3 * channels, 3, groups=3 * channels)
        self.project_out = _conv(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.qkv_dwconv(self.qkv(x)).unflatten(1, (3, self.heads, -1)).flatten(4)
        q, k, v = parts.unbind(1)  # (N, heads, channels of a head, pixels)
        q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
        attention = (q @ k.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        return self.project_out((attention @ v).reshape(x.shape))


class _GatedLayer(nn.Module):
    """Gated-Dconv feed-forward network: GDFN of the paper, Eq. 2, with the factor 2.66."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = int(2.66 * channels)
        self.project_in = _conv(channels, 2 * hidden, 1)
        self.dwconv = _conv(2 * hidden, 2 * hidden, 3, groups=2 * hidden)
        self.project_out = _conv(hidden, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return self.project_out(functional.gelu(gate) * value)


def _conv(inputs: int, outputs: int, size: int, groups: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=False)


def _transformers(channels: int, heads: int, number: int) -> nn.Module:
    return nn.Sequential(*(_Transformer(channels, heads) for _ in range(number)))


def _halving(channels: int) -> nn.Module:
    body = nn.Sequential(_conv(channels, channels // 2, 3), nn.PixelUnshuffle(2))
    return nn.ModuleDict({"body": body})


def _doubling(channels: int) -> nn.Module:
    body = nn.Sequential(_conv(channels, 2 * channels, 3), nn.PixelShuffle(2))
    return nn.ModuleDict({"body": body})


def _first(wrapped: nn.Module) -> nn.Module:
    """Return the layers that the authors' files keep under a further name."""
    return wrapped["body"]
