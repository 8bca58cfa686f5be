"""SwinIR with its authors' weights, for sigma 15, 25 and 50."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "swinir",
    title="SwinIR",
    family="learned",
    reference="Liang et al. 2021",
    licence="Apache-2.0",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="swinir",
    sigmas=(15, 25, 50),
    verified=False,
    note="Trained on BSDS500 outside BSD68, the Waterloo Exploration Database, DIV2K and "
    "Flickr2K. Tiles of larger frames overlap by 64 pixels, less than the estimate depends "
    "on.",
)
@dataclass(frozen=True)
class PublishedSwinIR(PublishedNetwork):
    """Attention within windows at full resolution; it is not told sigma."""

    method = "swinir"
    multiple = 8
    overlap = 64

    tile: int = 512

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build a SwinIR of the width and depth of a file."""
        from denoisebench.denoisers.nets.swinir import SwinIR

        width, channels = shapes["conv_first.weight"][:2]
        groups = len({name.split(".")[1] for name in shapes if name.startswith("layers.")})
        first = "layers.0.residual_group.blocks."
        depth = len({name.split(".")[4] for name in shapes if name.startswith(first)})
        entries, heads = shapes[f"{first}0.attn.relative_position_bias_table"]
        window = (math.isqrt(entries) + 1) // 2
        expansion = shapes[f"{first}0.mlp.fc1.weight"][0] // width
        return SwinIR(channels, width, groups, depth, heads, window, expansion)
