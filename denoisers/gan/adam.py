"""Adam, as a training step that is free of the host needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import nn


def make_adam(network: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Make the optimiser of a network, on the network's device.

    On CUDA the learning rate and the counts of steps are tensors on the device, so that a step
    waits for nothing from the host, and can be recorded as a CUDA graph. On a CPU they are numbers.

    Args:
        network: of the weights.
        rate: the first learning rate.
        betas: see `torch.optim.Adam`.
    """
    weights = list(network.parameters())
    on_cuda = weights[0].device.type == "cuda"
    first = torch.tensor(rate, device=weights[0].device) if on_cuda else rate
    return torch.optim.Adam(weights, lr=first, betas=betas, capturable=on_cuda)


def set_rate(optimiser: torch.optim.Adam, rate: float) -> None:
    """Set the learning rate of the steps to come."""
    group = optimiser.param_groups[0]
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def load_adam(optimiser: torch.optim.Adam, state: dict[str, Any]) -> None:
    """Take over the moments of a checkpoint, perhaps from another kind of device."""
    own = {name: value for name, value in optimiser.param_groups[0].items() if name != "params"}
    optimiser.load_state_dict(state)
    optimiser.param_groups[0].update(own)
