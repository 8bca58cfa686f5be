"""Verdicts: on stored runs, on launches in turn, and how often the rule for times is wrong."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import made_up
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import row

from conftest import COMMAND, HURRIED
from denoisebench.cells import Cell, Measurement, Score, Status
from denoisebench.comparing import ab, decision
from denoisebench.comparing.calibration import calibrate
from denoisebench.comparing.findings import Finding, Verdict, exit_code
from denoisebench.comparing.findings_report import About, compare_json, compare_markdown
from denoisebench.comparing.launches import Pair
from denoisebench.comparing.limits import ComparisonLimits, read_fail_on
from denoisebench.comparing.stored_runs import compare_runs
from denoisebench.errors import UsageError
from denoisebench.store.manifest import MetricRecord, NoiseRecord, read_manifest
from denoisebench.store.results import Results, load_run
from denoisebench.store.sqlite import STORE, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Bench

ROOT = Path(__file__).parents[1]
FRAMES = [f"frame{i}" for i in range(8)]
ELSEWHERE = replace(made_up.ENVIRONMENT, cpu="slide rule", machine="m2")
SHARP_GATED = ComparisonLimits(gated=frozenset({"sharp"}))
SHARP = MetricRecord("sharp", "Sharp", "lower", "", "", 3, "", key="k1")


def run(
    psnr: Callable[[int], float] = lambda frame: 30.0 + frame,
    ms: float = 4.0,
    mb: float = 100.0,
    method: str = "x",
    **parts: Any,
) -> Results:
    """Return a stored run of one method on eight frames at one sigma."""
    measured = [
        Measurement(
            Cell(method, "cpu", frame, 25.0, 0),
            Status.OK,
            psnr=psnr(i),
            ssim=0.9,
            call_ns=(round(ms * 1e6 * (1 + i)),),
            peak_memory=round(mb * 1e6),
            pixels=1000,
            noisy_digest=f"noise{i}",
        )
        for i, frame in enumerate(FRAMES)
    ]
    rows = parts.pop("rows", [row(method, asked_by_name=True)])
    usual = {"frames": FRAMES, "sigmas": (25.0,), "seeds": 1}
    return made_up.results(rows, measured, **usual | parts)


def found(
    base: Results, head: Results, limits: ComparisonLimits | None = None
) -> dict[str, Finding]:
    return {f.metric: f for f in compare_runs(base, head, limits or ComparisonLimits())}


def changed(results: Results, **values: Any) -> Results:
    """Return the same run with other values in every measurement."""
    measured = {cell: replace(m, **values) for cell, m in results.measurements.items()}
    return replace(results, measurements=measured)


def test_a_run_is_the_same_as_itself() -> None:
    assert {f.verdict for f in compare_runs(run(), run(), ComparisonLimits())} == {Verdict.SAME}


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        (0.05, Verdict.WORSE),
        (0.0199, Verdict.SAME),
        (-0.0199, Verdict.SAME),
        (-0.05, Verdict.BETTER),
    ],
)
def test_a_small_loss_is_seen_though_frames_differ_by_decibels(
    loss: float, verdict: Verdict
) -> None:
    finding = found(run(), run(lambda i: 30.0 + i - loss))["psnr"]
    assert finding.verdict is verdict
    assert finding.change == pytest.approx(-loss)
    assert finding.low is not None
    assert finding.high is not None
    assert finding.low <= -loss + 1e-9
    assert finding.high >= -loss - 1e-9


def test_a_loss_on_frames_that_come_and_go_is_no_verdict_on_the_method() -> None:
    scatter = [0.4, -0.45, 0.3, -0.4, 0.35, -0.42, 0.2, -0.2]
    assert np.mean(scatter) < -0.02
    assert found(run(), run(lambda i: 30.0 + i + scatter[i]))["psnr"].verdict is Verdict.SAME


def test_one_broken_frame_is_seen_and_named() -> None:
    finding = found(run(), run(lambda i: 30.0 + i - 3 * (i == 5)))["psnr"]
    assert finding.verdict is Verdict.WORSE
    assert finding.reason == "frame frame5 alone: −3.000 dB"


def test_a_perfect_frame_that_is_lost_is_worse() -> None:
    base = run(lambda i: math.inf if i == 2 else 30.0)
    assert found(base, base)["psnr"].verdict is Verdict.SAME
    assert found(base, run(lambda i: 30.0))["psnr"].verdict is Verdict.WORSE


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({"protocol": {"version": 2, "digest": "f"}}, "protocol differs: 0123456789ab and f"),
        ({"threads": 1}, "thread count differs: 2 and 1"),
        ({"timing": {"warmup_s": 1}}, "timing (warmup_s) differs: None and 1"),
        ({"noise": NoiseRecord("jpeg", "", "")}, "noise differs: gaussian and jpeg"),
        (
            {"environment": ELSEWHERE},
            "machine (processor) differs: abacus and slide rule",
        ),
    ],
)
def test_what_was_measured_otherwise_is_not_compared_and_the_difference_named(
    difference: dict[str, Any], words: str
) -> None:
    finding = found(run(), run(ms=40, **difference))["time"]
    assert finding.verdict is Verdict.NOT_COMPARABLE
    assert words in finding.reason


def test_scores_do_not_mind_the_machine() -> None:
    assert (
        found(run(), run(lambda i: 29.0, environment=ELSEWHERE, threads=8))["psnr"].verdict
        is Verdict.WORSE
    )


def test_other_data_another_split_and_other_noise_are_named() -> None:
    data = run().manifest.dataset
    for key, value in (("name", "else"), ("split", "val")):
        finding = found(run(), run(dataset=replace(data, **{key: value})))["psnr"]
        assert finding.verdict is Verdict.NOT_COMPARABLE
        assert f"differs: {getattr(data, key)} and {value}" in finding.reason
    assert found(run(), changed(run(), noisy_digest="?"))["psnr"].reason.startswith("the noise of")
    pixels = tuple(replace(frame, digest="1") for frame in data.frames)
    assert "pixels" in found(run(), run(dataset=replace(data, frames=pixels)))["psnr"].reason


def test_a_metric_under_another_definition_is_not_compared() -> None:
    base, head = (
        changed(run(metrics=(replace(SHARP, key=key),)), scores={"sharp": Score(value, key)})
        for value, key in ((0.5, "k1"), (0.7, "k2"))
    )
    assert found(base, head, SHARP_GATED)["sharp"].reason == (
        "definition of the metric differs: k1 and k2"
    )
    same = changed(base, scores={"sharp": Score(0.7, "k1")})
    finding = found(base, same, SHARP_GATED)["sharp"]
    assert finding.verdict is Verdict.WORSE  # lower is better
    assert finding.change == pytest.approx(0.2)


def test_a_guard_that_could_not_compare_anything_does_not_pass() -> None:
    other = run(protocol={"version": 2, "digest": "f"})
    assert exit_code(compare_runs(run(), other, ComparisonLimits())) == 2
    elsewhere = run(environment=ELSEWHERE)
    assert exit_code(compare_runs(run(), elsewhere, ComparisonLimits())) == 0
    asked = ComparisonLimits(gated=frozenset({"psnr", "time"}))
    findings = compare_runs(run(), elsewhere, asked)
    assert exit_code(findings) == 2
    words = compare_markdown(findings, About())
    assert words.startswith("⚠️ **Nothing to compare** (time) in 1 method.")
    assert "machine (processor) differs: abacus and slide rule" in words


def test_a_metric_that_only_one_run_has_cannot_be_guarded() -> None:
    about = (*run().metrics, SHARP)
    limits = SHARP_GATED
    with pytest.raises(UsageError, match="BASE has no such scores; give it --metrics sharp"):
        compare_runs(run(), run(metrics=about), limits)
    with pytest.raises(UsageError, match="HEAD has no such scores"):
        compare_runs(run(metrics=about), run(), limits)


def on_frames(results: Results, frames: list[str]) -> Results:
    """Return the same run on some of its frames."""
    some = [m for cell, m in results.measurements.items() if cell.frame in frames]
    return made_up.results(results.rows, some, frames=frames, sigmas=(25.0,), seeds=1)


def test_only_common_frames_count_and_those_that_head_lacks_are_missing() -> None:
    part = on_frames(run(), FRAMES[:3])
    allowed = found(run(), part, ComparisonLimits(allow_missing=True))["psnr"]
    assert (allowed.verdict, allowed.frames, allowed.fails) == (Verdict.SAME, 3, False)
    assert allowed.reason == "3 of BASE's 8 cells could be compared"
    findings = compare_runs(run(), part, ComparisonLimits())
    assert {f.verdict for f in findings} == {Verdict.MISSING}
    assert exit_code(findings) == 1
    words = compare_markdown(findings, About())
    assert words.startswith(
        "❌ **Methods or cells are missing** (PSNR, SSIM) in 1 method: 1 missing."
    )
    assert "❌ **X: missing.** `3 of BASE's 8 cells could be compared: same`" in words
    worse = on_frames(run(lambda i: 29.0 + i), FRAMES[:3])
    assert found(run(), worse)["psnr"].verdict is Verdict.WORSE
    assert found(part, run())["psnr"].verdict is Verdict.SAME  # HEAD may hold more


def unscored(results: Results, count: int) -> Results:
    """Return the same run whose first cells have no SSIM."""
    cells = list(results.measurements)[:count]
    lost = {cell: replace(results.measurements[cell], ssim=None) for cell in cells}
    return replace(results, measurements=results.measurements | lost)


def test_cells_that_head_could_not_score_are_missing() -> None:
    for count, words in ((2, "6 of BASE's 8 cells"), (8, "no frame has a score in both")):
        finding = found(run(), unscored(run(), count))["ssim"]
        assert finding.verdict is Verdict.MISSING
        assert finding.fails
        assert finding.reason.startswith(words)
    nobody = found(unscored(run(), 8), unscored(run(), 8))["ssim"]
    assert nobody.verdict is Verdict.NOT_COMPARABLE


def at_two_levels(
    unavailable: float | None = None, sigmas: tuple[float, ...] = (15, 25)
) -> Results:
    """Return a run at several levels of noise, of which the method may not be for one."""
    measured = []
    for sigma in sigmas:
        for m in run().measurements.values():
            moved = replace(m, cell=replace(m.cell, sigma=sigma))
            unfit = {"status": Status.UNAVAILABLE, "reason": "not for this sigma", "psnr": None}
            measured.append(replace(moved, **unfit) if sigma == unavailable else moved)
    return made_up.results([row("x")], measured, frames=FRAMES, sigmas=sigmas, seeds=1)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (at_two_levels(unavailable=15), "sigma 15: HEAD: not for this sigma"),
        (at_two_levels(sigmas=(25,)), "sigma 15: not in HEAD"),
    ],
)
def test_a_noise_level_that_head_lacks_is_missing(head: Results, reason: str) -> None:
    findings = compare_runs(at_two_levels(), head, ComparisonLimits())
    psnr = {f.level: f for f in findings if f.metric == "psnr"}
    assert psnr["sigma 25"].verdict is Verdict.SAME
    assert (psnr["sigma 15"].verdict, psnr["sigma 15"].reason) == (Verdict.MISSING, reason)
    assert exit_code(findings) == 1
    back = compare_runs(head, at_two_levels(), ComparisonLimits())
    assert {f.verdict for f in back if f.level == "sigma 15"} == {Verdict.NEW}
    assert exit_code(back) == 0


def beside(*runs: Results) -> Results:
    """Return one run that holds the methods of several."""
    measured = [m for one in runs for m in one.measurements.values()]
    rows = [r for one in runs for r in one.rows]
    return made_up.results(rows, measured, frames=FRAMES, sigmas=(25.0,), seeds=1)


def test_missing_methods_fail_unless_they_are_allowed_and_new_ones_are_listed() -> None:
    base, head = beside(run(), run(method="y")), beside(run(), run(method="z"))
    allowed = ComparisonLimits(allow_missing=True)
    for limits, code, state in (
        (ComparisonLimits(), 1, "❌ **Methods or cells are missing**"),
        (allowed, 0, "✅ **No regression**"),
    ):
        findings = compare_runs(base, head, limits)
        assert {(f.method, f.verdict) for f in findings} == {
            ("x", Verdict.SAME),
            ("y", Verdict.MISSING),
            ("z", Verdict.NEW),
        }
        assert exit_code(findings) == code
        lines = compare_markdown(findings, About()).splitlines()
        assert lines[0] == f"{state} (PSNR, SSIM) in 1 method: 1 missing, 1 new."
        assert f"- {'❌' if code else '⚠️'} **Y: missing.** `not in HEAD`" in lines
        assert "- ✅ **Z: new.** `not in BASE`" in lines
        assert json.loads(compare_json(findings, About()))["compared"] == 1
    only_new = compare_runs(run(), run(method="y"), allowed)
    assert exit_code(only_new) == 2  # a guard that compared nothing


def test_a_method_that_became_unavailable_is_missing_and_one_that_always_was_is_not() -> None:
    gone = {"status": Status.UNAVAILABLE, "reason": "needs wax", "psnr": None, "ssim": None}
    card = [row("x")]  # not asked for by name: no failure
    without = changed(run(rows=card), **gone)
    findings = compare_runs(run(rows=card), without, ComparisonLimits())
    assert {(f.verdict, f.reason) for f in findings} == {(Verdict.MISSING, "HEAD: needs wax")}
    assert exit_code(findings) == 1
    base = beside(without, run(method="y"))
    assert exit_code(compare_runs(base, base, ComparisonLimits())) == 0
    assert exit_code(compare_runs(base, run(method="y"), ComparisonLimits())) == 0


def test_failed_methods_are_not_passed() -> None:
    failed = changed(run(), status=Status.ERROR, reason="no", psnr=None)
    findings = compare_runs(run(), failed, ComparisonLimits())
    assert {f.verdict for f in findings} == {Verdict.FAILED}
    assert exit_code(findings) == 3
    assert {f.verdict for f in compare_runs(failed, run(), ComparisonLimits())} == {Verdict.NEW}


@pytest.mark.parametrize(
    ("ms", "mb", "time", "memory"),
    [
        (4.1, 110, Verdict.SAME, Verdict.SAME),
        (4.4, 130, Verdict.WORSE, Verdict.WORSE),
        (3.5, 70, Verdict.BETTER, Verdict.BETTER),
    ],
)
def test_costs_are_judged_by_share(ms: float, mb: float, time: Verdict, memory: Verdict) -> None:
    findings = found(run(), run(ms=ms, mb=mb))
    assert (findings["time"].verdict, findings["memory"].verdict) == (time, memory)
    assert not findings["time"].fails  # not asked for
    asked = found(run(), run(ms=ms), ComparisonLimits(gated=frozenset({"time"})))["time"]
    assert asked.fails == (time is Verdict.WORSE)


def test_costs_too_small_to_matter_do_not_get_worse() -> None:
    findings = found(run(ms=0.001, mb=1), run(ms=0.002, mb=3))
    assert findings["time"].verdict is findings["memory"].verdict is Verdict.SAME


def test_a_calibration_raises_the_share_of_time_and_never_lowers_it() -> None:
    limits = ComparisonLimits({"time": 0.05}, frozenset({"time"}), {"x": 0.2})
    finding = found(run(), run(ms=4.4), limits)["time"]
    assert (finding.verdict, finding.limit) == (Verdict.SAME, 0.2)
    assert "below 20 %" in finding.reason
    assert ComparisonLimits({"time": 0.05}, calibrated={"x": 0.01}).share("time", "x") == 0.05


def test_fail_on_is_read_and_nonsense_refused() -> None:
    assert read_fail_on("psnr=0.02, time=10%,memory") == (
        {"psnr": 0.02, "time": 0.1},
        frozenset({"psnr", "time", "memory"}),
    )
    sizes = ("psnr=2%", "time=5", "psnr=x", "psnr=", "psnr=0", "time=-1%", "psnr=nan", "psnr=inf")
    for text in ("", ",", *sizes, "psnr=0,02", "psnr=0.1,psnr=0.2"):
        with pytest.raises(ValueError, match=r"give|number"):
            read_fail_on(text)


def test_the_comment_says_what_got_worse_by_how_much_and_why() -> None:
    base = run(metrics=run().metrics)
    head = changed(run(lambda i: 29.9 + i - 0.01 * (i % 2), ms=5), ssim=0.95)
    findings = compare_runs(base, head, ComparisonLimits({"psnr": 0.02}, frozenset({"psnr"})))
    about = About(remarks=("Scores.",), commands=("bench compare a b",))
    lines = compare_markdown(findings, about).splitlines()
    assert lines[0] == "❌ **Regression** (PSNR) in 1 method: 1 worse."
    psnr, time, ssim = lines[2:5]
    assert psnr.startswith("- ❌ **X: PSNR −0.105 dB** at sigma 25 (33.500 → 33.395 dB): ")
    assert re.search(r"95 % interval −0\.1\d\d to −0\.1\d\d over 8 frames; limit 0\.02 dB$", psnr)
    assert time.startswith("- ⚠️ **X: time +25.0 %** (18 → 22.5 ms): alike on 8 frames; limit 5 %;")
    assert ssim.startswith("- ✅ **X: SSIM +0.050** at sigma 25 (0.900 → 0.950): ")
    assert lines[-1] == "    bench compare a b"


def test_a_comment_shows_what_strangers_say_as_text() -> None:
    words = "x ` | <img src=x>\n@everyone **bold**"
    failed = changed(run(), status=Status.ERROR, reason=words)
    shown = compare_markdown(compare_runs(run(), failed, ComparisonLimits()), About())
    assert "`8 of 8 cells failed: error: x ' | <img src=x> @everyone **bold**`" in shown
    hostile = row("x", title="A | <b> `c`")
    other = changed(run(rows=[hostile]), status=Status.ERROR, reason="no")
    assert "A \\| &lt;b> \\`c\\`" in compare_markdown(
        compare_runs(run(), other, ComparisonLimits()), About()
    )


# --- the rule for times, on simulated launches --------------------------------------------------


def launches(
    trials: int, slowdown: float, *, scatter: float, drift: float, tails: float, pairs: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Return times of launches in the order base, head, head, base, …; (trials, pairs) each.

    Args:
        trials: number of series of launches.
        slowdown: share by which HEAD's launches take longer.
        scatter: standard deviation of a launch's logarithm, however fast the machine is.
        drift: standard deviation of the step of the machine's own random walk, a launch.
        tails: the share of launches that are slower by another 30 % on average.
        pairs: number of launches of each version.
    """
    generator = np.random.default_rng(round(1e4 * (slowdown + scatter + drift + tails)))
    shape = (trials, 2 * pairs)
    log = generator.normal(0, scatter, shape) + generator.normal(0, drift, shape).cumsum(axis=1)
    log += np.where(generator.random(shape) < tails, generator.exponential(0.3, shape), 0)
    turns = np.exp(log).reshape(trials, pairs, 2)
    turns[:, 1::2] = turns[:, 1::2, ::-1]
    return turns[..., 0], turns[..., 1] * (1 + slowdown)


