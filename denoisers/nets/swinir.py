"""SwinIR for denoising (Liang et al., Image Restoration Using Swin Transformer, ICCVW 2021)."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import torch
from torch import nn

from denoisebench.denoisers.nets import windows
from denoisebench.denoisers.torch_denoiser import on_padded

__all__ = ["SwinIR"]

_MEAN = (0.4488, 0.4371, 0.4040)  # of the colours of DIV2K, which the authors subtract


class SwinIR(nn.Module):
    """Residual groups of Swin Transformer layers at full resolution; their output is the residual.

    It is not told sigma: there are networks for some. The defaults are those of the authors'
    files `004_grayDN` and `005_colorDN`: 11,497,681 parameters for grey, 11,504,163 for colour.

    Args:
        channels: of the images, 1 or 3.
        width: channels of the features, a multiple of ``heads``.
        groups: number of residual groups.
        depth: number of layers in a group.
        heads: number of attention heads.
        window: side of the windows in pixels.
        expansion: factor of the channels between the two layers on each pixel.

    Examples:
        >>> network = SwinIR(channels=1, width=12, groups=1, depth=2, heads=2)
        >>> network(torch.zeros(1, 1, 9, 17), torch.tensor([0.1])).shape
        torch.Size([1, 1, 9, 17])
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 180,
        groups: int = 6,
        depth: int = 6,
        heads: int = 6,
        window: int = 8,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.window = window
        mean = torch.tensor(_MEAN) if channels == len(_MEAN) else torch.zeros(channels)
        self.register_buffer("mean", mean.view(1, -1, 1, 1), persistent=False)
        self.conv_first = nn.Conv2d(channels, width, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(width)})
        self.layers = nn.ModuleList(
            _ResidualGroup(width, depth, heads, window, expansion) for _ in range(groups)
        )
        self.norm = nn.LayerNorm(width)
        self.conv_after_body = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return noisy + on_padded(self._residual, noisy, self.window)

    def _residual(self, images: torch.Tensor) -> torch.Tensor:
        shallow = self.conv_first(images - self.mean)
        deep = self.patch_embed["norm"](shallow.movedim(1, -1))
        for group in self.layers:
            deep = group(deep)
        deep = self.conv_after_body(self.norm(deep).movedim(-1, 1))
        return self.conv_last(deep + shallow)


class _ResidualGroup(nn.Module):
    """Swin Transformer layers and a 3×3 convolution, added to the input: RSTB of the paper."""

    def __init__(self, width: int, depth: int, heads: int, window: int, expansion: int) -> None:
        super().__init__()
        layers = (
            _SwinLayer(width, heads, window, window // 2 if index % 2 else 0, expansion)
            for index in range(depth)
        )
        self.residual_group = nn.ModuleDict({"blocks": nn.Sequential(*layers)})
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.residual_group["blocks"](x)
        return x + self.conv(inner.movedim(-1, 1)).movedim(1, -1)


class _SwinLayer(nn.Module):
    """Attention within windows, then two layers on each pixel: STL of the paper, Eq. 6–7."""

    def __init__(self, width: int, heads: int, window: int, shift: int, expansion: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = _BiasedAttention(width, heads, window, shift)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(
            {
                "fc1": nn.Linear(width, expansion * width),
                "fc2": nn.Linear(expansion * width, width),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        inner = nn.functional.gelu(self.mlp["fc1"](self.norm2(x)))
        return x + self.mlp["fc2"](inner)


class _BiasedAttention(nn.Module):
    """Multi-head attention within windows, with a learned bias for each distance of pixels."""

    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        entries = (2 * window - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn(entries, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[1:3]
        bias = self.relative_position_bias_table[windows.relative_index(self.window)]
        bias = bias.movedim(-1, 0)
        mask = None
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
            mask = windows.shift_mask(height, width, self.window, x.device)
        qkv = self.qkv(windows.partition(x, self.window))
        parts = windows.attend(qkv, self.heads, bias, mask)
        x = windows.merge(self.proj(parts), self.window, height, width)
        return x.roll((self.shift, self.shift), (1, 2))
