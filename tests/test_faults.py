"""What goes wrong is told in one clear line, and nothing that was measured is lost."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from conftest import COMMAND, HURRIED
from denoisebench.running.evaluation import FrameReader
from denoisebench.running.plan import RunOptions, make_plan
from denoisebench.running.progress import PlainProgress
from denoisebench.running.run_folder import RunFolder
from denoisebench.running.runner import carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Bench

FAULTY = Path(__file__).parent / "plugins" / "faulty.py"
FAULTY_TORCH = Path(__file__).parent / "plugins" / "faulty_torch.py"
BROKEN = Path(__file__).parent / "plugins" / "fails_at_import.py"


def run_words(photos: Path, methods: str, *more: str | Path) -> list[str | Path]:
    words = ["run", "--dataset", f"folder:{photos}", "--methods", methods, "--sigma", "25"]
    plugin = ["--plugin", FAULTY] if "faulty" in methods else []
    return [*words, *plugin, "--out", "out", *more]


def one_line(text: str) -> str:
    """Return the last line on stderr: what the user is told."""
    return text.strip().splitlines()[-1]


METHOD_FAULTS = {
    "raises": ("error", "RuntimeError: this method | is <broken>"),
    "exits": ("error", "SystemExit: enough"),
    "build": ("error", "cannot be loaded: OSError: weights are missing"),
    "killed": ("killed", "its process was ended by SIGKILL, perhaps for lack of memory"),
    "crashes": ("killed", "its process was ended by SIGSEGV"),
    "leaves": ("killed", "its process exited with code 7"),
    "nan": ("invalid_output", "returned values that are not finite"),
    "shape": ("invalid_output", "returned shape (39, 48, 3), not (40, 48, 3)"),
    "float64": ("invalid_output", "returned float64, not float32"),
    "none": ("invalid_output", "returned NoneType, not ndarray"),
    "writes": ("invalid_output", "wrote into its input"),
}


def test_every_fault_of_a_method_is_a_failed_row(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    names = ",".join(f"faulty-{name}" for name in METHOD_FAULTS)
    result = bench(*run_words(photos, f"{names},gaussian"))
    assert result.returncode == 3
    cells = pd.read_csv(tmp_path / "out" / "frames.csv").set_index("method")
    for name, (status, reason) in METHOD_FAULTS.items():
        mine = cells.loc[f"faulty-{name}"]
        assert len(mine) == 3
        assert mine.iloc[0].status == status
        assert mine.iloc[0].reason == reason
        assert mine.psnr.isna().all()
    assert (cells.loc["gaussian"].status == "ok").all()
    table = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method")
    assert table.status.to_dict() == {
        **{f"faulty-{name}": status for name, (status, _) in METHOD_FAULTS.items()},
        "gaussian": "ok",
    }
    rows = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert len({line.count("|") - line.count("\\|") for line in rows}) == 1
    assert "error: RuntimeError: this method \\| is &lt;broken>" in result.stdout


def test_a_fault_of_a_method_on_tensors_is_told_in_its_own_terms(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "grey").mkdir()
    grey = np.tile(np.arange(40, 80, dtype=np.uint8), (32, 1))
    Image.fromarray(grey).save(tmp_path / "grey" / "ramp.png")
    words = run_words(tmp_path / "grey", "tensor-*", "--plugin", FAULTY_TORCH)
    assert bench(*words).returncode == 3
    cells = pd.read_csv(tmp_path / "out" / "frames.csv").set_index("method")
    assert (cells.status == "invalid_output").all()
    assert cells.reason.to_dict() == {
        "tensor-half": "returned torch.bfloat16, not torch.float32",
        "tensor-numpy": "returned ndarray, not Tensor",
        "tensor-shape": "returned shape (1, 32, 40), not (1, 1, 32, 40)",
        "tensor-writes": "wrote into its input",
    }


def test_a_process_that_cannot_be_started_is_a_failed_cell(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("denoisebench.running.worker.SharedFrames", no_room)
    options = RunOptions(methods=("noisy",), dataset=f"folder:{photos}", sigmas=(25.0,))
    plan, _ = make_plan(options)
    with RunFolder(tmp_path / "out", plan) as folder:
        carry_out(plan, folder, PlainProgress())
        found = list(folder.store.measurements().values())
    assert {m.status.value for m in found} == {"unavailable"}
    assert found[0].reason == "its process cannot be started: No space left on device"


def test_a_hanging_method_is_stopped_at_the_time_limit_and_given_up(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    start = time.monotonic()
    result = bench(*run_words(photos, "faulty-hangs,noisy", "--timeout", "2"))
    assert time.monotonic() - start < 30
    assert result.returncode == 3
    cells = pd.read_csv(tmp_path / "out" / "frames.csv")
    hung = cells[cells.method == "faulty-hangs"]
    assert hung.status.tolist() == ["timeout", "timeout", "unavailable"]
    assert hung.reason.tolist()[0] == "no result within 2 s (--timeout)"
    assert "not tried after 2 losses in a row" in hung.reason.tolist()[2]
    assert (cells[cells.method == "noisy"].status == "ok").all()


def test_a_method_that_takes_all_memory_is_stopped(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    result = bench(*run_words(photos, "faulty-hogs,gaussian", "--memory-limit", "0.4"))
    assert result.returncode == 3
    cells = pd.read_csv(tmp_path / "out" / "frames.csv")
    hogs = cells[cells.method == "faulty-hogs"]
    assert hogs.status.tolist()[:2] == ["killed", "killed"]
    assert hogs.reason.tolist()[0] == "used more than 0.4 GB (--memory-limit)"


def test_a_method_that_dies_once_loses_one_cell_and_a_second_run_mends_it(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    method = f"faulty-flaky[marker={tmp_path / 'marker'}]"
    assert bench(*run_words(photos, method)).returncode == 3
    first = pd.read_csv(tmp_path / "out" / "frames.csv").set_index("frame")
    assert first.status.tolist() == ["killed", "ok", "ok"]
    assert bench(*run_words(photos, method)).returncode == 0
    second = pd.read_csv(tmp_path / "out" / "frames.csv").set_index("frame")
    assert second.status.tolist() == ["ok", "ok", "ok"]
    assert (second.ms[1:] == first.ms[1:]).all()  # what was measured was not measured again


def test_a_method_that_fails_on_some_frames_gets_no_mean(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    result = bench(*run_words(photos, "faulty-sometimes,gaussian"))
    assert result.returncode == 3
    table = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method")
    row = table.loc["faulty-sometimes"]
    assert row.status == "error"
    assert 0 < row.frames < 3
    assert pd.isna(row.psnr_mean)
    assert "of 3 cells failed: ValueError: too bright" in row.note


def test_what_a_method_prints_goes_to_its_log(bench: Bench, photos: Path, tmp_path: Path) -> None:
    result = bench(*run_words(photos, "faulty-chatters"))
    assert result.returncode == 0
    assert "garbage" not in result.stdout + result.stderr
    log = (tmp_path / "out" / "logs" / "faulty-chatters-cpu.log").read_text()
    for source in ("stdout", "descriptor 1", "descriptor 2"):
        assert f"garbage on {source}" in log


def test_a_plugin_that_fails_at_import_is_a_failed_row(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = run_words(photos, "all", "--plugin", BROKEN)
    words[words.index("all")] = "fails*,gaussian"
    result = bench(*words)
    assert result.returncode == 3
    table = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method")
    assert table.loc["fails_at_import"].status == "unavailable"
    assert "a_library_that_nobody_has" in table.loc["fails_at_import"].note
    assert table.loc["gaussian"].status == "ok"


def test_a_method_whose_library_is_absent_fails_a_run_only_if_it_was_asked_for(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "needy.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from denoisebench.denoisers import register\n"
        "@register('needy', title='Needy', family='local', requires=('nobody_has_this',))\n"
        "@dataclass(frozen=True)\n"
        "class Needy:\n"
        "    def denoise(self, noisy, sigma): return noisy.copy()\n"
    )
    by_pattern = bench(*run_words(photos, "need*,median", "--plugin", plugin))
    assert by_pattern.returncode == 0
    assert "needs nobody_has_this, not installed" in by_pattern.stdout
    by_name = bench(*run_words(photos, "needy", "--plugin", plugin))
    assert by_name.returncode == 3


@pytest.fixture
def slow_run(photos: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a run of 162 cells that takes a second or more, started in the background."""
    with start(photos, tmp_path) as process:
        yield process
        process.kill()


