"""IRCNN's denoiser with its authors' weights: a network for every second sigma up to 50."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "ircnn",
    title="IRCNN",
    family="learned",
    reference="Zhang et al. 2017, CVPR",
    licence="Apache-2.0; weights MIT",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="ircnn",
    sigmas=tuple(range(2, 51, 2)),
    verified=False,
    note="Trained on 400 images of BSDS500 outside BSD68, 400 of ImageNet and 4,744 of the "
    "Waterloo Exploration Database.",
)
@dataclass(frozen=True)
class PublishedIRCNN(PublishedNetwork):
    """Networks of dilated convolutions, of which sigma chooses one."""

    method = "ircnn"
    overlap = 16

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build the networks of a file."""
        from denoisebench.denoisers.nets.ircnn import IRCNN

        width, channels = shapes["0.model.0.weight"][:2]
        levels = len({name.partition(".")[0] for name in shapes})
        return IRCNN(channels, width, levels)
