"""Data-parallel training under ``torchrun``; with one process, nothing.

Gradients are averaged by hand rather than by `DistributedDataParallel`: by its documentation that
does not work with `torch.autograd.grad`, which the gradient penalty needs.
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
    """Join the other processes that ``torchrun`` started, if it did."""
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
    """Which of this machine's processes this is, hence which GPU is its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def rank() -> int:
    """Which process this is; number 0 validates, tells and saves."""
    return int(distributed.get_rank()) if distributed.is_initialized() else 0


def size() -> int:
    return int(distributed.get_world_size()) if distributed.is_initialized() else 1


def wait(device: torch.device) -> None:
    """Until all processes have come here."""
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
    """Each value's maximum over the processes, so that all take the same decision."""
    if size() == 1:
        return list(values)
    tensor = torch.tensor(values, device=device, dtype=torch.float64)
    distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
    agreed: list[float] = tensor.tolist()
    return agreed