def slow_words(photos: Path) -> list[str | Path]:
    words = run_words(photos, "noisy,gaussian,median", "--seeds", "6")
    words[words.index("25")] = "15,25,50"
    return words


def start(photos: Path, tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*HURRIED, *map(str, slow_words(photos))],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored(folder: Path) -> pd.DataFrame:
    """Return the measurements as SQLite holds them."""
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        return pd.read_sql("SELECT * FROM measurements", connection)


def wait_for_cells(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "run.sqlite").exists():
            with (
                suppress(sqlite3.Error),  # it is just being created
                closing(sqlite3.connect(folder / "run.sqlite")) as connection,
            ):
                [found] = connection.execute("SELECT count(*) FROM measurements").fetchone()
                if found >= count:
                    return
        time.sleep(0.01)
    raise AssertionError(f"no {count} cells within a minute")


CELL = ["method", "device", "frame", "sigma", "seed"]


def test_a_coordinator_killed_at_random_points_loses_and_doubles_nothing(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    chance = random.Random(20200805)
    before = pd.DataFrame(columns=[*CELL, "call_ns"])
    for _ in range(4):
        with start(photos, tmp_path) as process:
            wait_for_cells(out, min(len(before) + chance.randint(1, 36), 161))
            process.kill()
            process.wait()
        after = stored(out)
        kept = before.merge(after, on=[*CELL, "call_ns"])
        assert len(kept) == len(before)  # not one was lost or measured again
        before = after[[*CELL, "call_ns"]]
    result = bench(*slow_words(photos))
    assert result.returncode == 0
    assert f"162 cells, {len(before)} measured before" in result.stderr
    cells = pd.read_csv(out / "frames.csv")
    assert len(cells) == 162
    assert not cells.duplicated(CELL).any()
    assert (cells.status == "ok").all()


def test_the_worker_dies_with_its_coordinator(photos: Path, tmp_path: Path) -> None:
    words = run_words(photos, "faulty-hangs")
    process = subprocess.Popen([COMMAND, *map(str, words)], cwd=tmp_path)
    deadline = time.monotonic() + 30
    log = tmp_path / "out" / "logs" / "faulty-hangs-cpu.log"
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_shows_what_is_done_and_how_to_go_on(
    bench: Bench,
    photos: Path,
    tmp_path: Path,
    slow_run: subprocess.Popen[str],
    signal_number: signal.Signals,
) -> None:
    wait_for_cells(tmp_path / "out", 20)
    slow_run.send_signal(signal_number)
    output, errors = slow_run.communicate(timeout=30)
    assert slow_run.returncode == 130
    assert "Noisy input" in output
    assert "incomplete" in output
    command = one_line(errors).removeprefix("Interrupted. To go on from here: ").split()
    assert command[:2] == ["bench", "run"]
    assert "Traceback" not in errors
    done = len(stored(tmp_path / "out"))
    result = bench(*command[1:])
    assert result.returncode == 0
    assert f"162 cells, {done} measured before" in result.stderr


def test_an_interruption_before_anything_runs_is_no_crash(tmp_path: Path) -> None:
    plugin = tmp_path / "sleepy.py"
    plugin.write_text("import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(60)")
    process = subprocess.Popen(
        [COMMAND, "list", "--plugin", plugin], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "Interrupted.\n"


def test_a_full_disk_keeps_what_was_measured(bench: Bench, photos: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        words = run_words(photos, "noisy,gaussian,median", "--seeds", "20", "--keep-images", "0")
        words[words.index("out")] = disk / "out"
        result = bench(*words)
        assert result.returncode == 2
        assert "free some space and run the same command again" in one_line(result.stderr)
        kept = len(stored(disk / "out"))
        assert 0 < kept < 180
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        result = bench(*words)
        assert result.returncode == 0
        assert f"180 cells, {kept} measured before" in result.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_second_run_into_the_same_folder_is_refused(
    bench: Bench, photos: Path, tmp_path: Path, slow_run: subprocess.Popen[str]
) -> None:
    wait_for_cells(tmp_path / "out", 1)
    slow_run.send_signal(signal.SIGSTOP)  # or it might be over first
    result = bench(*run_words(photos, "gaussian"))
    slow_run.send_signal(signal.SIGCONT)
    assert result.returncode == 2
    assert "another run is at work in out; wait for it" in one_line(result.stderr)
    assert slow_run.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def undamaged(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undamaged")
    command = [*HURRIED, *map(str, run_words(photos, "gaussian"))]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "out"


@pytest.fixture
def finished_run(undamaged: Path, tmp_path: Path) -> Path:
    """Return the folder of a run, to be damaged."""
    return shutil.copytree(undamaged, tmp_path / "out")


DAMAGE = {
    "truncated": lambda file: os.truncate(file, file.stat().st_size // 2),
    "overwritten": lambda file: file.write_bytes(b"no database at all" * 100),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_unreadable_store_is_refused_and_set_aside_by_the_same_run(
    bench: Bench, ask: Bench, photos: Path, finished_run: Path, damage: str
) -> None:
    DAMAGE[damage](finished_run / "run.sqlite")
    spoilt = (finished_run / "run.sqlite").read_bytes()
    result = ask("report", "out")
    assert result.returncode == 2
    assert "out/run.sqlite is damaged" in one_line(result.stderr)
    result = bench(*run_words(photos, "gaussian"))
    assert result.returncode == 0
    assert "out/run.sqlite was damaged, and is now in out/before-" in result.stderr
    [aside] = finished_run.glob("before-*/run.sqlite")
    assert aside.read_bytes() == spoilt


def test_a_foreign_database_is_left_alone(ask: Bench, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with closing(sqlite3.connect(tmp_path / "out" / "run.sqlite")) as connection:
        connection.execute("CREATE TABLE precious (x)")
    result = ask(*run_words(photos, "gaussian"))
    assert result.returncode == 2
    assert "was not written by bench" in one_line(result.stderr)
    with closing(sqlite3.connect(tmp_path / "out" / "run.sqlite")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]


def test_a_damaged_manifest_is_refused_and_without_it_the_run_goes_on(
    bench: Bench, ask: Bench, photos: Path, finished_run: Path
) -> None:
    for damaged in ('{"manifest": 1, "trunc', '{"manifest": 1}', "[]"):
        (finished_run / "manifest.json").write_text(damaged)
        result = ask("report", finished_run)
        assert result.returncode == 2
        assert "manifest.json cannot be read" in one_line(result.stderr)
        assert "delete it, and the same bench run goes on" in one_line(result.stderr)
    (finished_run / "manifest.json").unlink()
    assert "3 measured before" in bench(*run_words(photos, "gaussian")).stderr


@pytest.mark.usefixtures("finished_run")
def test_another_data_set_does_not_enter_the_same_folder(ask: Bench, photos: Path) -> None:
    words = run_words(photos, "gaussian")
    words[words.index(f"folder:{photos}")] = "stills"
    result = ask(*words)
    assert result.returncode == 2
    assert "choose another --out, or pass --fresh" in one_line(result.stderr)


BAD_REQUESTS = {
    "unknown method": (["--methods", "bm3"], "unknown method 'bm3'; did you mean bm3d?"),
    "unknown glob": (["--methods", "xyz*"], "no method matches 'xyz*'"),
    "unknown parameter": (
        ["--methods", "gaussian[widht=2]"],
        "unknown parameter 'widht'; did you mean width?",
    ),
    "bad parameter": (["--methods", "nlm-skimage[h=wide]"], "h takes float, not 'wide'"),
    "empty methods": (["--methods", ","], "give at least one"),
    "negative sigma": (["--sigma", "-5"], "-5 is not between 0 and 255"),
    "nan sigma": (["--sigma", "nan"], "nan is not between 0 and 255"),
    "absurd sigma": (["--sigma", "25,1e9"], "1e+09 is not between 0 and 255"),
    "sigma in words": (["--sigma", "strong"], "'strong' is not a number"),
    "no seeds": (["--seeds", "0"], "0 is not in the range 1<=x<=1000"),
    "endless seeds": (["--seeds", "9" * 20], "is not in the range 1<=x<=1000"),
    "no time": (["--timeout", "0"], "0.0 is not in the range x>0"),
    "endless time": (["--timeout", "inf"], "inf is not a finite number"),
    "time that is none": (["--timeout", "nan"], "nan is not a finite number"),
    "memory that is none": (["--memory-limit", "nan"], "nan is not a finite number"),
    "unknown data set": (["--dataset", "documentery"], "did you mean documentary?"),
    "unknown split": (["--dataset", "stills", "--split", "training"], "unknown split 'training'"),
    "no such folder": (["--dataset", "folder:nowhere"], "folder:nowhere: does not exist"),
    "absent plugin": (["--plugin", "nowhere.py"], "no such Python file"),
    "forced but not run": (["--methods", "noisy", "--force", "median"], "not among --methods"),
    "folder in a file": (["--out", "a-file/out"], "cannot make the folder a-file/out"),
    "absent config": (["--config", "nowhere.toml"], "cannot be read"),
    "bad config": (["--config", "bad.toml"], "not valid TOML"),
    "odd config": (["--config", "odd.toml"], "unknown option 'sigmas'; did you mean sigma?"),
    "list for one value": (["--config", "list.toml"], "out: takes one value, not a list"),
    "table for a value": (["--config", "table.toml"], "plugin: takes text, numbers or true and"),
    "half a draw": (["--config", "half.toml"], "'1.5' is not a valid integer"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_bad_request_is_refused_in_one_line(ask: Bench, tmp_path: Path, case: str) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "bad.toml").write_text("sigma = ")
    (tmp_path / "odd.toml").write_text("sigmas = [25]")
    (tmp_path / "list.toml").write_text("out = ['a', 'b']")
    (tmp_path / "table.toml").write_text("plugin = {file = 'a.py'}")
    (tmp_path / "half.toml").write_text("seeds = 1.5")
    words, complaint = BAD_REQUESTS[case]
    chosen = [] if "--dataset" in words else ["--dataset", "stills"]
    result = ask("run", *words, *chosen)
    assert result.returncode == 2
    assert complaint in one_line(result.stderr)
    assert result.stdout == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cannot_be_written_to_is_refused(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    result = bench(*run_words(photos, "gaussian"))
    assert result.returncode == 2
    assert "cannot" in one_line(result.stderr)


def test_bad_frames_are_refused_before_anything_runs(ask: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    empty = ask("run", "--dataset", f"folder:{folder}", "--out", "out")
    assert empty.returncode == 2
    assert "holds no images" in one_line(empty.stderr)
    (folder / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    corrupt = ask("run", "--dataset", f"folder:{folder}", "--out", "out")
    assert corrupt.returncode == 2
    assert "corrupt.png" in one_line(corrupt.stderr)


@pytest.mark.parametrize("side", [40, 64])
def test_an_image_that_is_replaced_during_a_run_is_not_scored(
    ask: Bench, photos: Path, tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No frame is kept, so that each is read again for the next method."""
    monkeypatch.setattr("denoisebench.running.runner.FrameReader", lambda: FrameReader(limit=0))
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (tmp_path / "swap.py").write_text(
        "from dataclasses import dataclass\n"
        "from PIL import Image\n"
        "from denoisebench.denoisers import register\n"
        "@register('swap', title='Swap', family='local')\n"
        "@dataclass(frozen=True)\n"
        "class Swap:\n"
        "    def denoise(self, noisy, sigma):\n"
        f"        Image.new('RGB', (48, {side})).save({str(folder / 'photo1.png')!r})\n"
        "        return noisy.copy()\n"
    )
    words = run_words(folder, "noisy,swap,gaussian", "--plugin", "swap.py", "--seeds", "2")
    result = ask(*words)
    assert result.returncode == 2
    assert one_line(result.stderr) == (
        "bench: photo1.png has changed since it was first read; put the image back, or start anew"
    )
    kept = stored(tmp_path / "out")
    assert set(kept.method) == {"noisy", "swap"}
    assert set(kept[kept.method == "swap"].frame) == {"photo0.png"}
    shutil.copy(photos / "photo1.png", folder)
    words[words.index("noisy,swap,gaussian")] = "noisy,gaussian"
    assert ask(*words).returncode == 0


def test_a_plugin_that_is_edited_during_a_run_is_not_scored_as_it_was_before(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "two.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from denoisebench.denoisers import register\n"
        "@register('first', title='First', family='local')\n"
        "@dataclass(frozen=True)\n"
        "class First:\n"
        "    def denoise(self, noisy, sigma):\n"
        f"        with open({str(plugin)!r}, 'a') as file: file.write('#')\n"
        "        return noisy.copy()\n"
        "@register('second', title='Second', family='local')\n"
        "@dataclass(frozen=True)\n"
        "class Second(First):\n"
        "    def denoise(self, noisy, sigma): return noisy.copy()\n"
    )
    words = run_words(photos, "first,second,noisy", "--plugin", plugin)
    assert bench(*words).returncode == 3
    found = stored(tmp_path / "out").set_index("method")
    assert (found.loc["first"].status == "ok").all()
    assert (found.loc["second"].status == "error").all()
    assert (
        "its code or weights have changed since the run began" in found.loc["second"].reason.iloc[0]
    )
    assert (found.loc["noisy"].status == "ok").all()
    words[words.index("first,second,noisy")] = "second"
    assert bench(*words).returncode == 0