def called_slower(slowdown: float, trials: int = 1500, **machine: float) -> float:
    """Return the share of comparisons in which both looks say so."""
    # The second look is at other launches: twice as many trials, split.
    base, head = launches(2 * trials, slowdown, **machine)
    slower = decision.look(base, head).slower(0.05)
    return float(np.mean(slower[:trials] & slower[trials:]))


QUIET = {"scatter": 0.015, "drift": 0.005, "tails": 0.02}
USUAL = {"scatter": 0.03, "drift": 0.01, "tails": 0.05}
ROUGH = {"scatter": 0.05, "drift": 0.03, "tails": 0.10}


@pytest.mark.parametrize("machine", [QUIET, USUAL, ROUGH])
def test_equal_versions_are_not_called_slower(machine: dict[str, float]) -> None:
    assert called_slower(0.0, **machine) <= 0.001


def test_the_test_alone_is_wrong_as_often_as_it_says() -> None:
    pvalues = decision.look(*launches(4000, 0.0, **ROUGH)).pvalue
    assert np.mean(pvalues <= decision.SIGNIFICANT) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("machine", "seen"), [(QUIET, 0.98), (USUAL, 0.90), (ROUGH, 0.40)])
def test_a_tenth_slower_is_seen(machine: dict[str, float], seen: float) -> None:
    assert called_slower(0.10, **machine) >= seen


