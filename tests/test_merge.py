"""``bench merge``: runs of several machines or people become one, or are refused in one line."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import made_up
import pandas as pd
import pytest
from made_up import FRAMES, row

import denoisebench as db
from conftest import COMMAND
from denoisebench.cells import Cell, Measurement, Score, Status
from denoisebench.store.manifest import MANIFEST_FILE, FrameRecord, MetricRecord
from denoisebench.store.sqlite import STORE, Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from conftest import Bench
    from denoisebench.store.manifest import EnvironmentRecord

OTHER = replace(made_up.ENVIRONMENT, cpu="slide rule", machine="m2")


def measured(method: str, psnr: float = 30, frames: Iterable[str] = FRAMES) -> list[Measurement]:
    """Return a method's measurements at sigma 25."""
    return [
        Measurement(
            Cell(method, "cpu", frame, 25.0, 0),
            Status.OK,
            psnr=psnr + FRAMES.index(frame),
            ssim=0.5,
            call_ns=(2_000_000,) * 3,
            cold_ns=9_000_000 if frame == "sea/a" else None,
            peak_memory=5_000_000,
            pixels=100_000,
            quality_key=f"q-{method}",
            timing_key="t",
            noisy_digest=f"n-{frame}",
        )
        for frame in frames
    ]


def part(
    folder: Path,
    method: str,
    measurements: list[Measurement] | None = None,
    environment: EnvironmentRecord = made_up.ENVIRONMENT,
    **parts: Any,
) -> Path:
    """Write a run of one method, six frames and one draw."""
    found = measured(method) if measurements is None else measurements
    about: dict[str, Any] = {"sigmas": (25.0,), "seeds": 1, "environment": environment} | parts
    rows = about.pop("rows", [row(method)])
    return made_up.store(folder, made_up.results(rows, found, **about))


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Return a run of ``one`` and, on another machine, one of ``two``."""
    return part(tmp_path / "a", "one"), part(tmp_path / "b", "two", environment=OTHER)


def refused(ask: Bench, *words: str | Path) -> str:
    """Return the line with which a merge is refused; nothing is written."""
    result = ask("merge", *words, "--out", "both")
    assert result.returncode == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


def test_methods_of_two_people_are_rows_of_one_table(
    ask: Bench, two: tuple[Path, Path], tmp_path: Path
) -> None:
    result = ask("merge", *two, "--out", "both")
    assert result.returncode == 0
    assert result.stdout == (tmp_path / "both" / "table1.md").read_text()
    merged = db.load(tmp_path / "both")
    assert merged.table().set_index("method").psnr_mean.to_dict() == {"one": 32.5, "two": 32.5}
    manifest = merged.results.manifest
    assert manifest.state == "complete"
    assert manifest.command == f"bench merge {two[0]} {two[1]} --out both"
    assert [p.environment.cpu for p in manifest.parts] == ["abacus", "slide rule"]
    assert [p.cells for p in manifest.parts] == [6, 6]
    with Store(two[1] / STORE, read_only=True) as store:
        assert manifest.parts[1].seal == store.seal


def test_times_are_those_of_one_machine_and_every_report_says_so(
    ask: Bench, two: tuple[Path, Path], tmp_path: Path
) -> None:
    result = ask("merge", *two, "--out", "both")
    assert "Times of 6 cells are left out" in result.stderr
    assert "not timed" in result.stdout
    assert "All times and memory were measured on it alone; those of 6 cells" in result.stdout
    assert "Part 2: 6 cells, without the times of 6; slide rule" in result.stdout
    table = db.load("both").table().set_index("method")
    assert table.loc["one", ["ms_per_frame", "cold_ms", "peak_memory_mb"]].tolist() == [2, 9, 5]
    assert table.loc["two", ["ms_per_frame", "cold_ms", "peak_memory_mb"]].isna().all()
    cells = db.load("both").frames().set_index("method").loc["two"]
    assert (cells.status == "ok").all()
    assert (cells.timing_key == "").all()
    assert (cells.rounds == 0).all()
    assert ask("report", "both", "--format", "html,json,latex,csv").returncode == 0
    page = (tmp_path / "both" / "report.html").read_text()
    assert "These runs were merged" in page
    assert "slide rule" in page


def test_the_machine_of_the_times_can_be_chosen(ask: Bench, two: tuple[Path, Path]) -> None:
    assert ask("merge", *two, "--out", "both", "--times-of", two[1]).returncode == 0
    merged = db.load("both")
    assert merged.results.manifest.environment.cpu == "slide rule"
    assert merged.table().set_index("method").ms_per_frame.dropna().to_dict() == {"two": 2}
    line = refused(ask, *two, "--times-of", "elsewhere")
    assert line == "bench: --times-of elsewhere: it is not among the runs to merge"


def test_equal_machines_count_as_one(ask: Bench, tmp_path: Path) -> None:
    a, b = part(tmp_path / "a", "one"), part(tmp_path / "b", "two")
    assert "left out" not in ask("merge", a, b, "--out", "both").stderr
    assert db.load("both").table().ms_per_frame.tolist() == [2, 2]


def test_frames_that_were_split_over_machines_are_joined(ask: Bench, tmp_path: Path) -> None:
    halves = [
        part(tmp_path / str(n), "one", measured("one", frames=half), cpu, frames=half)
        for n, (half, cpu) in enumerate([(FRAMES[:4], made_up.ENVIRONMENT), (FRAMES[4:], OTHER)])
    ]
    result = ask("merge", *halves, "--out", "both")
    assert "Times are those of 4 frames" in result.stdout
    assert db.load("both").table().psnr_mean.tolist() == [32.5]


def test_of_a_cell_that_two_have_the_first_ones_scores_are_taken(
    ask: Bench, tmp_path: Path
) -> None:
    rounded = [replace(m, psnr=(m.psnr or 0) + 1e-12) for m in measured("one")]
    a, b = part(tmp_path / "a", "one"), part(tmp_path / "b", "one", rounded, OTHER)
    result = ask("merge", a, b, "--out", "both", "--times-of", b)
    assert "Measured by more than one run, with the same scores: 6 cells" in result.stderr
    merged = db.load("both")
    assert [m.psnr for m in merged.results.measurements.values()] == [30, 31, 32, 33, 34, 35]
    assert merged.table().ms_per_frame.tolist() == [2]  # of b, though the scores are of a


def test_an_estimate_takes_the_place_of_a_failure(ask: Bench, tmp_path: Path) -> None:
    failed = [Measurement(m.cell, Status.TIMEOUT, "too slow") for m in measured("one")]
    a, b = part(tmp_path / "a", "one", failed), part(tmp_path / "b", "one")
    assert ask("merge", a, b, "--out", "both").returncode == 0
    assert db.load("both").table().status.tolist() == ["ok"]
    assert db.load("both").table().ms_per_frame.tolist() == [2]


def test_further_metrics_of_either_run_are_kept(ask: Bench, tmp_path: Path) -> None:
    lpips = MetricRecord("lpips", "LPIPS", "lower", "", "", 3, "", key="k")
    usual = made_up.manifest([]).metrics
    scored = [replace(m, scores={"lpips": Score(0.1, "k")}) for m in measured("one")]
    a = part(tmp_path / "a", "one")
    b = part(tmp_path / "b", "one", scored, metrics=(*usual, lpips))
    assert ask("merge", a, b, "--out", "both").returncode == 0
    assert db.load("both").table().lpips_mean.tolist() == [pytest.approx(0.1)]
    failed = [replace(m, scores={"lpips": Score(None, "k", "no memory")}) for m in measured("one")]
    d = part(tmp_path / "d", "one", failed, metrics=(*usual, lpips))
    assert ask("merge", d, b, "--out", "mended").returncode == 0
    assert db.load("mended").table().lpips_mean.tolist() == [pytest.approx(0.1)]
    c = part(tmp_path / "c", "two", metrics=(*usual, replace(lpips, key="other")))
    assert "the definition of lpips differs: k and other" in refused(ask, b, c)


def test_a_merged_run_is_compared_and_merged_as_any_other(
    ask: Bench, two: tuple[Path, Path], tmp_path: Path
) -> None:
    ask("merge", *two, "--out", "both")
    assert ask("compare", "both", "both").returncode == 0
    assert "32.5" in ask("history", two[0], "both").stdout
    third = part(tmp_path / "c", "three")
    assert ask("merge", "both", third, "--out", "all").returncode == 0
    manifest = db.load("all").results.manifest
    assert [len(p.parts) for p in manifest.parts] == [2, 0]
    assert db.load("all").table().ms_per_frame.notna().tolist() == [True, False, True]
    run = ask("run", "--dataset", "stills", "--frames", "1", "--methods", "noisy", "--out", "both")
    assert run.returncode == 2
    assert "holds runs that were merged; choose another --out" in run.stderr


def test_a_merge_that_lacks_cells_is_no_finished_run(ask: Bench, tmp_path: Path) -> None:
    a, b = part(tmp_path / "a", "one"), part(tmp_path / "b", "two", measured("two")[:4])
    result = ask("merge", a, b, "--out", "both")
    assert result.returncode == 0
    assert "Merged 2 runs in both: 10 of 12 cells" in result.stderr
    refusal = ask("compare", "both", a)
    assert refusal.returncode == 2
    assert "merge it with runs that have the others" in refusal.stderr


OTHER_PARTS: dict[str, tuple[dict[str, Any], str]] = {
    "protocol": (
        {"protocol": {"version": 1, "digest": "other"}},
        "the protocol differs: 0123456789ab and other",
    ),
    "noise": (
        {"noise": replace(made_up.manifest([]).noise, spec="jpeg")},
        "the noise differs: gaussian and jpeg",
    ),
    "data": (
        {"dataset": replace(made_up.manifest([]).dataset, name="other")},
        "the data set differs: made-up and other",
    ),
    "split": (
        {"dataset": replace(made_up.manifest([]).dataset, split="val")},
        "the split differs: test and val",
    ),
    "frames": (
        {
            "dataset": replace(
                made_up.manifest([]).dataset, frames=(FrameRecord("sea/a", "1", (8, 8, 3)),)
            )
        },
        "the clean frame sea/a differs: 0000000000000000 and 1",
    ),
    "draws": ({"seeds": 2}, "the number of noise draws differs: 1 and 2"),
}


@pytest.mark.parametrize("name", OTHER_PARTS)
def test_runs_that_were_measured_otherwise_are_refused(
    ask: Bench, tmp_path: Path, name: str
) -> None:
    about, reason = OTHER_PARTS[name]
    a, b = part(tmp_path / "a", "one"), part(tmp_path / "b", "two", **about)
    assert refused(ask, a, b) == f"bench: {a} and {b} cannot be merged: {reason}"
    assert not (tmp_path / "both").exists()


def test_a_method_of_another_version_is_refused(ask: Bench, tmp_path: Path) -> None:
    old, new = row("one", identity="1"), row("one", identity="2")
    a = part(tmp_path / "x", "one", measured("one", frames=FRAMES[:3]), rows=[old])
    b = part(tmp_path / "y", "one", measured("one", frames=FRAMES[3:]), rows=[new])
    assert "one (its parameters, code, libraries or weights) differs" in refused(ask, a, b)


def test_a_cell_with_other_scores_is_refused_by_its_name(ask: Bench, tmp_path: Path) -> None:
    a, b = part(tmp_path / "a", "one"), part(tmp_path / "b", "one", measured("one", 31))
    line = refused(ask, a, b)
    assert (
        "the scores by psnr differ (30.0 and 31.0) of one on cpu, sea/a, sigma 25, draw 0" in line
    )
    keys = [replace(m, quality_key="other") for m in measured("one")]
    c = part(tmp_path / "c", "one", keys)
    assert "the parameters, code, libraries or weights differ of one on cpu" in refused(ask, a, c)
    drawn = [replace(m, noisy_digest="other") for m in measured("two")]
    d = part(tmp_path / "d", "two", drawn)
    assert "the noise of sea/a, sigma 25.0, draw 0 differs" in refused(ask, a, d)


def test_requests_that_make_no_sense_are_refused(
    ask: Bench, two: tuple[Path, Path], tmp_path: Path
) -> None:
    a, b = two
    assert refused(ask, a) == "bench: merge: give at least two runs"
    assert refused(ask, a, b, a) == f"bench: {a} is given twice"
    assert "holds no run" in refused(ask, a, tmp_path)
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "notes.txt").touch()
    assert refused(ask, a, b) == "bench: both is there already; give --out a new folder"


def test_an_empty_folder_is_filled_wherever_it_is(
    ask: Bench, two: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert ask("merge", *two, "--out", "empty/../empty").returncode == 0
    assert ask("merge", *two, "--out", "new/deep").returncode == 0
    assert db.load(tmp_path / "empty").results.manifest.parts
    assert db.load(tmp_path / "new" / "deep").results.manifest.parts


def test_a_damaged_store_is_refused(ask: Bench, two: tuple[Path, Path]) -> None:
    with (two[1] / STORE).open("r+b") as file:
        file.seek(8192 + 3000)
        file.write(b"\0" * 1000)
    assert f"{two[1] / STORE} is damaged" in refused(ask, *two)


def test_pictures_are_merged_and_a_file_that_is_none_is_refused(ask: Bench, tmp_path: Path) -> None:
    whole = made_up.make_run(tmp_path / "whole")
    part(tmp_path / "b", "two", seeds=2, sigmas=(15.0, 25.0))
    assert ask("merge", whole, "b", "--out", "both").returncode == 0
    names = sorted(path.name for path in (whole / "pictures").iterdir())
    assert sorted(path.name for path in (tmp_path / "both" / "pictures").iterdir()) == names
    shutil.rmtree(tmp_path / "both")
    (whole / "pictures" / names[0]).write_bytes(b"no picture")
    assert "it is no WebP picture; move it away" in refused(ask, "b", whole)


def test_real_runs_of_two_people_are_the_run_of_one(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["run", "--dataset", f"folder:{photos}", "--sigma", "25", "--threads", "1"]
    for name, methods in {
        "a": "gaussian,noisy",
        "b": "noisy,median",
        "c": "gaussian,noisy,median",
    }.items():
        assert bench(*words, "--methods", methods, "--out", name).returncode == 0
    result = bench("merge", "a", "b", "--out", "both")
    assert result.returncode == 0
    assert "with the same scores: 3 cells" in result.stderr
    scores = ["method", "frame", "psnr", "ssim", "output_digest", "quality_key", "timing_key"]
    merged, one = (pd.read_csv(tmp_path / f / "frames.csv")[scores] for f in ("both", "c"))
    merged, one = (t.sort_values(["method", "frame"], ignore_index=True) for t in (merged, one))
    pd.testing.assert_frame_equal(merged, one)
    assert bench("compare", "c", "both").returncode == 0
    pictures = {f: {p.name for p in (tmp_path / f / "pictures").iterdir()} for f in ("both", "c")}
    assert pictures["both"] == pictures["c"]


def test_a_full_disk_leaves_nothing_half(two: tuple[Path, Path], tmp_path: Path) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    before = sorted(os.listdir(tmp_path))
    result = subprocess.run(
        [COMMAND, "merge", *two, "--out", "both"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=small_files,
        check=False,
    )
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == before


_SLOW = """
import sys, time
from denoisebench.store import merging
def waits(*args):
    print("at work", flush=True)
    time.sleep(60)
merging._copy_crops = waits
from denoisebench.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_merge_that_is_stopped_leaves_nothing_half(
    ask: Bench, two: tuple[Path, Path], tmp_path: Path, number: signal.Signals
) -> None:
    words = ["merge", *map(str, two), "--out", "both"]
    with subprocess.Popen(
        [sys.executable, "-c", _SLOW, *words], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        assert "another merge is at work" in ask(*words).stderr
        process.send_signal(number)
        assert process.wait(10) == (130 if number != signal.SIGKILL else -number)
    assert not (tmp_path / "both").exists()
    assert (tmp_path / ".both.part").exists() == (number == signal.SIGKILL)
    assert ask(*words).returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "both"]
    assert (tmp_path / "both" / MANIFEST_FILE).is_file()
