"""The paper's U-Net trained with a critic whose weights are clipped."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import SpecialisedGenerator, weights_by_sigma
from denoisebench.denoisers.registry import register

FILES = weights_by_sigma("wgan-clip-unet", 15, 25, 50)


@register(
    "wgan-clip-unet",
    title="WGAN (clipping) U-Net",
    family="learned",
    reference="Arjovsky, Chintala & Bottou 2017",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch", "safetensors"),
    weights=tuple(FILES.values()),
    sigmas=tuple(FILES),
    note="Trained on documentary's train frames, cut down to a CPU: 2,000 iterations at half "
    "the width.",
)
@dataclass(frozen=True)
class WganClipUNet(SpecialisedGenerator):
    """Eq. 4 in place of Eq. 5 of Gong, Liu & Lv 2020; the recipe is `wgan-clip`."""

    specialised = FILES
