"""DnCNN and FDnCNN (Zhang, Zuo, Chen, Meng & Zhang, IEEE TIP 26(7), 2017)."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import torch
from torch import nn

from denoisebench.denoisers.nets.layers import conv_stack, with_sigma_map

__all__ = ["DnCNN", "FDnCNN"]


class DnCNN(nn.Module):
    """The residual network: plain convolutions estimate the noise, which is subtracted.

    It is not told sigma. The receptive field is 2·depth + 1 pixels wide. The paper's networks:

    =============  ========  =====  ==========
    network        channels  depth  parameters
    =============  ========  =====  ==========
    DnCNN-S        1         17     555,137
    DnCNN-B        1         20     665,921
    CDnCNN-S, -B   3         20     668,227
    =============  ========  =====  ==========

    Args:
        channels: of the images, 1 or 3.
        width: channels of every layer but the last.
        depth: number of convolutions, at least 2.
        batch_norm: normalise the layers between the first and the last, as the paper trains it.
            The authors' files have it folded into the convolutions: `layers.fold_batch_norm`.

    Examples:
        >>> network = DnCNN(channels=1, width=8, depth=4)
        >>> network(torch.zeros(1, 1, 9, 7), torch.tensor([0.1])).shape
        torch.Size([1, 1, 9, 7])
    """

    def __init__(
        self, channels: int = 1, width: int = 64, depth: int = 17, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.channels = channels
        self.model = conv_stack(channels, channels, width, depth, batch_norm)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return noisy - self.model(noisy)


class FDnCNN(nn.Module):
    """The flexible DnCNN: told sigma by a noise-level map, it returns the image itself.

    With neither residual learning nor batch normalisation (the authors' repository, cszn/DnCNN).
    The authors' networks have 20 layers: 666,497 parameters for grey, 668,803 for colour.

    Args:
        channels: of the images, 1 or 3.
        width: channels of every layer but the last.
        depth: number of convolutions, at least 2.

    Examples:
        >>> network = FDnCNN(channels=3, width=8, depth=4)
        >>> network(torch.zeros(2, 3, 9, 7), torch.tensor([0.1, 0.2])).shape
        torch.Size([2, 3, 9, 7])
    """

    def __init__(self, channels: int = 1, width: int = 64, depth: int = 20) -> None:
        super().__init__()
        self.channels = channels
        self.model = conv_stack(channels + 1, channels, width, depth)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return self.model(with_sigma_map(noisy, sigma))
