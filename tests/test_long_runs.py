"""Long runs: measurements are packed and read as columns, and work grows with the cells alone."""

from __future__ import annotations

import math
import random
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import made_up
import numpy as np
import pandas as pd
import pytest

from denoisebench import library, statistics
from denoisebench.cells import Cell, Measurement, Score, Status
from denoisebench.export import EXPORTS
from denoisebench.reporting.html import MOST_LISTED
from denoisebench.reporting.write import write_reports
from denoisebench.running import identity
from denoisebench.running.jobs import pending
from denoisebench.running.plan import Plan, RunOptions, make_plan
from denoisebench.running.scoring import Scorer
from denoisebench.store import rows
from denoisebench.store.mending import mend
from denoisebench.store.results import Results, load_run
from denoisebench.store.rows import DamagedStoreError
from denoisebench.store.sqlite import STORE, Store
from denoisebench.store.tables import as_csv, frames_table, frames_tables, table1

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK", 10)


def cell(number: int) -> Cell:
    return Cell("x", "cpu", f"f{number}", 25.0 if number % 3 else None, number % 2)


def measured(number: int, **values: Any) -> Measurement:
    usual: dict[str, Any] = {
        "psnr": 30 + number / 7,
        "ssim": -0.0 if number % 2 else 0.0,
        "scores": {"lpips": Score(number / 10, "k")} if number % 4 == 0 else {},
        "call_ns": tuple(range(1, number % 6 + 1)),
        "peak_memory": None if number % 5 else 10**6 + number,
        "pixels": 100,
        "session": 1,
    }
    return Measurement(cell(number), Status.OK, **usual | values)


def stored(path: Path, several: list[Measurement]) -> Path:
    with Store(path / STORE) as store:
        for m in several:
            store.save(m)
    return path / STORE


def counts(path: Path) -> tuple[int, int]:
    """Return the number of measurements that are not packed, and of blocks."""
    with closing(sqlite3.connect(path)) as connection:
        [loose] = connection.execute("SELECT count(*) FROM measurements").fetchone()
        [blocks] = connection.execute("SELECT count(DISTINCT block) FROM blocks").fetchone()
    return loose, blocks


def test_packed_measurements_are_read_bit_by_bit(tmp_path: Path) -> None:
    several = [measured(number) for number in range(34)]
    path = stored(tmp_path, several)
    assert counts(path) == (4, 3)
    with Store(path, read_only=True) as store:
        found = store.measurements()
    assert {c: repr(m) for c, m in found.items()} == {m.cell: repr(m) for m in several}
    assert found[cell(3)] == several[3]
    assert len(found) == 34


def test_a_packed_cell_that_is_measured_again_counts_once_with_its_last_measurement(
    tmp_path: Path,
) -> None:
    path = stored(tmp_path, [measured(n) for n in range(12)] + [measured(3, psnr=99.5)] * 9)
    with Store(path) as store:
        found = store.measurements()
        grid = found.grid(("x", "cpu"), ["f3", "f4"], [cell(4).level, cell(3).level], 2)
    assert counts(path) == (1, 2)
    assert len(found) == 12
    assert found[cell(3)].psnr == 99.5
    assert [found.at(place) for place in grid[grid >= 0].tolist()] == [
        found[cell(3)],
        found[cell(4)],
    ]


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("UPDATE blocks SET content = content || x'00' WHERE block = 1 AND name = 'psnr'", 14),
        ("DELETE FROM blocks WHERE block = 2 AND name = 'reason'", 14),
        ("DELETE FROM blocks WHERE block = 2", 14),
        ("UPDATE blocks SET block = 3 WHERE block = 2", 14),
        ("UPDATE blocks SET name = 'ssim2' WHERE name = 'ssim'", 4),
        ("UPDATE seals SET blocks = '44 0'", 24),
    ],
)
def test_a_damaged_block_is_refused_and_all_else_is_kept(
    tmp_path: Path, statement: str, kept: int
) -> None:
    several = [measured(number) for number in range(24)]
    path = stored(tmp_path, several)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    with pytest.raises(DamagedStoreError, match="blocks are"):
        Store(path)
    with Store(path, read_only=True) as store, pytest.raises(DamagedStoreError):
        store.measurements()
    mend(path)
    with Store(path, read_only=True) as store:
        found = store.measurements()
    assert len(found) == kept
    assert {c: repr(m) for c, m in found.items()}.items() <= {
        m.cell: repr(m) for m in several
    }.items()