def test_drift_that_would_fool_runs_one_after_the_other_does_not_matter() -> None:
    """A machine that slows by 30 % over the comparison: all launches of HEAD last would be late."""
    speed = np.linspace(1, 1.3, 20).reshape(10, 2)
    speed[1::2] = speed[1::2, ::-1]
    found = decision.look(speed[:, 0], speed[:, 1])
    assert not found.slower(0.05)
    assert abs(found.log_change) < 0.01


def test_one_launch_that_went_wrong_does_not_decide() -> None:
    generator = np.random.default_rng(4)
    base, head = 1 + generator.normal(0, 0.01, (2, 10))
    head[3] *= 20
    assert not decision.look(base, head).slower(0.05)
    base[7] *= 20
    assert decision.look(base, 1.15 * head).slower(0.05)
    assert decision.look(1.15 * base, head).faster(0.05)


def test_equal_times_are_no_change() -> None:
    found = decision.look(np.ones(10), np.ones(10))
    assert (found.log_change, found.pvalue) == (0, 1)


@pytest.mark.parametrize("machine", [QUIET, USUAL, ROUGH])
@pytest.mark.parametrize(("pairs", "least", "most"), [(6, 0.58, 0.8), (10, 0.75, 0.85)])
def test_a_slowdown_of_the_detectable_size_is_found_about_as_often_as_it_says(
    pairs: int, least: float, most: float, machine: dict[str, float]
) -> None:
    """Each comparison estimates the size from its own launches; two others are slowed by it."""
    trials = 1000
    base, head = launches(3 * trials, 0.0, pairs=pairs, **machine)
    sizes = decision.detectable(base[:trials], head[:trials])
    slowed = head * (1 + np.tile(sizes, 3))[:, None]
    seen = decision.look(base, slowed).slower(0.0)
    found = seen[trials : 2 * trials] & seen[2 * trials :]
    assert least <= np.mean(found) <= most


