"""SCUNet with its authors' weights, for sigma 15, 25 and 50."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "scunet",
    title="SCUNet",
    family="learned",
    reference="Zhang et al. 2023",
    licence="Apache-2.0",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="scunet",
    sigmas=(15, 25, 50),
    verified=False,
    note="Trained on BSDS500 outside BSD68, the Waterloo Exploration Database, DIV2K and "
    "Flickr2K. Tiles of larger frames overlap by 128 pixels, less than the estimate "
    "depends on.",
)
@dataclass(frozen=True)
class PublishedSCUNet(PublishedNetwork):
    """A U-Net of convolutions and attention within windows; it is not told sigma."""

    method = "scunet"
    multiple = 64
    overlap = 128

    tile: int = 512

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build an SCUNet of the width and blocks of a file."""
        from denoisebench.denoisers.nets.scunet import SCUNet

        width, channels = shapes["m_head.0.weight"][:2]
        blocks = len({name.split(".")[1] for name in shapes if name.startswith("m_body.")})
        return SCUNet(channels, width, blocks)
