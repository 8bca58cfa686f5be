"""A residual CNN without an adversary, as DnCNN."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import SpecialisedGenerator, weights_by_sigma
from denoisebench.denoisers.registry import register

FILES = weights_by_sigma("residual-cnn", 15, 25, 50)


@register(
    "residual-cnn",
    title="Residual CNN",
    family="learned",
    reference="Zhang, Zuo, Chen, Meng & Zhang 2017",
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
class ResidualCnn(SpecialisedGenerator):
    """The network of `adversarial-cnn`, and its recipe but for the adversary."""

    specialised = FILES
