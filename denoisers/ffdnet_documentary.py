"""FFDNet, trained at the data and budget of the GAN rows from a CPU."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import WEIGHTS, TrainedGenerator
from denoisebench.denoisers.registry import register

_FILE = WEIGHTS / "ffdnet-documentary.safetensors"


@register(
    "ffdnet-documentary",
    title="FFDNet (documentary)",
    family="learned",
    reference="Zhang, Zuo & Zhang 2018",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch", "safetensors"),
    weights=(_FILE,),
    note="Trained on documentary's train frames, cut down to a CPU: 6,000 iterations at half "
    "the width.",
)
@dataclass(frozen=True)
class FfdNetDocumentary(TrainedGenerator):
    """One FFDNet for all sigmas; the recipe is `ffdnet`."""

    weights = _FILE
