"""Memory that methods take as frames grow: bounded for the largest frames that people have."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from large_frames import FRAME_8K, LIMIT, measure
from PIL import Image

from denoisebench.denoisers import registry

if TYPE_CHECKING:
    from pathlib import Path

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


_RUN = """
import resource, sys
import denoisebench as db
db.run("gaussian", "folder:" + sys.argv[1], 25, out=sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts memory that is shared")
def test_a_run_holds_a_large_frame_few_times(tmp_path: Path) -> None:
    """A pixel takes 12 bytes that are shared, 3 clean ones, 3 estimated, and 3 to be decoded."""
    peaks = []
    for megapixels in (1, 12):
        folder = tmp_path / f"{megapixels}"
        folder.mkdir()
        row = np.random.default_rng(0).integers(0, 256, (1, 4000, 3), dtype=np.uint8)
        frame = np.repeat(row, megapixels * 250, axis=0)
        Image.fromarray(frame).save(folder / "frame.png", compress_level=1)
        words = [sys.executable, "-c", _RUN, str(folder), str(tmp_path / f"out{megapixels}")]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        peaks.append(1024 * int(done.stdout))
    assert (peaks[1] - peaks[0]) / 11e6 < 23
