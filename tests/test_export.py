"""What other tools read, checked against what they ask for; and histories."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from made_up import make_changed_run

from denoisebench import export
from denoisebench.cells import Level, Status
from denoisebench.cli import main
from denoisebench.comparing.findings import Finding, Verdict
from denoisebench.comparing.findings_report import VERDICT_FORMATS, compare_junit
from denoisebench.comparing.history import HistoryPoint, changes, courses, read_history
from denoisebench.comparing.history_report import history_markdown, history_svg
from denoisebench.comparing.limits import ComparisonLimits
from denoisebench.comparing.stored_runs import compare_runs
from denoisebench.errors import UsageError
from denoisebench.machine.timing import reference_times
from denoisebench.reporting.write import REPORT_FORMATS
from denoisebench.store.manifest import NoiseRecord, read_manifest
from denoisebench.store.results import Results, load_run

if TYPE_CHECKING:
    from conftest import Bench
    from denoisebench.cells import Measurement

# https://bencher.dev/docs/reference/bencher-metric-format
BENCHER_METRIC_FORMAT = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {
                name: {"type": "number"} for name in ("value", "lower_value", "upper_value")
            },
            "required": ["value"],
            "additionalProperties": False,
        },
    },
}
BASELINE = Path(__file__).parents[1] / "results" / "baseline"


@pytest.fixture(scope="module")
def results() -> Results:
    return load_run(BASELINE)


def at_levels(results: Results, *levels: Level) -> Results:
    return replace(results, manifest=replace(results.manifest, levels=levels))


def test_github_action_benchmark_gets_two_lists_and_each_figure_in_the_right_one(
    results: Results,
) -> None:
    bigger, smaller = map(json.loads, export.github_action_benchmark(results).values())
    for entry in (*bigger, *smaller):
        assert entry.keys() == {"name", "unit", "value"}
        assert math.isfinite(entry["value"])
    by_name = {entry["name"]: entry for entry in bigger}
    assert by_name["bm3d cpu sigma 25 PSNR"]["value"] == pytest.approx(30.03, abs=0.005)
    assert by_name["bm3d cpu sigma 25 PSNR"]["unit"] == "dB"
    assert "bm3d cpu sigma 25 SSIM" in by_name
    assert {entry["name"].split()[-1] for entry in smaller} == {"time", "memory", "Saturation"}
    assert min(entry["value"] for entry in smaller) >= 0  # of a signed error, its size
    assert len({e["name"] for e in (*bigger, *smaller)}) == len(bigger) + len(smaller)


def bencher_of(results: Results) -> Any:
    return json.loads(export.bencher(results)["bencher.json"])


def test_bencher_gets_its_metric_format(results: Results) -> None:
    found = bencher_of(results)
    measures = found["bm3d cpu sigma 25"]
    assert measures.keys() == {"psnr", "ssim", "saturation", "time", "memory"}
    assert measures["psnr"] == {"value": pytest.approx(30.03, abs=0.005)}
    jsonschema.validate(found, BENCHER_METRIC_FORMAT)
    assert "psnr" not in found["oracle cpu sigma 25"]  # infinite: JSON has no such number


def test_gitlab_gets_a_line_for_each_figure_which_its_parser_reads(results: Results) -> None:
    """GitLab cuts each line off at ``#``, and splits the rest as a shell does."""
    text = export.gitlab(results)["metrics.txt"]
    read = [shlex.split(line.partition("#")[0]) for line in text.splitlines()]
    values = {line[0]: float(line[1]) for line in read if line}
    assert values["denoisebench_psnr{row=bm3d cpu sigma 25}"] == pytest.approx(30.03, abs=0.005)
    assert values["denoisebench_time{row=bm3d cpu sigma 25}"] > 0
    assert len(values) == len([line for line in read if line])
    assert all(math.isfinite(value) for value in values.values())
    assert text.endswith("\n# EOF\n")
    # OpenMetrics has the samples of a metric in one place.
    families = [line[0].partition("{")[0] for line in read if line]
    assert len([name for name, _ in groupby(families)]) == len(set(families))


def junit_suite(results: Results) -> ElementTree.Element:
    return ElementTree.fromstring(export.junit(results)["junit.xml"])[0]


