"""The paper's native DCGAN, as an encoder–decoder that denoises."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import SpecialisedGenerator, weights_by_sigma
from denoisebench.denoisers.registry import register

FILES = weights_by_sigma("dcgan", 11.4, 15, 25, 50)


@register(
    "dcgan",
    title="DCGAN",
    family="learned",
    reference="Radford, Metz & Chintala 2015; Yan & Wang 2017",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch", "safetensors"),
    weights=tuple(FILES.values()),
    sigmas=tuple(FILES),
    note="Trained on documentary's train frames.",
)
@dataclass(frozen=True)
class Dcgan(SpecialisedGenerator):
    """By the rules of Radford et al. 2015, trained with Eq. 3; the recipe is `dcgan`."""

    specialised = FILES
