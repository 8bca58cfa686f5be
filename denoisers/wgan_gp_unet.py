"""The paper's method: a U-Net trained with a WGAN-GP critic."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import SpecialisedGenerator, weights_by_sigma
from denoisebench.denoisers.registry import register

FILES = weights_by_sigma("wgan-gp-unet", 11.4, 15, 25, 50)


@register(
    "wgan-gp-unet",
    title="WGAN-GP U-Net",
    family="learned",
    reference="Gong, Liu & Lv 2020",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch", "safetensors"),
    weights=tuple(FILES.values()),
    sigmas=tuple(FILES),
    note="Trained on documentary's train frames; for sigma 11.4, cut down to a CPU: 2,000 "
    "iterations at half the width.",
)
@dataclass(frozen=True)
class WganGpUNet(SpecialisedGenerator):
    """The generator of Gong, Liu & Lv 2020, Eq. 11, as printed; the recipe is `paper`."""

    specialised = FILES
