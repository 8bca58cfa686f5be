"""WNNM: its pieces against plain float64 references, and the properties of the whole."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisebench import protocol
from denoisebench.denoisers.wnnm import WNNM

pytest.importorskip("numba")

from denoisebench.denoisers.classic import low_rank
from denoisebench.denoisers.classic.eigen import leading_eigenpairs
from denoisebench.denoisers.classic.grids import search_offsets
from denoisebench.denoisers.classic.matching import match_blocks

SIGMA = 25 / 255


def photograph(size: int = 24) -> np.ndarray:
    from skimage import data

    frame: np.ndarray = protocol.as_float(data.camera()[100 : 100 + size, 200 : 200 + size, None])
    return frame


def noisy(clean: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    return (clean + sigma * noise).astype(np.float32)


def settings_of(**changed: float) -> low_rank.WnnmSettings:
    values = {"side": 6, "patches": 40, "passes": 3, "remaining": 0.54, "step": 2, "radius": 8}
    values |= {"feedback": 0.1, "weight": 8**0.5}
    return low_rank.WnnmSettings(**values | changed)  # type: ignore[arg-type]


def leading(matrix: np.ndarray, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues and eigenvectors, as rows."""
    size = len(matrix)
    padded = np.pad(matrix, ((0, 0), (0, -size % 16))).astype(np.float32)
    values, vectors = np.empty(size, np.float32), np.empty((size, size), np.float32)
    count = leading_eigenpairs(padded, np.float32(bound), values, vectors)
    return values[:count], vectors[:count]


def shrunk_by_svd(matrix: np.ndarray, bound: float) -> np.ndarray:
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    root = np.sqrt(np.maximum(values**2 - bound, 0))
    return (left * np.where(values**2 > bound, (values + root) / 2, 0)) @ right


