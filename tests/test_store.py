"""The store of measurements: changed and lost rows are noticed, and the rest is kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import made_up
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import HURRIED
from denoisebench.cells import Cell, Measurement, Score, Status
from denoisebench.errors import UsageError
from denoisebench.store.manifest import read_manifest
from denoisebench.store.mending import mend
from denoisebench.store.results import load_run
from denoisebench.store.rows import DamagedStoreError
from denoisebench.store.sqlite import STORE, Store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

CELLS = [Cell("x", "cpu", frame, 25.0, 0) for frame in "abcd"]

numbers = st.integers(-(2**63), 2**63 - 1)
measured = st.builds(
    Measurement,
    st.builds(Cell, st.text(), st.text(), st.text(), st.none() | st.floats(0, 255), numbers),
    st.sampled_from(Status),
    st.text(),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.floats(0, 255),
    st.dictionaries(st.text(), st.builds(Score, st.none() | st.floats(-1, 99), st.text())),
    st.lists(numbers).map(tuple),
    cold_ns=st.none() | numbers,
    pixels=numbers,
    quality_key=st.text(),
)


@given(st.lists(measured, max_size=5))
def test_what_is_saved_is_read_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, several: list[Measurement]
) -> None:
    path = tmp_path_factory.mktemp("store") / STORE
    known = {m.cell: m for m in several}
    with Store(path) as store:
        for m in several:
            store.save(m)
        found = store.measurements()
    with Store(path, read_only=True) as store:
        assert store.measurements() == found
    # Text tells 0.0 from -0.0, too.
    assert {c: repr(m) for c, m in found.items()} == {c: repr(m) for c, m in known.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Four measurements of one session."""
    with Store(tmp_path / STORE) as store:
        session = store.begin_session("x", "cpu", "2026-01-02T03:04:05+00:00")
        store.describe_session(session, {"reference_ns": [5, 6]})
        for number, cell in enumerate(CELLS):
            store.save(Measurement(cell, Status.OK, psnr=30.0 + number, session=session))
    return tmp_path / STORE


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def read(path: Path) -> tuple[dict[Cell, Measurement], dict[int, list[int]]]:
    with Store(path, read_only=True) as store:
        return store.measurements(), store.reference_ns()


