"""Memory that methods take as frames grow: bounded for the largest frames that people have."""

from __future__ import annotations

import sys

import pytest
from large_frames import FRAME_8K, LIMIT, measure

from denoisebench.denoisers import registry

_SLOW = 20
"""Seconds a megapixel on one core from which a method is not tried here."""

OURS = [
    name
    for name, card in registry.cards().items()
    if {"av", "numba"} & {*card.requires, *card.uses} and card.unavailable is None
]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of one call")
@pytest.mark.parametrize("name", OURS)
def test_memory_on_8k_frames_is_bounded(name: str, megapixels: int) -> None:
    """Extrapolate from two sizes, beyond the tiles that a method works in."""
    if not megapixels:
        pytest.skip("takes minutes; --megapixels 8 measures a quarter of that, and it")
    if registry.cards()[name].cost > _SLOW:
        pytest.skip("too slow to be tried here")
    width = 2000
    heights = megapixels * 125, megapixels * 500
    small, large = (measure(name, height, width) for height in heights)
    growth = (large.bytes - small.bytes) / ((heights[1] - heights[0]) * width)
    more = FRAME_8K[0] * FRAME_8K[1] - heights[1] * width
    estimate = 12 * FRAME_8K[0] * FRAME_8K[1]
    assert large.bytes + growth * more - estimate < LIMIT
