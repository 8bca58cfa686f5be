"""``bench run --scheduler``: cells are scored on the workers of a real Dask cluster."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import psutil
import pytest

import denoisebench as db
from conftest import COMMAND
from denoisebench.running import cluster as clusters
from denoisebench.running import dask_link
from denoisebench.running.node import CellBatch, RemoteCell, end_run, measure_batch
from denoisebench.running.plan import RunOptions, make_plan
from denoisebench.store.sqlite import STORE, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Bench

pytest.importorskip("distributed")


@pytest.fixture(autouse=True)
def own_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Dask's workers from the locks of others, which a process that was stopped may hold."""
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", str(tmp_path / "dask"))


PLUGIN = Path(__file__).parent / "plugins" / "clustered.py"
CELL = ["method", "frame", "sigma", "seed"]


def words(photos: Path, methods: str, scheduler: str, *more: str | Path) -> list[str | Path]:
    data = ["run", "--dataset", f"folder:{photos}", "--methods", methods, "--sigma", "25"]
    return [*data, "--plugin", PLUGIN, "--scheduler", scheduler, "--out", "out", *more]


def check_whole(folder: Path, count: int, *, status: str = "ok") -> pd.DataFrame:
    """Check that no cell is lost or doubled; return the cells."""
    cells = pd.read_csv(folder / "frames.csv")
    assert len(cells) == count
    assert not cells.duplicated(CELL).any()
    assert (cells.status == status).all()
    return cells


def count_cells(folder: Path) -> int:
    """Return the number of cells that are stored so far."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(folder / STORE)) as connection:
        return int(connection.execute("SELECT count(*) FROM measurements").fetchone()[0])
    return 0


def wait_until(holds: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def workers_at_work(root: int) -> list[psutil.Process]:
    """Return the Dask workers below a process that have a run's process below them."""
    below = {p.pid: p for p in psutil.Process(root).children(recursive=True)}
    found = []
    for process in below.values():
        with suppress(psutil.Error, KeyError):  # ended meanwhile
            if any("denoisebench.running.node" in word for word in process.cmdline()):
                found.append(below[process.ppid()])
    return found


def strike(root: int, blow: Callable[[psutil.Process], None], chance: random.Random) -> int:
    """Kill or stop one of the Dask workers at work as soon as there is one; return its number."""
    struck: list[int] = []

    def hit() -> bool:
        with suppress(IndexError, psutil.NoSuchProcess):  # none, or ended meanwhile
            worker = chance.choice(workers_at_work(root))
            blow(worker)
            struck.append(worker.pid)
        return bool(struck)

    wait_until(hit)
    return struck[0]


