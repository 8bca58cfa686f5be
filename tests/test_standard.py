"""The literature's test sets: the right pictures in the right form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from denoisebench.datasets.catalogue import open_dataset

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def standard_root(documentary_root: Path) -> Path:
    folder = documentary_root / "standard"
    if not folder.is_dir():
        pytest.skip("the standard sets are not on disk; DENOISEBENCH_DATA holds no folder standard")
    return folder


@pytest.mark.parametrize(
    ("name", "count", "first", "channels"),
    [("set12", 12, "01", 1), ("bsd68", 68, "test001", 1), ("cbsd68", 68, "101085", 3)],
)
def test_a_set_has_its_frames_in_grey_or_colour(
    standard_root: Path, name: str, count: int, first: str, channels: int
) -> None:
    dataset = open_dataset(f"standard:{name}")
    frames = dataset.frames("test")
    assert dataset.name == f"standard:{name}"
    assert len(frames) == dataset.size("test") == count
    assert frames[0].id == first
    assert all(frame.shape[2] == channels for frame in frames)
    assert all(frame.read().shape == frame.shape for frame in frames[:3])
    assert all(frame.read_noisy is None for frame in frames)


def test_the_grey_set_is_the_luma_of_the_colour_set(standard_root: Path) -> None:
    """Y of ITU-R BT.601, to within the rounding of whoever made it."""
    grey = [frame.read()[..., 0] for frame in open_dataset("standard:bsd68").frames("test")]
    for frame in open_dataset("standard:cbsd68").frames("test")[:8]:
        luma = frame.read() @ np.array([0.299, 0.587, 0.114])
        distances = [abs(luma - g).max() for g in grey if g.shape == luma.shape]
        assert min(distances) < 1.01
