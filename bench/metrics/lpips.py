"""LPIPS: the distance of two images in the features of a network that classifies images."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.metrics.frames import check_frames
from denoisebench.metrics.registry import register

if TYPE_CHECKING:
    import torch

FOLDER_VARIABLE = "DENOISEBENCH_LPIPS"
BACKBONE = "alexnet-owt-7be5be79.pth"
HEADS = "alex.pth"

# AlexNet's convolutions as torchvision numbers them: name, stride, padding, whether 3 × 3 maximum
# pooling with stride 2 comes before.
_LAYERS = (
    ("features.0", 4, 2, False),
    ("features.3", 1, 2, True),
    ("features.6", 1, 1, True),
    ("features.8", 1, 1, False),
    ("features.10", 1, 1, False),
)
_SMALLEST_SIDE = 31  # in pixels: below it, nothing is left to pool

# ImageNet's mean and standard deviation on [-1, 1] instead of [0, 1].
_MEAN = (-0.030, -0.088, -0.188)
_DEVIATION = (0.458, 0.448, 0.450)

_Features = list[Any]  # a float32 tensor (1, C, H, W) of unit length along C, by layer


def weight_files() -> tuple[Path, ...]:
    """Find the weights of the backbone and of the heads, in the folder DENOISEBENCH_LPIPS.

    Raises:
        FileNotFoundError: they are not there; the message says what to do.

    Examples:
        >>> from unittest import mock
        >>> with mock.patch.dict(os.environ, {FOLDER_VARIABLE: ""}):
        ...     weight_files()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        FileNotFoundError: set DENOISEBENCH_LPIPS to a folder with alexnet-owt-7be5be79.pth ...
    """
    folder = os.environ.get(FOLDER_VARIABLE, "")
    files = Path(folder, BACKBONE), Path(folder, HEADS)
    if not folder or not all(file.is_file() for file in files):
        raise FileNotFoundError(
            f"set {FOLDER_VARIABLE} to a folder with {BACKBONE} (torchvision) "
            f"and {HEADS} (lpips v0.1)"
        )
    return files


@register(
    "lpips",
    title="LPIPS",
    direction="lower",
    range=(0, np.inf),
    decimals=4,
    source="Zhang, Isola, Efros, Shechtman & Wang 2018",
    undefined=f"frames under {_SMALLEST_SIDE} pixels",
    requires=("torch",),
    weights=weight_files,
)
def lpips(clean: np.ndarray, estimate: np.ndarray) -> float | None:
    """Compute LPIPS, a distance of at least 0; lower is better, 0 for identical images.

    Learned perceptual image patch similarity (Zhang, Isola, Efros, Shechtman & Wang 2018, Eq. 1):
    ``Σ_l mean_hw Σ_c w_lc (f_lc(clean) − f_lc(estimate))²`` over AlexNet's five rectified
    convolutions. Features are scaled to unit length along the channels; w are the published linear
    heads, version 0.1. Runs on the CPU. Grey frames are shown as grey RGB.

    Args:
        clean: the clean frame, uint8 (H, W, C), C = 3 (RGB) or 1.
        estimate: the estimate, of the same shape and type.

    Returns:
        The distance; None for a frame with a side below 31 pixels.

    Raises:
        ValueError: they are not such frames of one shape, or the files hold other weights or
            cannot be read.
        FileNotFoundError: the weights are not there (see `weight_files`).

    Examples:
        Scores need the weights. A frame that is too small has none:

        >>> small = np.zeros((30, 40, 3), np.uint8)
        >>> lpips(small, small) is None
        True
    """
    check_frames(clean, estimate)
    if min(clean.shape[:2]) < _SMALLEST_SIDE:
        return None
    import torch

    network, heads = _load(*weight_files())
    with torch.no_grad():
        pairs = zip(_features(network, clean), _features(network, estimate), heads, strict=True)
        distances = [((x - y) ** 2 * head).sum(dim=1).mean() for x, y, head in pairs]
    return float(sum(distances))


def _features(network: list[tuple[torch.Tensor, torch.Tensor]], frame: np.ndarray) -> _Features:
    """Compute the features of a uint8 frame (H, W, C), layer by layer."""
    import torch
    from torch.nn import functional

    rgb = torch.from_numpy(np.repeat(frame, 3 // frame.shape[2], axis=2)).float() / 127.5 - 1
    x = ((rgb - torch.tensor(_MEAN)) / torch.tensor(_DEVIATION)).permute(2, 0, 1)[None]
    features = []
    for (_, stride, padding, pooled), (weight, bias) in zip(_LAYERS, network, strict=True):
        x = functional.max_pool2d(x, 3, stride=2) if pooled else x
        x = functional.relu(functional.conv2d(x, weight, bias, stride, padding))
        features.append(x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
    return features


@cache
def _load(
    backbone: Path, heads: Path
) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], list[torch.Tensor]]:
    """Read the convolutions' weights and biases, and the heads' weights (1, C, 1, 1)."""
    found = _read(backbone)
    names = [name for name, *_ in _LAYERS]
    convolutions = [
        (_entry(found, f"{name}.weight", backbone), _entry(found, f"{name}.bias", backbone))
        for name in names
    ]
    found = _read(heads)
    linear = [_entry(found, f"lin{n}.model.1.weight", heads) for n in range(len(names))]
    for name, (weight, _), head in zip(names, convolutions, linear, strict=True):
        if tuple(head.shape) != (1, weight.shape[0], 1, 1):
            raise ValueError(f"{heads.name} does not fit {backbone.name} at {name}")
    return convolutions, linear


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Read a file of tensors by name; code in it is never run."""
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        raise ValueError(f"{path.name} cannot be read as weights: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds no weights by name")
    return found


def _entry(found: dict[str, torch.Tensor], name: str, path: Path) -> torch.Tensor:
    """Take one tensor out of those of a file, as float32."""
    if name not in found:
        raise ValueError(f"{path.name} has no {name}")
    return found[name].float()