@given(
    st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=14),
    st.floats(0.1, 10),
    st.floats(0.1, 10),
)
def test_the_detectable_size_depends_on_the_scatter_alone(
    noise: list[float], change: float, unit: float
) -> None:
    base, head = np.full(len(noise), unit), unit * np.exp(noise)
    size = decision.detectable(base, head)
    assert size >= 0
    assert decision.detectable(base, change * head) == pytest.approx(size, abs=1e-9)
    assert decision.detectable(head, base) == pytest.approx(size, abs=1e-9)
    assert decision.detectable(base, unit * np.exp(2 * np.array(noise))) >= size - 1e-12
    assert decision.detectable(base, base) == 0


def test_a_rough_machine_is_given_a_larger_share_than_a_quiet_one() -> None:
    quiet, rough = (
        calibrate(*(side[0] for side in launches(1, 0.0, **m, pairs=30)), 10, 0.05)
        for m in (QUIET, ROUGH)
    )
    assert quiet.share == 0.05
    assert quiet.detected > 0.95
    assert rough.share > quiet.share
    assert max(quiet.alarms, rough.alarms) <= 0.001
    assert quiet.scatter == pytest.approx(0.015, rel=0.5)


def pairs_of(scatter: float, slowdown: float = 0.0, count: int = 10) -> list[Pair]:
    """Return launches of two versions of one method of about 18 ms."""
    base, head = launches(1, slowdown, scatter=scatter, drift=0.0, tails=0.0, pairs=count)
    return [Pair(run(ms=4 * b), run(ms=4 * h)) for b, h in zip(base[0], head[0], strict=True)]


