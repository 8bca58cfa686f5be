"""Timing: the calls that are timed, their number, their memory, and the flag for scatter."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from denoisebench.machine.memory import PeakMemory
from denoisebench.machine.timing import TimingRules, WallClock, measure, scatter


class FakeClock:
    """Clock on which every call takes a given time."""

    def __init__(self, *milliseconds: float) -> None:
        self.times = list(milliseconds)
        self.calls = 0

    def time(self, call):  # type: ignore[no-untyped-def]
        self.calls += 1
        taken = self.times.pop(0) if len(self.times) > 1 else self.times[0]
        return call(), round(taken * 1e6), None


RULES = TimingRules(warmup_s=0.2, min_rounds=1, max_rounds=10, budget_s=0.1)


def test_the_first_call_is_cold_and_the_warm_up_is_not_sampled() -> None:
    clock = FakeClock(900, 150, 120, 30)
    output, samples = measure(lambda: "estimate", clock, RULES, cold=True, warm_up=True)
    assert output == "estimate"
    assert samples.cold_ns == 900_000_000
    assert samples.call_ns == [30_000_000] * 4  # 150 + 120 ms of warm-up, then 100 ms of rounds
    assert clock.calls == 7


def test_a_slow_method_is_called_no_more_than_it_must() -> None:
    clock = FakeClock(5000)
    _, samples = measure(lambda: None, clock, RULES, cold=False, warm_up=False)
    assert samples.call_ns == [5_000_000_000]
    assert samples.cold_ns is None
    assert clock.calls == 1


def test_a_fast_method_is_called_at_most_so_often() -> None:
    _, samples = measure(lambda: None, FakeClock(0.001), RULES, cold=False, warm_up=False)
    assert len(samples.call_ns) == RULES.max_rounds


def test_the_result_is_that_of_the_first_call() -> None:
    results = iter(range(1000))
    output, _ = measure(lambda: next(results), FakeClock(1), RULES, cold=True, warm_up=True)
    assert output == 0


def test_the_wall_clock_times_the_call_alone() -> None:
    _, elapsed, event = WallClock().time(lambda: time.sleep(0.02))
    assert 0.02e9 <= elapsed < 1e9
    assert event is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process restart its peak")
def test_a_short_lived_allocation_shows_in_the_peak() -> None:
    with PeakMemory() as nothing:
        pass
    with PeakMemory() as memory:
        np.ones(4_000_000).sum()
    assert nothing.bytes is not None
    assert memory.bytes is not None
    assert nothing.bytes < 2e6
    assert 31e6 <= memory.bytes < 40e6  # the kernel counts pages in batches


def test_scattered_times_are_flagged() -> None:
    steady, scattered = [100, 101, 99, 100, 102], [100, 150, 80, 100, 130]
    assert scatter(np.array([steady, scattered])).tolist() == [False, True]
    assert scatter(np.array([[1, 100]])).tolist() == [False]  # too few to judge


LOAD = """
import os
from collections import namedtuple
import psutil
from denoisebench.machine import environment

Times = namedtuple("Times", "user system idle")
machine = [Times(10, 0, 90), Times(11.5, 0.5, 98)]  # ten seconds of all cores, two at work
ours = [(0.5, 0, 0, 0, 0), (0.75, 0.25, 0.25, 0.25, 0)]  # one of them for us and our children
psutil.cpu_times = lambda: machine.pop(0)
os.times = lambda: ours.pop(0)
environment.watch_load()
print(environment.busy_percent())
"""


def test_the_load_of_a_machine_is_the_work_of_others() -> None:
    told = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    assert float(told.stdout) == pytest.approx(10)