def test_junit_says_which_methods_failed_and_why(results: Results) -> None:
    measured = {
        cell: replace(m, status=Status.ERROR, reason='bad "<&>" \x1b[31m')
        if cell.method == "median"
        else m
        for cell, m in results.measurements.items()
    }
    suite = junit_suite(replace(results, measurements=measured))
    rows, levels = len(results.rows), len(results.levels)
    assert suite.attrib["tests"] == str(rows * levels)
    assert suite.attrib["failures"] == "3"
    [failure, *_] = suite.iter("failure")
    assert 'bad "<&>"' in failure.attrib["message"]


def test_junit_of_a_comparison_fails_on_what_was_asked_for() -> None:
    judged = Finding("m", "M", "cpu", "psnr", "PSNR", Verdict.WORSE, unit="dB", gated=True)
    judged = replace(judged, base=30, head=29.9, change=-0.1, limit=0.02, low=-0.2, high=-0.05)
    cost = replace(judged, metric="time", unit="ms", base=5, head=6, change=0.2, limit=0.05)
    findings = [
        judged,
        cost,
        replace(judged, gated=False),
        replace(judged, verdict=Verdict.FAILED),
        replace(judged, verdict=Verdict.NOT_COMPARABLE, reason="machine differs"),
    ]
    suite = ElementTree.fromstring(compare_junit(findings))[0]
    assert [len(case) for case in suite] == [1, 1, 0, 1, 1]
    assert [case[0].tag for case in suite if len(case)] == [
        "failure",
        "failure",
        "error",
        "skipped",
    ]
    assert suite[0][0].attrib["message"] == "worse: −0.100 dB"
    assert "30.000 → 29.900 dB; 95 % interval −0.200 to −0.050" in str(suite[0][0].text)
    assert suite[1][0].attrib["message"] == "worse: +20.0 %"


def test_recorded_noise_and_told_sigmas_have_names_of_their_own(results: Results) -> None:
    told = at_levels(results, Level(25.0), Level(25.0, 50.0))
    names = {row.method for row in told.rows}
    assert {f"{name} cpu sigma 25" for name in names} <= bencher_of(told).keys()
    [case, also] = [
        case.attrib["name"]
        for case in junit_suite(told).iter("testcase")
        if case.attrib["name"].startswith("bm3d ")
    ]
    assert (case, also) == ("bm3d cpu sigma 25", "bm3d cpu sigma 25 told as 50")
    recorded = {
        replace(cell, sigma=None): replace(m, cell=replace(cell, sigma=None))
        for cell, m in results.measurements.items()
        if cell.sigma == 25
    }
    run = replace(at_levels(results, Level(None)), measurements=recorded)
    assert "bm3d cpu recorded noise" in bencher_of(run)
    assert len(json.loads(export.github_action_benchmark(run)["bigger-is-better.json"])) > 0
    assert "bm3d cpu recorded noise" in export.pytest_benchmark(run)["pytest-benchmark.json"]
    [course] = [c for c in courses([HistoryPoint("a", run)], "psnr") if c.name.startswith("bm3d ")]
    assert course.name == "bm3d cpu recorded noise"