def test_a_store_of_version_2_is_continued_as_it_is(tmp_path: Path) -> None:
    path = stored(tmp_path, [measured(number) for number in range(4)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE blocks")
        connection.execute("ALTER TABLE seals DROP COLUMN blocks")
        connection.execute("PRAGMA user_version = 2")
        connection.commit()
    with Store(path) as store:
        seal = store.seal
        assert store.remarks == []
    with Store(path, read_only=True) as store:
        assert (store.seal, len(store.measurements())) == (seal, 4)
    stored(tmp_path, [measured(number) for number in range(20)])
    with Store(path) as store:
        assert len(store.measurements()) == 20


def test_saving_takes_the_same_steps_however_much_is_stored(tmp_path: Path) -> None:
    """Of SQLite's virtual machine: a step reads a row or compares two."""
    steps = [0]

    def count() -> None:
        steps[0] += 1

    taken = []
    with Store(tmp_path / STORE) as store:
        store._connection.set_progress_handler(count, 1)
        for start in range(0, 300, 100):
            steps[0] = 0
            for number in range(start, start + 100):
                store.save(measured(number))
            taken.append(steps[0])
    assert max(taken) < 1.1 * min(taken)


@pytest.fixture
def plan(photos: Path, tmp_path: Path) -> Plan:
    options = RunOptions(
        methods=("median", "gaussian", "bilateral"),
        dataset=f"folder:{photos}",
        sigmas=(15.0, 25.0),
        told=(25.0, 50.0),
        seeds=3,
        threads=1,
        device="cpu",
        out=tmp_path / "out",
    )
    return make_plan(options)[0]


def complete(plan: Plan, folder: Path) -> Path:
    identities = identity.Identities(plan)
    return stored(
        folder,
        [
            Measurement(at, Status.OK, quality_key=keys[0], timing_key=keys[1])
            for row in plan.rows
            for at, frame in plan.cells(row)
            for keys in [identities.of(row, at, frame)]
        ],
    )


def left(plan: Plan, path: Path) -> Counter[str]:
    with Store(path) as store:
        jobs = pending(plan, store.measurements(), Scorer(plan.metrics))
    return Counter(job.cell.method for of_row in jobs.values() for job in of_row)


def test_only_stale_failed_and_missing_cells_are_pending(plan: Plan, tmp_path: Path) -> None:
    path = complete(plan, tmp_path)
    assert left(plan, path) == {}
    assert left(replace(plan, forced=frozenset(["median"])), path) == {
        "median": sum(1 for _ in plan.cells(plan.rows[0]))
    }
    with Store(path) as store:
        first, *_, last = [m for m in store.measurements().values() if m.cell.method == "median"]
        store.save(replace(first, quality_key="0" * 16))
        store.save(replace(last, timing_key=""))
        other = next(m for c, m in store.measurements().items() if c.method == "bilateral")
        store.save(replace(other, status=Status.ERROR))
    assert left(plan, path) == {"median": 2, "bilateral": 1}
    more = replace(plan, options=replace(plan.options, seeds=4))
    assert sum(left(more, path).values()) == more.size - plan.size + 3


def test_the_keys_of_a_row_are_those_of_its_cells(plan: Plan) -> None:
    identities = identity.Identities(plan)
    for row in plan.rows:
        assert list(identities.of_row(row)) == [
            identities.of(row, at, frame) for at, frame in plan.cells(row)
        ]
    assert plan.size == sum(1 for row in plan.rows for _ in plan.cells(row))


def many_frames(frames: int) -> Results:
    """Return a run of two methods on many frames; 'f7' is the worst of them, far out."""
    draw = random.Random(0)
    names = [f"f{number}" for number in range(frames)]
    several = [
        Measurement(
            Cell(method, "cpu", name, 25.0, 0),
            Status.OK,
            psnr=5.0 if name == "f7" else draw.gauss(30, 1),
            ssim=0.9,
            call_ns=(1000, 1001),
            pixels=100,
        )
        for method in ("x", "y")
        for name in names
    ]
    known = [made_up.row("x"), made_up.row("y")]
    return made_up.results(known, several, frames=names, sigmas=(25.0,), seeds=1)


def test_the_page_of_many_frames_lists_the_worst_and_links_the_csv(tmp_path: Path) -> None:
    write_reports({"run": (tmp_path, many_frames(3000))}, tmp_path, ["html", "csv"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('<th scope="row">f') == MOST_LISTED
    assert '<th scope="row">f7</th>' in page
    assert f"{MOST_LISTED} of 3000 frames" in page
    assert '<a href="frames.csv">' in page
    assert len((tmp_path / "frames.csv").read_text(encoding="utf-8").splitlines()) == 6001
    assert len(page) < 300_000
    write_reports({"run": (tmp_path, many_frames(100))}, tmp_path, ["html"])
    assert 'href="frames.csv"' not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_reports_build_no_measurement_but_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They read columns: an object for each cell took 4 kB and 0.1 ms."""
    from denoisebench.store.measurements import Measurements

    folder = made_up.make_run(tmp_path / "run")
    run = load_run(folder)

    def refuse(self: Measurements, place: int) -> Measurement:
        if not self.ok[place]:
            return Measurement(Cell("crash", "cpu", "a", 15.0, 0), Status.ERROR)
        raise AssertionError("a measurement was built")

    monkeypatch.setattr(Measurements, "at", refuse)
    write_reports({"run": (folder, run)}, tmp_path, ["html", "md", "csv", "json", "latex"])


def test_the_parts_of_a_table_are_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = load_run(made_up.make_run(tmp_path / "run"))
    whole = "".join(as_csv([frames_table(run)]))
    monkeypatch.setattr("denoisebench.store.tables._PART", 7)
    assert "".join(as_csv(frames_tables(run))) == whole
    assert whole == frames_table(run).to_csv(index=False, float_format="%.6g")


def test_frames_are_written_as_parquet_where_pyarrow_is_installed(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = load_run(made_up.make_run(tmp_path / "run"))
    write_reports({"run": (tmp_path, run)}, tmp_path, ["csv"])
    found = parquet.read_table(tmp_path / "frames.parquet").to_pandas()
    expected = frames_table(run)
    assert found.columns.tolist() == expected.columns.tolist()
    np.testing.assert_array_equal(found.psnr, expected.psnr)
    assert found.method.tolist() == expected.method.tolist()


def test_without_pyarrow_there_is_no_parquet_nor_one_of_an_earlier_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "frames.parquet").write_bytes(b"old")
    run = load_run(made_up.make_run(tmp_path / "run"))
    with pd.option_context("mode.string_storage", "python"):  # as pandas has it without pyarrow
        write_reports({"run": (tmp_path, run)}, tmp_path, ["csv"])
    assert not (tmp_path / "frames.parquet").exists()


def test_cells_that_were_scored_but_not_timed_have_scores_and_no_times(tmp_path: Path) -> None:
    frames, draws = ("a", "b"), random.Random(1)
    several = [
        Measurement(
            Cell(method, "cpu", frame, 25.0, 0),
            Status.OK,
            psnr=draws.gauss(30, 1),
            ssim=0.9,
            call_ns=() if method == "x" or frame == "a" else (2_000_000,),
            pixels=100,
        )
        for method in ("x", "y")
        for frame in frames
    ]
    known = [made_up.row("x"), made_up.row("y")]
    run = made_up.results(known, several, frames=frames, sigmas=(25.0,), seeds=1)
    lines = table1(run).set_index("method")
    assert lines.status.tolist() == ["ok", "ok"]
    assert lines.psnr_mean.notna().all()
    assert math.isnan(lines.ms_per_frame["x"])
    assert lines.ms_per_frame["y"] == 2.0
    write_reports({"run": (tmp_path, run)}, tmp_path, ["html", "md", "csv", "json", "latex"])
    for write in EXPORTS.values():
        assert write(run)
    untimed = library.Run(tmp_path, run)
    found = {f.metric: f for f in library.compare(untimed, untimed, "psnr,time=10%").findings}
    assert found["time"].frames == 1


@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
@pytest.mark.parametrize("skew", [0.2, 1.0, 3.0])
def test_over_many_frames_the_interval_is_the_limit_of_the_bootstraps(
    level: float, skew: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).gamma(4 / skew**2, 1.0, 2001)
    computed = statistics.mean_interval(values, level)
    monkeypatch.setattr(statistics, "_MOST_DRAWN", 3000)
    drawn = statistics.mean_interval(values, level)
    width = drawn.high - drawn.low
    assert computed.mean == drawn.mean
    assert abs(computed.low - drawn.low) < 0.05 * width
    assert abs(computed.high - drawn.high) < 0.05 * width