def timed(pairs: list[Pair], second: list[Pair] | None = None) -> Finding:
    """Return the verdict on time of launches, at a limit of 5 %."""
    limits = ComparisonLimits({"time": 0.05}, frozenset({"psnr", "time"}))
    judged = ab.judge(pairs, limits, lambda methods: second or pairs)
    return {f.metric: f for f in judged}["time"]


def test_same_is_said_only_where_a_change_of_the_limit_could_have_been_seen() -> None:
    quiet, rough = timed(pairs_of(0.005)), timed(pairs_of(0.05))
    assert quiet.verdict is Verdict.SAME
    assert quiet.detectable is not None
    assert 0 < quiet.detectable < 0.05
    assert (rough.verdict, rough.fails) == (Verdict.UNCERTAIN, False)
    assert rough.detectable is not None
    assert rough.detectable > 0.05
    assert exit_code([quiet, rough]) == 0
    words = compare_markdown([rough], About())
    assert words.startswith("⚠️ **No regression seen** (time) in 1 method: 1 cannot tell.")
    assert re.search(r"cannot tell \(seen from \d+\.\d %\) ¹", words)
    assert "¹ as large a change as the limit could be overlooked" in words
    assert json.loads(compare_json([rough], About()))["findings"][0]["detectable"] > 0.05


