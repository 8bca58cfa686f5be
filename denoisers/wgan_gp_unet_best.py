"""Our WGAN-GP U-Net: the paper's generator, trained as we would."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import WEIGHTS, TrainedGenerator
from denoisebench.denoisers.registry import register

FILE = WEIGHTS / "wgan-gp-unet-best.safetensors"


@register(
    "wgan-gp-unet-best",
    title="WGAN-GP U-Net (ours)",
    family="learned",
    reference="after Gong, Liu & Lv 2020",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch", "safetensors"),
    weights=(FILE,),
    note="Trained on documentary's train frames and BSDS500 less CBSD68, sigma 0 to 55.",
)
@dataclass(frozen=True)
class WganGpUNetBest(TrainedGenerator):
    """The generator of Gong, Liu & Lv 2020, Eq. 11, told sigma; see the recipe in its card.

    One set of weights serves every sigma. It was trained up to 55; beyond, it extrapolates.
    """

    weights = FILE
