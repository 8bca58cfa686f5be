"""FDnCNN with its authors' weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork, depth_of
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "fdncnn",
    title="FDnCNN",
    family="learned",
    reference="Zhang et al. 2018",
    licence="Apache-2.0; weights none given",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="fdncnn",
    note="Its authors do not state the training images; trained with sigma up to 75.",
)
@dataclass(frozen=True)
class PublishedFDnCNN(PublishedNetwork):
    """Networks of 20 layers that are told sigma by a map, for grey and for colour."""

    method = "fdncnn"
    overlap = 20

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build an FDnCNN of the width and depth of a file."""
        from denoisebench.denoisers.nets.dncnn import FDnCNN

        width, inputs = shapes["model.0.weight"][:2]
        return FDnCNN(inputs - 1, width, depth_of(shapes))
