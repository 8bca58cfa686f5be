"""DRUNet with its authors' weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "drunet",
    title="DRUNet",
    family="learned",
    reference="Zhang et al. 2021",
    licence="Apache-2.0; weights MIT",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="drunet",
    verified=False,
    note="Trained on BSDS500 outside BSD68, the Waterloo Exploration Database, DIV2K and "
    "Flickr2K, with sigma up to 50.",
)
@dataclass(frozen=True)
class PublishedDRUNet(PublishedNetwork):
    """A U-Net that is told sigma by a map; its estimate depends on pixels within 185."""

    method = "drunet"
    multiple = 8
    overlap = 192

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build a DRUNet of the widths of a file."""
        from denoisebench.denoisers.nets.drunet import DRUNet

        widths = [shapes[f"m_down{level}.0.res.0.weight"][0] for level in (1, 2, 3)]
        widths.append(shapes["m_body.0.res.0.weight"][0])
        blocks = sum(name.startswith("m_body.") for name in shapes) // 2
        return DRUNet(shapes["m_tail.weight"][0], widths, blocks)
