"""The paper's U-Net without an adversary."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import SpecialisedGenerator, weights_by_sigma
from denoisebench.denoisers.registry import register

FILES = weights_by_sigma("unet-mse", 15, 25, 50)


@register(
    "unet-mse",
    title="U-Net (MSE)",
    family="learned",
    reference="Ronneberger, Fischer & Brox 2015",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch", "safetensors"),
    weights=tuple(FILES.values()),
    sigmas=tuple(FILES),
    note="Trained on documentary's train frames; for sigma 50, cut down to a CPU: 2,000 "
    "iterations at half the width.",
)
@dataclass(frozen=True)
class UNetMse(SpecialisedGenerator):
    """Trained for the mean squared error alone; the recipe is `unet-mse`."""

    specialised = FILES