@given(st.integers(1, 81), st.integers(0, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_leading_eigenpairs_are_those_of_lapack(size: int, more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((size, size + more))
    matrix[: size // 2] += 4 * rng.standard_normal(size + more)
    gram = (matrix @ matrix.T).astype(np.float32)
    expected, columns = np.linalg.eigh(gram.astype(np.float64))
    bound = expected[-1] * rng.uniform(0.05, 1.1)
    if np.abs(expected - bound).min() < 1e-4 * expected[-1]:
        bound *= 1.001
    values, vectors = leading(gram, bound)
    keep = expected > bound
    assert len(values) == keep.sum()
    assert np.allclose(values, expected[keep][::-1], atol=1e-5 * expected[-1])
    assert np.allclose(vectors @ vectors.T, np.eye(len(values)), atol=1e-5)
    rebuilt, wanted = (vectors.T * values) @ vectors, (columns * (expected * keep)) @ columns.T
    assert np.allclose(rebuilt, wanted, atol=1e-4 * expected[-1])


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(40),
        np.diag([5.0] * 20 + [1.0] * 20),
        np.ones((30, 30)),
        np.kron(np.eye(5), np.full((8, 8), 2.0)),
    ],
)
def test_equal_eigenvalues_get_orthogonal_vectors(matrix: np.ndarray) -> None:
    values, vectors = leading(matrix, 0.5)
    keep = np.linalg.eigvalsh(matrix) > 0.5
    assert np.allclose(values, np.linalg.eigvalsh(matrix)[keep][::-1], rtol=1e-5)
    assert np.allclose(vectors @ vectors.T, np.eye(len(values)), atol=1e-5)
    assert np.allclose((vectors.T * values) @ vectors, matrix * (matrix > 0.5), atol=1e-4)


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_matrices_without_eigenvalues_above_the_bound_give_none(value: float) -> None:
    values, _ = leading(np.full((20, 20), value), 0.5)
    assert len(values) == 0 or not np.isfinite(value)


@given(st.integers(1, 50), st.integers(0, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_shrinkage_is_that_of_singular_values(rows: int, more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((rows, rows + more)).astype(np.float32)
    matrix += 3 * np.outer(rng.standard_normal(rows), rng.standard_normal(rows + more))
    values = np.linalg.svd(matrix, compute_uv=False)
    bound = 0.4 * values[0] ** 2
    if np.abs(values**2 - bound).min() > 1e-4 * bound:
        found = low_rank.shrink_singular_values(matrix.astype(np.float32), np.float32(bound))
        assert np.allclose(found, shrunk_by_svd(matrix, bound), atol=1e-4 * values[0])


@pytest.mark.parametrize("value", [1.7, 2.5, 40.0])
def test_shrunk_values_are_where_the_reweighted_threshold_stays(value: float) -> None:
    """Check the closed form: x = s - C / x, the soft threshold of a weight C / x."""
    bound = 2.8
    x = float(
        low_rank.shrink_singular_values(np.full((1, 1), value, np.float32), np.float32(bound))[0, 0]
    )
    assert x == pytest.approx(value - bound / 4 / x, rel=1e-5)


def by_definition(plane: np.ndarray, sigma: float, one: low_rank.WnnmSettings) -> np.ndarray:
    """All passes in float64 numpy, but for the matching."""
    noise = plane.astype(np.float64)
    estimate, offsets, side = noise.copy(), search_offsets(one.radius), one.side
    for number in range(one.passes):
        estimate += one.feedback * (noise - estimate)
        count = one.patches - 10 * (number // 2 + 1)
        if number % 2 == 0:
            guide = estimate[None].astype(np.float32)
        found = match_blocks(guide, side, one.step, one.radius, count)[1]
        grid = np.append(np.arange(0, len(plane) - side, one.step), len(plane) - side)
        total, covered = np.zeros(plane.shape), np.zeros(plane.shape)
        for r, c in np.ndindex(found.shape[:2]):
            start = np.array([grid[r], grid[c]])
            boxes = [
                np.s_[y : y + side, x : x + side] for y, x in start + offsets[found[r, c]].tolist()
            ]
            group = np.stack([estimate[box].ravel() for box in boxes], 1)
            mean = group.mean(1, keepdims=True)
            left = sigma
            if number:
                change = np.mean((noise[boxes[0]] - estimate[boxes[0]]) ** 2)
                left = one.remaining * np.sqrt(abs(sigma**2 - change))
            bound = 4 * one.weight * np.sqrt(group.shape[1]) * left**2
            for box, patch in zip(
                boxes, (mean + shrunk_by_svd(group - mean, bound)).T, strict=True
            ):
                total[box] += patch.reshape(side, side)
                covered[box] += 1
        estimate = total / covered
    return estimate


@pytest.mark.parametrize("patches", [70, 40])  # groups that are wide, and such that are tall
def test_passes_are_those_of_a_plain_reference(patches: int) -> None:
    plane, one = noisy(photograph())[:, :, 0], settings_of(patches=patches)
    found = low_rank.denoise_by_low_rank(plane[None].copy(), SIGMA, one)[0]
    difference = np.abs(found - by_definition(plane, SIGMA, one))
    # Where float32 and float64 differ on a value at the bound, or on two equally near patches.
    assert np.median(difference) < 1e-5
    assert np.sqrt(np.mean(difference**2)) < 1e-3


@given(st.floats(0, 1, width=32), st.sampled_from([0.5, 25, 255]), st.sampled_from([1, 3]))
@settings(max_examples=6, deadline=None)
def test_constant_frames_stay(level: float, sigma: float, channels: int) -> None:
    flat = np.full((10, 12, channels), level, np.float32)
    assert np.allclose(WNNM(radius=4).denoise(flat, sigma / 255), flat, atol=1e-5)


def test_a_brighter_frame_gives_a_brighter_estimate() -> None:
    frame, method = noisy(photograph()), WNNM(radius=8)
    difference = method.denoise(frame + np.float32(0.25), SIGMA) - method.denoise(frame, SIGMA)
    assert np.sqrt(np.mean((difference - 0.25) ** 2)) < 1e-3


def test_a_transposed_frame_gives_nearly_the_transposed_estimate() -> None:
    frame, method = noisy(photograph()), WNNM(radius=8)
    other = method.denoise(frame.transpose(1, 0, 2), SIGMA).transpose(1, 0, 2)
    assert np.sqrt(np.mean((other - method.denoise(frame, SIGMA)) ** 2)) < 2e-3


def test_threads_do_not_change_the_bits() -> None:
    import numba

    frame, most = noisy(photograph(64)), numba.config.NUMBA_NUM_THREADS
    one = settings_of(patches=30, passes=2)
    results = []
    try:
        for threads in {1, most}:
            numba.set_num_threads(threads)
            planes = frame.transpose(2, 0, 1).copy()
            results.append(low_rank.denoise_by_low_rank(planes, SIGMA, one))
    finally:
        numba.set_num_threads(most)
    assert all(np.array_equal(one, results[0]) for one in results)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_ends_nothing(value: float) -> None:
    frame = np.repeat(noisy(photograph(16)), 3, axis=2)
    frame[3, 3, 0] = value
    with warnings.catch_warnings(action="error"):
        assert WNNM(radius=4).denoise(frame, SIGMA).shape == frame.shape


@pytest.mark.parametrize(("sigma", "side"), [(15, 6), (25, 7), (50, 8), (75, 9)])
def test_patches_grow_with_sigma(sigma: float, side: int) -> None:
    with pytest.raises(ValueError, match=f"at least {side} × {side}"):
        WNNM().denoise(np.zeros((side - 1, 20, 1), np.float32), sigma / 255)
