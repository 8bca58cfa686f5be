"""BM3D as tensor operations, on any device.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, embedding_bag, pad

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bm3d"]

SIDE = 8


@dataclass(frozen=True)
class Stage:
    step: int
    radius: int
    count: int
    strength: float
    forward: np.ndarray  # 8 x 8
    inverse: np.ndarray


def run_stage(noisy, pilot, sigma, stage, window):
    """Run one stage on planes (C, H, W)."""
    _, H, W = noisy.shape
    guide = (noisy if pilot is None else pilot)[0]
    rows, columns = (_grid(size, stage.step, noisy.device) for size in (H, W))
    bands = _bands(rows, len(columns))
    mean = _Mean(noisy, max(len(band) for band in bands) * stage.step + SIDE + 2 * stage.radius)
    filters = _Filter(stage, sigma, window, noisy)
    for band in bands:
        mean.finish(int(band[0]) - stage.radius)
        for positions in _match(guide, band, columns, stage):
            pixels = (positions[..., None] + _inside(W, noisy.device)).flatten()
            variances = filters.variances(positions, W)
            for c in range(len(noisy)):
                group = noisy[c].flatten()[pixels].view(*positions.shape, -1)
                guess = None if pilot is None else pilot[c].flatten()[pixels].view_as(group)
                mean.add(c, pixels, *filters(group, guess, variances))
    return mean.finish(H)


def _grid(size: int, step: int, device: torch.device) -> torch.Tensor:
    """Return the first pixels of blocks along an axis: every ``step``, and the last that fits."""
    last = size - SIDE
    return torch.tensor([*range(0, last, step), last], device=device)


def _inside(width: int, device: torch.device) -> torch.Tensor:
    """Return the flat positions of a block's pixels, from its first one, in a frame of a width."""
    side = torch.arange(SIDE, device=device)
    return (side[:, None] * width + side).flatten()


