"""Files of training states and weights: written whole or not at all, and free of pickles."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from denoisebench import files
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from torch import nn


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Replace a checkpoint.

    Args:
        path: of the checkpoint.
        state: tensors, numbers and strings, in dictionaries and lists.

    Raises:
        UsageError: the file cannot be written.
    """
    with _lasting(path) as file:
        torch.save(state, file)


def load_state(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a state that `save_state` wrote; refuse a file that holds anything but data.

    Args:
        path: of the checkpoint.
        device: device of the tensors that are returned.

    Raises:
        UsageError: the file is damaged or no checkpoint.
    """
    try:
        return dict(torch.load(path, map_location=device, weights_only=True))
    except Exception as error:  # torch raises whatever its reader meets
        raise UsageError(
            f"{path} is no checkpoint, or damaged; pass --fresh to set it aside and start anew"
        ) from error


def save_weights(path: Path, network: nn.Module, about: dict[str, str]) -> None:
    """Write a network's weights as safetensors.

    Args:
        path: of the file.
        network: network whose weights are written.
        about: entries of the file's header.

    Raises:
        UsageError: the file cannot be written.
    """
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    with _lasting(path) as file:
        file.write(save(weights, about))


def store_half(source: Path, target: Path) -> None:
    """Write a weights' file anew, its convolutions rounded to float16: half the size.

    They are computed with in float32 all the same. Offsets and normalisations, which are few, stay
    as they are.

    Args:
        source: of the file, as `save_weights` writes it.
        target: of the new file.

    Raises:
        UsageError: the new file cannot be written.
    """
    with safe_open(source, framework="pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    half = {name: t.half() if t.dim() > 1 else t for name, t in tensors.items()}
    with _lasting(target) as file:
        file.write(save(half, about))


@contextlib.contextmanager
def _lasting(path: Path) -> Iterator[IO[bytes]]:
    """Do as `files.replacing`, with the new file on the disk before it replaces the old one.

    Raises:
        UsageError: the file cannot be written.
    """
    with files.replacing(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