def test_what_is_too_small_to_count_needs_not_be_seen() -> None:
    """Launches of 0.02 ms scatter by far less than the 0.02 ms that count."""
    tiny = [
        Pair(
            *(changed(r, call_ns=(20_000 + 1000 * ((7 * i + j) % 5),)) for j, r in enumerate(pair))
        )
        for i, pair in enumerate([(run(), run())] * 10)
    ]
    assert timed(tiny).verdict is Verdict.SAME


def test_a_slowdown_that_is_not_confirmed_on_a_rough_machine_is_uncertain() -> None:
    finding = timed(pairs_of(0.005, 0.2), pairs_of(0.06))
    assert finding.verdict is Verdict.UNCERTAIN
    assert "a second did not confirm it" in finding.reason


def test_a_launch_that_failed_is_not_passed_whichever_it_is() -> None:
    pairs = pairs_of(0.005)
    broken = changed(pairs[3].head, status=Status.ERROR, reason="no wax", psnr=None)
    finding = timed([*pairs[:3], replace(pairs[3], head=broken), *pairs[4:]])
    assert finding.verdict is Verdict.FAILED
    assert finding.reason == "launch 4 of HEAD: error: no wax"
    slow = pairs_of(0.005, 0.2)
    assert timed(slow, [replace(pair, head=broken) for pair in slow]).verdict is Verdict.FAILED


# --- the command line ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real run of two fast methods."""
    folder = tmp_path_factory.mktemp("compare")
    words = ["--methods", "gaussian,median", "--dataset", f"folder:{photos}", "--sigma", "25"]
    subprocess.run([*HURRIED, "run", *words, "--out", folder / "run"], check=True, cwd=folder)
    return folder / "run"


def altered(
    run: Path, out: Path, change: Callable[[Measurement], Measurement | None], **about: Any
) -> Path:
    """Return a copy of a run with other measurements, without some, or with another manifest."""
    read = load_run(run)
    found = [new for m in read.measurements.values() if (new := change(m)) is not None]
    manifest = replace(read.manifest, seal=None, **about)
    return made_up.store(out, Results(manifest, {m.cell: m for m in found}))


def worse_median(m: Measurement) -> Measurement:
    assert m.psnr is not None
    return replace(m, psnr=m.psnr - 0.05) if m.cell.method == "median" else m


