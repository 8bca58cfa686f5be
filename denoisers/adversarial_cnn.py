"""A residual CNN trained with an adversary."""

from __future__ import annotations

from dataclasses import dataclass

from denoisebench.denoisers.gan.inference import SpecialisedGenerator, weights_by_sigma
from denoisebench.denoisers.registry import register

FILES = weights_by_sigma("adversarial-cnn", 15, 25, 50)


@register(
    "adversarial-cnn",
    title="Adversarial CNN",
    family="learned",
    reference="Divakar & Babu 2017",
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
class AdversarialCnn(SpecialisedGenerator):
    """Plain convolutions, squared error and Eq. 3; the recipe is `adversarial-cnn`."""

    specialised = FILES
