"""Conventions in which papers differ: how they make the noisy frame, and how they score.

A convention is a choice on every axis. The first choice on each axis is that of our protocol, so
that a convention is told by its changes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["AXES", "Convention", "axes_of", "conventions_within"]


@dataclass(frozen=True)
class Convention:
    """Convention of a figure; `AXES` explains the choices.

    Attributes:
        noise: the noise of the channels.
        noisy: the values of the noisy frame.
        output: the values of the estimate.
        colour: the planes that are scored.
        border: pixels that are cut off at each side.
        peak: the peak of PSNR.
        mean: the mean over frames.
        window: the window of SSIM.
        covariance: the covariance of SSIM.
        constants: the range from which SSIM's constants follow.
        edges: the windows of SSIM that count.
        scale: the size at which SSIM is computed.

    Examples:
        >>> Convention(noisy="clipped", border=4).changes
        {'noisy': 'clipped', 'border': 4}
        >>> str(Convention(noisy="clipped", border=4)), str(Convention())
        ('noisy frame clipped; 4 border pixels cropped', 'protocol')
    """

    noise: str = "independent"
    noisy: str = "float"
    output: str = "rounded"
    colour: str = "rgb"
    border: int = 0
    peak: str = "255"
    mean: str = "frames"
    window: str = "gaussian"
    covariance: str = "population"
    constants: str = "255"
    edges: str = "inside"
    scale: str = "full"

    @property
    def changes(self) -> dict[str, Any]:
        """The choices that differ from the protocol's, by axis."""
        usual = Convention()
        pairs = {field.name: getattr(self, field.name) for field in fields(self)}
        return {axis: value for axis, value in pairs.items() if value != getattr(usual, axis)}

    @property
    def input(self) -> tuple[str, str]:
        """The choices that make the noisy frame: `noise` and `noisy`."""
        return self.noise, self.noisy

    def __str__(self) -> str:
        """Name the changes from the protocol in words."""
        return "; ".join(AXES[axis][value] for axis, value in self.changes.items()) or "protocol"


AXES: dict[str, dict[Any, str]] = {
    "noise": {
        "independent": "each channel has its own noise",
        "shared": "the same noise in all channels",
    },
    "noisy": {
        "float": "noisy frame as drawn",
        "clipped": "noisy frame clipped",
        "8bit": "noisy frame clipped and rounded to 8 bit",
    },
    "output": {
        "rounded": "estimate clipped and rounded to 8 bit",
        "clipped": "estimate clipped, not rounded",
        "float": "estimate neither clipped nor rounded",
        "truncated": "estimate clipped and truncated to 8 bit",
    },
    "colour": {
        "rgb": "all channels",
        "channels": "mean of the channels' scores",
        "y-601": "Y of BT.601, 16 to 235 (MATLAB's rgb2ycbcr)",
        "y-601-full": "Y of BT.601, full range (rgb2gray, OpenCV)",
        "y-709-full": "Y of BT.709, full range (scikit-image's rgb2gray)",
    },
    "border": {
        0: "no border cropped",
        4: "4 border pixels cropped",
        8: "8 border pixels cropped",
        16: "16 border pixels cropped",
    },
    "peak": {"255": "peak 255", "clean": "peak is the clean frame's maximum"},
    "mean": {"frames": "mean over frames", "pooled": "squared errors pooled over frames"},
    "window": {
        "gaussian": "Gaussian window 11 × 11, sigma 1.5",
        "uniform": "uniform window 7 × 7 (scikit-image's default)",
    },
    "covariance": {"population": "population covariance", "sample": "sample covariance"},
    "constants": {
        "255": "K1 0.01, K2 0.03, L 255",
        "510": "L twice the range (floats in older scikit-image)",
        "1": "L 1 though values reach 255",
        "k2": "K1 0.01, K2 0.4",
    },
    "edges": {
        "inside": "windows inside the frame",
        "replicated": "a window for each pixel, edges replicated (MATLAB's ssim)",
    },
    "scale": {
        "full": "full size",
        "reduced": "averaged down to about 256 pixels (Wang's ssim.m)",
    },
}
"""The choices on each axis in words; the first is the protocol's."""

_PSNR = ("noise", "noisy", "output", "colour", "border", "peak", "mean")
_SSIM = (
    *("noise", "noisy", "output", "colour", "border"),
    *("window", "covariance", "constants", "edges", "scale"),
)


def axes_of(metric: str, *, has_colour: bool, is_drawn: bool) -> dict[str, tuple[Any, ...]]:
    """Return the choices on the axes that matter for a figure.

    Args:
        metric: ``psnr`` or ``ssim``.
        has_colour: True if the frames are RGB.
        is_drawn: True if the noise is drawn, not recorded.

    Examples:
        >>> list(axes_of("psnr", has_colour=False, is_drawn=False))
        ['output', 'border', 'peak', 'mean']
    """
    unfit = set() if is_drawn else {"noise", "noisy"}
    if not has_colour:
        unfit |= {"noise", "colour"}
    choices = {axis: tuple(AXES[axis]) for axis in (_PSNR if metric == "psnr" else _SSIM)}
    if metric == "ssim":  # which is the mean over channels already
        choices["colour"] = tuple(value for value in AXES["colour"] if value != "channels")
    return {axis: values for axis, values in choices.items() if axis not in unfit}


def conventions_within(axes: Mapping[str, tuple[Any, ...]], changes: int) -> Iterator[Convention]:
    """Yield the conventions that differ from the protocol on at most so many axes.

    Those with fewer changes come first.

    Args:
        axes: see `axes_of`.
        changes: the largest number of axes.

    Examples:
        >>> [str(c) for c in conventions_within({"noisy": ("float", "clipped")}, 1)]
        ['protocol', 'noisy frame clipped']
    """
    for count in range(changes + 1):
        for chosen in combinations(axes, count):
            for values in product(*(axes[axis][1:] for axis in chosen)):
                yield replace(Convention(), **dict(zip(chosen, values, strict=True)))
