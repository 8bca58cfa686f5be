r"""Non-local means on the CPU: box sums of shifted differences, for each pair of pixels once.

The estimate of a pixel p is a mean over the pixels q around it, a square of N × N offsets:

    û(p) = Σ_q w(p, q) v(q) / Σ_q w(p, q),    w = exp(−max(d²(p, q) − 2σ², 0) / (hσ)²)

(Buades, Coll & Morel, "Non-local means denoising", IPOL 2011, eq. 1 to 3), where d² is the mean
squared difference of the patches around p and q over their pixels and all channels. For one offset
o = q − p, the d² of all p are a box filter of the squared difference between the frame and its
shifted self, whatever the size of the patches (Darbon, Cunha, Chan, Osher & Jensen, "Fast nonlocal
filtering applied to electron cryomicroscopy", ISBI 2008). As d²(p, q) = d²(q, p), half of the
offsets will do: each weight serves both of its ends.

Tiles of the frame are filtered apart, so that their sums stay in the cache and any number of
threads gives the same bits. At the border the frame is mirrored, without repeating its edge.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from denoisebench.denoisers.classic.compiled import kernel

__all__ = ["FARTHEST", "non_local_means"]

FARTHEST = 20.0
"""Exponent from which a weight counts for nothing: exp(−20) is 2e-9."""

_ROWS, _COLUMNS = 32, 256  # of a tile
_LANES = 16  # rows of pixels are worked through in whole vectors

# 2^f for f from -1/2 to 1/2, to 1e-7.
_POWER_OF_2 = np.polynomial.Chebyshev.interpolate(np.exp2, 5, domain=[-0.5, 0.5])
_C0, _C1, _C2, _C3, _C4, _C5 = _POWER_OF_2.convert(kind=np.polynomial.Polynomial).coef.astype("f4")
_HALF, _NEVER = np.float32(0.5), np.float32(126)


def non_local_means(
    frame: np.ndarray,
    sigma: float,
    *,
    box: tuple[int, int],
    distance: int,
    h: float,
    farthest: float = FARTHEST,
) -> np.ndarray:
    """Filter a frame.

    Args:
        frame: float32 (H, W, C).
        sigma: standard deviation of the noise on the frame's scale, above 0.
        box: extent of a patch before and after its pixel, each way; alike for centred patches.
        distance: farthest offset, in pixels; N = 2 · distance + 1.
        h: strength of the filter in units of sigma.
        farthest: exponent from which a weight counts for nothing.

    Returns:
        The estimate, float32 (H, W, C).

    Examples:
        >>> frame = np.zeros((8, 8, 1), np.float32)
        >>> frame[3, 3] = 0.1
        >>> estimate = non_local_means(frame, 1.0, box=(1, 1), distance=1, h=1.0)
        >>> round(float(estimate[3, 3, 0]), 4)  # all differences are the noise's: a plain mean
        0.0111
    """
    before, after = box
    side = before + after + 1
    estimate = np.empty(frame.shape, np.float32)
    # Exponents to the base 2. The least number keeps the quotient finite.
    unit = max(math.log(2) * (h * sigma) ** 2, 1e-35)
    scale = 1 / (unit * side**2 * frame.shape[2])
    share = 2 * sigma**2 / unit
    nearer = min(farthest / math.log(2), float(_NEVER))
    exponents = map(np.float32, (scale, share, nearer))
    frame = np.require(frame, np.float32, ["C", "W"])  # one type of array to compile for
    _filter_tiles(frame, before, side, distance, *exponents, estimate)
    return estimate


@kernel(parallel=True)
def _filter_tiles(
    frame: np.ndarray,
    before: int,
    side: int,
    distance: int,
    scale: float,
    share: float,
    nearer: float,
    estimate: np.ndarray,
) -> None:
    """Filter all tiles of a frame (H, W, C)."""
    H, W, C = frame.shape
    across, down = -(-W // _COLUMNS), -(-H // _ROWS)
    margin = distance + side - 1
    for tile in prange(across * down):
        top, left = tile // across * _ROWS, tile % across * _COLUMNS
        height, width = min(_ROWS, H - top), min(_COLUMNS, W - left)
        region = np.empty((C, height + 2 * margin, width + 2 * margin + _LANES), np.float32)
        _copy_region(frame, top - margin, left - margin, region)
        totals = np.empty((C, height, width), np.float32)
        weights = np.ones((height, width), np.float32)
        _filter_region(region, before, side, distance, scale, share, nearer, totals, weights)
        for y in range(height):
            for x in range(width):
                for c in range(C):
                    estimate[top + y, left + x, c] = totals[c, y, x] / weights[y, x]


@kernel()
def _copy_region(frame: np.ndarray, top: int, left: int, region: np.ndarray) -> None:
    """Copy part of a frame (H, W, C) into a region (C, h, w); beyond the frame, it is mirrored."""
    H, W, C = frame.shape
    for y in range(region.shape[1]):
        row = _mirrored(top + y, H)
        for x in range(region.shape[2]):
            column = _mirrored(left + x, W)
            for c in range(C):
                region[c, y, x] = frame[row, column, c]


@kernel()
def _mirrored(index: int, size: int) -> int:
    """Return the index of a pixel of a mirrored axis: 2 1 0 1 2 1 0 1 … for size 3 from -2 on."""
    period = max(2 * (size - 1), 1)
    index %= period
    return min(index, period - index) if size > 1 else 0


@kernel()
def _filter_region(
    region: np.ndarray,
    before: int,
    side: int,
    distance: int,
    scale: float,
    share: float,
    nearer: float,
    totals: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Sum up the weighted pixels around each pixel of a tile, and their weights.

    Args:
        region: the tile with a margin of distance + side - 1 around it, (C, h, w).
        before: extent of a patch before its pixel.
        side: side of a patch.
        distance: farthest offset.
        scale: factor from a patch's sum of squared differences to an exponent.
        share: part of an exponent that is the noise's.
        nearer: exponent from which a weight counts for nothing.
        totals: weighted sums, (C, height, width); set here.
        weights: sums of weights, (height, width); ones, the weights of the pixels themselves.
    """
    _, height, width = totals.shape
    margin = distance + side - 1
    wide = width + distance + side + _LANES
    squares = np.empty((height + distance + side - 1, wide), np.float32)
    pairs = np.empty((height + distance, wide), np.float32)
    totals[:] = region[:, margin : margin + height, margin : margin + width]
    for dy in range(distance + 1):
        for dx in range(-distance if dy else 1, distance + 1):
            # Pairs (p, p + o) with either end in the tile: p is at most o above or beside it.
            rows = height + dy
            columns = -(-(width + abs(dx)) // _LANES) * _LANES
            y, x = margin - dy - before, margin - max(dx, 0) - before
            _square_differences(
                region, y, x, dy, dx, columns + side - 1, squares[: rows + side - 1]
            )
            _weigh(squares, side, columns, scale, share, nearer, pairs[:rows])
            _add_pairs(region, pairs, dy, dx, totals, weights)


@kernel()
def _square_differences(
    region: np.ndarray, y: int, x: int, dy: int, dx: int, columns: int, squares: np.ndarray
) -> None:
    """Sum over the channels the squared differences of a region, from (y, x) on, and its shift."""
    for row in range(squares.shape[0]):
        square = squares[row, :columns]
        for c in range(region.shape[0]):
            here = region[c, y + row, x : x + columns]
            there = region[c, y + row + dy, x + dx : x + dx + columns]
            if c == 0:
                for i in range(columns):
                    difference = here[i] - there[i]
                    square[i] = difference * difference
            else:
                for i in range(columns):
                    difference = here[i] - there[i]
                    square[i] += difference * difference


@kernel()
def _weigh(
    squares: np.ndarray,
    side: int,
    columns: int,
    scale: float,
    share: float,
    nearer: float,
    pairs: np.ndarray,
) -> None:
    """Turn squared differences into the weights of pairs: box sums, then the exponential.

    Sums are made of their terms, not of differences of running sums: those lose the small
    distances beside an edge.
    """
    summed = np.empty(columns + side - 1, np.float32)
    for y in range(pairs.shape[0]):
        first = squares[y]
        for x in range(summed.size):
            summed[x] = first[x]
        for k in range(1, side):
            further = squares[y + k]
            for x in range(summed.size):
                summed[x] += further[x]
        pair = pairs[y, :columns]
        for x in range(columns):
            pair[x] = summed[x]
        for k in range(1, side):
            beside = summed[k:]
            for x in range(columns):
                pair[x] += beside[x]
        for x in range(columns):
            exponent = max(pair[x] * scale - share, np.float32(0))
            pair[x] = _power_of_half(exponent) if exponent < nearer else np.float32(0)


@kernel()
def _power_of_half(exponent: float) -> float:
    """Compute 2^-t for t from 0 on, to 1e-6 of it; of float32, in operations that vectorise."""
    exponent = np.minimum(exponent, _NEVER)
    whole = np.int32(exponent + _HALF)
    f = np.float32(whole) - exponent
    fraction = _C0 + f * (_C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * _C5))))
    # The bits of a float32: sign, exponent + 127, fraction.
    power: float = fraction * np.int32((127 - whole) << 23).view(np.float32)
    return power


@kernel()
def _add_pairs(
    region: np.ndarray,
    pairs: np.ndarray,
    dy: int,
    dx: int,
    totals: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Add to each pixel of a tile its partners on both sides, at (dy, dx) and (-dy, -dx)."""
    C, height, width = totals.shape
    margin = (region.shape[1] - height) // 2
    start = max(dx, 0)  # column of the pairs at which the tile begins
    for y in range(height):
        ahead = pairs[y + dy, start : start + width]
        behind = pairs[y, start - dx : start - dx + width]
        weight = weights[y]
        for x in range(width):
            weight[x] += ahead[x] + behind[x]
        for c in range(C):
            after = region[c, margin + y + dy, margin + dx : margin + dx + width]
            before = region[c, margin + y - dy, margin - dx : margin - dx + width]
            total = totals[c, y]
            for x in range(width):
                total[x] += ahead[x] * after[x] + behind[x] * before[x]
