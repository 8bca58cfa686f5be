"""Advice from stored runs: its figures, its sentences, and the places where they appear."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import made_up
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

import denoisebench as db
from denoisebench import statistics
from denoisebench.cells import Cell, Measurement, Status
from denoisebench.reporting.advice import advise_on
from denoisebench.reporting.advice_text import claims
from denoisebench.reporting.contents import Contents
from denoisebench.reporting.licences import is_free
from denoisebench.store.manifest import NoiseRecord

if TYPE_CHECKING:
    from conftest import Bench
    from denoisebench.store.results import Results

BASELINE = Path(__file__).parents[1] / "results" / "baseline"


def measured(
    method: str, psnr: list[float], ms: float | None = 1.0, sigma: float | None = 15.0
) -> list[Measurement]:
    """Measurements of a method on the first frames, each in `ms` milliseconds."""
    return [
        Measurement(
            Cell(method, "cpu", frame, sigma, 0),
            Status.OK,
            psnr=value,
            call_ns=() if ms is None else (round(ms * 1e6 * (1 + 0.01 * number)),),
            pixels=1_000_000,
            session=sum(map(ord, method)),
        )
        for number, (frame, value) in enumerate(zip(made_up.FRAMES, psnr, strict=False))
    ]


def run_of(rows: list[str], *parts: list[Measurement], frames: int = 6, **cards: dict) -> Results:
    """Return a run at sigma 15 with one draw; `cards` holds the cards that matter."""
    return made_up.results(
        [made_up.row(method, **cards.get(method, {})) for method in rows],
        [m for part in parts for m in part],
        frames=made_up.FRAMES[:frames],
        sigmas=(15.0,),
        seeds=1,
    )


def text_of(results: Results, about: str) -> str:
    found = {claim.about: claim.sentences for claim in claims(advise_on(results))}
    return found.get(about, "")


STEADY = [30.0, 31.0, 29.0, 33.0, 32.0, 30.5]
TWIN = [psnr + 0.3 * (-1) ** number - 0.01 for number, psnr in enumerate(STEADY)]
WORSE = [psnr - 0.5 - 0.02 * number for number, psnr in enumerate(STEADY)]


def test_the_best_method_is_named_with_those_that_are_not_significantly_worse() -> None:
    run = run_of(["a", "b", "c"], measured("a", STEADY), measured("b", TWIN), measured("c", WORSE))
    [level] = advise_on(run).levels
    assert [one.method for one in level.best] == ["a", "b"]
    assert level.best[1].loss.value == pytest.approx(0.01)
    text = text_of(run, "Best quality")
    assert text.startswith("A (30.92 dB). Not significantly worse: B (0.01 dB less, −0.")
    assert "C" not in text


def test_what_is_bold_in_the_table_is_what_is_advised() -> None:
    run = db.load(BASELINE).results
    table = {
        (best.level, method)
        for best in Contents("run", BASELINE, run).summary.best
        if best.metric == "psnr"
        for method in best.methods
    }
    advice = advise_on(run)
    assert {(n, one.method) for n, at in enumerate(advice.levels) for one in at.best} == table


@given(st.lists(st.lists(st.floats(20, 40), min_size=4, max_size=4), min_size=2, max_size=5))
def test_losses_are_those_of_the_paired_statistics(scores: list[list[float]]) -> None:
    names = [f"m{number}" for number in range(len(scores))]
    run = run_of(names, *(measured(n, of) for n, of in zip(names, scores, strict=True)), frames=4)
    [level] = advise_on(run).levels
    by_name = dict(zip(names, map(np.array, scores), strict=True))
    for one in level.front:
        difference = by_name[level.best[0].method] - by_name[one.method]
        assert one.loss.value == pytest.approx(difference.mean(), abs=1e-8)
    good = statistics.not_worse(sorted(scores, key=lambda of: -np.mean(of)))
    assert len(level.best) == good.sum()


def test_quality_per_second_is_argued_with_the_ratio_of_times_on_the_same_frames() -> None:
    run = run_of(
        ["slow", "knee", "fast", "dull"],
        measured("slow", STEADY, 1000),
        measured("knee", WORSE, 20),
        measured("fast", [psnr - 5 for psnr in STEADY], 1),
        measured("dull", [psnr - 6 for psnr in STEADY], 30),
    )
    [level] = advise_on(run).levels
    assert [one.method for one in level.front] == ["fast", "knee", "slow"]
    assert level.value is not None
    assert level.value.method == "knee"
    assert level.value.speedup is not None
    assert level.value.speedup.value == pytest.approx(50, rel=1e-6)
    text = text_of(run, "Quality per second")
    assert text.startswith("KNEE: it loses 0.55 dB (0.5")
    assert "to SLOW and is 50 times as fast (50 to 50)." in text
    assert "DULL" not in text
    assert text.endswith("FAST 1.02, KNEE 20.5, SLOW 1025.")


def test_the_speed_of_the_machine_in_each_process_widens_the_ratios() -> None:
    run = run_of(["slow", "fast"], measured("slow", STEADY, 1000), measured("fast", WORSE, 10))
    sessions = [sum(map(ord, method)) for method in ("slow", "fast")]
    third = measured("noisy", STEADY)
    run = replace(run, measurements={**run.measurements, **{m.cell: m for m in third}})
    drifting = {session: [2_000_000] for session in (*sessions, sum(map(ord, "noisy")))}
    drifting[sessions[0]] = [2_200_000]
    [still] = advise_on(run).levels
    advice = advise_on(replace(run, reference_ns=drifting))
    [level] = advice.levels
    assert advice.spread == pytest.approx(math.expm1(math.log(1.1) / math.sqrt(3)))
    before, now = still.front[0].speedup, level.front[0].speedup
    assert before is not None
    assert now is not None
    assert now.value == before.value
    # Three processes: a t-quantile of 4.30 times the square root of 2.
    assert math.log(now.high / now.value) == pytest.approx(
        4.303 * math.log(1.1) * 2**0.5 / 3**0.5, rel=1e-3
    )
    assert "differed by 6 % (standard deviation) between the processes" in (
        claims(advice)[-1].sentences
    )


def test_only_free_licences_are_free() -> None:
    for free in (
        "Apache-2.0",
        "MIT",
        "BSD-3-Clause",
        "LGPL-3.0-or-later (FFmpeg)",
        "GPL-3",
        "Apache-2.0; weights MIT",
        "Apache-2.0; weights MIT (grey), CC0-1.0 (colour)",
    ):
        assert is_free(free), free
    for bound in (
        "",
        "non-commercial (Tampere University)",
        "not stated",
        "MITx",
        "proprietary",
        "Academic Public License (non-commercial)",
        "MIT (non-commercial use only)",
        "Apache-2.0; weights none given",
        "Apache-2.0; weights CC-BY-NC-4.0",
        "Apache-2.0; weights not known",
        "MIT, research only",
    ):
        assert not is_free(bound), bound


def test_a_better_method_that_is_not_free_is_named_as_such() -> None:
    run = run_of(
        ["a", "b"],
        measured("a", STEADY),
        measured("b", WORSE),
        a={"licence": "non-commercial (Somewhere)"},
        b={"licence": "MIT"},
    )
    assert text_of(run, "Under a free licence") == (
        "B (30.37 dB, 0.55 dB less, 0.52 to 0.58). Free: B (MIT). "
        "Not free: A (non-commercial (Somewhere))."
    )
    run = run_of(["a"], measured("a", STEADY), a={"licence": ""})
    assert "no method that was compared" in text_of(run, "Under a free licence")


def test_a_networks_training_is_told_with_its_name() -> None:
    cards = {
        "a": {"family": "learned", "note": "Fast. Trained on made-up's train frames, twice."},
        "b": {"family": "learned", "note": ""},
    }
    run = run_of(["a", "b"], measured("a", STEADY), measured("b", TWIN), **cards)
    text = text_of(run, "Best quality")
    assert (
        "A: trained on made-up's train frames, twice (made-up is the data set of this run)." in text
    )
    assert "B is learned; its card does not tell from what." in text


def test_one_frame_and_one_method_and_no_times_are_said_plainly() -> None:
    run = run_of(["a"], measured("a", STEADY[:1], None), frames=1)
    text = {claim.about: claim.sentences for claim in claims(advise_on(run))}
    assert text["Best quality"] == "A (30.00 dB). No other method competes."
    assert text["Quality per second"] == "no method was timed in this run."
    assert text["Intervals"].startswith("none, as one frame does not show how frames differ.")
    two = run_of(["a", "b"], measured("a", [30.0]), measured("b", [30.0]), frames=1)
    assert text_of(two, "Best quality") == "A (30.00 dB)."
    assert "(" not in text_of(two, "Quality per second").partition(" No method")[0]


def test_failed_methods_and_controls_are_not_advised(tmp_path: Path, ask: Bench) -> None:
    folder = made_up.make_run(tmp_path / "run")
    shown = ask("advise", folder)
    assert shown.returncode == 0
    assert "**Not considered:** Crash on CPU has 0 of 6 frames (error)." in shown.stdout
    advised, _, _ = shown.stdout.partition("**Not considered")
    assert "Crash" not in advised
    assert "Clean frame" not in advised
    assert "Noisy input" not in advised
    assert "on CUDA" in advised  # two devices of one machine


def test_a_run_in_which_all_failed_says_so() -> None:
    failed = [
        Measurement(Cell("a", "cpu", frame, 15.0, 0), Status.ERROR, "bad luck")
        for frame in made_up.FRAMES
    ]
    run = run_of(["a"], failed)
    assert [(claim.about, claim.sentences) for claim in claims(advise_on(run))] == [
        ("No advice", "no method has the scores of all frames."),
        ("Not considered", "A on CPU has 0 of 6 frames (error)."),
    ]
    blind = replace(run, manifest=replace(run.manifest, metrics=(), state="interrupted"))
    first, second = claims(advise_on(blind))
    assert first.text.startswith("nobody knows the clean frames")
    assert second.text.endswith("The run is interrupted: cells may be missing.")


def test_a_mean_that_some_perfect_frames_make_infinite_ranks_nobody() -> None:
    run = run_of(["a", "b"], measured("a", [math.inf, *STEADY[1:]]), measured("b", WORSE))
    assert [one.method for one in advise_on(run).levels[0].best] == ["b"]
    assert text_of(run, "Not considered") == "A has an infinite PSNR on some frames."


def test_recorded_noise_is_real_and_drawn_noise_asks_for_a_run() -> None:
    drawn = run_of(["a", "b"], measured("a", STEADY), measured("b", TWIN))
    assert "`bench run --methods a,b --dataset real:cc15`" in text_of(drawn, "Real noise")
    cells = [*measured("a", STEADY, sigma=None), *measured("b", TWIN, sigma=None)]
    recorded = made_up.results(
        drawn.rows, cells, sigmas=(None,), seeds=1, noise=NoiseRecord("recorded", "", "")
    )
    assert "`" not in text_of(recorded, "Real noise")
    assert text_of(recorded, "Best quality").startswith("A (30.92 dB). Not significantly")


def test_several_levels_are_told_at_once_where_one_method_holds() -> None:
    advice = advise_on(db.load(BASELINE).results)
    assert len(advice.levels) == 3
    common = set.intersection(*({one.method for one in at.best} for at in advice.levels))
    text = claims(advice)[0].sentences
    assert common
    assert text.split(", at every level of noise.")[0].split(" or ") == sorted(
        (advice.rows[method].title for method in common), reverse=True
    )


def test_runs_are_advised_on_by_themselves_and_json_holds_the_figures(
    tmp_path: Path, ask: Bench
) -> None:
    one, two = (made_up.make_run(tmp_path / name) for name in ("one", "two"))
    assert ask("advise", one, two).stdout.count("**Best quality:**") == 2
    content = json.loads(ask("advise", one, two, "--format", "json").stdout)
    assert content["schema"] == "denoisebench-advice-1"
    assert [run["run"] for run in content["runs"]] == ["one", "two"]
    level = content["runs"][0]["levels"][0]
    assert {"method", "psnr", "loss", "ms_per_megapixel", "speedup"} <= level["best"][0].keys()
    absent = ask("advise", tmp_path / "three")
    assert (absent.returncode, absent.stdout) == (2, "")
    assert "holds no run" in absent.stderr


def test_hostile_names_make_no_markup(tmp_path: Path, ask: Bench) -> None:
    def first(m: Measurement) -> Measurement:
        return replace(m, psnr=50.0) if m.cell.method == "evil" and m.psnr else m

    folder = made_up.make_changed_run(tmp_path / "run", first)
    assert "<script>" not in ask("advise", folder).stdout
    ask("report", folder, "--format", "html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    advice = page.partition('<ul class="advice">')[2].partition("</ul>")[0]
    assert "&lt;script&gt;" in advice
    assert "<script>" not in advice


def test_the_page_begins_with_the_advice_of_each_run(tmp_path: Path) -> None:
    run = made_up.make_run(tmp_path / "run")
    db.report(run, "html", out=tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.index('class="advice"') < page.index('<h2 id="run-1-table"')
    first = claims(advise_on(db.load(run).results))[0]
    assert f"<li><strong>{first.about}:</strong> " in page
    assert f"<details><summary>More</summary>{escape(first.details)}</details>" in page
    assert page.count('<ul class="advice">') == 1
