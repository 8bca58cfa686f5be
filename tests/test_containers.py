"""Limits of containers: what a control group allows is all that a run takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from denoisebench.machine import containers, environment, memory, threads

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of this process's group, two levels below the root."""
    root = tmp_path / "cgroup"
    inner = root / "pod" / "job"
    inner.mkdir(parents=True)
    (root / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "membership").write_text("1:cpu:/else\n0::/pod/job\n")
    monkeypatch.setattr(containers, "_ROOTS", (root,))
    monkeypatch.setattr(containers, "_MEMBERSHIP", tmp_path / "membership")
    return inner


def limit(group: Path, **files: str) -> None:
    for name, content in files.items():
        (group / name.replace("_", ".", 1)).write_text(content + "\n")


def test_a_part_of_a_core_counts_as_one_and_the_outer_group_counts(group: Path) -> None:
    assert containers.core_limit() is None
    limit(group, cpu_max="max 100000")
    assert containers.core_limit() is None
    limit(group.parent, cpu_max="150000 100000")
    assert containers.core_limit() == 1.5
    limit(group, cpu_max="50000 100000")
    assert containers.core_limit() == 0.5
    assert threads.available_cores() == 1
    assert threads.physical_cores() == 1


def test_a_large_quota_does_not_add_cores(group: Path) -> None:
    before = threads.available_cores()
    limit(group, cpu_max="6400000 100000")
    assert threads.available_cores() == before


def test_memory_that_is_left_does_not_count_cached_files(group: Path) -> None:
    assert containers.memory_left() is None
    limit(group, memory_max="max", memory_current="900")
    assert containers.memory_limit() is None
    limit(group, memory_max="100000000", memory_current="90000000")
    limit(group, memory_stat="anon 60000000\ninactive_file 30000000")
    assert containers.memory_limit() == 100_000_000
    assert containers.memory_left() == 40_000_000
    assert memory.available_memory() == 40_000_000
    limit(group, memory_current="150000000")
    assert memory.available_memory() == 0


def test_a_limited_machine_is_another_one_and_says_so(group: Path) -> None:
    free = environment.machine_id()
    assert environment.describe([])["limits"] == ""
    limit(group, cpu_max="150000 100000", memory_max="4000000000", memory_current="0")
    assert environment.machine_id() != free
    assert environment.describe([])["limits"] == "1.5 cores' time and 4 GB"


def test_other_systems_have_no_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_ROOTS", (tmp_path / "none",))
    monkeypatch.setattr(containers, "_MEMBERSHIP", tmp_path / "none" / "either")
    assert containers.core_limit() is None
    assert containers.memory_left() is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("AMD EPYC", "AMD EPYC (family 25, model 1)"),
        ("AMD Ryzen 7 5800X", "AMD Ryzen 7 5800X"),
    ],
)
def test_processors_of_one_name_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    one = f"processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: {name}\n\n"
    monkeypatch.setattr(environment.sys, "platform", "linux")
    monkeypatch.setattr(environment.Path, "read_text", lambda *_: one + one.replace(": 1", ": 2"))
    assert environment.cpu_name.__wrapped__() == shown
