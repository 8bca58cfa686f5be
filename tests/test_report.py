"""The tables, from made-up measurements: figures, bold, footnotes and failures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import made_up
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import row

from denoisebench.cells import Cell, Measurement, Score, Status
from denoisebench.digests import value_digest
from denoisebench.reporting.contents import Contents
from denoisebench.reporting.differences import Differences
from denoisebench.reporting.formatting import interval
from denoisebench.reporting.html import page
from denoisebench.reporting.markdown import overview, render
from denoisebench.reporting.summary import costs
from denoisebench.reporting.table import full_table
from denoisebench.reporting.viewer import extremes, leaders
from denoisebench.statistics import mean_interval
from denoisebench.store.manifest import DatasetRecord, FrameRecord, MetricRecord
from denoisebench.store.results import load_run
from denoisebench.store.tables import frames_table, table1

if TYPE_CHECKING:
    from denoisebench.store.manifest import Row
    from denoisebench.store.results import Results

FRAMES = ("a", "b")
SIGMAS = (15.0, 25.0)


def ok(method: str, psnr: float, device: str = "cpu", **more: Any) -> list[Measurement]:
    """Return a method's measurements: frame b is 2 dB above a, sigma 25 is 5 dB below 15."""
    return [
        Measurement(
            Cell(method, device, frame, sigma, 0),
            Status.OK,
            psnr=psnr + 2 * FRAMES.index(frame) - 5 * SIGMAS.index(sigma),
            ssim=psnr / 50,
            call_ns=(2_000_000, 1_000_000, 3_000_000),
            pixels=500_000,
            **more,
        )
        for frame in FRAMES
        for sigma in SIGMAS
    ]


def results(rows: list[Row], measurements: list[Measurement], **parts: Any) -> Results:
    about = {"frames": FRAMES, "seeds": 1, "busy_percent": 40.0} | parts
    return made_up.results(rows, measurements, **about)


def two_frames() -> tuple[FrameRecord, ...]:
    return tuple(FrameRecord(frame, "0" * 16, (250, 400, 3)) for frame in FRAMES)


def table1_markdown(found: Results) -> str:
    return render(full_table(found))


