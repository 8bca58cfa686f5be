"""FFDNet with its authors' weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork, depth_of
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "ffdnet",
    title="FFDNet",
    family="learned",
    reference="Zhang, Zuo & Zhang 2018",
    licence="Apache-2.0; weights MIT",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="ffdnet",
    note="Trained on 400 images of BSDS500 outside BSD68, 400 of ImageNet and 4,744 of the "
    "Waterloo Exploration Database, with sigma up to 75.",
)
@dataclass(frozen=True)
class PublishedFFDNet(PublishedNetwork):
    """Networks at half resolution that are told sigma by a map, for grey and for colour."""

    method = "ffdnet"
    multiple = 2
    overlap = 32

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build an FFDNet of the width and depth of a file."""
        from denoisebench.denoisers.nets.ffdnet import FFDNet

        width, inputs = shapes["model.0.weight"][:2]
        return FFDNet(inputs // 4, width, depth_of(shapes))
