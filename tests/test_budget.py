"""``bench run --budget``: the methods and frames that a limited time allows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisebench.running.budget import LOAD_S, affordable

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

COSTS = st.lists(st.floats(0.05, 1000), min_size=1, max_size=30).map(sorted)


@given(COSTS, st.integers(1, 100), st.floats(1, 1e5))
def test_what_is_chosen_fits_and_more_rows_or_frames_would_not_tell_more(
    costs: list[float], frames: int, seconds: float
) -> None:
    chosen = affordable(costs, frames, seconds)
    if chosen is None:
        assert affordable(costs[:1], 1, seconds) is None
        return
    assert chosen.seconds <= seconds
    assert 1 <= chosen.frames <= frames
    fitting = [
        (count * max(1, rows * (rows - 1) // 2), rows)
        for rows in range(1, len(costs) + 1)
        for count in range(1, frames + 1)
        if rows * LOAD_S + count * sum(costs[:rows]) <= seconds * (1 - 1e-9)
    ]
    comparisons = chosen.frames * max(1, chosen.rows * (chosen.rows - 1) // 2)
    assert (comparisons, chosen.rows) >= max(fitting, default=(0, 0))
    more = affordable(costs, frames, 2 * seconds)
    assert more is not None
    pairs = [c.frames * max(1, c.rows * (c.rows - 1) // 2) for c in (chosen, more)]
    assert pairs[0] <= pairs[1]


def test_a_costly_method_is_left_out_and_named(bench: Bench, photos: Path, tmp_path: Path) -> None:
    words = ("run", "--dataset", f"folder:{photos}", "--sigma", "25", "--seeds", "20")
    methods = ("--methods", "gaussian,median,wnnm")
    result = bench(*words, *methods, "--budget", "25s", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert re.search(r"Left out by --budget: WNNM \(about \d+ s\)\.", result.stdout)
    assert set(pd.read_csv(tmp_path / "out" / "frames.csv").method) == {"gaussian", "median"}
    assert "--budget 25" in json.loads((tmp_path / "out" / "manifest.json").read_text())["command"]


def test_frames_are_left_out_evenly(bench: Bench, photos: Path, tmp_path: Path) -> None:
    words = ("run", "--dataset", f"folder:{photos}", "--sigma", "25", "--seeds", "40")
    result = bench(*words, "--methods", "gaussian", "--budget", "0.15m", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert "Left out by --budget: 1 of 3 frames." in result.stdout
    assert len(pd.read_csv(tmp_path / "out" / "frames.csv")) == 80


SLOW = """
import time
from dataclasses import dataclass
from denoisebench.denoisers.registry import register

@register("slow", title="Slow", family="local", blind=True)
@dataclass(frozen=True)
class Slow:
    def denoise(self, noisy, sigma):
        time.sleep(0.4)
        return noisy
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_ends_when_its_time_is_spent_and_the_same_command_goes_on(
    bench: Bench, photos: Path, tmp_path: Path, jobs: str
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    words = ("run", "--dataset", f"folder:{photos}", "--sigma", "25", "--seeds", "8")
    words += ("--methods", "slow", "--plugin", "slow.py", "--out", "out", "--jobs", jobs)
    words += ("--timed-frames", "1")
    first = bench(*words, "--budget", "6s")
    assert first.returncode == 0, first.stderr
    [left] = re.findall(r"The budget is spent, with (\d+) cells? left", first.stderr)
    state = json.loads((tmp_path / "out" / "manifest.json").read_text())["state"]
    assert state == "interrupted"
    then = bench(*words)
    assert then.returncode == 0
    known = 24 - int(left)
    assert then.stderr.count(f"24 cells, {known} measured before") == (known > 0)
    assert (pd.read_csv(tmp_path / "out" / "frames.csv").status == "ok").sum() == 24


@pytest.mark.parametrize(
    ("budget", "line"),
    [
        ("soon", "'soon' is no time: write it as 90s, 10m or 2h"),
        ("0m", "'0m' is no time"),
        ("-5", "'-5' is no time"),
        ("1s", "--budget: 1 s do not suffice for one frame; a method takes some 4 s"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(
    ask: Bench, photos: Path, budget: str, line: str
) -> None:
    words = ("run", "--dataset", f"folder:{photos}", "--methods", "gaussian")
    result = ask(*words, f"--budget={budget}")
    assert result.returncode == 2
    assert line in result.stderr
