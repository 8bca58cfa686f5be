"""Block matching, held against a plain search."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from denoisebench.denoisers.classic.matching import (
    block_grid,
    match_blocks,
    match_tile,
    search_offsets,
)


def plain_search(
    guide: np.ndarray, side: int, step: int, radius: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Compare every block with every other; a stable sort keeps the order of offsets."""
    rows, columns = (block_grid(size, side, step) for size in guide.shape[1:])
    offsets = search_offsets(radius)
    blocks = np.lib.stride_tricks.sliding_window_view(guide, (side, side), axis=(1, 2))
    distance = np.full((len(rows), len(columns), count), np.inf, np.float32)
    found = np.full(distance.shape, -1)
    for r, c in np.ndindex(len(rows), len(columns)):
        places = offsets + np.array([rows[r], columns[c]])
        inside = ((places >= 0) & (places < blocks.shape[1:3])).all(1)
        there = blocks[:, places[inside, 0], places[inside, 1]]
        squares = (blocks[:, rows[r], columns[c], None] - there) ** 2
        all_distances = squares.sum((0, 2, 3))
        best = np.argsort(all_distances, kind="stable")[:count]
        distance[r, c, : len(best)] = all_distances[best]
        found[r, c, : len(best)] = np.flatnonzero(inside)[best]
    return distance, found


# Whole numbers: their sums are exact in any order, and ties abound.
def whole_numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 4, shape).astype(np.float32)


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize(
    ("side", "step", "radius", "count"),
    [(1, 1, 1, 3), (2, 2, 3, 5), (3, 1, 2, 40), (5, 4, 4, 7), (7, 3, 5, 16), (8, 3, 6, 16)],
)
def test_matches_are_those_of_a_plain_search(
    planes: int, side: int, step: int, radius: int, count: int
) -> None:
    guide = whole_numbers(planes, 21, 26)
    distance, found = match_blocks(guide, side, step, radius, count)
    expected_distance, expected_found = plain_search(guide, side, step, radius, count)
    assert np.array_equal(distance, expected_distance)
    assert np.array_equal(found, expected_found)


def test_frames_larger_than_a_tile_are_matched_seamlessly() -> None:
    guide = whole_numbers(1, 75, 140)
    expected = plain_search(guide, 8, 2, 3, 4)
    assert all(map(np.array_equal, match_blocks(guide, 8, 2, 3, 4), expected))


def test_a_frame_of_one_block_has_one_match() -> None:
    distance, found = match_blocks(whole_numbers(1, 8, 8), 8, 3, 19, 2)
    assert distance.tolist() == [[[0, np.inf]]]
    assert found.tolist() == [[[0, -1]]]


def test_blocks_that_are_not_finite_match_themselves_alone() -> None:
    guide = whole_numbers(1, 16, 16)
    guide[0, 7, 7] = np.nan
    distance, found = match_blocks(guide, 8, 8, 19, 3)
    assert distance[0, 0].tolist() == [0, np.inf, np.inf]
    assert found[0, 0].tolist() == [0, -1, -1]


def test_threads_do_not_change_the_matches() -> None:
    guide = np.random.default_rng(0).standard_normal((1, 90, 150)).astype(np.float32)
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(match_blocks(guide, 8, 1, 3, 8))
    finally:
        numba.set_num_threads(before)
    assert all(map(np.array_equal, *results))


def test_a_tile_can_be_matched_alone() -> None:
    guide = whole_numbers(2, 40, 40)
    expected = match_blocks(guide, 5, 2, 4, 6)
    rows, columns, offsets = block_grid(40, 5, 2)[3:8], block_grid(40, 5, 2)[10:], search_offsets(4)
    distance = np.empty((len(rows), len(columns), 6), np.float32)
    found = np.empty(distance.shape, np.int32)
    match_tile(guide, 5, rows, columns, offsets, distance, found)
    assert np.array_equal(distance, expected[0][3:8, 10:])
    assert np.array_equal(found, expected[1][3:8, 10:])
