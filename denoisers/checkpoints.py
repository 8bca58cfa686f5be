"""Checkpoints: read weights from a file, whatever they are wrapped in, and fill a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from denoisebench.errors import UsageError
from denoisebench.text import first_of, plain

if TYPE_CHECKING:
    from pathlib import Path

    import torch

__all__ = ["fill_network", "read_checkpoint"]

_WRAPPINGS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "network", "net")
"""Keys under which training scripts store a state dict, the best one first."""


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a file, without running any code that it holds.

    Args:
        path: a ``.safetensors`` file, or one that ``torch.save`` wrote. Its state dict may be
            wrapped, as in ``{"state_dict": …}``.

    Returns:
        Tensors on the CPU by their names.

    Raises:
        UsageError: the file is missing or damaged, or holds anything but weights, or none.
    """
    shown = plain(path.name)
    if not path.is_file():
        raise UsageError(f"{shown}: no such file of weights")
    found = _read(path)
    while isinstance(found, dict) and (key := next((k for k in _WRAPPINGS if k in found), None)):
        if not isinstance(found[key], dict):
            break
        found = found[key]
    tensors = {k: v for k, v in found.items() if _is_tensor(v)} if isinstance(found, dict) else {}
    if not tensors:
        raise UsageError(f"{shown} holds no weights; save network.state_dict() to it")
    if spoilt := [name for name, value in tensors.items() if not bool(value.isfinite().all())]:
        raise UsageError(f"{shown}: weights are not finite: {first_of(spoilt, 3)}")
    return tensors


def _read(path: Path) -> Any:
    """Read a file of weights.

    Raises:
        UsageError: it is damaged, or holds anything but weights.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers raise whatever they meet
        raise UsageError(
            f"{plain(path.name)} is damaged, or holds more than weights, which is not read; "
            "save network.state_dict() to it"
        ) from error


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def fill_network(network: torch.nn.Module, path: Path) -> None:
    """Load the weights of a file into a network.

    Parts before the names that all weights have and none of the network, such as ``module.``, are
    left out.

    Raises:
        UsageError: `read_checkpoint` refuses the file, or the weights are not the network's.
    """
    weights, wanted = read_checkpoint(path), network.state_dict()
    while not weights.keys() & wanted.keys() and (part := _common_part(weights)):
        weights = {name.removeprefix(part): value for name, value in weights.items()}
    problems = [
        ("missing", sorted(wanted.keys() - weights.keys())),
        ("unknown", sorted(weights.keys() - wanted.keys())),
        (
            "of another shape",
            [
                f"{name} {tuple(weights[name].shape)}, not {tuple(value.shape)}"
                for name, value in wanted.items()
                if name in weights and weights[name].shape != value.shape
            ],
        ),
    ]
    told = [f"{len(of)} {kind} ({first_of(of, 3)})" for kind, of in problems if of]
    if told:
        raise UsageError(
            f"{plain(path.name)} does not fit {type(network).__name__}: "
            f"of its weights {', '.join(told)}"
        )
    network.load_state_dict(weights)


def _common_part(weights: dict[str, Any]) -> str:
    """Return the part before the first dot that all names share; empty if they share none."""
    parts = {name.partition(".")[0] + "." for name in weights if "." in name}
    return parts.pop() if len(parts) == 1 and all("." in name for name in weights) else ""
