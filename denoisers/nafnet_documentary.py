"""A small NAFNet, trained at the data and budget of the GAN rows from a CPU."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import SpecialisedGenerator, weights_by_sigma
from denoisebench.denoisers.registry import register

FILES = weights_by_sigma("nafnet-documentary", 15, 25, 50)


@register(
    "nafnet-documentary",
    title="NAFNet (documentary)",
    family="learned",
    reference="Chen et al. 2022",
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
class NafNetDocumentary(SpecialisedGenerator):
    """A NAFNet of the U-Net's size for each of a few sigmas; the recipe is `nafnet`.

    Its channel attention takes the mean over a tile, so frames beyond a tile are denoised a little
    otherwise than whole.
    """

    specialised = FILES
