"""``bench run --jobs``: frames scored side by side, and methods timed alone afterwards."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import COMMAND
from denoisebench.running.plan import RunOptions, make_plan

if TYPE_CHECKING:
    from conftest import Bench

FAULTY = Path(__file__).parent / "plugins" / "faulty.py"
CELL = ["method", "device", "frame", "sigma", "seed"]
SCORES = [*CELL, "status", "psnr", "ssim", "noisy_digest", "output_digest", "quality_key"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of two sizes."""
    path = tmp_path_factory.mktemp("eight") / "frames"
    path.mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        pixels = rng.integers(0, 256, (40, 48 - number % 2, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / f"{number}.png")
    return path


def words(folder: Path, methods: str, *more: str | Path) -> list[str | Path]:
    return [
        *("run", "--dataset", f"folder:{folder}", "--methods", methods, "--sigma", "15,25"),
        *("--keep-images", "1", *more),
    ]


def cells(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "frames.csv")


def timed(folder: Path) -> set[str]:
    """Return the frames on which every method has times."""
    found = cells(folder).set_index(["method", "frame"]).ms.notna()
    by_frame = found.groupby("frame")
    assert (by_frame.all() == by_frame.any()).all()
    return {Path(frame).stem for frame, has in by_frame.all().items() if has}


def test_scores_are_those_of_one_process_and_some_frames_are_timed(
    bench: Bench, folder: Path, tmp_path: Path
) -> None:
    methods = "noisy,gaussian,median,nlm-native"
    assert bench(*words(folder, methods, "--jobs", "1", "--out", "one")).returncode == 0
    result = bench(*words(folder, methods, "--jobs", "2", "--out", "two"))
    assert result.returncode == 0
    assert "64 cells; 24 to be timed once all are scored" in result.stderr
    one, two = cells(tmp_path / "one"), cells(tmp_path / "two")
    pd.testing.assert_frame_equal(
        one[SCORES].sort_values(CELL, ignore_index=True),
        two[SCORES].sort_values(CELL, ignore_index=True),
    )
    assert len(timed(tmp_path / "one")) == 8
    assert timed(tmp_path / "two") == {"0", "2", "5"}
    line = "Times are those of 3 frames, each method alone on the machine"
    assert line in result.stdout
    assert line not in (tmp_path / "one" / "table1.md").read_text()
    table = pd.read_csv(tmp_path / "two" / "table1.csv")
    assert (table.frames == 8).all()
    assert (table.ms_per_frame > 0).all()
    assert {p.name for p in (tmp_path / "one" / "pictures").iterdir()} == {
        p.name for p in (tmp_path / "two" / "pictures").iterdir()
    }
    page = bench("report", "two", "--format", "html,latex", "--out", "page")
    assert page.returncode == 0
    assert line in (tmp_path / "page" / "report.html").read_text()
    compared = bench("compare", "one", "two", "--fail-on", "psnr,ssim")
    assert compared.returncode == 0, compared.stdout


def test_what_was_scored_is_timed_later_and_what_was_timed_is_not_scored_again(
    bench: Bench, folder: Path, tmp_path: Path
) -> None:
    once = words(folder, "gaussian", "--jobs", "2", "--timed-frames", "0", "--out", "out")
    result = bench(*once)
    assert result.returncode == 0
    assert "No method was timed." in result.stdout
    assert timed(tmp_path / "out") == set()
    some = bench(*words(folder, "gaussian", "--jobs", "2", "--timed-frames", "2", "--out", "out"))
    assert "16 cells, 12 measured before\n" in some.stderr
    assert timed(tmp_path / "out") == {"0", "4"}
    every = bench(*words(folder, "gaussian", "--jobs", "1", "--out", "out"))
    assert "16 cells, 4 measured before\n" in every.stderr
    assert len(timed(tmp_path / "out")) == 8
    again = bench(*once)
    assert "16 cells, 16 measured before\n" in again.stderr
    assert len(timed(tmp_path / "out")) == 8


def test_a_fault_beside_others_costs_its_own_cells_and_is_not_tried_again(
    bench: Bench, folder: Path, tmp_path: Path
) -> None:
    methods = "gaussian,faulty-raises,faulty-killed,faulty-nan,median"
    result = bench(*words(folder, methods, "--plugin", FAULTY, "--jobs", "2", "--out", "out"))
    assert result.returncode == 3
    found = cells(tmp_path / "out").set_index("method")
    assert (found.loc[["gaussian", "median"]].status == "ok").all()
    assert (found.loc["faulty-raises"].status == "error").all()
    assert (found.loc["faulty-nan"].status == "invalid_output").all()
    assert set(found.loc["faulty-killed"].status) == {"killed", "unavailable"}
    assert found.index.value_counts().eq(16).all()
    assert result.stderr.count("faulty-raises on cpu: 0 of 16 cells") == 1


def test_more_processes_than_cells_take_no_memory_from_each_other(
    bench: Bench, folder: Path, tmp_path: Path
) -> None:
    more = ("--jobs", "500", "--timed-frames", "0", "--out", "out")
    result = bench(*words(folder, "noisy,gaussian", *more))
    assert result.returncode == 0, result.stderr
    assert (cells(tmp_path / "out").status == "ok").all()


def stored(folder: Path) -> pd.DataFrame:
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        return pd.read_sql("SELECT * FROM measurements", connection)


def wait_for(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until so many cells are stored, or the process has ended."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(sqlite3.Error, pd.errors.DatabaseError):
            if (folder / "run.sqlite").exists() and len(stored(folder)) >= count:
                return
        time.sleep(0.01)


def test_kills_at_random_points_lose_and_double_nothing(
    bench: Bench, folder: Path, tmp_path: Path
) -> None:
    run = words(folder, "noisy,gaussian,median", "--seeds", "3", "--jobs", "2", "--out", "out")
    out, chance = tmp_path / "out", random.Random(14)
    before = pd.DataFrame(columns=[*CELL, "psnr"])
    for _ in range(3):
        with subprocess.Popen(
            [COMMAND, *map(str, run)], cwd=tmp_path, stderr=subprocess.DEVNULL
        ) as process:
            wait_for(out, len(before) + chance.randint(1, 40), process)
            process.kill()
        after = stored(out)
        assert not after.duplicated(CELL).any()
        assert len(before.merge(after, on=[*CELL, "psnr"])) == len(before)
        before = after[[*CELL, "psnr"]]
    result = bench(*run)
    assert result.returncode == 0
    found = cells(out)
    assert len(found) == 3 * 8 * 2 * 3
    assert (found.status == "ok").all()
    assert timed(out) == {"0", "2", "5"}


SLOW = """
import os, time
from dataclasses import dataclass
from pathlib import Path
from denoisebench.denoisers.registry import register

MET = Path("met")

@register("slow", title="Slow", family="local", blind=True)
@dataclass(frozen=True)
class Slow:
    def denoise(self, noisy, sigma):
        if not (MET / str(os.getpid())).exists():
            (MET / str(os.getpid())).touch()
            time.sleep(1)  # a cell that takes long, so that help is worth its while
            return noisy
        while len(list(MET.iterdir())) < 2:
            time.sleep(0.01)
        return noisy
"""


def test_a_method_that_takes_long_is_shared_by_processes(
    bench: Bench, folder: Path, tmp_path: Path
) -> None:
    """The method goes on after its first cell only once two processes have met."""
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "met").mkdir()
    more = ("--plugin", "slow.py", "--jobs", "2", "--timed-frames", "0", "--out", "out")
    result = bench(*words(folder, "slow", *more))
    assert result.returncode == 0, result.stderr
    assert (cells(tmp_path / "out").status == "ok").all()
    assert stored(tmp_path / "out").session.nunique() == 2


def test_an_interrupt_ends_all_processes_and_the_run_goes_on(
    bench: Bench, folder: Path, tmp_path: Path
) -> None:
    import signal

    import psutil

    methods = "gaussian,faulty-hangs"
    run = words(folder, methods, "--plugin", FAULTY, "--jobs", "2", "--out", "out")
    with subprocess.Popen(
        [COMMAND, *map(str, run)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(tmp_path / "out", 16, process)  # type: ignore[arg-type]
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "--jobs 2" in stderr
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert len(stored(tmp_path / "out")) == 16
    rest = bench(*words(folder, "gaussian", "--jobs", "2", "--out", "out"))
    assert rest.returncode == 0
    assert "16 cells, 10 measured before; " not in rest.stderr


def test_few_frames_are_all_timed_and_few_cores_are_not_shared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(cores: int, frames: int, **further: int) -> tuple[int, int]:
        monkeypatch.setattr("denoisebench.machine.threads.physical_cores", lambda: cores)
        options = RunOptions(
            methods=("gaussian",),
            dataset=f"folder:{folder}",
            frames=frames,
            **further,  # type: ignore[arg-type]
        )
        made, _ = make_plan(options)
        return made.jobs, len(made.timed)

    assert plan(2, 8) == (1, 8)
    assert plan(16, 8) == (16, 3)
    assert plan(16, 6) == (16, 6)
    assert plan(2, 8, jobs=2) == (2, 3)
    assert plan(2, 8, jobs=2, timed_frames=8) == (2, 8)
    assert plan(2, 8, timed_frames=5) == (1, 5)
