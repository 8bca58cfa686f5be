"""Energy that a GPU has taken, as NVIDIA's management library counts it (extra ``gpu``)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    EnergyCounter = Callable[[], int]
    """Function that returns millijoules since some moment in the past."""

__all__ = ["energy_counter"]


def energy_counter() -> EnergyCounter | None:
    """Return the counter of the CUDA device that torch uses; None where there is none.

    It counts all that the card takes, for whomever. Cards before Volta (2017) have none.
    """
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        card = torch.cuda.get_device_properties(torch.cuda.current_device())
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{card.uuid}")
        count: EnergyCounter = partial(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        count()
    except Exception:  # no such library, driver, card or counter; each has errors of its own
        return None
    return count
