"""BM3D as tensor operations, on any device; `bm3d` has the papers.

Three steps, each for a band of reference blocks at once, so that memory is bounded:

- matching: for one offset after the other, the squared difference of the guide and its shifted
  self, and its means over blocks on the grid alone (a pooling with a stride); then one top-k over
  all offsets;
- filtering: a group of K blocks is a matrix (K, 64), and its transform two matrix products;
- aggregation: weighted blocks are added into the frame as integers. A sum of integers does not
  depend on the order in which a GPU's threads add them: the same input gives the same bits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, embedding_bag, pad

from denoisebench.denoisers.classic.block_transforms import AREA, SIDE
from denoisebench.denoisers.classic.bm3d_stages import bm3d_stages
from denoisebench.denoisers.classic.grids import block_grid
from denoisebench.denoisers.opponent import BASIS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from denoisebench.denoisers.classic.bm3d_stages import Profile, Stage

__all__ = ["bm3d_by_torch"]

_AT_ONCE = {"cpu": 1024, "cuda": 8192}
"""Reference blocks of a band: about 170 kB each in the second stage."""


def bm3d_by_torch(
    frame: torch.Tensor,
    sigma: float,
    *,
    kernel: np.ndarray | None = None,
    psd: np.ndarray | None = None,
    profile: str | Profile = "normal",
) -> torch.Tensor:
    """Denoise a frame.

    Args:
        frame: float32 (1, C, H, W), on any device; C = 3 (RGB) is filtered in the opponent space.
        sigma: standard deviation of the noise, on the same scale.
        kernel: of correlated noise, see `bm3d_stages`.
        psd: of correlated noise, likewise.
        profile: the settings, or their name in `bm3d_stages.PROFILES`.

    Returns:
        The estimate, of the same shape.

    Examples:
        >>> flat = torch.full((1, 1, 16, 16), 0.5)
        >>> bool(torch.allclose(bm3d_by_torch(flat, 25 / 255), flat))
        True
    """
    C, H, W = frame.shape[1:]
    stages = bm3d_stages(sigma, C, kernel=kernel, psd=psd, profile=profile)
    if not stages:
        return frame.clone()
    basis = torch.as_tensor(BASIS if C == 3 else np.eye(C), dtype=frame.dtype, device=frame.device)
    rows, columns = (_extended(size, frame.device) for size in (H, W))
    planes = torch.tensordot(basis, frame[0], 1)[:, rows][..., columns]
    estimate = planes
    for stage in stages:
        estimate = _run(planes, estimate, stage)
    del planes
    return torch.tensordot(basis.T, estimate[:, :H, :W], 1)[None]


def _extended(size: int, device: torch.device) -> torch.Tensor:
    """Return indices into an axis; one shorter than a block is mirrored until it is as long."""
    index = np.pad(np.arange(size), (0, max(0, SIDE - size)), mode="symmetric")
    return torch.from_numpy(index).to(device)


def _run(planes: torch.Tensor, pilot: torch.Tensor, stage: Stage) -> torch.Tensor:
    """Run a stage; its blocks are matched in the pilot's first plane.

    Args:
        planes: noisy planes, float32 (C, H, W); H and W at least 8.
        pilot: planes for matching and for the Wiener filter, of the same shape.
        stage: the constants of the stage.

    Returns:
        The estimate, (C, H, W).
    """
    _, H, W = planes.shape
    rows, columns = (block_grid(size, SIDE, stage.step).tolist() for size in (H, W))
    bands = _bands(rows, _AT_ONCE[planes.device.type] // len(columns))
    reach = max(map(len, bands)) * stage.step + SIDE + 2 * stage.radius
    mean = _Mean(planes, reach)
    filters = _Filter(stage, planes)
    side = torch.arange(SIDE, device=planes.device)
    inside = (side[:, None] * W + side).flatten()
    for band in bands:
        mean.finish(band[0] - stage.radius)
        for places in _match(pilot[0], band, columns, stage):
            pixels = places[..., None] + inside
            variances = filters.variances(places, W)
            for c, (plane, guide) in enumerate(zip(planes, pilot, strict=True)):
                group = plane.flatten()[pixels]
                guess = guide.flatten()[pixels] if stage.is_wiener else None
                variance = variances[min(c, len(variances) - 1)]
                mean.add(c, pixels, *filters(group, guess, variance))
    return mean.finish(H)


def _bands(rows: list[int], height: int) -> list[list[int]]:
    """Split rows of blocks into bands; the last row, which may be nearer than a step, is alone."""
    regular, height = rows[:-1], max(height, 1)
    bands = [regular[r : r + height] for r in range(0, len(regular), height)]
    return [*bands, rows[-1:]]


def _match(
    guide: torch.Tensor, rows: list[int], columns: list[int], stage: Stage
) -> Iterator[torch.Tensor]:
    """Yield the groups of a band of reference blocks, those of one size K at a time.

    K is the greatest power of 2 of blocks that there are, at most the stage's.

    Args:
        guide: (H, W).
        rows: first rows of the band's R reference blocks.
        columns: their S first columns.
        stage: the constants of the stage.

    Yields:
        Flat positions of blocks, (N, K): the reference blocks, then those most like them.
    """
    H, W = guide.shape
    radius = stage.radius
    distances = _distances(guide, rows, columns, stage.step, radius)
    distances[len(distances) // 2] = -1  # a block is its own first match
    count = min(stage.most, _powers(len(distances))[-1])
    nearest, found = distances.flatten(1).t().topk(count, largest=False)
    reach = torch.arange(-radius, radius + 1, device=guide.device)
    offsets = (reach[:, None] * W + reach).flatten()
    first = torch.tensor([y * W + x for y in rows for x in columns], device=guide.device)
    places = first[:, None] + offsets[found]
    places.clamp_(0, (H - SIDE) * W + W - SIDE)  # nan sorts behind blocks that leave the frame
    if min(H - SIDE, radius) * min(W - SIDE, radius) >= count:  # even in a corner
        yield places
        return
    size = (nearest < math.inf).sum(1).clamp_(min=1).log2().floor().exp2()
    for k in _powers(count):
        if (chosen := size == k).any():
            yield places[chosen, :k]


def _distances(
    guide: torch.Tensor, rows: list[int], columns: list[int], step: int, radius: int
) -> torch.Tensor:
    """Return the mean squared differences of blocks and those around, (offsets, R, S).

    They are inf for blocks that leave the frame.
    """
    H, W = guide.shape
    reach = 2 * radius + 1
    top, bottom = rows[0], rows[-1] + SIDE
    band = guide[max(top - radius, 0) : bottom + radius]
    beyond = (radius, radius, max(radius - top, 0), max(bottom + radius - H, 0))
    around = pad(band, beyond, value=math.inf)
    here = guide[top:bottom]
    distances = guide.new_empty(reach, reach, len(rows), len(columns))
    for dy in range(reach):
        shifted = around[dy : dy + bottom - top].unfold(1, W, 1).transpose(0, 1)
        squares = (shifted - here).square_()[:, None]
        distances[dy, ..., -1:] = avg_pool2d(squares[..., -SIDE:], SIDE, step)[:, 0]
        if len(columns) > 1:  # the last may be nearer than a step
            regular = squares[..., : columns[-2] + SIDE]
            distances[dy, ..., :-1] = avg_pool2d(regular, SIDE, step)[:, 0]
    return distances.flatten(0, 1)


class _Filter:
    """Shrinkage of groups in the transform domain.

    Args:
        stage: the constants of the stage.
        like: a tensor of the type that is filtered, on its device.
    """

    def __init__(self, stage: Stage, like: torch.Tensor) -> None:
        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(array, dtype=like.dtype, device=like.device)

        forward, inverse = (m.reshape(SIDE, SIDE) for m in (stage.forward, stage.inverse))
        self._forward, self._inverse = (tensor(np.kron(m, m).T) for m in (forward, inverse))
        centre = stage.covariance.shape[1] // 2
        noise = stage.covariance[:, centre, centre].mean()
        self._window = tensor(stage.window * noise)  # so that weights are near 1, at any sigma
        self._haar = {n: tensor(_haar(n)) for n in _powers(stage.most)}
        self._strength = stage.strength
        # One row more, for blocks so far apart that they share no noise.
        self._reach = centre
        rows = stage.covariance.reshape(len(stage.covariance), -1, AREA)
        self._covariances = tensor(np.pad(rows, ((0, 0), (0, 1), (0, 0))))

    def __call__(
        self, group: torch.Tensor, guess: torch.Tensor | None, variance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Filter groups.

        Args:
            group: noisy blocks, (N, K, 64).
            guess: the pilot's, for the Wiener filter; None for the threshold.
            variance: of the noise in each coefficient, (N, K, 64).

        Returns:
            The estimates of the blocks, and the weights of their pixels, both (N, K, 64).
        """
        haar = self._haar[group.shape[1]]
        coefficients = haar @ (group @ self._forward)
        limit = self._strength * variance
        if guess is None:
            gain = (coefficients.square() > limit).to(group.dtype)
        else:
            power = (haar @ (guess @ self._forward)).square_()
            gain = power / (power + limit)
        gain[:, 0, 0] = 1  # the mean of the group is signal
        noise = (gain.square() * variance).sum((1, 2), keepdim=True)  # what is left
        estimate = haar.T @ ((coefficients * gain) @ self._inverse)
        return estimate, (self._window / noise).expand_as(estimate)

    def variances(self, places: torch.Tensor, width: int) -> torch.Tensor:
        """Return the variances of the noise in groups' coefficients, (T, N, K, 64).

        From the variances A and B of two halves of a group and their covariance C follow those of
        its sum, A + B + 2 C, and difference, A + B - 2 C; see `variances.haar_variances`.

        Args:
            places: flat positions of blocks, (N, K).
            width: of the frame.
        """
        N, K = places.shape
        reach, span = self._reach, 2 * self._reach + 1
        y, x = places // width, places % width
        total = self._covariances[:, None, None, span**2 // 2].expand(-1, N, K, -1)
        finer: list[torch.Tensor] = []
        size = 1
        while size < K:
            (dy, near_y), (dx, near_x) = (_differences(axis, size, reach) for axis in (y, x))
            pairs = torch.where(near_y & near_x, dy * span + dx, span**2).flatten(1)
            between = [embedding_bag(pairs, table, mode="sum") for table in self._covariances]
            crossed = 2 * torch.stack(between).view(len(between), N, -1, AREA)
            both = total[:, :, ::2] + total[:, :, 1::2]
            finer.insert(0, (both - crossed) / (2 * size))
            total = both + crossed
            size *= 2
        return torch.cat([total / K, *finer], 2)


def _differences(axis: torch.Tensor, size: int, reach: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return positions of pairs from neighbouring runs, relative to ``-reach``; which are near.

    Args:
        axis: positions along an axis, (N, K): runs of ``size``, of which two at a time make pairs.
        size: of a run.
        reach: farthest difference that counts.

    Returns:
        Both (N · K / (2 · size), size, size).
    """
    first, second = axis.reshape(-1, 2, size).unbind(1)
    difference = second[:, None] - first[..., None]
    return difference + reach, difference.abs() <= reach


def _powers(most: int) -> list[int]:
    """Return the powers of 2 up to a number."""
    return [1 << n for n in range(most.bit_length())]


def _haar(count: int) -> np.ndarray:
    """Return the orthonormal Haar transform of a power of 2 of values, from coarse to fine."""
    matrix = np.ones((1, 1))
    while len(matrix) < count:
        mean = np.kron(matrix, [1, 1])
        difference = np.kron(np.eye(len(matrix)), [1, -1])
        matrix = np.concatenate([mean, difference]) / math.sqrt(2)
    return matrix


class _Mean:
    """Weighted mean of overlapping blocks; rows are finished as the bands leave them behind.

    Args:
        like: planes (C, H, W).
        height: number of rows that a band may reach.
    """

    _ONE = 2.0**32

    def __init__(self, like: torch.Tensor, height: int) -> None:
        C, _, W = like.shape
        self._estimate = torch.empty_like(like)
        self._top = 0  # first row of the sums
        self._sums = torch.zeros((2, C, height * W), dtype=torch.int64, device=like.device)

    def add(
        self, channel: int, pixels: torch.Tensor, values: torch.Tensor, weights: torch.Tensor
    ) -> None:
        """Add values with weights at flat positions in the frame."""
        places = (pixels - self._top * self._estimate.shape[2]).flatten()
        weights = weights * self._ONE
        for sums, terms in zip(self._sums[:, channel], (weights * values, weights), strict=True):
            sums.index_add_(0, places, terms.flatten().long())

    def finish(self, top: int) -> torch.Tensor:
        """Finish the rows above one, which no more blocks reach; return the frame."""
        H, W = self._estimate.shape[1:]
        top = min(max(top, self._top), H)
        done = self._sums[:, :, : (top - self._top) * W]
        self._estimate.flatten(1)[:, self._top * W : top * W] = done[0].double() / done[1]
        self._sums = torch.cat([self._sums[:, :, done.shape[2] :], torch.zeros_like(done)], 2)
        self._top = top
        return self._estimate
