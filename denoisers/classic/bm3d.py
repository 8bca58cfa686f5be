"""BM3D: groups of like blocks are filtered together in a 3-D transform domain.

Dabov, Foi, Katkovnik & Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative
filtering", IEEE TIP 2007. Two stages: hard thresholding of groups matched in the noisy frame, then
empirical Wiener filtering of groups matched in the first estimate. Each coefficient's own noise
variance is known (`variances`), for white noise as for correlated noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import prange

from denoisebench.denoisers.classic.compiled import kernel
from denoisebench.denoisers.classic.matching import block_grid, match_tile, search_offsets
from denoisebench.denoisers.classic.transforms import (
    AREA,
    LANES,
    SIDE,
    bior15_matrix,
    dct_matrix,
    from_lanes,
    haar,
    inverse_haar,
    to_lanes,
    transform_blocks,
)
from denoisebench.denoisers.classic.variances import block_covariance, haar_variances
from denoisebench.denoisers.opponent import BASIS

__all__ = ["PROFILES", "Profile", "bm3d", "gaussian_kernel"]


@dataclass(frozen=True)
class Profile:
    """Settings of the two stages; pairs are of the first and the second stage.

    Attributes:
        step: from a reference block to the next in pixels.
        count: most blocks of a group, a power of two.
        radius: farthest offset of a match in pixels.
        threshold: of the first stage's coefficients, in standard deviations of their noise.
        wiener: noise variance in the second stage's Wiener factor, relative to the true one.
        beta: shape of the Kaiser window that weights a block's pixels.
    """

    step: tuple[int, int] = (3, 4)
    count: tuple[int, int] = (16, 32)
    radius: int = 19
    threshold: float = 2.9
    wiener: float = 0.45
    beta: float = 2.0


PROFILES = {
    "normal": Profile(),
    "fast": Profile(step=(4, 4), count=(16, 16)),
    "high": Profile(step=(2, 2), count=(16, 64)),
}
"""Profiles by name."""


_ROUNDING = 1e-7  # of values near 1 in float32: there is no weaker noise


class _Stage(NamedTuple):
    """Constants of a stage, in the form that kernels take.

    Attributes:
        forward: float32 (64), the matrix of the blocks' transform.
        inverse: float32 (64), its inverse.
        window: float32 (64), weights of a block's pixels.
        covariance: float32 (T, 2 n + 1, 2 n + 1, 64), a table for all channels, or one for each.
        offsets: int64 (N, 2), those searched.
        most: blocks of a group.
        strength: factor of the noise's variance in threshold or Wiener factor.
        is_wiener: True for the second stage.
    """

    forward: np.ndarray
    inverse: np.ndarray
    window: np.ndarray
    covariance: np.ndarray
    offsets: np.ndarray
    most: int
    strength: float
    is_wiener: bool


def bm3d(
    noisy: np.ndarray,
    sigma: float,
    *,
    kernel: np.ndarray | None = None,
    psd: np.ndarray | None = None,
    profile: str = "normal",
) -> np.ndarray:
    """Denoise a frame.

    Args:
        noisy: float32 (H, W, C); C = 3 (RGB) is filtered in the opponent space, its blocks matched
            in luminance (CBM3D); C = 1.
        sigma: standard deviation of the noise, on the same scale.
        kernel: (h, w), or (h, w, C) for one a channel, for noise that is white noise convolved
            with it. Its scale does not matter.
        psd: (H, W), or (H, W, C), for noise of this power spectral density, as of the discrete
            Fourier transform. Its scale does not matter. Without either, the noise is white.
        profile: name of the settings, see `PROFILES`.

    Returns:
        The estimate, float32 (H, W, C).

    Raises:
        ValueError: both a kernel and a PSD are given.

    Examples:
        >>> flat = np.full((16, 16, 1), 0.5, np.float32)
        >>> bool(np.allclose(bm3d(flat, 25 / 255), flat))
        True
    """
    if kernel is not None and psd is not None:
        raise ValueError("give a kernel or a PSD of the noise, not both")
    if sigma < _ROUNDING:
        return noisy.copy()
    height, width, channels = noisy.shape
    basis = BASIS if channels == 3 else np.eye(channels, dtype=np.float32)
    planes = (basis @ noisy.reshape(-1, channels).T).reshape(channels, height, width)
    short = [(0, max(0, SIDE - size)) for size in (height, width)]
    planes = np.pad(planes, ((0, 0), *short), mode="symmetric") if np.any(short) else planes
    settings = PROFILES[profile]
    correlation = sigma**2 * _correlation(kernel, psd, basis, 2 * settings.radius)
    first = _first_stage(settings, correlation)
    estimate = _run(planes, planes, settings.step[0], settings.radius, first)
    second = _second_stage(settings, correlation)
    estimate = _run(planes, estimate, settings.step[1], settings.radius, second)
    del planes
    estimate = estimate[:, :height, :width].reshape(channels, -1)
    return (estimate.T @ basis).reshape(noisy.shape)


def gaussian_kernel(width: float) -> np.ndarray:
    """Return a Gaussian kernel (h, h) of a standard deviation in pixels.

    Examples:
        >>> gaussian_kernel(1.0).shape
        (9, 9)
    """
    reach = int(np.ceil(4 * width))
    line = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * width**2))
    return np.outer(line, line)


def _correlation(
    kernel: np.ndarray | None, psd: np.ndarray | None, basis: np.ndarray, reach: int
) -> np.ndarray:
    """Return the noise's autocorrelation, (T, n, n): one for all channels, or one for each.

    Noise of different channels is taken to be independent. Displacements up to ``reach`` count.
    """
    if kernel is None and psd is None:
        return np.ones((1, 1, 1))
    if psd is None:
        assert kernel is not None
        size = 2 * max(kernel.shape[:2]) - 1
        psd = np.abs(np.fft.fft2(kernel, (size, size), axes=(0, 1))) ** 2
    every = np.atleast_3d(psd).transpose(2, 0, 1)
    rings = np.fft.fftshift(np.fft.ifft2(every).real, axes=(1, 2))
    middle = [size // 2 for size in rings.shape[1:]]
    near = min(reach, *((size - 1) // 2 for size in rings.shape[1:]))
    square = [slice(at - near, at + near + 1) for at in middle]
    found = rings[:, square[0], square[1]]
    found = found / found[:, near : near + 1, near : near + 1]
    mixed: np.ndarray = np.tensordot(basis**2, found, 1) if len(found) > 1 else found
    return mixed


def _first_stage(profile: Profile, correlation: np.ndarray) -> _Stage:
    matrix, inverse = bior15_matrix(), np.linalg.inv(bior15_matrix())
    strength = profile.threshold**2
    return _stage(matrix, inverse, correlation, profile, profile.count[0], strength, False)


def _second_stage(profile: Profile, correlation: np.ndarray) -> _Stage:
    matrix, inverse = dct_matrix(), dct_matrix().T
    return _stage(matrix, inverse, correlation, profile, profile.count[1], profile.wiener, True)


def _stage(
    matrix: np.ndarray,
    inverse: np.ndarray,
    correlation: np.ndarray,
    profile: Profile,
    count: int,
    strength: float,
    is_wiener: bool,
) -> _Stage:
    kaiser = np.kaiser(SIDE, profile.beta)
    return _Stage(
        matrix.astype(np.float32).ravel(),
        inverse.astype(np.float32).ravel(),
        np.outer(kaiser, kaiser).astype(np.float32).ravel(),
        np.stack([block_covariance(matrix, one) for one in correlation]),
        search_offsets(profile.radius),
        count,
        strength,
        is_wiener,
    )


def _run(
    planes: np.ndarray, pilot: np.ndarray, step: int, radius: int, stage: _Stage
) -> np.ndarray:
    """Run a stage on planes (C, H, W); its blocks are matched in the pilot's first plane."""
    rows, columns = (block_grid(size, SIDE, step) for size in planes.shape[1:])
    # Filtered blocks reach radius + 8 pixels beyond their tile's reference blocks, and must not
    # meet those of the next tile but one.
    least = -(-(2 * radius + SIDE - 1) // step)
    wide = 2 * least  # matching takes longer in narrow tiles
    total, weights = np.zeros_like(planes), np.zeros_like(planes)
    _filter_frame(
        planes,
        pilot,
        rows,
        columns,
        _split(len(rows), least),
        _split(len(columns), wide),
        stage,
        total,
        weights,
    )
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
    row_bounds: np.ndarray,
    column_bounds: np.ndarray,
    stage: _Stage,
    total: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Filter all tiles, in four phases: tiles of one phase touch no pixel in common.

    So they add to the sums without locks, and each pixel's summands have the same order for any
    number of threads.
    """
    for phase in range(4):
        top, left = phase // 2, phase % 2
        down = len(row_bounds[top:-1:2])
        across = len(column_bounds[left:-1:2])
        for tile in prange(down * across):
            r, c = top + 2 * (tile // across), left + 2 * (tile % across)
            _filter_tile(
                planes,
                pilot,
                rows[row_bounds[r] : row_bounds[r + 1]],
                columns[column_bounds[c] : column_bounds[c + 1]],
                stage,
                total,
                weights,
            )


@kernel()
def _filter_tile(
    planes: np.ndarray,
    pilot: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    stage: _Stage,
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
    stage: _Stage,
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
