"""DnCNN, trained at the data and budget of the GAN rows from a CPU."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import SpecialisedGenerator, weights_by_sigma
from denoisebench.denoisers.registry import register

FILES = weights_by_sigma("dncnn-documentary", 15, 25, 50)


@register(
    "dncnn-documentary",
    title="DnCNN (documentary)",
    family="learned",
    reference="Zhang et al. 2017",
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
class DnCnnDocumentary(SpecialisedGenerator):
    """A DnCNN for each of a few sigmas; the recipe is `dncnn`."""

    specialised = FILES