def _bands(rows: torch.Tensor, across: int) -> list[torch.Tensor]:
    """Split the grid's rows into bands of blocks; the last, which may be nearer, stays alone."""
    at_once = 4096 if rows.device.type == "cpu" else 16384
    return [*rows[:-1].split(max(1, at_once // across)), rows[-1:]][-len(rows) :]


def _match(
    guide: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, stage: Stage
) -> Iterator[torch.Tensor]:
    """Yield the groups of a band of reference blocks, those of one size K at a time.

    Args:
        guide: (H, W).
        rows: first rows of the band's reference blocks.
        columns: their first columns.
        stage: the stage, which says how far to look.

    Yields:
        (N, K): flat positions of the K blocks most like N reference blocks, which come first
        themselves. K is the greatest power of 2 for which there are blocks, at most the stage's.
    """
    H, W = guide.shape
    reach = 2 * stage.radius + 1
    distances = _distances(guide, rows, columns, stage)
    distances[reach**2 // 2] = -1  # a block is its own first match
    nearest, found = distances.flatten(1).t().topk(min(stage.count, reach**2), largest=False)
    offsets = torch.arange(reach, device=guide.device) - stage.radius
    offsets = (offsets[:, None] * W + offsets).flatten()
    positions = (rows[:, None] * W + columns).flatten()[:, None] + offsets[found]
    positions.clamp_(0, (H - SIDE) * W + W - SIDE)  # nan sorts behind blocks that leave the frame
    if min(H - SIDE, stage.radius) * min(W - SIDE, stage.radius) >= stage.count:
        yield positions
        return
    sizes = nearest.isfinite().sum(1)
    size = stage.count
    while size:
        chosen = (sizes >= size) & (sizes < (2 * size if size < stage.count else math.inf))
        if chosen.any():
            yield positions[chosen, :size]
        size //= 2


def _distances(
    guide: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, stage: Stage
) -> torch.Tensor:
    """Return the mean squared differences of blocks and those around, (offsets, R, S).

    They are inf for blocks that leave the frame.
    """
    H, W = guide.shape
    radius = stage.radius
    reach = 2 * radius + 1
    top, bottom = int(rows[0]), int(rows[-1]) + SIDE
    band = guide[max(top - radius, 0) : bottom + radius]
    beyond = (radius, radius, max(radius - top, 0), max(bottom + radius - H, 0))
    around = pad(band, beyond, value=math.inf)
    here = guide[top:bottom]
    distances = guide.new_empty(reach, reach, len(rows), len(columns))
    for dy in range(reach):
        shifted = around[dy : dy + bottom - top].unfold(1, W, 1).transpose(0, 1)
        squares = (shifted - here).square_()[:, None]
        last = avg_pool2d(squares[..., -SIDE:], SIDE, stage.step)[:, 0]
        distances[dy, ..., -1:] = last
        if len(columns) > 1:  # the last may be nearer than a step
            regular = squares[..., : int(columns[-2]) + SIDE]
            distances[dy, ..., :-1] = avg_pool2d(regular, SIDE, stage.step)[:, 0]
    return distances.flatten(0, 1)


class _Filter:
    """Shrinkage of groups in the transform domain.

    Args:
        stage: its transforms and strength.
        sigma: standard deviation of the noise.
        window: weights of a block's pixels, (8, 8).
        like: tensor of the wanted type on the device.
    """

    def __init__(self, stage, sigma, window, like) -> None:
        def tensor(matrix: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(matrix, dtype=like.dtype, device=like.device)

        self._sigma, self._strength = sigma, stage.strength
        self._forward = tensor(np.kron(stage.forward, stage.forward).T)
        self._inverse = tensor(np.kron(stage.inverse, stage.inverse).T)
        self._window = tensor(window.ravel())
        self._covariances = tensor(_covariances(stage.forward))

    def __call__(
        self, group: torch.Tensor, guess: torch.Tensor | None, variances: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the estimates of groups (N, K, 64), and the weights of their pixels."""
        haar = torch.as_tensor(_haar(group.shape[1]), dtype=group.dtype, device=group.device)
        coefficients = haar @ (group @ self._forward)
        noise = variances * self._sigma**2
        if guess is None:
            gain = (coefficients.abs() > self._strength * noise.sqrt()).to(group.dtype)
        else:
            power = (haar @ (guess @ self._forward)).square_()
            gain = power / (power + self._strength * noise)
        gain[:, 0, 0] = 1  # the mean of the group stays
        left = (gain.square() * variances).sum((1, 2))  # of the noise
        estimate = haar.T @ ((coefficients * gain) @ self._inverse)
        weights = self._window / left[:, None, None]
        return estimate, weights.expand_as(estimate)

    def variances(self, positions: torch.Tensor, width: int) -> torch.Tensor:
        """Return the variances of the coefficients of groups' white noise of variance 1.

        Blocks that overlap share noise (Mäkinen, Azzari & Foi 2020). ...
        """
        N, K = positions.shape
        y, x = positions // width, positions % width
        total = positions.new_ones((N, K, 64), dtype=self._window.dtype)
        finer: list[torch.Tensor] = []
        size = 1
        while size < K:
            (ay, by), (ax, bx) = (v.view(-1, 2, size).unbind(1) for v in (y, x))
            dy, dx = (
                (a[..., None] - b[:, None]).abs().clamp_(max=SIDE) for a, b in ((ay, by), (ax, bx))
            )
            pairs = (dy * (SIDE + 1) + dx).flatten(1)
            cross = 2 * embedding_bag(pairs, self._covariances, mode="sum").view(N, -1, 64)
            both = total[:, ::2] + total[:, 1::2]
            finer.insert(0, ((both - cross) / (2 * size)).clamp_(min=1e-3))
            total = both + cross
            size *= 2
        return torch.cat([total / K, *finer], 1)


def _covariances(transform: np.ndarray) -> np.ndarray:
    """Return the covariances of coefficients of two blocks of white noise, (9 · 9, 64).

    The first axis is their offset, |dy| · 9 + |dx|; those 8 or more apart share no pixels.
    """
    shared = [(transform[:, d:] * transform[:, : SIDE - d]).sum(1) for d in range(SIDE)]
    axis = np.array([*shared, np.zeros(SIDE)])
    return np.einsum("yu,xv->yxuv", axis, axis).reshape(-1, SIDE**2)


def _haar(count: int) -> np.ndarray:
    """Return the orthonormal Haar transform of a power of 2 of values, coarse to fine."""
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

    _ONE = 2.0**36

    def __init__(self, like: torch.Tensor, height: int) -> None:
        C, _, W = like.shape
        self._estimate = torch.empty_like(like)
        self._top = 0
        self._sums = torch.zeros((2, C, height * W), dtype=torch.int64, device=like.device)

    def add(
        self, channel: int, pixels: torch.Tensor, values: torch.Tensor, weights: torch.Tensor
    ) -> None:
        """Add values with weights of at most 1 at flat positions in the frame."""
        places = pixels - self._top * self._estimate.shape[2]
        weights = weights * self._ONE
        for sums, terms in zip(self._sums[:, channel], (weights * values, weights), strict=True):
            sums.index_add_(0, places, terms.flatten().long())

    def finish(self, top: int) -> torch.Tensor:
        """Finish the rows above one; return the frame."""
        H, W = self._estimate.shape[1:]
        top = min(max(top, self._top), H)
        done = self._sums[:, :, : (top - self._top) * W]
        self._estimate.flatten(1)[:, self._top * W : top * W] = done[0].double() / done[1]
        self._sums = torch.cat([self._sums[:, :, done.shape[2] :], torch.zeros_like(done)], 2)
        self._top = top
        return self._estimate
