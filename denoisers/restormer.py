"""Restormer with its authors' weights: for sigma 15, 25 and 50, and for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from denoisebench.denoisers.nets.published import PublishedNetwork
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

    from denoisebench.denoisers.nets.published import Shapes


@register(
    "restormer",
    title="Restormer",
    family="learned",
    reference="Zamir et al. 2022",
    licence="Academic Public License (non-commercial)",
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="restormer",
    sigmas=(15, 25, 50),
    verified=False,
    note="Trained on BSDS500 outside BSD68, the Waterloo Exploration Database, DIV2K and "
    "Flickr2K. Its attention takes sums over the frame, so tiles of larger frames differ "
    "from the whole.",
)
@dataclass(frozen=True)
class PublishedRestormer(PublishedNetwork):
    """A U-Net of attention across channels; it is not told sigma."""

    method = "restormer"
    multiple = 8
    overlap = 64

    tile: int = 512

    @staticmethod
    def definition(shapes: Shapes) -> torch.nn.Module:
        """Build a Restormer of the width and blocks of a file."""
        from denoisebench.denoisers.nets.restormer import Restormer

        width, channels = shapes["patch_embed.proj.weight"][:2]
        parts = [f"encoder_level{level}." for level in (1, 2, 3)] + ["latent."]
        return Restormer(
            channels,
            width,
            blocks=[_blocks(shapes, part) for part in parts],
            heads=[shapes[f"{part}0.attn.temperature"][0] for part in parts],
            refinement=_blocks(shapes, "refinement."),
        )


def _blocks(shapes: Shapes, part: str) -> int:
    """Count the blocks of a part of the network."""
    return sum(name.startswith(part) and name.endswith(".temperature") for name in shapes)


@register(
    "restormer-blind",
    title="Restormer (blind)",
    family="learned",
    reference="Zamir et al. 2022",
    licence="Academic Public License (non-commercial)",
    blind=True,
    colour="joint",
    devices=("cpu", "cuda"),
    array="torch",
    requires=("torch",),
    published="restormer-blind",
    verified=False,
    note="Trained on BSDS500 outside BSD68, the Waterloo Exploration Database, DIV2K and Flickr2K, "
    "with sigma up to 50. Its attention takes sums over the frame, so tiles of larger frames "
    "differ from the whole.",
)
@dataclass(frozen=True)
class PublishedRestormerBlind(PublishedRestormer):
    """One network for all sigmas, for grey frames and for colour."""

    method = "restormer-blind"
