"""Methods around the field's networks with their authors' weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from denoisebench.denoisers.nets import public_weights
from denoisebench.denoisers.torch_denoiser import TorchDenoiser
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from pathlib import Path

    import torch

    Shapes = Mapping[str, tuple[int, ...]]

__all__ = ["PublishedNetwork", "depth_of"]


@dataclass(frozen=True)
class PublishedNetwork(TorchDenoiser):
    """Base of methods whose weights `public_weights` lists, or the user gives.

    A subclass sets ``method`` and defines `definition`.

    Attributes:
        method: its name in the manifest, which is that of the row.
    """

    method: ClassVar[str]

    channels: ClassVar[int | None] = None
    conditioning = "vector"

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build the network that a file's tensors belong to, with random weights.

        Args:
            shapes: shape of each tensor by its name.

        Raises:
            KeyError: there is no such tensor in networks of this kind.
        """
        raise NotImplementedError

    def networks(self) -> Mapping[Hashable, Callable[[], torch.nn.Module]]:
        """Give a builder for each file on disk that the row uses."""
        files = public_weights.in_use(self.method)
        return {file.name: partial(self.load_file, file.path, file.sha256) for file in files}

    def choice(self, channels: int, sigma: float) -> str:
        """Choose the file for a frame.

        Raises:
            ValueError: none serves it, or it is not on disk; the message says what to do.
        """
        return public_weights.choose(self.method, self.channels or channels, sigma * 255).name

    @classmethod
    def channels_of(cls, path: Path) -> int:
        """Return the channels of the frames that a file's network takes.

        Raises:
            UsageError: the file cannot be read, or does not fit.
        """
        channels: int = cls.load_file(path).channels
        return channels

    @classmethod
    def load_file(cls, path: Path, sha256: str = "") -> torch.nn.Module:
        """Build the network with the weights of a file.

        Args:
            path: the file.
            sha256: of its bytes; empty if any will do.

        Raises:
            UsageError: the file cannot be read, is another than it should be, or does not fit.
        """
        from denoisebench.denoisers.nets.checkpoints import load_into, read_state

        if sha256 and path.is_file():
            _check_digest(path, sha256)
        state = read_state(path)
        try:
            network = cls.definition({name: tuple(tensor.shape) for name, tensor in state.items()})
        except (KeyError, IndexError, ValueError) as error:
            raise UsageError(
                f"{path.name} does not fit {cls.method}: a tensor is missing, or of another shape "
                f"({error})"
            ) from error
        load_into(network, state, path.name)
        return network


def _check_digest(path: Path, sha256: str) -> None:
    """Check that a file is the published one.

    Raises:
        UsageError: it is another.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise UsageError(
                f"{path} is not the published file: its sha256 is another; remove it, and fetch it "
                "anew"
            )


def depth_of(shapes: Shapes) -> int:
    """Count the convolutions of a stack that is named ``model``.

    Examples:
        >>> depth_of({"model.0.weight": (8, 1, 3, 3), "model.2.weight": (1, 8, 3, 3)})
        2
    """
    return sum(name.startswith("model.") and name.endswith(".weight") for name in shapes)