def test_exit_codes_and_formats(bench: Bench, stored: Path, tmp_path: Path) -> None:
    same = bench("compare", stored, stored)
    assert same.returncode == 0
    assert same.stdout.startswith("✅ **No regression** (PSNR, SSIM) in 2 methods.")
    assert same.stdout.endswith(f"    bench compare {stored} {stored}\n")

    worse = altered(stored, tmp_path / "worse", worse_median)
    result = bench("compare", stored, worse, "--format", "json,md,junit", "--out", "verdicts")
    assert result.returncode == 1
    verdicts = json.loads(result.stdout)
    [bad] = [f for f in verdicts["findings"] if f["fails"]]
    assert (bad["method"], bad["metric"], bad["verdict"]) == ("median", "psnr", "worse")
    assert bad["change"] == pytest.approx(-0.05)
    assert {p.name for p in (tmp_path / "verdicts").iterdir()} == {
        "compare.json",
        "compare.md",
        "compare.xml",
    }
    assert "**Median: PSNR −0.050 dB**" in (tmp_path / "verdicts" / "compare.md").read_text()
    assert bench("compare", stored, worse, "--fail-on", "psnr=0.1").returncode == 0

    failed = altered(
        stored, tmp_path / "failed", lambda m: replace(m, status=Status.ERROR, reason="a | b")
    )
    result = bench("compare", stored, failed)
    assert result.returncode == 3
    assert "error: a | b" in result.stdout


def test_a_run_that_was_interrupted_is_not_passed(
    bench: Bench, stored: Path, tmp_path: Path
) -> None:
    part = altered(
        stored,
        tmp_path / "part",
        lambda m: None if m.cell.method == "median" else m,
        state="interrupted",
    )
    for words in ((stored, part), (part, stored)):
        refused = bench("compare", *words)
        assert refused.returncode == 2
        assert "3 of 6 cells measured; to go on: bench run" in refused.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nowhere", "nowhere"], "holds no run"),
        (["RUN", "RUN", "--fail-on", "bogus=1"], "unknown metric 'bogus'"),
        (["RUN", "RUN", "--fail-on", "time=1"], "give time and memory in percent"),
        (["RUN", "RUN", "--format", "md,json"], "give --out"),
        (["RUN", "RUN", "--calibration", "nowhere.toml"], "cannot be read"),
    ],
)
def test_bad_requests_end_in_a_line(
    bench: Bench, stored: Path, words: list[str], complaint: str
) -> None:
    result = bench("compare", *(stored if word == "RUN" else word for word in words))
    assert result.returncode == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


STAND_IN = """#!/bin/sh
# Takes the place of an installed bench: answers with a stored run.
case "$*" in *--version*) echo "bench, version 0"; exit;; esac
while [ "$1" != --out ]; do shift; done
turn=$(cat "{folder}/order" 2>/dev/null | wc -w)
echo {name} >> "{folder}/order"
[ "$turn" != {hangs_at} ] || exec sleep 60
time={time}
[ "$turn" -lt 12 ] || time={later}
mkdir -p "$2"
cp -R "{folder}/runs/$time-$((turn * 7 % 5))/." "$2"
"""


def stand_in(
    folder: Path, name: str, run: Path, time: int, later: int | None = None, hangs_at: int = -1
) -> Path:
    """Write a command whose launches take a time in ms, up to 4 % more in turn.

    Args:
        folder: folder for the command and the runs that it answers with.
        name: name of the command.
        run: run to answer with.
        time: time of each call in ms.
        later: the time from the twelfth launch on; None for the same.
        hangs_at: number of the launch, of all commands, that does not end.
    """
    later = later or time
    for each, more in itertools.product({time, later}, range(5)):
        out = folder / "runs" / f"{each}-{more}"
        if not out.exists():
            shutil.copytree(run, out)
            slow_down(out, each * (1 + more / 100))
    path = folder / name
    blanks = {"folder": folder, "time": time, "later": later, "hangs_at": hangs_at}
    path.write_text(STAND_IN.format(name=name, **blanks))
    path.chmod(0o755)
    return path


def slow_down(run: Path, time: float) -> None:
    """Have all calls of a run take so many milliseconds, with their scatter."""
    with Store(run / STORE) as store:
        for m in store.measurements().values():
            scaled = tuple(int(1e6 * time + 100 * x) for x in m.call_ns)
            store.save(replace(m, call_ns=scaled))
        replace(read_manifest(run), seal=store.seal).write(run)