def test_pytest_benchmark_compares_what_we_export(bench: Bench, tmp_path: Path) -> None:
    assert bench("export", BASELINE, "--out", tmp_path).returncode == 0
    command = Path(sys.executable).with_name("pytest-benchmark")
    path = tmp_path / "pytest-benchmark.json"
    result = subprocess.run(
        [command, "compare", path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "bm3d cpu sigma 25" in result.stdout
    assert {p.name for p in tmp_path.glob("*.json")} == {
        "bigger-is-better.json",
        "smaller-is-better.json",
        "bencher.json",
        "pytest-benchmark.json",
    }
    assert (tmp_path / "junit.xml").is_file()


def test_the_help_names_every_format() -> None:
    formats = {"export": export.EXPORTS, "compare": VERDICT_FORMATS, "report": REPORT_FORMATS}
    for verb, known in formats.items():
        words = re.findall(r"[\w-]+", CliRunner().invoke(main, [verb, "--help"]).output)
        assert known.keys() <= set(words)


def test_an_unknown_format_is_refused(bench: Bench) -> None:
    result = bench("export", BASELINE, "--format", "excel")
    assert result.returncode == 2
    assert "'excel' is none of" in result.stderr


# --- histories ----------------------------------------------------------------------------------


@given(
    st.integers(3, 12),
    st.integers(1, 12),
    st.floats(0.05, 5),
    st.sampled_from([-1, 1]),
)
def test_a_step_in_a_steady_course_is_found_where_it_is(
    before: int, after: int, step: float, sign: int
) -> None:
    course = np.array([30.0] * before + [30.0 + sign * step] * after)
    assert changes(course, 0.02) == [before]


def test_scatter_is_no_change_and_a_step_in_it_is() -> None:
    generator = np.random.default_rng(0)
    scatter = generator.normal(0, 0.03, (200, 30))
    assert np.mean([bool(changes(course, 0.05)) for course in scatter]) < 0.05
    stepped = scatter + np.where(np.arange(30) < 18, 0, 0.15)
    found = [changes(course, 0.05) for course in stepped]
    assert np.mean([any(abs(i - 18) <= 1 for i in where) for where in found]) > 0.95


def test_changes_are_counted_in_runs_also_where_some_have_no_figure() -> None:
    course = np.array([1.0, math.nan, 1.0, 1.0, math.nan, 2.0, 2.0, math.inf])
    assert changes(course, 0.1) == [5]
    assert changes(np.array([1.0]), 0.1) == []


def test_a_history_of_a_real_run(bench: Bench, photos: Path, tmp_path: Path) -> None:
    words = ["--methods", "gaussian", "--dataset", f"folder:{photos}", "--sigma", "25"]
    assert bench("run", *words, "--out", "c1").returncode == 0
    shutil.copytree(tmp_path / "c1", tmp_path / "c2")
    about = read_manifest(tmp_path / "c2")
    replace(about, written="9999").write(tmp_path / "c2")  # later

    shown = bench("history", "c2", "c1", "--svg", "psnr.svg")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [lines[0].split("|")[i].strip() for i in (2, 4)] == ["c1", "c2"]
    assert lines[2].split("|")[1].strip() == "gaussian cpu sigma 25"
    assert lines[2].split("|")[5].strip() == "+0.000"
    assert ElementTree.parse(tmp_path / "psnr.svg").getroot().tag.endswith("svg")
    relative = bench("history", "c1", "c2", "--metric", "time")
    values = [float(relative.stdout.splitlines()[2].split("|")[i]) for i in (2, 4)]
    assert all(0 < value < 100 for value in values)  # 3 small frames against 256 × 256 values

    fewer = replace(about.dataset, frames=about.dataset.frames[:1])
    replace(about, dataset=fewer).write(tmp_path / "c2")
    refused = bench("history", "c1", "c2")
    assert refused.returncode == 2
    assert "no history of the same; other frames" in refused.stderr
    assert bench("history", "c1", "--metric", "bogus").returncode == 2


def test_a_mean_over_some_of_the_frames_is_no_figure(results: Results) -> None:
    first = results.manifest.dataset.frames[0].id
    known = results.measurements
    some = {c: m for c, m in known.items() if c.method != "bm3d" or c.frame != first}
    part = replace(results, measurements=some)
    assert "bm3d cpu sigma 25" not in bencher_of(part)
    for metric in ("psnr", "ms", "time"):
        sessions = {m.session for m in some.values() if m.session}
        run = HistoryPoint(
            "c", replace(part, reference_ns={session: [1_000_000] for session in sessions})
        )
        names = {course.name.split()[0] for course in courses([run], metric)}
        assert "bm3d" not in names
        assert "median" in names


def test_what_an_export_cannot_hold_is_said(tmp_path: Path, ask: Bench) -> None:
    def change(m: Measurement) -> Measurement | None:
        if m.cell.frame != "sea/a" or m.cell.method not in ("poor", "twin"):
            return m
        return replace(m, psnr=math.inf) if m.cell.method == "poor" else None

    folder = make_changed_run(tmp_path / "run", change)
    said = ask("export", "run").stderr
    infinite = "poor cpu sigma 15 PSNR, poor cpu sigma 25 PSNR"
    assert f"Left out, infinite, which JSON cannot hold: {infinite}, oracle cpu" in said
    assert "Left out, without a mean: twin cpu sigma 15 (incomplete, 5 of 6 frames)" in said
    content = json.loads((folder / "pytest-benchmark.json").read_text(encoding="utf-8"))
    benchmarks = {entry["name"]: entry["extra_info"] for entry in content["benchmarks"]}
    assert benchmarks["poor cpu sigma 15"] == {"psnr": "inf"}
    assert "twin cpu sigma 15" not in benchmarks
    assert "Left out" not in ask("export", "run", "--format", "junit").stderr
    assert "twin cpu sigma 15 in run (5 of 6 frames)" in ask("history", "run").stderr


def test_a_drop_is_marked_in_the_table_and_the_drawing_never_changes() -> None:
    run = read_history([BASELINE])[0]

    def lower(m: Results, psnr: float) -> Results:
        measured = {
            cell: replace(x, psnr=x.psnr - psnr if x.psnr is not None else None)
            for cell, x in m.measurements.items()
        }
        return replace(m, measurements=measured)

    runs = [
        replace(run, label=f"c{i}", results=lower(run.results, 0.1 * (i > 3))) for i in range(6)
    ]
    found = courses(runs, "psnr")
    labels = [r.label for r in runs]
    assert {tuple(c.changes) for c in found if not c.name.startswith("oracle")} == {(4,)}
    markdown = history_markdown(found, labels, "psnr")
    [line] = [line for line in markdown.splitlines() if " bm3d cpu sigma 25 " in line]
    assert "████▁▁" in line
    assert "▼ c4: −0.100" in line
    drawn = history_svg(found, labels, "psnr")
    assert "bm3d cpu sigma 25" in drawn
    assert "too little to matter" in drawn
    assert drawn == history_svg(found, labels, "psnr")


def slower(m: Results, factor: float) -> Results:
    """Return the same run whose calls took longer by a factor."""
    measured = {
        cell: replace(x, call_ns=tuple(round(factor * ns) for ns in x.call_ns))
        for cell, x in m.measurements.items()
    }
    return replace(m, measurements=measured)


def worse_by(m: Results, loss: float) -> Results:
    """Return the same run whose PSNR is lower by a loss in dB."""
    measured = {
        cell: replace(x, psnr=None if x.psnr is None else x.psnr - loss)
        for cell, x in m.measurements.items()
    }
    return replace(m, measurements=measured)


def one_method(m: Results) -> Results:
    """Return the same run with the method `median` alone, and a reference of a millisecond."""
    rows = tuple(row for row in m.rows if row.method == "median")
    sessions = [x.session for x in m.measurements.values() if x.session is not None]
    timed = {session: [1_000_000] for session in sessions}
    return replace(m, manifest=replace(m.manifest, rows=rows), reference_ns=timed)


CHANGES = (0.5, 0.9, 0.97, 1.0, 1.04, 1.06, 1.3)


@pytest.mark.parametrize("metric", ["psnr", "ssim", "ms", "time", "memory"])
def test_a_history_of_two_runs_says_what_compare_says_of_them(
    results: Results, metric: str
) -> None:
    base = one_method(results)
    for factor in CHANGES:
        head = slower(worse_by(base, factor - 1), factor)
        judged = {
            " ".join(filter(None, [f.method, f.device, f.level])): f
            for f in compare_runs(base, head, ComparisonLimits())
            if f.metric == ("time" if metric == "ms" else metric)
        }
        found = courses([HistoryPoint("a", base), HistoryPoint("b", head)], metric)
        assert {course.name for course in found} == judged.keys()
        for course in found:
            finding = judged[course.name]
            assert course.changes == ([] if finding.verdict is Verdict.SAME else [1])
            assert course.verdict is finding.verdict
            assert course.drift[-1] == finding.change
            if finding.low is not None:
                assert course.interval[:, 1].tolist() == [finding.low, finding.high]


def test_a_reference_that_was_slower_in_one_run_changes_no_time(results: Results) -> None:
    """Both runs are from one machine, of which compare compares the times themselves."""
    base = one_method(results)
    head = replace(base, reference_ns={session: [1_500_000] for session in base.reference_ns})
    [course] = courses([HistoryPoint("a", base), HistoryPoint("b", head)], "time")
    assert (course.drift[1], course.changes) == (0, [])


def test_a_history_shows_scatter_and_marks_a_loss_after_few_runs(results: Results) -> None:
    base = one_method(results)
    runs = [base, worse_by(base, 0.001), worse_by(base, 0.1)]
    points = [HistoryPoint(f"c{i}", run) for i, run in enumerate(runs)]
    found = courses(points, "psnr")
    assert [course.changes for course in found] == [[2]] * 3
    lines = history_markdown(found, ["c0", "c1", "c2"], "psnr").splitlines()
    heads, cells = ([cell.strip() for cell in lines[i].split("|")] for i in (0, 2))
    line = dict(zip(heads, cells, strict=True))
    assert (line["Change"], line["Verdict"], line["Changed with"]) == (
        "−0.100",
        "worse",
        "▼ c2: −0.100",
    )
    assert line["Interval"] == "−0.100 to −0.100"
    assert re.fullmatch(r"±0\.0\d\d", line["Scatter"])

    noisy = [slower(base, 1 + 0.01 * (i % 3)) for i in range(6)]
    found = courses([HistoryPoint(f"c{i}", run) for i, run in enumerate(noisy)], "ms")
    assert found[0].scatter == pytest.approx(0.01, rel=0.8)
    assert history_svg(found, list("abcdef"), "ms").count("FillBetween") == 1


def test_a_method_that_is_gone_is_missing_in_its_history(results: Results) -> None:
    base = one_method(results)
    gone = replace(base, measurements={}, manifest=replace(base.manifest, rows=()))
    for course in courses([HistoryPoint("a", base), HistoryPoint("b", gone)], "psnr"):
        assert course.verdict is Verdict.MISSING


def test_a_frame_that_is_no_longer_perfect_is_marked(results: Results) -> None:
    base = one_method(results)
    perfect = {c: replace(m, psnr=math.inf) for c, m in base.measurements.items()}
    points = [HistoryPoint("a", replace(base, measurements=perfect)), HistoryPoint("b", base)]
    found = courses(points, "psnr")
    assert {(tuple(course.changes), course.verdict) for course in found} == {((1,), Verdict.WORSE)}
    assert "▼ b: −∞" in history_markdown(found, ["a", "b"], "psnr")
    assert history_svg(found, ["a", "b"], "psnr")


@pytest.mark.parametrize(
    ("part", "metric", "complaint"),
    [
        ({"threads": 7}, "time", "other thread count"),
        ({"timing": {"rounds": 99}}, "ms", "other timing"),
        ({"noise": NoiseRecord("jpeg", "", "")}, "psnr", "other noise"),
    ],
)
def test_what_compare_does_not_compare_is_no_history(
    results: Results, tmp_path: Path, part: dict[str, Any], metric: str, complaint: str
) -> None:
    base = one_method(results)
    other = replace(base, manifest=replace(base.manifest, **part))
    for name, run in (("a", base), ("b", other)):
        shutil.copytree(BASELINE, tmp_path / name)
        run.manifest.write(tmp_path / name)
    with pytest.raises(UsageError, match=complaint):
        courses(read_history([tmp_path / "a", tmp_path / "b"]), metric)


def test_changes_of_memory_that_compare_calls_too_small_are_not_marked(results: Results) -> None:
    base = one_method(results)

    def needing(megabytes: float) -> Results:
        measured = {
            c: replace(m, peak_memory=round(1e6 * megabytes)) for c, m in base.measurements.items()
        }
        return replace(base, measurements=measured)

    for low, high, found in ((1, 4, []), (100, 150, [3])):
        runs = [needing(low)] * 3 + [needing(high)] * 3
        points = [HistoryPoint(f"c{i}", run) for i, run in enumerate(runs)]
        assert [course.changes for course in courses(points, "memory")] == [found]


def test_the_reference_is_always_the_same_work() -> None:
    samples = reference_times()
    assert len(samples) == 9
    assert min(samples) > 0
