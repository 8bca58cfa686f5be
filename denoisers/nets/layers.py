"""Parts that several networks share: the plain stack of convolutions, noise-level map."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["conv_stack", "fold_batch_norm", "parameter_count", "with_sigma_map"]


def conv_stack(
    inputs: int, outputs: int, width: int, depth: int, batch_norm: bool = False
) -> nn.Sequential:
    """Make the stack of 3×3 convolutions with ReLU that DnCNN and FFDNet consist of.

    The first layer is Conv-ReLU, the last a bare Conv, those between Conv-ReLU or Conv-BN-ReLU
    (Zhang et al. 2017, Sec. III-A). Kernels begin orthogonal (Saxe et al. 2014) with the gain of
    ReLU, biases at 0.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        width: channels of all layers between.
        depth: number of convolutions, at least 2.
        batch_norm: normalise the layers between, for training.

    Examples:
        >>> [type(layer).__name__ for layer in conv_stack(1, 1, 8, 3, batch_norm=True)]
        ['Conv2d', 'ReLU', 'Conv2d', 'BatchNorm2d', 'ReLU', 'Conv2d']
    """
    layers: list[nn.Module] = [_conv(inputs, width), nn.ReLU(inplace=True)]
    for _ in range(depth - 2):
        layers.append(_conv(width, width))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers, _conv(width, outputs))


def _conv(inputs: int, outputs: int) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.orthogonal_(conv.weight, nn.init.calculate_gain("relu"))
    nn.init.zeros_(conv.bias)
    return conv


def fold_batch_norm(stack: nn.Sequential) -> nn.Sequential:
    """Return the same function as a `conv_stack` has in evaluation, without normalisation.

    Each normalisation by the running statistics is an affine map of a channel, and is taken into
    the kernel and bias of the convolution before it. The authors' files are made in this way.

    Examples:
        >>> stack, image = conv_stack(1, 1, 8, 4, batch_norm=True).eval(), torch.rand(1, 1, 8, 8)
        >>> bool((stack(image) - fold_batch_norm(stack)(image)).abs().max() < 1e-5)
        True
    """
    layers: list[nn.Module] = []
    for layer in deepcopy(stack).eval():
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def with_sigma_map(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Append the noise-level map: a channel that is sigma everywhere (Zhang et al. 2018).

    Args:
        images: (N, C, H, W).
        sigma: (N,).

    Returns:
        (N, C + 1, H, W).

    Examples:
        >>> with_sigma_map(torch.zeros(2, 3, 4, 5), torch.tensor([0.1, 0.2]))[:, 3, 0, 0]
        tensor([0.1000, 0.2000])
    """
    n, _, height, width = images.shape
    level = sigma.to(images).view(n, 1, 1, 1).expand(n, 1, height, width)
    return torch.cat([images, level], dim=1)


def parameter_count(network: nn.Module) -> int:
    """Count the trained parameters of a network, those of normalisations included.

    Examples:
        >>> parameter_count(nn.Conv2d(2, 4, 3))
        76
    """
    return sum(parameter.numel() for parameter in network.parameters())
