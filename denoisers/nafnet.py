"""NAFNet with its authors' weights for the noise of smartphones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "nafnet",
    title="NAFNet (SIDD)",
    family="learned",
    reference="Chen et al. 2022",
    licence="Apache-2.0; weights MIT",
    blind=True,
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="nafnet",
    verified=False,
    note="Trained on the real noise of smartphones (SIDD), not on white Gaussian noise; grey "
    "frames are repeated to three channels. Its attention takes means over the frame, so "
    "tiles of larger frames differ from the whole.",
)
@dataclass(frozen=True)
class PublishedNAFNet(PublishedNetwork):
    """A U-Net without activations; it is not told sigma."""

    method = "nafnet"
    channels = 3
    multiple = 16
    overlap = 64

    tile: int = 512

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build a NAFNet of the width and blocks of a file."""
        from denoisebench.denoisers.nets.nafnet import NAFNet

        width, channels = shapes["intro.weight"][:2]
        levels = range(len({name.split(".")[1] for name in shapes if name.startswith("downs.")}))
        encoder = [_blocks(shapes, f"encoders.{level}.") for level in levels]
        decoder = [_blocks(shapes, f"decoders.{level}.") for level in levels]
        return NAFNet(channels, width, encoder, _blocks(shapes, "middle_blks."), decoder)


def _blocks(shapes: Shapes, prefix: str) -> int:
    """Count the blocks of a part of the network."""
    return sum(name.startswith(prefix) and name.endswith(".beta") for name in shapes)
