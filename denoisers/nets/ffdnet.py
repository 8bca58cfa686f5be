"""FFDNet (Zhang, Zuo & Zhang, IEEE TIP 27(9), 2018)."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from denoisebench.denoisers.nets.layers import conv_stack, with_sigma_map
from denoisebench.denoisers.torch_denoiser import on_padded

__all__ = ["FFDNet"]


class FFDNet(nn.Module):
    """Plain convolutions at half resolution, told sigma by a noise-level map.

    The image is taken apart into four sub-images of every second pixel, which join the map as
    input; the output's four are put together to the estimate (Fig. 1, Eq. 4 of the paper). The
    receptive field is 4·depth + 2 pixels wide. The paper's networks: 15 layers of 64 channels for
    grey images (485,316 parameters), 12 layers of 96 channels for colour (852,108).

    Args:
        channels: of the images, 1 or 3.
        width: channels of every layer but the last.
        depth: number of convolutions, at least 2.
        batch_norm: normalise the layers between the first and the last, as the paper trains it;
            see `layers.fold_batch_norm`.

    Examples:
        >>> network = FFDNet(channels=3, width=8, depth=4)
        >>> network(torch.zeros(2, 3, 9, 7), torch.tensor([0.1, 0.2])).shape
        torch.Size([2, 3, 9, 7])
    """

    def __init__(
        self, channels: int = 1, width: int = 64, depth: int = 15, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.channels = channels
        self.model = conv_stack(4 * channels + 1, 4 * channels, width, depth, batch_norm)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        def estimate(images: torch.Tensor) -> torch.Tensor:
            parts = with_sigma_map(functional.pixel_unshuffle(images, 2), sigma)
            return functional.pixel_shuffle(self.model(parts), 2)

        return on_padded(estimate, noisy, 2)
