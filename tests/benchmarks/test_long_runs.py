"""Long runs: a stored cell costs the same to resume and to report, however many there are.

Run with ``tox -e bench -- -k long_runs``; ``us_per_cell`` is in the extra information.
"""

from __future__ import annotations

import random
import time
from itertools import count, islice
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from denoisebench import library
from denoisebench.cells import Measurement, Status
from denoisebench.machine import environment
from denoisebench.running.identity import Identities
from denoisebench.running.jobs import pending
from denoisebench.running.plan import Plan, RunOptions, make_plan
from denoisebench.running.run_folder import RunFolder
from denoisebench.running.scoring import Scorer
from denoisebench.store import rows
from denoisebench.store.measurements import as_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

METHODS = ("noisy", "median", "gaussian", "bilateral", "nlm-opencv", "wiener", "dct")
SEEDS = 10


def make_long_plan(folder: Path, cells: int) -> Plan:
    """Plan a run of at least so many cells on tiny frames."""
    (folder / "frames").mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for number in range(-(-cells // (3 * SEEDS * len(METHODS)))):
        Image.fromarray(np.roll(pixels, number)).save(folder / "frames" / f"{number}.png")
    options = RunOptions(
        methods=METHODS,
        dataset=f"folder:{folder / 'frames'}",
        seeds=SEEDS,
        threads=1,
        device="cpu",
        out=folder / "run",
    )
    return make_plan(options)[0]


def measurements(plan: Plan) -> Iterator[Measurement]:
    identities, draw = Identities(plan), random.Random(0)
    for number, row in enumerate(plan.rows):
        for (cell, _), keys in zip(plan.cells(row), identities.of_row(row), strict=True):
            yield Measurement(
                cell,
                Status.OK,
                psnr=25 + number + draw.gauss(0, 1),
                ssim=draw.random(),
                call_ns=(draw.randrange(10**5, 10**6), draw.randrange(10**5, 10**6)),
                pixels=256,
                quality_key=keys[0],
                timing_key=keys[1],
                noisy_digest=f"{draw.getrandbits(64):016x}",
                output_digest=f"{draw.getrandbits(64):016x}",
            )


def fill(plan: Plan) -> None:
    """Store a complete run in blocks, a hundred times as fast as cell by cell."""
    with RunFolder(plan.folder, plan) as folder:
        content = map(as_row, measurements(plan))
        for number in count(1):
            several = list(islice(content, rows.BLOCK))
            if not several:
                break
            columns = {n: rows.packed([row[n] for row in several]) for n in several[0]}
            folder.store.enter(
                {
                    "blocks": [
                        {"block": number, "name": name, "content": packed}
                        for name, packed in columns.items()
                    ]
                }
            )
        folder.write_manifest("complete")


@pytest.fixture(scope="module", params=[1_000, 10_000, 100_000, 1_000_000])
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    if request.config.getoption("--benchmark-disable") and request.param > 10_000:
        pytest.skip("measured with --benchmark-only")
    found = make_long_plan(tmp_path_factory.mktemp("long"), request.param)
    fill(found)
    return found


def test_resume(benchmark: BenchmarkFixture, plan: Plan) -> None:
    """Open, verify and compare the keys of all cells; the aim is 3 s for a million.

    The machine's load is measured before, as a command does while it imports modules.
    """

    def resume() -> int:
        with RunFolder(plan.folder, plan) as folder:
            jobs = pending(plan, folder.store.measurements(), Scorer(plan.metrics))
        return sum(map(len, jobs.values()))

    def watch() -> None:
        environment.watch_load()
        time.sleep(0.3)

    assert benchmark.pedantic(resume, setup=watch, rounds=2) == 0
    note(benchmark, plan)


def test_report(benchmark: BenchmarkFixture, plan: Plan, tmp_path: Path) -> None:
    """Write the page, the Markdown and the CSV files; the aim is 30 s for a million."""
    benchmark.pedantic(lambda: library.report(plan.folder, out=tmp_path), rounds=1)
    note(benchmark, plan)


def test_advise(benchmark: BenchmarkFixture, plan: Plan) -> None:
    """Read the run and say which methods it recommends; the aim is 10 s for a million."""
    benchmark.pedantic(lambda: library.advise(plan.folder).markdown(), rounds=1)
    note(benchmark, plan)


def note(benchmark: BenchmarkFixture, plan: Plan) -> None:
    if benchmark.enabled:
        seconds = benchmark.stats.stats.min
        benchmark.extra_info.update(
            cells=plan.size, us_per_cell=round(1e6 * seconds / plan.size, 2)
        )
