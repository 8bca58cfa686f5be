"""SCUNet (Zhang et al., Practical Blind Image Denoising via Swin-Conv-UNet, MIR 2023)."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import torch
from torch import nn

from denoisebench.denoisers.nets import windows
from denoisebench.denoisers.nets.trunk import FourScales
from denoisebench.denoisers.torch_denoiser import on_padded

__all__ = ["SCUNet"]

_WINDOW = 8
_HEAD = 32  # channels of an attention head


class SCUNet(FourScales):
    """A U-Net whose blocks convolve half of the channels and let the others attend in windows.

    It is not told sigma: there are networks for some. It returns the image itself. With the
    defaults, which are those of the authors' files, it has 17,946,072 parameters for colour,
    17,943,768 for grey.

    Args:
        channels: of the images, 1 or 3.
        width: channels at full resolution, a multiple of 64.
        blocks: number of blocks at each resolution, on either way.

    Examples:
        >>> network = SCUNet(channels=1, blocks=1)
        >>> network(torch.zeros(1, 1, 9, 70), torch.tensor([0.1])).shape
        torch.Size([1, 1, 9, 70])
    """

    def __init__(self, channels: int = 3, width: int = 64, blocks: int = 4) -> None:
        super().__init__(
            nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False)),
            [width << level for level in range(4)],
            lambda wide: [_SwinConvBlock(wide, index % 2 == 1) for index in range(blocks)],
            nn.Sequential(nn.Conv2d(width, channels, 3, padding=1, bias=False)),
        )
        self.channels = channels

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return on_padded(self.through_scales, noisy, 8 * _WINDOW)


class _SwinConvBlock(nn.Module):
    """Two residual parts side by side, between 1×1 convolutions (Fig. 2 of the paper)."""

    def __init__(self, channels: int, shifted: bool) -> None:
        super().__init__()
        half = channels // 2
        self.trans_block = _SwinBlock(half, shifted)
        self.conv1_1 = nn.Conv2d(channels, channels, 1)
        self.conv1_2 = nn.Conv2d(channels, channels, 1)
        self.conv_block = nn.Sequential(
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        local, wide = self.conv1_1(x).chunk(2, dim=1)
        local = local + self.conv_block(local)
        wide = self.trans_block(wide.movedim(1, -1)).movedim(-1, 1)
        return x + self.conv1_2(torch.cat([local, wide], dim=1))


class _SwinBlock(nn.Module):
    """Attention within windows, then two layers on each pixel; each is added to its input."""

    def __init__(self, channels: int, shifted: bool) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(channels)
        self.msa = _WindowAttention(channels, shifted)
        self.ln2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.msa(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class _WindowAttention(nn.Module):
    """Multi-head attention within windows, of the frame as it is or shifted by half a window."""

    def __init__(self, channels: int, shifted: bool) -> None:
        super().__init__()
        self.heads = channels // _HEAD
        self.shift = _WINDOW // 2 if shifted else 0
        self.embedding_layer = nn.Linear(channels, 3 * channels)
        side = 2 * _WINDOW - 1
        self.relative_position_params = nn.Parameter(0.02 * torch.randn(self.heads, side, side))
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[1:3]
        bias = self.relative_position_params.flatten(1)[:, windows.relative_index(_WINDOW)]
        mask = None
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
            mask = windows.shift_mask(height, width, _WINDOW, x.device)
        parts = self.embedding_layer(windows.partition(x, _WINDOW))
        parts = self.linear(windows.attend(parts, self.heads, bias, mask))
        return windows.merge(parts, _WINDOW, height, width).roll((self.shift, self.shift), (1, 2))
