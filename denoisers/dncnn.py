"""DnCNN with its authors' weights: for sigma 15, 25 and 50, and for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork, depth_of
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "dncnn",
    title="DnCNN",
    family="learned",
    reference="Zhang et al. 2017",
    licence="Apache-2.0; weights MIT (grey), none given (colour)",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="dncnn",
    sigmas=(15, 25, 50),
    note="Trained on 400 images of BSDS500 outside BSD68 (grey), on the 432 outside CBSD68 "
    "(colour).",
)
@dataclass(frozen=True)
class PublishedDnCNN(PublishedNetwork):
    """Networks that are not told sigma: 17 layers for grey frames, 20 for colour."""

    method = "dncnn"
    overlap = 20

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build a DnCNN of the width and depth of a file."""
        from denoisebench.denoisers.nets.dncnn import DnCNN

        width, channels = shapes["model.0.weight"][:2]
        return DnCNN(channels, width, depth_of(shapes))


@register(
    "dncnn-blind",
    title="DnCNN-B",
    family="learned",
    reference="Zhang et al. 2017",
    licence="Apache-2.0; weights MIT",
    blind=True,
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="dncnn-blind",
    note="Trained on 400 images of BSDS500 outside BSD68 (grey), on the 432 outside CBSD68 "
    "(colour), with sigma up to 55.",
)
@dataclass(frozen=True)
class PublishedDnCNNB(PublishedDnCNN):
    """One network of 20 layers for all sigmas, for grey frames and for colour."""

    method = "dncnn-blind"
