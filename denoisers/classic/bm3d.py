"""BM3D: groups of like blocks are filtered together in a 3-D transform domain.

Dabov, Foi, Katkovnik & Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative
filtering", IEEE TIP 2007. Two stages: hard thresholding of groups matched in the noisy frame, then
empirical Wiener filtering of groups matched in the first estimate. Each coefficient's own noise
variance is known (`variances`), for white noise as for correlated noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import prange

from denoisebench.denoisers.classic.block_transforms import AREA, SIDE
from denoisebench.denoisers.classic.bm3d_stages import bm3d_stages
from denoisebench.denoisers.classic.compiled import kernel
from denoisebench.denoisers.classic.grids import block_grid, tiles_in_turns
from denoisebench.denoisers.classic.matching import match_tile
from denoisebench.denoisers.classic.transforms import (
    LANES,
    from_lanes,
    haar,
    inverse_haar,
    to_lanes,
    transform_blocks,
)
from denoisebench.denoisers.classic.variances import haar_variances
from denoisebench.denoisers.opponent import BASIS

if TYPE_CHECKING:
    from denoisebench.denoisers.classic.bm3d_stages import Profile, Stage
    from denoisebench.denoisers.classic.grids import Tiles

__all__ = ["bm3d"]


def bm3d(
    noisy: np.ndarray,
    sigma: float,
    *,
    kernel: np.ndarray | None = None,
    psd: np.ndarray | None = None,
    profile: str | Profile = "normal",
) -> np.ndarray:
    """Denoise a frame.

    Args:
        noisy: float32 (H, W, C); C = 3 (RGB) is filtered in the opponent space, its blocks matched
            in luminance (CBM3D); C = 1.
        sigma: standard deviation of the noise, on the same scale.
        kernel: of correlated noise, see `bm3d_stages`.
        psd: of correlated noise, likewise.
        profile: the settings, or their name in `bm3d_stages.PROFILES`.

    Returns:
        The estimate, float32 (H, W, C).

    Examples:
        >>> flat = np.full((16, 16, 1), 0.5, np.float32)
        >>> bool(np.allclose(bm3d(flat, 25 / 255), flat))
        True
    """
    stages = bm3d_stages(sigma, noisy.shape[2], kernel=kernel, psd=psd, profile=profile)
    if not stages:
        return noisy.copy()
    height, width, channels = noisy.shape
    basis = BASIS if channels == 3 else np.eye(channels, dtype=np.float32)
    planes = (basis @ noisy.reshape(-1, channels).T).reshape(channels, height, width)
    short = [(0, max(0, SIDE - size)) for size in (height, width)]
    planes = np.pad(planes, ((0, 0), *short), mode="symmetric") if np.any(short) else planes
    estimate = planes
    for stage in stages:
        estimate = _run(planes, estimate, stage)
    del planes
    estimate = estimate[:, :height, :width].reshape(channels, -1)
    return (estimate.T @ basis).reshape(noisy.shape)


def _run(planes: np.ndarray, pilot: np.ndarray, stage: Stage) -> np.ndarray:
    """Run a stage on planes (C, H, W); its blocks are matched in the pilot's first plane."""
    rows, columns = (block_grid(size, SIDE, stage.step) for size in planes.shape[1:])
    # Filtered blocks reach radius + 8 pixels beyond their tile's reference blocks, and must not
    # meet those of the next tile but one.
    least = -(-(2 * stage.radius + SIDE - 1) // stage.step)
    wide = 3 * least  # matching takes longer in narrow tiles
    total, weights = np.zeros_like(planes), np.zeros_like(planes)
    tiles = tiles_in_turns(_split(len(rows), least), _split(len(columns), wide))
    _filter_frame(planes, pilot, rows, columns, tiles, stage, total, weights)
    total /= weights
    return total


def _split(count: int, least: int) -> np.ndarray:
    """Bounds of equal parts of at least ``least`` of ``count`` things; one part if they are few."""
    return np.linspace(0, count, max(1, count // least) + 1).round().astype(np.int64)


@kernel(parallel=True)
def _filter_frame(
    planes: np.ndarray,
    pilot: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    tiles: Tiles,
    stage: Stage,
    total: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Filter all tiles, turn by turn."""
    for turn in range(4):
        for tile in prange(tiles.turns[turn], tiles.turns[turn + 1]):
            top, bottom, left, right = tiles.bounds[tile]
            _filter_tile(
                planes, pilot, rows[top:bottom], columns[left:right], stage, total, weights
            )


@kernel()
def _filter_tile(
    planes: np.ndarray,
    pilot: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    stage: Stage,
    total: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Match, filter and aggregate the groups of a tile's reference blocks."""
    shape = (len(rows), len(columns), stage.most)
    distance, found = np.empty(shape, np.float32), np.empty(shape, np.int32)
    match_tile(pilot[:1], SIDE, rows, columns, stage.offsets, distance, found)
    room = max(stage.most, LANES)
    work = np.empty((4, room * AREA), np.float32)
    places = np.empty((room, 2), np.int64)
    variances = np.empty((len(stage.covariance), room * AREA), np.float32)
    for r in range(len(rows)):
        for c in range(len(columns)):
            count = _group_size(found[r, c])
            for k in range(count):
                offset = stage.offsets[found[r, c, k]]
                places[k, 0], places[k, 1] = rows[r] + offset[0], columns[c] + offset[1]
            for t in range(len(variances)):
                _group_variances(places, count, stage.covariance[t], variances[t], work[0])
            for channel in range(len(planes)):
                variance = variances[min(channel, len(variances) - 1)]
                weight = _filter_group(
                    planes[channel], pilot[channel], places, count, variance, stage, work
                )
                _aggregate(
                    work[0], places, count, weight, stage.window, total[channel], weights[channel]
                )


@kernel()
def _group_size(found: np.ndarray) -> int:
    """Largest power of two of blocks that there are."""
    size = 1
    while 2 * size <= len(found) and found[2 * size - 1] >= 0:
        size *= 2
    return size


@kernel()
def _group_variances(
    places: np.ndarray, count: int, covariance: np.ndarray, variance: np.ndarray, work: np.ndarray
) -> None:
    """Variances of a group's coefficients, in lanes; 1 where there is no block."""
    work[count * AREA :] = 1
    haar_variances(places, count, covariance, work.reshape(-1, AREA))
    to_lanes(work, max(count, LANES), variance)


@kernel()
def _filter_group(
    plane: np.ndarray,
    pilot: np.ndarray,
    places: np.ndarray,
    count: int,
    variance: np.ndarray,
    stage: Stage,
    work: np.ndarray,
) -> float:
    """Leave the filtered blocks in ``work[0]``; returns the group's weight."""
    group, lanes, guide, scratch = work[0], work[1], work[2], work[3]
    size = max(count, LANES) * AREA
    _analyse(plane, places, count, stage.forward, group, lanes, scratch)
    mean = lanes[0]
    if stage.is_wiener:
        _analyse(pilot, places, count, stage.forward, group, guide, scratch)
        noise = _attenuate(lanes, guide, variance, size, stage.strength)
    else:
        noise = _threshold(lanes, variance, size, stage.strength)
    # The mean is signal: colours near grey would lose what little they have.
    lanes[0] = mean
    for k in range(0, size, LANES * AREA):
        transform_blocks(lanes[k:], stage.inverse, scratch)
    from_lanes(lanes, count, group)
    inverse_haar(group, count)
    return float(1 / (noise + variance[0]))


@kernel()
def _analyse(
    plane: np.ndarray,
    places: np.ndarray,
    count: int,
    matrix: np.ndarray,
    group: np.ndarray,
    lanes: np.ndarray,
    scratch: np.ndarray,
) -> None:
    """Gather a group's blocks and compute their coefficients, in lanes."""
    for k in range(count):
        for i in range(SIDE):
            row = plane[places[k, 0] + i, places[k, 1] :]
            for j in range(SIDE):
                group[k * AREA + i * SIDE + j] = row[j]
    size = max(count, LANES) * AREA
    group[count * AREA : size] = 0
    haar(group, count)
    to_lanes(group, max(count, LANES), lanes)
    for k in range(0, size, LANES * AREA):
        transform_blocks(lanes[k:], matrix, scratch)


@kernel()
def _threshold(lanes: np.ndarray, variance: np.ndarray, size: int, strength: float) -> float:
    """Zero small coefficients; returns the variance of the noise that is left, but the mean's."""
    limit = np.float32(strength)
    noise = np.float32(0)
    lanes[0] = 0
    for x in range(size):
        keep = lanes[x] ** 2 > limit * variance[x]
        lanes[x] = lanes[x] if keep else np.float32(0)
        noise += variance[x] if keep else np.float32(0)
    return float(noise)


@kernel()
def _attenuate(
    lanes: np.ndarray, guide: np.ndarray, variance: np.ndarray, size: int, strength: float
) -> float:
    """Apply the empirical Wiener filter; returns the variance of the noise that is left."""
    factor = np.float32(strength)
    noise = np.float32(0)
    guide[0] = 0
    for x in range(size):
        power = guide[x] ** 2
        gain = power / (power + factor * variance[x])
        lanes[x] *= gain
        noise += gain**2 * variance[x]
    return float(noise)


@kernel()
def _aggregate(
    group: np.ndarray,
    places: np.ndarray,
    count: int,
    weight: float,
    window: np.ndarray,
    total: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Add weighted blocks to the frame's sums of values and of weights."""
    scale = np.float32(weight)
    for k in range(count):
        for i in range(SIDE):
            values = total[places[k, 0] + i, places[k, 1] :]
            shares = weights[places[k, 0] + i, places[k, 1] :]
            for j in range(SIDE):
                share = scale * window[i * SIDE + j]
                values[j] += share * group[k * AREA + i * SIDE + j]
                shares[j] += share