def body(markdown: str) -> dict[str, list[str]]:
    """Return the Markdown table's rows: title without footnote marks, and cells."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")][2:]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {cells[0].split()[0]: cells[1:] for cells in split}


def test_the_tidy_table_has_means_over_frames_and_medians_of_times() -> None:
    table = table1(results([row("bm3d")], ok("bm3d", 30, cold_ns=9_000_000, peak_memory=5_000_000)))
    first = table.iloc[0]
    assert first.psnr_mean == 31
    assert first.psnr_std == pytest.approx(math.sqrt(2))
    assert first.ssim_mean == pytest.approx(0.6)
    assert first.psnr_paper == 33.6711
    assert (first.ms_per_frame, first.ms_per_megapixel) == (2, 4)
    assert (first.cold_ms, first.peak_memory_mb) == (9, 5)
    assert table.psnr_mean.tolist() == [31, 26]
    assert table.frames.tolist() == [2, 2]


def test_one_row_a_cell() -> None:
    table = frames_table(results([row("x")], ok("x", 30)))
    assert len(table) == 4
    assert table.ms.tolist() == [2, 2, 2, 2]
    assert not table.duplicated(["method", "frame", "sigma"]).any()


def test_a_method_that_was_timed_on_fewer_frames_than_others_says_so() -> None:
    def untimed(frames: str, method: str) -> list[Measurement]:
        return [replace(m, call_ns=()) if m.cell.frame in frames else m for m in ok(method, 30)]

    rows = [row("whole"), row("half"), row("none")]
    measured = [*ok("whole", 30), *untimed("b", "half"), *untimed("ab", "none")]
    found = results(rows, measured)
    notes = table1(found).groupby("method").note.first().to_dict()
    assert notes == {"half": "timed on 1 of 2 frames", "none": "not timed", "whole": ""}
    assert table1(found).set_index("method").loc["none"].ms_per_frame.isna().all()
    lacking = results([row("x"), row("y")], [*ok("x", 30), *ok("y", 30)[:2]])
    assert set(table1(lacking.on_common_frames()).note) == {"", "1 of 2 frames measured"}


def test_a_table_from_a_busy_machine_says_so() -> None:
    found = results([row("x")], ok("x", 30))
    assert "It was 40 % busy with other work." in table1_markdown(found)
    quiet = results([row("x")], ok("x", 30), busy_percent=3.0)
    assert "busy" not in table1_markdown(quiet)


def test_the_best_method_is_bold_and_controls_do_not_compete() -> None:
    rows = [row("good"), row("poor"), row("oracle", family="control")]
    measured = [*ok("good", 30), *ok("poor", 28), *ok("oracle", math.inf)]
    table = body(table1_markdown(results(rows, measured)))
    assert list(table) == ["GOOD", "POOR", "ORACLE"]
    assert table["GOOD"][:2] == ["**31.00**", "**26.00**"]
    assert table["POOR"][:2] == ["29.00", "24.00"]
    assert table["ORACLE"][:2] == ["∞", "∞"]


def test_what_prints_alike_is_equally_bold() -> None:
    measured = [*ok("one", 30.001), *ok("two", 29.999)]
    table = body(table1_markdown(results([row("one"), row("two")], measured)))
    assert table["ONE"][0] == table["TWO"][0] == "**31.00**"


def test_a_failed_method_keeps_its_row_with_dashes_and_a_footnote() -> None:
    failed = [
        Measurement(Cell("bad", "cpu", frame, sigma, 0), Status.TIMEOUT, "too | slow")
        for frame in FRAMES
        for sigma in SIGMAS
    ]
    markdown = table1_markdown(results([row("good"), row("bad")], [*ok("good", 30), *failed]))
    assert set(body(markdown)["BAD"]) == {"–"}
    assert "| BAD ¹ " in markdown
    assert "¹ timeout: too \\| slow." in markdown


def test_a_reason_that_is_a_sentence_ends_with_one_full_stop() -> None:
    failed = [replace(m, status=Status.ERROR, reason="Got NumPy 2.4.") for m in ok("x", 30)]
    assert "¹ error: Got NumPy 2.4.\n" in table1_markdown(results([row("x")], failed))


def test_a_mean_over_the_frames_that_succeeded_is_not_shown() -> None:
    measured = ok("x", 30)
    measured[0] = Measurement(measured[0].cell, Status.ERROR, "no")
    table = table1(results([row("x")], measured)).set_index("sigma")
    assert table.loc[15].status == "error"
    assert table.loc[15].frames == 1
    assert pd.isna(table.loc[15].psnr_mean)
    assert table.loc[15].note == "1 of 2 frames measured; 1 of 2 cells failed: no"
    assert table.loc[25].psnr_mean == 26


def interrupted() -> Results:
    """Return a run in which the best method by far lacks frame b at sigma 25."""
    whole, other = ok("whole", 30), ok("other", 29)
    half = [m for m in ok("half", 40) if (m.cell.frame, m.cell.sigma) != ("b", 25.0)]
    rows = [row("whole"), row("other"), row("half")]
    return results(rows, [*whole, *other, *half])


def test_a_method_that_lacks_frames_has_a_dash_and_says_how_many_it_has() -> None:
    found = interrupted()
    markdown = table1_markdown(found)
    assert body(markdown)["HALF"] == ["**41.00**", "–", "**0.800**", "–", "–", "–", "–"]
    assert "incomplete (CPU σ=25): 1 of 2 frames measured." in markdown
    assert "`bench report RUN --common`" in markdown
    lines = table1(found).set_index(["method", "sigma"])
    assert lines.loc["half", 25].frames == 1
    assert lines.loc["half", 25].status == "incomplete"
    assert lines.loc["half", 25].note == "1 of 2 frames measured"
    figures = lines.loc["half", 25].drop(["title", "device", "frames", "status", "note", "told"])
    assert figures.isna().all()
    assert "--common" not in table1_markdown(results([row("whole")], ok("whole", 30)))


def test_a_method_that_lacks_frames_leads_nothing_and_takes_the_bold_from_nobody() -> None:
    found = interrupted()
    table = body(table1_markdown(found))
    assert list(table) == ["WHOLE", "OTHER", "HALF"]
    assert table["WHOLE"][:2] == ["31.00", "**26.00**"]
    run = Contents("run", Path(), found).summary
    assert [(b.metric, b.methods) for b in run.best if b.level == 1] == [
        ("psnr", ["whole"]),
        ("ssim", ["whole"]),
    ]
    assert {line.method for line in run.differences if line.level == 1} == {"other"}
    assert [list(ranks.average) for ranks in run.ranks] == [
        ["half", "whole", "other"],
        ["whole", "other"],
    ]
    assert [(cost.method, cost.ms_per_frame) for cost in costs(run)][2] == ("half", None)
    assert [(e.level, e.method) for e in extremes(run)][-2:] == [(1, "other"), (0, "half")]
    assert leaders(run) == ["whole", "other"]


def test_on_common_frames_all_means_are_over_the_same_frames_and_say_so() -> None:
    found = interrupted().on_common_frames()
    markdown = table1_markdown(found)
    assert list(body(markdown)) == ["HALF", "WHOLE", "OTHER"]
    assert body(markdown)["HALF"][:2] == ["**41.00**", "**35.00**"]
    assert body(markdown)["WHOLE"][:2] == ["31.00", "25.00"]  # at sigma 25, frame a alone
    assert (
        "Means over the frames that all methods have (2 of 2 at sigma 15, 1 of 2 at sigma 25)."
    ) in markdown
    assert "1 of 2 frames measured (CPU σ=25)." in markdown
    lines = table1(found).set_index(["method", "sigma"])
    assert (lines.loc[(slice(None), 25.0), "frames"] == 1).all()
    assert set(lines.status) == {"ok"}
    for line in Differences(found).against("whole"):
        assert line.frames == (2 if line.level == 0 else 1)
    assert len(frames_table(found)) == 11  # every cell that was measured


def test_a_method_without_frames_takes_none_from_the_others() -> None:
    absent = [
        Measurement(Cell("absent", "cpu", frame, sigma, 0), Status.UNAVAILABLE, "needs x")
        for frame in FRAMES
        for sigma in SIGMAS
    ]
    late = [m for m in ok("late", 31) if m.cell.sigma == 15.0]
    rows = [row("whole"), row("absent"), row("late")]
    found = results(rows, [*ok("whole", 30), *absent, *late]).on_common_frames()
    markdown = table1_markdown(found)
    assert body(markdown)["WHOLE"][:2] == ["31.00", "26.00"]
    assert body(markdown)["LATE"][:2] == ["**32.00**", "–"]
    assert "incomplete (CPU σ=25): 0 of 2 frames measured." in markdown
    assert "unavailable: needs x." in markdown


def test_without_a_common_frame_there_is_no_mean() -> None:
    first = [m for m in ok("first", 30) if m.cell.frame == "a"]
    second = [m for m in ok("second", 29) if m.cell.frame == "b"]
    rows = [row("first"), row("second"), row("whole")]
    found = results(rows, [*first, *second, *ok("whole", 31)]).on_common_frames()
    table = table1(found)
    assert table.psnr_mean.isna().all()
    assert set(table.status) == {"incomplete"}
    assert table.note.tolist()[::2] == [
        "1 of 2 frames measured",
        "1 of 2 frames measured",
        "no frame that all methods have",
    ]


@given(st.lists(st.sets(st.sampled_from("abcde")), min_size=2, max_size=4))
def test_no_two_means_of_a_table_are_over_different_frames(had: list[set[str]]) -> None:
    frames = tuple("abcde")
    methods = [f"m{number}" for number in range(len(had))]
    measured = [
        Measurement(
            Cell(method, "cpu", frame, 25.0, 0),
            Status.OK,
            psnr=float(frames.index(frame)),
            ssim=0.5,
            call_ns=(1,),
            pixels=1,
        )
        for method, some in zip(methods, had, strict=True)
        for frame in sorted(some)
    ]
    found = results([row(m) for m in methods], measured, frames=frames, sigmas=(25.0,))
    for run in (found, found.on_common_frames()):
        means = table1(run).psnr_mean.dropna()
        assert means.nunique() <= 1  # the score is that of the frame, for every method
    shared = set.intersection(*(some for some in had if some)) if any(had) else set()
    common = table1(found.on_common_frames())
    assert common.psnr_mean.notna().sum() == (sum(map(bool, had)) if shared else 0)


def test_who_failed_at_the_harder_level_does_not_lead_the_table() -> None:
    lucky = [
        m if m.cell.sigma == 15 else Measurement(m.cell, Status.ERROR, "no")
        for m in ok("lucky", 30)
    ]
    found = results([row("lucky"), row("steady")], [*lucky, *ok("steady", 29)])
    assert list(body(table1_markdown(found))) == ["STEADY", "LUCKY"]
    assert "¹ error (CPU σ=25): no." in table1_markdown(found)


def test_one_frame_says_nothing_of_others() -> None:
    found = results([row("x"), row("y")], [*ok("x", 30), *ok("y", 29)], frames=("a",))
    [line, _] = Differences(found).against("x")
    assert (line.mean, line.low, line.high) == (-1, None, None)
    assert interval(line) == "−1.00 dB"


def test_marks_of_footnotes_ascend_and_the_papers_column_stands_only_where_it_has_a_figure() -> (
    None
):
    rows = [
        row("x", note="one"),
        row("y", note="two"),
        row("z", licence="non-commercial", note="one"),
    ]
    markdown = table1_markdown(results(rows, [*ok("x", 31), *ok("y", 30), *ok("z", 29)]))
    assert "| Z ¹ ³ " in markdown
    assert "paper" not in markdown
    about = {"dataset": DatasetRecord("documentary", "", "", "test", two_frames())}
    ours = results([row("bm3d")], ok("bm3d", 30), **about)
    assert "paper" in table1_markdown(ours)
    assert "paper" not in render(full_table(ours, with_paper=False))
    assert "paper" not in table1_markdown(results([row("bm3d")], ok("bm3d", 30)))


def test_each_device_has_its_own_times() -> None:
    rows = [row("x"), row("x", "cuda"), row("y")]
    slow = ok("y", 31)
    fast = ok("x", 30, "cuda", transfer_ns=(500_000,), peak_device_memory=7_000_000)
    fast = [Measurement(**{**vars(m), "call_ns": (20_000,)}) for m in fast]
    found = results(rows, [*ok("x", 30), *fast, *slow])
    header = table1_markdown(found).splitlines()[0]
    assert header.index("CPU ms/frame") < header.index("CUDA ms/frame")
    assert body(table1_markdown(found))["X"][-3:] == ["0.02", "0.04", "7"]
    assert body(table1_markdown(found))["Y"][-3:] == ["–", "–", "–"]
    cuda = table1(found).query("device == 'cuda'")
    assert cuda.transfer_ms.tolist() == [0.5, 0.5]
    assert cuda.peak_memory_mb.tolist() == [7, 7]


def test_a_restrictive_licence_and_scattered_times_are_footnoted() -> None:
    measured = [
        Measurement(**{**vars(m), "call_ns": (1_000_000, 1_500_000, 2_000_000, 2_500_000)})
        for m in ok("x", 30)
    ]
    markdown = table1_markdown(results([row("x", licence="non-commercial (Tampere)")], measured))
    assert "¹ Licence: non-commercial (Tampere)." in markdown
    assert "² Times scatter" in markdown


def test_names_from_plugins_cannot_break_the_table() -> None:
    hostile = row("x", title="a|b <script>\n|")
    markdown = table1_markdown(results([hostile], ok("x", 30)))
    assert "a\\|b &lt;script> \\|" in markdown


def test_scores_survive_the_store(tmp_path: Path) -> None:
    run = results([row("x")], [*ok("x", math.inf), *ok("y", 30, event_ns=(5,))])
    for _ in range(2):
        made_up.store(tmp_path, run)
    assert load_run(tmp_path) == run


def test_a_method_that_is_not_installed_is_no_failure_unless_asked_for() -> None:
    absent = [Measurement(Cell("x", "cpu", "a", 15.0, 0), Status.UNAVAILABLE, "needs y")]
    assert results([row("x")], absent).failures() == []
    assert results([row("x", asked_by_name=True)], absent).failures() == absent
    assert results([row("x", problem="fails to import")], absent).failures() == absent


def test_a_run_of_an_older_version_is_read_as_it_was_meant(tmp_path: Path) -> None:
    run = results([row("bm3d")], ok("bm3d", 30))
    made_up.store(tmp_path, run)
    content = json.loads((tmp_path / "manifest.json").read_text()) | {"manifest": 1}
    for name in (
        "digest",
        "seal",
        "levels",
        "noise",
        "metrics",
        "timing",
        "state",
        "costs",
        "written",
    ):
        del content[name]
    content["options"]["sigmas"] = [15, 25]
    for name in ("blind", "reference", "parameters"):
        del content["rows"][0][name]
    for name in ("noisy_digest", "has_clean", "digest"):
        del content["dataset"]["frames"][0][name]
    del content["environment"]["machine"], content["environment"]["name"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    read = load_run(tmp_path)
    assert read.levels == run.levels
    assert [metric.name for metric in read.metrics] == ["psnr", "ssim"]
    assert table1_markdown(read) == table1_markdown(run)
    assert read.failures() == []


def test_a_manifest_of_a_newer_version_may_say_more(tmp_path: Path) -> None:
    run = results([row("x")], ok("x", 30))
    made_up.store(tmp_path, run)
    content = json.loads((tmp_path / "manifest.json").read_text())
    content["rows"][0]["colour"] = "joint"
    content["weather"] = "fair"
    del content["digest"]
    content["digest"] = value_digest(content)
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    assert load_run(tmp_path) == run


def test_a_score_under_another_definition_is_not_shown() -> None:
    sharp = MetricRecord("sharp", "Sharp", "lower", "", "", 3, "", key="now")
    measured = [
        replace(m, scores={"sharp": Score(0.5, "now" if m.cell.frame == "a" else "before")})
        for m in ok("x", 30)
    ]
    about = made_up.manifest([]).metrics
    found = results([row("x")], measured, metrics=(*about, sharp))
    table = frames_table(found).set_index("frame")
    assert (table.loc["a"].sharp == 0.5).all()
    assert table.loc["b"].sharp.isna().all()
    note = "Sharp: no mean, 1 of 2 cells without a score: not scored yet"
    assert table1(found).note.tolist() == [note, note]


def one_perfect_frame() -> Results:
    """Return a run in which one of three frames is perfect for ``flat``, and the others are bad."""
    scores = {
        "good": (30.0, 31.0, 32.0),
        "flat": (math.inf, 15.0, 14.0),
        "exact": (math.inf,) * 3,
    }
    measured = [
        Measurement(
            Cell(method, "cpu", frame, 25.0, 0),
            Status.OK,
            psnr=psnr,
            ssim=0.5,
            call_ns=(1_000_000,),
            pixels=1000,
        )
        for method, psnrs in scores.items()
        for frame, psnr in zip("abc", psnrs, strict=True)
    ]
    rows = [row("flat"), row("good"), row("fine"), row("exact", family="control")]
    fine = [replace(m, cell=replace(m.cell, method="fine")) for m in measured[:3]]
    return results(rows, [*measured, *fine], frames=("a", "b", "c"), sigmas=(25.0,))


def test_a_mean_that_is_infinite_because_of_one_frame_leads_nothing_and_is_footnoted() -> None:
    found = one_perfect_frame()
    markdown = table1_markdown(found)
    table = body(markdown)
    assert list(table) == ["GOOD", "FINE", "FLAT", "EXACT"]
    assert [cells[0] for cells in table.values()] == ["**31.00**", "**31.00**", "∞", "∞"]
    note = "PSNR (sigma 25): infinite on 1 of 3 frames, 14.50 dB over the others"
    assert f"¹ {note}." in markdown
    assert "| EXACT  " in markdown
    lines = table1(found).set_index("method")
    assert lines.loc["flat"].note == note
    assert math.isinf(lines.loc["flat"].psnr_mean)
    assert lines.loc["exact"].note == ""


def test_what_a_figure_cannot_show_of_an_infinite_mean_is_said() -> None:
    contents = Contents("run", Path(), one_perfect_frame())
    remarks = {plot.kind: plot.remark for plot in contents.plots}
    assert remarks["frontier"] == remarks["frames"] == "Not shown: FLAT (infinite, σ25)."
    assert remarks["forest"] == "Not shown: FLAT (infinite on some frames)."
    assert remarks["times"] == ""
    assert contents.summary.reference == "good"
    [line] = [line for line in contents.summary.differences if line.method == "flat"]
    assert (line.mean, line.win_rate, interval(line)) == (None, 0.333333, "– dB [−∞, +∞]")
    page_of = page([contents])
    assert page_of.count("Not shown: FLAT") == 2
    assert "Not shown: FLAT" in overview(contents)
    assert leaders(contents.summary) == ["good", "fine"]


def test_a_metric_that_is_not_defined_for_one_methods_estimates_has_no_mean_for_it() -> None:
    about = made_up.manifest([]).metrics
    sharp = MetricRecord("sharp", "Sharp", "higher", "", "", 1, "", key="k")
    values = {"x": {"a": 1.0, "b": 2.0}, "y": {"a": None, "b": 5.0}}
    measured = [
        replace(m, scores={"sharp": Score(values[method][m.cell.frame], "k")})
        for method in values
        for m in ok(method, 30)
    ]
    found = results([row("x"), row("y")], measured, metrics=(*about, sharp))
    lines = table1(found).set_index("method")
    assert (lines.loc["x"].sharp_mean == 1.5).all()
    assert lines.loc["y"].sharp_mean.isna().all()
    assert set(lines.loc["y"].note) == {
        "Sharp: no mean, it is defined on other frames than for other methods"
    }
    alike = {"x": {"a": None, "b": 2.0}, "y": {"a": None, "b": 5.0}}
    same = [
        replace(m, scores={"sharp": Score(alike[m.cell.method][m.cell.frame], "k")})
        for m in measured
    ]
    found = results([row("x"), row("y")], same, metrics=(*about, sharp))
    assert table1(found).sharp_mean.tolist() == [2.0, 2.0, 5.0, 5.0]


def test_differences_from_one_method_mirror_those_from_the_other() -> None:
    frames = tuple("abcdefgh")
    lead = {15.0: (0.1, 0.5, -0.2, 0.4, 0.3, 0.9, 0.6, -0.1), 25.0: (-1, -2, -1, -3, -2, 1, -1, -2)}
    measured = [
        Measurement(
            Cell(method, "cpu", frame, sigma, 0),
            Status.OK,
            psnr=30 + 3 * i + (lead[sigma][i] if method == "x" else 0),
            ssim=0.5,
            call_ns=(1,),
            pixels=1,
        )
        for method in "xy"
        for sigma in SIGMAS
        for i, frame in enumerate(frames)
    ]
    found = Differences(results([row("x"), row("y")], measured, frames=frames))
    ours, theirs = found.against("y"), found.against("x")
    assert [line.method for line in (*ours, *theirs)] == ["x", "x", "y", "y"]
    for line, sigma in zip(ours, SIGMAS, strict=True):
        assert line.mean == pytest.approx(np.mean(lead[sigma]))
        expected = mean_interval(lead[sigma])
        assert (line.low, line.high) == pytest.approx((expected.low, expected.high))
        assert line.win_rate == np.mean([d > 0 for d in lead[sigma]])
    for line, other in zip(ours, theirs, strict=True):
        mirrored = (-line.mean, -line.high, -line.low, 1 - line.win_rate, line.p)
        assert (other.mean, other.low, other.high, other.win_rate, other.p) == mirrored