WITHOUT_DIGESTS = (
    "DROP TABLE seals",
    "ALTER TABLE measurements DROP COLUMN digest",
    "ALTER TABLE sessions DROP COLUMN digest",
    "PRAGMA user_version = 1",
)
CHANGES = {
    "a score": ("UPDATE measurements SET psnr = 31.5 WHERE frame = 'a'", 3),
    "a score's type": ("UPDATE measurements SET psnr = 30 WHERE frame = 'a'", 3),
    "a status": ("UPDATE measurements SET status = 'fine' WHERE frame = 'a'", 3),
    "a text that is none": ("UPDATE measurements SET reason = CAST(x'ff' AS TEXT)", 0),
    "a time": ("UPDATE measurements SET call_ns = '[7]' WHERE frame = 'a'", 3),
    "a cell": ("UPDATE measurements SET frame = 'e' WHERE frame = 'a'", 3),
    "a digest": ("UPDATE measurements SET digest = NULL WHERE frame = 'a'", 3),
    "a lost row": ("DELETE FROM measurements WHERE frame = 'a'", 3),
    "the seal": ("UPDATE seals SET measurements = '3 0'", 4),
    "a lost seal": ("DELETE FROM seals", 4),
    "a session": ("UPDATE sessions SET details = '{}'", 4),
    "a lost session": ("DELETE FROM sessions", 4),
    "a column's name": ("ALTER TABLE measurements RENAME COLUMN psnr TO pznr", 4),
    "the version": ("PRAGMA user_version = 6", 4),
    "the mark": ("PRAGMA application_id = 3", 4),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_refused_and_all_else_is_kept(path: Path, what: str) -> None:
    statement, kept = CHANGES[what]
    before, _ = read(path)
    change(path, statement)
    with pytest.raises(DamagedStoreError, match=r"run\.sqlite is damaged"):
        read(path)
    with pytest.raises(DamagedStoreError, match=r"run\.sqlite is damaged"):
        Store(path)
    spoilt = path.read_bytes()
    aside = mend(path)
    assert aside is not None
    assert (aside / STORE).read_bytes() == spoilt
    after, _ = read(path)
    assert len(after) == kept
    assert after.items() <= before.items()
    assert {p.name for p in path.parent.iterdir()} == {STORE, aside.name}


def test_what_lies_beyond_an_unreadable_page_is_kept(path: Path) -> None:
    with Store(path) as store:
        for number in range(400):
            store.save(Measurement(Cell("x", "cpu", "a", 25.0, number), Status.OK, psnr=30.0))
    before, _ = read(path)
    content = bytearray(path.read_bytes())
    page = content.index(b"cpu", len(content) // 2) // 4096 * 4096
    content[page : page + 4096] = bytes(4096)
    path.write_bytes(content)
    with pytest.raises(DamagedStoreError):
        Store(path, read_only=True)
    mend(path)
    after, _ = read(path)
    assert 300 < len(after) < len(before)
    assert after.items() <= before.items()


def test_a_store_without_digests_is_read_and_sealed_when_it_is_written_to(path: Path) -> None:
    known = read(path)
    change(path, *WITHOUT_DIGESTS)
    assert read(path) == known
    with Store(path) as store:
        [remark] = store.remarks
        assert "its 4 measurements are taken unverified" in remark
        assert store.measurements() == known[0]
    assert read(path) == known
    with Store(path) as store:
        assert store.remarks == []
    change(path, "UPDATE measurements SET psnr = 31.5 WHERE frame = 'a'")
    with pytest.raises(DamagedStoreError):
        read(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE measurements SET status = 'fine'",
        "UPDATE measurements SET psnr = 'high'",
        "UPDATE measurements SET psnr = x'00'",
        "UPDATE measurements SET call_ns = 3",
        "UPDATE measurements SET call_ns = '[3'",
        "UPDATE measurements SET call_ns = '[\"3\"]'",
        "UPDATE measurements SET scores = '{\"lpips\": 3}'",
        "UPDATE measurements SET seed = NULL",
        "UPDATE measurements SET frame = CAST(x'ff' AS TEXT) WHERE frame = 'a'",
        "UPDATE sessions SET details = '[]'",
        "UPDATE sessions SET details = '{\"reference_ns\": 3}'",
    ],
)
def test_values_that_no_measurement_has_are_refused_without_digests_too(
    path: Path, statement: str
) -> None:
    change(path, *WITHOUT_DIGESTS, statement)
    with pytest.raises(DamagedStoreError) as refusal:
        read(path)
    assert "\n" not in str(refusal.value)


def test_a_reason_that_is_no_text_is_stored(tmp_path: Path) -> None:
    measurement = Measurement(CELLS[0], Status.ERROR, "cannot read d-\udcff.png")
    with Store(tmp_path / STORE) as store:
        store.save(measurement)
        [found] = store.measurements().values()
    assert found == replace(measurement, reason="cannot read d-\\udcff.png")


def test_a_store_of_another_run_is_refused_in_a_finished_folder(tmp_path: Path) -> None:
    run = made_up.results([made_up.row("x")], [Measurement(CELLS[0], Status.OK, psnr=30.0)])
    folder = made_up.store(tmp_path / "run", run)
    with Store(folder / STORE) as store:
        seal = store.seal
    replace(run.manifest, seal=seal).write(folder)
    assert load_run(folder).measurements == run.measurements
    shutil.copyfile(made_up.make_run(tmp_path / "other") / STORE, folder / STORE)
    with pytest.raises(UsageError, match=r"it does not match its seal in manifest\.json"):
        load_run(folder)


@pytest.fixture
def words(photos: Path) -> list[str]:
    return ["run", "--dataset", f"folder:{photos}", "--methods", "gaussian", "--sigma", "25"]


def test_a_damaged_store_is_mended_by_the_same_run(
    bench: Bench, words: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert bench(*words, "--out", "out").returncode == 0
    before = load_run(out)
    change(out / STORE, "UPDATE measurements SET psnr = 99.0 WHERE frame = 'photo1.png'")
    for verb in (["report", "out"], ["compare", "out", "out"], ["export", "out"]):
        refused = bench(*verb)
        assert refused.returncode == 2
        [line] = refused.stderr.splitlines()
        assert "out/run.sqlite is damaged (1 of 3 measurements are changed); the same" in line
    result = bench(*words, "--out", "out")
    assert result.returncode == 0, result.stderr
    [aside] = out.glob("before-*")
    assert (
        f"out/run.sqlite was damaged, and is now in {aside.relative_to(tmp_path)}; intact "
        "measurements, which are kept: 2; cells of this run that are measured again: 1\n"
        in result.stderr
    )
    after = load_run(out)
    assert {c: m.psnr for c, m in after.measurements.items()} == {
        c: m.psnr for c, m in before.measurements.items()
    }
    same = [c.frame for c, m in after.measurements.items() if m == before.measurements[c]]
    assert set(same) >= {"photo0.png", "photo2.png"}


def test_measurements_that_a_finished_run_has_lost_are_measured_again_with_a_line(
    bench: Bench, words: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert bench(*words, "--out", "out").returncode == 0
    before = load_run(out)
    (out / STORE).unlink()
    with Store(out / STORE) as store:
        for measurement in list(before.measurements.values())[:2]:
            store.save(measurement)
    assert "does not match its seal in manifest.json" in bench("report", "out").stderr
    result = bench(*words, "--out", "out")
    assert result.returncode == 0
    assert "which are kept: 2; cells of this run that are measured again: 1\n" in result.stderr
    assert len(load_run(out).measurements) == 3


NO_SHARED_MEMORY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void *mapping(void *, size_t, int, int, int, off_t);

static int is_index(int file)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path);
    return length > 4 && memcmp(path + length - 4, "-shm", 4) == 0;
}

void *mmap(void *at, size_t length, int access, int flags, int file, off_t offset)
{
    mapping *original = (mapping *)dlsym(RTLD_NEXT, "mmap");
    if (file >= 0 && is_index(file)) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return original(at, length, access, flags, file, offset);
}

void *mmap64(void *at, size_t length, int access, int flags, int file, off_t offset)
{
    return mmap(at, length, access, flags, file, offset);
}
"""


@pytest.fixture
def without_shared_memory(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a process whose files cannot be shared memory, as on NFS."""
    compiler = shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("gcc on Linux makes the file system without shared memory")
    (tmp_path / "none.c").write_text(NO_SHARED_MEMORY)
    command = [compiler, "-shared", "-fPIC", "-o", "none.so", "none.c", "-ldl"]
    subprocess.run(command, cwd=tmp_path, check=True)
    return {**os.environ, "LD_PRELOAD": str(tmp_path / "none.so")}


def test_a_file_system_without_shared_memory_is_used_and_named(
    without_shared_memory: dict[str, str], bench: Bench, words: list[str], tmp_path: Path
) -> None:
    def there(*more: str) -> str:
        command = [*HURRIED, *more]
        result = subprocess.run(
            command, cwd=tmp_path, env=without_shared_memory, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        return result.stderr

    said = there(*words, "--out", "out")
    assert "This file system has no shared memory" in said
    assert not list((tmp_path / "out").glob("run.sqlite-*"))
    assert "3 measured before" in there(*words, "--out", "out")
    assert "3 measured before" in bench(*words, "--out", "out").stderr
    there("report", "out", "--format", "md")


def test_the_log_of_a_killed_run_is_taken_over_without_shared_memory(
    without_shared_memory: dict[str, str], path: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    with Store(path) as store:
        store.save(Measurement(replace(CELLS[0], seed=1), Status.OK, psnr=30.0))
        known = store.measurements()
        shutil.copytree(path.parent, moved, ignore=shutil.ignore_patterns("moved"))
    code = (
        "from pathlib import Path\n"
        "from denoisebench.store.sqlite import Store\n"
        f"with Store(Path({str(moved / STORE)!r})) as store:\n"
        "    print(len(store.measurements()))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, env=without_shared_memory, capture_output=True, text=True, check=False
    )
    assert result.stdout == f"{len(known)}\n", result.stderr
    assert read(moved / STORE)[0] == known


def test_a_machine_is_known_by_its_hardware_and_by_the_name_it_is_given(
    bench: Bench, words: list[str], tmp_path: Path
) -> None:
    for out, *more in (["a"], ["b", "--machine", "node 7"]):
        assert bench(*words, "--out", out, *more).returncode == 0
    bare, named = (read_manifest(tmp_path / out) for out in "ab")
    assert bare.environment.machine != named.environment.machine
    assert named.environment.name == "node 7"
    assert "--machine 'node 7'" in named.command
    assert "Machine: node 7: " in (tmp_path / "b" / "table1.md").read_text()
    refused = bench("compare", "a", "b", "--fail-on", "time=1000%")
    assert refused.returncode == 2
    assert "machine (--machine) differs: None and node 7" in refused.stdout
    assert "3 measured before" in bench(*words, "--out", "a").stderr
    assert "measured before" not in bench(*words, "--out", "a", "--machine", "node 7").stderr


def test_the_name_of_the_host_makes_no_other_machine(
    bench: Bench, words: list[str], tmp_path: Path
) -> None:
    unshare = shutil.which("unshare")
    elsewhere = [unshare or "", "--uts", "sh", "-c", 'hostname other && exec "$@"', "sh", *HURRIED]
    possible = unshare and not subprocess.run([*elsewhere[:2], "true"], check=False).returncode
    if not possible:
        pytest.skip("this user cannot give a process another host name")
    assert bench(*words, "--out", "a").returncode == 0
    subprocess.run([*elsewhere, *words, "--out", "b"], cwd=tmp_path, check=True)
    compared = bench("compare", "a", "b", "--fail-on", "time=100000%")
    assert compared.returncode == 0, compared.stdout
    again = subprocess.run(
        [*elsewhere, *words, "--out", "a"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "3 measured before" in again.stderr


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_a_name_that_no_table_can_show_is_refused(ask: Bench, words: list[str], name: str) -> None:
    refused = ask(*words, "--machine", name)
    assert refused.returncode == 2
    [line] = refused.stderr.splitlines()
    assert "give a name of printable characters" in line
