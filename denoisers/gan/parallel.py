"""Data-parallel training under ``torchrun``; with one process, the functions do nothing.

Gradients are averaged here and not by `DistributedDataParallel`: by its documentation that does
not work with `torch.autograd.grad`, which the gradient penalty needs.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import distributed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the other processes that ``torchrun`` started, if there are any."""
    if "WORLD_SIZE" not in os.environ:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def local_rank() -> int:
    """Give this process's number on its machine, which is also the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def rank() -> int:
    """Give this process's number among all; number 0 validates, reports and saves."""
    return int(distributed.get_rank()) if distributed.is_initialized() else 0


def size() -> int:
    """Count the processes."""
    return int(distributed.get_world_size()) if distributed.is_initialized() else 1


def wait(device: torch.device) -> None:
    """Wait until all processes have come here."""
    largest(device, 0.0)


def average(tensors: Iterable[torch.Tensor]) -> None:
    """Replace tensors by their means over the processes, in one message."""
    if size() == 1:
        return
    tensors = list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= size()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def largest(device: torch.device, *values: float) -> list[float]:
    """Take each value's maximum over the processes, so that all take the same decision."""
    if size() == 1:
        return list(values)
    tensor = torch.tensor(values, device=device, dtype=torch.float64)
    distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
    agreed: list[float] = tensor.tolist()
    return agreed
