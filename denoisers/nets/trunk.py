"""U-Net over four resolutions with added shortcuts, which DRUNet and SCUNet fill with blocks."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FourScales"]


class FourScales(nn.Module):
    """Blocks at four resolutions, on the way down and on the way up.

    Strided 2×2 convolutions halve the resolution, transposed ones double it. Parts are named as in
    the authors' files.

    Args:
        head: from the image to the first features.
        widths: channels at the four resolutions, the full one first.
        blocks: makes the blocks for a width.
        tail: from the last features to the image.
    """

    def __init__(
        self,
        head: nn.Module,
        widths: Sequence[int],
        blocks: Callable[[int], list[nn.Module]],
        tail: nn.Module,
    ) -> None:
        super().__init__()
        w1, w2, w3, w4 = widths
        self.m_head = head
        self.m_down1 = nn.Sequential(*blocks(w1), _halving(w1, w2))
        self.m_down2 = nn.Sequential(*blocks(w2), _halving(w2, w3))
        self.m_down3 = nn.Sequential(*blocks(w3), _halving(w3, w4))
        self.m_body = nn.Sequential(*blocks(w4))
        self.m_up3 = nn.Sequential(_doubling(w4, w3), *blocks(w3))
        self.m_up2 = nn.Sequential(_doubling(w3, w2), *blocks(w2))
        self.m_up1 = nn.Sequential(_doubling(w2, w1), *blocks(w1))
        self.m_tail = tail

    def through_scales(self, x: torch.Tensor) -> torch.Tensor:
        """Pass features (N, C, H, W) through all parts; H and W are multiples of 8."""
        x1 = self.m_head(x)
        x2 = self.m_down1(x1)
        x3 = self.m_down2(x2)
        x4 = self.m_down3(x3)
        x = self.m_up3(self.m_body(x4) + x4)
        x = self.m_up2(x + x3)
        x = self.m_up1(x + x2)
        return self.m_tail(x + x1)


def _halving(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 2, stride=2, bias=False)


def _doubling(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False)