def test_both_versions_are_launched_in_turn_and_a_slower_one_is_found_twice(
    bench: Bench, stored: Path, tmp_path: Path
) -> None:
    base = stand_in(tmp_path, "base", stored, 100)
    head = stand_in(tmp_path, "head", stored, 115)
    result = bench("ab", base, head, "--launches", "6", "--", "--methods", "gaussian,median")
    assert result.returncode == 1
    order = (tmp_path / "order").read_text().split()
    assert order == 6 * ["base", "head", "head", "base"]  # two looks at 6 launches of each
    assert "Slower at first look: gaussian, median" in result.stderr
    assert re.search(
        r"Median: time \+1[3-7]\.\d %\*\* .*: significant in 6 pairs of launches, twice; limit 5 %",
        result.stdout,
    )


def test_an_interrupted_comparison_goes_on_with_the_pairs_that_it_has(
    bench: Bench, stored: Path, tmp_path: Path
) -> None:
    base = stand_in(tmp_path, "base", stored, 100)
    head = stand_in(tmp_path, "head", stored, 100, hangs_at=5)
    words = ["ab", base, head, "--launches", "6", "--out", "ab", "--", "--methods", "median"]
    process = subprocess.Popen(
        [COMMAND, *map(str, words)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("Launch 6 of 12" in line for line in lines)
    process.terminate()
    assert process.wait(timeout=30) == 130
    assert "To go on from here: bench ab --resume" in process.stderr.read()

    stand_in(tmp_path, "head", stored, 100)
    result = bench("ab", "--resume", *words[1:])
    assert result.returncode == 0, result.stderr
    # Two pairs were whole. The third, of which one launch was there, is launched anew.
    assert "Launch 5 of 12" in result.stderr
    assert "Launch 4 of 12" not in result.stderr
    other = bench("ab", "--resume", *words[1:-1], "gaussian")
    assert other.returncode == 2
    assert "leave out --resume" in other.stderr


def test_what_a_second_look_does_not_confirm_is_no_regression(
    bench: Bench, stored: Path, tmp_path: Path
) -> None:
    base = stand_in(tmp_path, "base", stored, 100)
    head = stand_in(tmp_path, "head", stored, 115, later=100)
    result = bench("ab", base, head, "--launches", "6", "--", "--methods", "gaussian,median")
    assert result.returncode == 0
    assert "a second did not confirm it" in result.stdout


def test_bad_launches_end_in_a_line(bench: Bench, tmp_path: Path) -> None:
    for words, complaint in (
        (["nowhere", "nowhere", "--", "--methods", "median"], "no bench to start there"),
        ([sys.executable, sys.executable], "say what to launch"),
        ([sys.executable, sys.executable, "--", "--methods", "x", "--out", "y"], "leave it out"),
        ([sys.executable, COMMAND, "--", "--methods", "medain"], "did you mean median"),
    ):
        result = bench("ab", *words)
        assert result.returncode == 2
        assert complaint in result.stderr
        assert "Traceback" not in result.stderr


def test_calibration_is_written_read_and_bound_to_its_machine(
    bench: Bench, stored: Path, tmp_path: Path
) -> None:
    this = stand_in(tmp_path, "this", stored, 100)
    words = ["--pairs", "6", "--launches", "6", "--out", "cal", "--", "--methods", "median"]
    result = bench("calibrate", "--env", this, *words)
    assert result.returncode == 0
    assert "+10 % is seen" in result.stdout
    path = tmp_path / "cal" / "calibration.toml"
    assert bench("compare", stored, stored, "--calibration", path).returncode == 0
    path.write_text(re.sub(r'machine = ".*"', 'machine = "other"', path.read_text()))
    refused = bench("compare", stored, stored, "--calibration", path)
    assert refused.returncode == 2
    assert "another machine" in refused.stderr


# --- this project's own guard -------------------------------------------------------------------


def test_our_methods_score_as_in_the_committed_baseline(
    bench: Bench, documentary_root: Path, tmp_path: Path
) -> None:
    """The fast methods on two of its frames, on whatever machine this is; times do not count."""
    fast = "gaussian,median,bilateral,wiener,wavelet-bayes,nlm-opencv,wgan-gp-unet-best"
    words = ["--methods", fast, "--dataset", "documentary", "--frames", "2", "--sigma", "25"]
    measured = bench("run", *words, "--threads", "1", "--out", "head")
    assert measured.returncode == 0, measured.stderr
    result = bench(
        "compare", ROOT / "results" / "baseline", "head", "--allow-missing", "--format", "json"
    )
    assert result.returncode == 0, result.stdout
    judged = {f["method"] for f in json.loads(result.stdout)["findings"] if f["verdict"] == "same"}
    assert judged == set(fast.split(","))
    assert load_run(tmp_path / "head").failures() == []
