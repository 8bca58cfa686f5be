"""A flipped bit in a store never shows as a result: it is refused, and mended by the same run."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from denoisebench.errors import UsageError
from denoisebench.running.execution import execute
from denoisebench.running.plan import Plan, RunOptions, make_plan
from denoisebench.running.progress import Silent
from denoisebench.store.results import Results, load_run
from denoisebench.store.sqlite import STORE, Store

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.cells import Measurement


@dataclass(frozen=True)
class Undamaged:
    """A small real run.

    Attributes:
        folder: its folder.
        plan: the plan that measured it.
        results: what it holds.
    """

    folder: Path
    plan: Plan
    results: Results


@pytest.fixture(scope="module")
def undamaged(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Undamaged:
    options = RunOptions(
        methods=("gaussian", "median"),
        dataset=f"folder:{photos}",
        sigmas=(15.0, 25.0),
        seeds=2,
        keep_images=0,
    )
    plan, _ = make_plan(options)
    folder = tmp_path_factory.mktemp("undamaged") / "run"
    return Undamaged(folder, plan, execute(plan, folder, Silent(), lambda line: None))


@pytest.fixture(scope="module")
def cut_off(undamaged: Undamaged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same run as a kill leaves it: with its write-ahead log."""
    folder = tmp_path_factory.mktemp("open") / "run"
    folder.mkdir()
    undamaged.results.manifest.write(folder)
    with Store(undamaged.folder / STORE, read_only=True) as store:
        sessions = store.sessions()
    with Store(folder / STORE) as store:
        for each in sessions:
            number = store.begin_session(each["method"], each["device"], each["started"])
            store.describe_session(number, each["details"])
        for measurement in undamaged.results.measurements.values():
            store.save(measurement)
        return shutil.copytree(folder, tmp_path_factory.mktemp("cut-off") / "run")


def flip_a_bit(path: Path, number: int) -> None:
    content = bytearray(path.read_bytes())
    place = random.Random(number).randrange(8 * len(content))
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def lasting(m: Measurement) -> dict[str, Any]:
    """Return what a second measurement of the cell gives again."""
    names = ("status", "psnr", "ssim", "scores", "quality_key", "timing_key", "output_digest")
    return {name: getattr(m, name) for name in names}


def read(folder: Path) -> Results | str:
    """Return a run, or the line with which it is refused."""
    try:
        return load_run(folder)
    except UsageError as refusal:
        return str(refusal)


def check_damaged(undamaged: Undamaged, folder: Path) -> None:
    """Check that the run is read as it was or not at all, and that running it again mends it."""
    known, found = undamaged.results, read(folder)
    if isinstance(found, str):
        assert str(folder) in found
        assert "\n" not in found
    else:
        assert found == known
    mended = execute(undamaged.plan, folder, Silent(), lambda line: None)
    assert mended.manifest.state == "complete"
    assert mended.measurements.keys() == known.measurements.keys()
    for cell, measurement in mended.measurements.items():
        assert lasting(measurement) == lasting(known.measurements[cell])
    assert load_run(folder) == mended


def test_a_flipped_bit_is_noticed_and_mended(
    undamaged: Undamaged, tmp_path: Path, flip: int
) -> None:
    folder = shutil.copytree(undamaged.folder, tmp_path / "run")
    flip_a_bit(folder / STORE, flip)
    check_damaged(undamaged, folder)


def test_a_flipped_bit_in_the_log_of_a_killed_run_is_noticed_and_mended(
    undamaged: Undamaged, cut_off: Path, tmp_path: Path, flip: int
) -> None:
    folder = shutil.copytree(cut_off, tmp_path / "run")
    flip_a_bit(folder / f"{STORE}-wal", flip)
    check_damaged(undamaged, folder)
