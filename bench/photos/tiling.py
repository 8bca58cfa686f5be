"""Tiles of a large picture, for methods that look no further than so many pixels.

A tile is denoised with a margin around it, wider than the method's reach. That this leaves no seams
is measured on each picture: a window across the tiles' corner is denoised in one piece, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from denoisebench.denoisers.torch_denoiser import TorchDenoiser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from denoisebench.denoisers.registry import Method
    from denoisebench.photos.photo import Photo

LARGEST_WINDOW = 1024
"""Side in pixels of the largest window that is denoised at once."""

LARGEST_SEAM = 1 / 65535
"""Largest difference between tiles and one piece, on the [0, 1] scale: a step of 16 bits."""

_GRID = 16  # pixels, of which most networks' own grids are parts
_REACHES: dict[str, Callable[[dict[str, object]], float]] = {
    "noisy": lambda p: 0,
    "median": lambda p: _number(p["size"]) / 2,
    "gaussian": lambda p: 4 * _number(p["width"]) * (255 / 25) ** _number(p["growth"]),
    "bilateral": lambda p: 1.5 * _number(p["width"]),
    "wiener": lambda p: _number(p["size"]) / 2,
    "dct": lambda p: 14,
    "nlm-native": lambda p: _number(p["patch_distance"]) + 3,
    "nlm-skimage": lambda p: _number(p["patch_distance"]) + _number(p["patch_size"]) / 2,
}
"""Reaches in pixels of classical methods by their parameters, where they are bounded. BM3D's is
bounded, too, but rounding in the last bit changes which blocks are alike: it leaves seams."""


class SeamError(ValueError):
    """Tiles of a method differ from one piece; the message says by how much."""


@dataclass(frozen=True)
class Reach:
    """Distance that a method's estimate of a pixel depends on.

    Attributes:
        pixels: the distance.
        window: side of the largest picture to denoise at once.
        grid: windows begin at its multiples.
    """

    pixels: float
    window: int = LARGEST_WINDOW
    grid: int = _GRID

    @property
    def margin(self) -> int:
        """Pixels around a tile that are denoised and thrown away."""
        return math.ceil(self.pixels / self.grid) * self.grid

    @property
    def tile(self) -> int:
        """Side of a tile."""
        return max(self.grid, (self.window - 2 * self.margin) // self.grid * self.grid)


def reach_of(method: Method) -> Reach | None:
    """Return the reach of a method; None if it is not bounded, or not known.

    Examples:
        >>> from denoisebench.denoisers.registry import select
        >>> [reach_of(method) for method in select(["dct", "tv-chambolle"])]
        [Reach(pixels=14, window=1024, grid=16), None]
    """
    denoiser = method.build()
    if isinstance(denoiser, TorchDenoiser):
        return Reach(denoiser.overlap, denoiser.tile, math.lcm(_GRID, denoiser.multiple))
    known = _REACHES.get(method.card.name)
    return None if known is None else Reach(known(method.parameters))


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value


class Window(NamedTuple):
    """Part of a picture to denoise at once.

    Attributes:
        seen: its rows and columns, with the margin.
        kept: those of its tile.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]

    def within(self, part: tuple[slice, slice]) -> tuple[slice, slice]:
        """Return rows and columns of the picture as those of this window."""
        rows, columns = (
            slice(inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(part, self.seen, strict=True)
        )
        return rows, columns


def windows(height: int, width: int, reach: Reach) -> list[Window]:
    """Return windows whose tiles cover a picture.

    Examples:
        >>> [window.kept[1] for window in windows(900, 1100, Reach(48))]
        [slice(0, 928, None), slice(928, 1100, None)]
        >>> len(windows(1024, 1024, Reach(48)))
        1
    """
    if max(height, width) <= reach.window:
        whole = slice(0, height), slice(0, width)
        return [Window(whole, whole)]
    rows, columns = (_parts(size, reach) for size in (height, width))
    return [
        Window((seen_rows, seen_columns), (kept_rows, kept_columns))
        for (seen_rows, kept_rows), (seen_columns, kept_columns) in product(rows, columns)
    ]


def _parts(size: int, reach: Reach) -> list[tuple[slice, slice]]:
    """Return what is seen and what is kept of each part of an axis."""
    return [
        (
            slice(max(0, start - reach.margin), min(size, start + reach.tile + reach.margin)),
            slice(start, min(size, start + reach.tile)),
        )
        for start in range(0, size, reach.tile)
    ]


class SeamProbe:
    """Comparison of tiles with one piece, in a window around the first corner of four tiles.

    Args:
        shape: of the picture, (H, W, C).
        reach: of the method.

    Attributes:
        window: the window; what is kept of it is compared.
    """

    def __init__(self, shape: Sequence[int], reach: Reach) -> None:
        axes = [_around_seam(size, reach) for size in shape[:2]]
        self.window = Window((axes[0][0], axes[1][0]), (axes[0][1], axes[1][1]))
        kept = [part.stop - part.start for part in self.window.kept]
        self._tiled = np.full((*kept, shape[2]), np.nan, np.float32)

    def touches(self, window: Window) -> bool:
        """Return True if a window's tile lies in the part that is compared."""
        pairs = zip(window.kept, self.window.kept, strict=True)
        return all(a.start < b.stop and b.start < a.stop for a, b in pairs)

    def enter(self, window: Window, estimate: np.ndarray) -> None:
        """Enter the estimate of a window's whole part, (h, w, C)."""
        pairs = zip(window.kept, self.window.kept, strict=True)
        rows, columns = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs)
        part = rows, columns
        top, left = (kept.start for kept in self.window.kept)
        place = (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        self._tiled[place] = estimate[window.within(part)]

    def seam(self, estimate: np.ndarray) -> float:
        """Return the largest difference from the estimate of the window in one piece."""
        whole = estimate[self.window.within(self.window.kept)]
        return float(np.abs(whole - self._tiled).max())


def _around_seam(size: int, reach: Reach) -> tuple[slice, slice]:
    """Return what is seen and what is compared around the first seam of an axis, if it has one."""
    seam = reach.tile if size > reach.tile else size // 2
    start = max(0, seam - reach.window // 2) // reach.grid * reach.grid
    stop = min(size, start + reach.window)
    kept_start = start and start + reach.margin
    kept_stop = stop if stop == size else stop - reach.margin
    return slice(start, stop), slice(kept_start, kept_stop)


def denoise_by_windows(
    photo: Photo,
    denoise: Callable[[np.ndarray], np.ndarray],
    reach: Reach | None,
    progress: Callable[[int, int], None],
) -> tuple[np.ndarray, float | None]:
    """Denoise a photograph, tile by tile if it is large and the method's reach is known.

    Args:
        photo: the photograph.
        denoise: denoises a picture, float32 (H, W, C) in [0, 1].
        reach: of the method; None denoises it in one piece.
        progress: is told the number of windows that are done, and of all.

    Returns:
        The samples, and the measured seam on the [0, 1] scale; None if there is none.

    Raises:
        SeamError: it is above `LARGEST_SEAM`.
    """
    height, width, _ = photo.samples.shape
    samples = np.empty_like(photo.samples)
    parts = windows(height, width, reach or Reach(0, max(height, width)))
    probe = SeamProbe(photo.samples.shape, reach) if reach and len(parts) > 1 else None
    probed = [window for window in parts if probe is not None and probe.touches(window)]
    total = len(parts) + bool(probed)

    def do(some: list[Window], before: int) -> None:
        """Denoise some windows."""
        for done, window in enumerate(some, before + 1):
            estimate = denoise(photo.floats(*window.seen))
            if window in probed and probe is not None:
                probe.enter(window, estimate)
            samples[window.kept] = photo.rounded(estimate[window.within(window.kept)])
            progress(done, total)

    seam = None
    do(probed, 0)
    if probe is not None:
        seam = _checked(probe.seam(denoise(photo.floats(*probe.window.seen))))
    do([window for window in parts if window not in probed], len(probed) + bool(probed))
    return samples, seam


def _checked(seam: float) -> float:
    """Return the seam.

    Raises:
        SeamError: it is too large.
    """
    if not seam <= LARGEST_SEAM:
        raise SeamError(
            f"its tiles differ by {seam:.1e} of the range at their seams, more than "
            f"{LARGEST_SEAM:.1e}; choose another method, or larger tiles, as in NAME[tile=8192]"
        )
    return seam
