"""What several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def documentary_root(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds the real ``documentary`` frames, named to the package as a user does.

    It is `DENOISEBENCH_DATA`, or ``shared/data`` beside the checkout.
    """
    beside = Path(__file__).parents[2] / "shared" / "data"
    root = Path(os.environ.get("DENOISEBENCH_DATA") or beside)
    if not (root / "documentary").is_dir():
        pytest.skip("the documentary frames are not on disk; DENOISEBENCH_DATA names no folder")
    monkeypatch.setenv("DENOISEBENCH_DATA", str(root))
    return root


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the user's cache, and no DENOISEBENCH_DATA."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("pooch.os_cache", lambda project: folder / project)
    monkeypatch.delenv("DENOISEBENCH_DATA", raising=False)
    return folder / "denoisebench"
