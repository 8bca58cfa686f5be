"""Features of VGG-16 for the feature loss, where the user has its weights."""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import nn

from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

# Of ImageNet's training images, which the weights were trained on.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)

# Simonyan & Zisserman 2015, configuration D, up to conv2_2; numbered as in torchvision's files.
LAYERS = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128)}


class VggFeatures(nn.Module):
    """VGG-16 up to layer conv2_2 and its ReLU: half the resolution, 128 channels.

    Images are (N, 3, H, W), clean values in [0, 1]. Computed in float32 even under autocast.

    Args:
        file: the weights as safetensors, under torchvision's names (``features.0.weight`` …).
        device: device of the weights.

    Attributes:
        digest: of the file, the first 16 hex digits of its sha256.

    Raises:
        UsageError: the file cannot be read, or lacks a layer.
    """

    def __init__(self, file: Path, device: torch.device) -> None:
        super().__init__()
        layers = {str(number): nn.Conv2d(*sizes, 3, padding=1) for number, sizes in LAYERS.items()}
        self.features = nn.ModuleDict(layers)
        self.digest = self._read(file)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1))
        self.to(device, memory_format=torch.channels_last).requires_grad_(False).eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute the features, (N, 128, H / 2, W / 2), rounded down."""
        with torch.autocast(image.device.type, enabled=False):
            x = (image.float() - self.mean) / self.deviation
            for number, layer in self.features.items():
                x = nn.functional.relu(layer(x))
                if number == "2":
                    x = nn.functional.max_pool2d(x, 2)
            return x

    def _read(self, file: Path) -> str:
        """Load the weights, and return the digest of their file."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            content = file.read_bytes()
            weights = load(content)
            self.load_state_dict({name: weights[name] for name in self.state_dict()})
        except OSError as error:
            raise UsageError(f"{file} cannot be read ({error.strerror})") from error
        except SafetensorError as error:
            raise UsageError(f"{file} is no safetensors file: {error}") from error
        except KeyError as error:
            raise UsageError(f"{file} holds no VGG-16: it lacks {error}") from error
        except RuntimeError as error:
            raise UsageError(f"{file} holds no VGG-16: its layers have other sizes") from error
        return hashlib.sha256(content).hexdigest()[:16]