def dask(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class DaskCluster:
    """A scheduler and two workers, as a lab has them."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        port = str(self._port)
        self.scheduler = dask(
            *("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        )
        options = ["--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]
        self.workers = dask("worker", self.address, *options)

    def end(self) -> None:
        for process in (self.workers, self.scheduler):
            with suppress(ProcessLookupError):
                below = psutil.Process(process.pid).children(recursive=True)
                os.killpg(process.pid, signal.SIGKILL)
                for child in below:
                    with suppress(psutil.Error):
                        child.kill()
            process.wait()


@pytest.fixture
def dask_cluster() -> Iterator[DaskCluster]:
    found = DaskCluster()
    yield found
    found.end()


@contextmanager
def started(folder: Path, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Start the command in the background."""
    command = [COMMAND, *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_scores_are_those_of_one_machine_and_times_are_taken_here(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    methods = "gaussian,noisy"
    result = bench(*words(photos, methods, "local:2", "--timed-frames", "1"))
    assert result.returncode == 0, result.stderr
    assert "Times are those of 1 frame" in result.stdout
    alone = words(photos, methods, "local:2")[:-4]
    assert bench(*alone, "--out", "alone").returncode == 0
    scores = [*CELL, "psnr", "ssim", "noisy_digest", "output_digest", "quality_key"]
    tables = [pd.read_csv(tmp_path / f / "frames.csv").sort_values(CELL) for f in ("out", "alone")]
    there, here = (table[scores].reset_index(drop=True) for table in tables)
    pd.testing.assert_frame_equal(there, here)
    timed = tables[0].groupby("frame").ms.count().to_dict()
    assert timed == {"photo0.png": 0, "photo1.png": 2, "photo2.png": 0} or sum(timed.values()) == 2
    assert tables[0].timing_key.isna().sum() == 4
    with Store(tmp_path / "out" / STORE, read_only=True) as store:
        machines = {s["details"]["machine"]["machine"] for s in store.sessions()[:2]}
    assert machines == {db.load(tmp_path / "out").results.manifest.environment.machine}
    names = {f: {p.name for p in (tmp_path / f / "pictures").iterdir()} for f in ("out", "alone")}
    assert names["out"] == names["alone"]


def test_workers_killed_at_random_lose_and_double_nothing(photos: Path, tmp_path: Path) -> None:
    run = words(photos, "slow[seconds=0.2],noisy", "local:2", "--seeds", "12")
    chance = random.Random(20200805)
    with started(tmp_path, *run) as process:
        for count in (1, 12, 24):
            wait_until(lambda least=count: count_cells(tmp_path / "out") >= least)
            strike(process.pid, psutil.Process.kill, chance)
        _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    check_whole(tmp_path / "out", 72)


def test_an_interrupted_run_ends_its_cluster_and_goes_on(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    run = words(photos, "slow[seconds=0.3]", "local:2", "--seeds", "4")
    pipe = subprocess.PIPE
    command = [COMMAND, *map(str, run)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        wait_until(lambda: count_cells(tmp_path / "out") >= 1)
        below = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive
    assert bench(*run).returncode == 0
    check_whole(tmp_path / "out", 12)


def test_a_scheduler_that_is_started_anew_loses_and_doubles_nothing(
    photos: Path, tmp_path: Path, dask_cluster: DaskCluster
) -> None:
    run = words(photos, "slow[seconds=0.2],noisy", dask_cluster.address, "--seeds", "10")
    with started(tmp_path, *run) as process:
        wait_until(lambda: count_cells(tmp_path / "out") >= 5)
        dask_cluster.end()
        time.sleep(1)
        dask_cluster.start()
        _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "the scheduler is lost; waiting for it" in errors
    check_whole(tmp_path / "out", 60)


def test_a_scheduler_that_falls_silent_is_lost(
    dask_cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dask_link.DaskLink(dask_cluster.address) as link:
        wait_until(link.nodes)
        batch = CellBatch(link.run, str(tmp_path), RunOptions(("no-such",)), {}, ("", ""), ())
        link.submit(1, batch, next(iter(link.nodes().values())))
        wait_until(lambda: link.finished(1) == 1)
        monkeypatch.setattr(dask_link, "_CONNECT_S", 1.0)
        psutil.Process(dask_cluster.scheduler.pid).suspend()
        with pytest.raises(dask_link.SchedulerLostError):
            link.result(1)
        psutil.Process(dask_cluster.scheduler.pid).resume()


def test_a_node_that_never_answers_costs_its_batch_alone(
    photos: Path, tmp_path: Path, dask_cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_SILENT_S", 4.0)
    monkeypatch.chdir(tmp_path)
    stopped: list[int] = []

    def stop_one() -> None:
        wait_until(lambda: count_cells(tmp_path / "out") >= 2)
        root = dask_cluster.workers.pid
        stopped.append(strike(root, psutil.Process.suspend, random.Random(0)))

    thread = threading.Thread(target=stop_one)
    thread.start()
    done = db.run(
        "slow[seconds=0.3]",
        f"folder:{photos}",
        25,
        plugins=PLUGIN,
        seeds=8,
        out="out",
        scheduler=dask_cluster.address,
        quiet=True,
    )
    thread.join()
    assert psutil.Process(stopped[0]).status() == psutil.STATUS_STOPPED
    assert not done.failures().size
    check_whole(tmp_path / "out", 24)


@pytest.mark.parametrize("reach", [1, 2])
def test_a_method_that_kills_every_process_it_meets_is_a_killed_row(
    bench: Bench, photos: Path, tmp_path: Path, dask_cluster: DaskCluster, reach: int
) -> None:
    methods = f"parricide[reach={reach}],noisy"
    result = bench(*words(photos, methods, dask_cluster.address))
    assert result.returncode == 3, result.stderr
    cells = pd.read_csv(tmp_path / "out" / "frames.csv")
    assert not cells.duplicated(CELL).any()
    assert (cells[cells.method == "noisy"].status == "ok").all()
    poison = cells[cells.method != "noisy"]
    assert poison.status.tolist().count("killed") >= 2
    assert set(poison.status) <= {"killed", "unavailable"}
    assert poison.reason.str.contains("3 times").all()
    how = "its node was lost" if reach == 2 else "that supervised it was ended by SIGKILL"
    assert poison.reason.str.contains(how).any()
    alive = bench(*words(photos, "noisy", dask_cluster.address, "--fresh"))
    assert alive.returncode == 0, alive.stderr
    check_whole(tmp_path / "out", 3)


def test_a_cluster_that_is_none_is_refused_in_one_line(
    ask: Bench, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_link, "_CONNECT_S", 1.0)

    def line(scheduler: str) -> str:
        result = ask(*words(photos, "noisy", scheduler))
        assert result.returncode == 2
        return result.stderr.splitlines()[-1]

    on_ctrl_c = signal.getsignal(signal.SIGINT)
    assert "give tcp://HOST:PORT, local:N or the name of a TOML file" in line("cluster")
    assert "give tcp://HOST:PORT" in line("local:0")
    assert "cannot be read" in line("slurm.toml")
    Path("slurm.toml").write_text("[pbs]\ncores = 1\n")
    assert "give a table [slurm], and nothing else" in line("slurm.toml")
    Path("slurm.toml").write_text("[slurm]\njobs = 0\n")
    assert "jobs is 0; give a whole number" in line("slurm.toml")
    assert (
        signal.getsignal(signal.SIGINT) is on_ctrl_c
    )  # not as the library for Slurm would have it
    assert "no scheduler answers there" in line("tcp://127.0.0.1:9")


def test_a_node_refuses_what_is_another_thing_there(photos: Path) -> None:
    options = RunOptions(methods=("noisy",), dataset=f"folder:{photos}", sigmas=(25.0,))
    plan, _ = make_plan(options)
    [row] = plan.rows
    cell, frame = next(plan.cells(row))

    def problem(pixels: str, key: str, method: str = "noisy", **metrics: str) -> str:
        request = RemoteCell(cell, pixels, key, None)
        batch = CellBatch("run", ".", options, metrics, (method, "cpu"), (request,))
        return measure_batch(batch).problem

    try:
        assert "is missing there, or another one" in problem("other", "")
        assert "noisy is another version there" in problem(frame.digest, "other")
        assert "median cannot run on cpu there" in problem(frame.digest, "", "median")
    finally:
        end_run("run")
    assert "it lacks the metric lpips" in problem(frame.digest, "", lpips="k")
    end_run("run")


def test_slurm_jobs_are_described_by_a_file(
    photos: Path, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand in for Slurm by a command that runs the job at once.

    Like Slurm it keeps a copy, since the file is gone when the command has returned.
    """
    (tmp_path / "bin").mkdir()
    jobs = {
        "sbatch": 'cp "$1" "$0.job"; bash "$0.job" >/dev/null 2>&1 & echo Submitted batch job $!',
        "scancel": "kill $1",
    }
    for name, line in jobs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "slurm.toml").write_text(
        "[slurm]\njobs = 1\ncores = 1\nprocesses = 1\nmemory = '2GB'\ninterface = 'lo'\n"
    )
    result = bench(*words(photos, "noisy", "slurm.toml"))
    assert result.returncode == 0, result.stderr
    check_whole(tmp_path / "out", 3)
