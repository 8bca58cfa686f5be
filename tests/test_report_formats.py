"""Reports in every format, from the committed run and from made-up ones that hold the odd cases."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import made_up
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import EVIL, make_changed_run, make_run

from denoisebench import export
from denoisebench.cells import Cell, Measurement, Status
from denoisebench.columns import TEXT_COLUMNS
from denoisebench.reporting.figures.frontier import pareto
from denoisebench.reporting.latex import escape_latex
from denoisebench.store import crops as pictures
from denoisebench.store.measurements import Measurements
from denoisebench.store.results import load_run
from denoisebench.store.texts import shown_manifest

if TYPE_CHECKING:
    from conftest import Bench

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / "results" / "baseline"
GOLDEN = Path(__file__).parent / "golden"
ALL = "html,md,latex,csv,json"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All reports of a made-up run with failures, two devices, ties and hostile names."""
    from denoisebench.reporting.write import write_reports
    from denoisebench.store.results import load_run

    folder = make_run(tmp_path_factory.mktemp("runs") / "made-up")
    out = tmp_path_factory.mktemp("reports")
    write_reports({"made-up": (folder, load_run(folder))}, out, ALL.split(","))
    return out


def test_every_report_is_what_it_was(written: Path) -> None:
    """After a wanted change, copy the new files to tests/golden, and look at what changed."""
    for name in ("table1.md", "table1.tex", "table1.csv", "report.md"):
        found = (written / name).read_text(encoding="utf-8")
        assert found == (GOLDEN / name).read_text(encoding="utf-8"), name
    found, known = leaves(read_json(written)), leaves(read_json(GOLDEN))
    assert found.keys() == known.keys()
    for place, value in known.items():
        close = pytest.approx(value, rel=1e-3) if isinstance(value, float) else value
        assert found[place] == close, place


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Return the figures and texts of a document by place; resampling may differ by a digit."""
    if not isinstance(value, dict | list):
        return {path: value}
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, part in parts for k, v in leaves(part, f"{path}/{key}").items()}


def test_the_same_folder_gives_the_same_bytes(bench: Bench, tmp_path: Path, written: Path) -> None:
    make_run(tmp_path / "made-up")
    assert bench("report", "made-up", "--format", ALL, "--out", "again").returncode == 0
    files = [file.relative_to(written) for file in written.rglob("*") if file.is_file()]
    assert len(files) > 10
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (written / file).read_bytes(), file


def test_the_json_follows_the_published_schema(bench: Bench, tmp_path: Path, written: Path) -> None:
    schema = json.loads(bench("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    made_up = json.loads((written / "report.json").read_text(encoding="utf-8"))
    validator.validate(made_up)
    result = bench("report", BASELINE, "--format", "json", "--out", tmp_path, "--against", "bm3d")
    assert result.returncode == 0
    [run] = read_json(tmp_path)["runs"]
    validator.validate({"schema": "denoisebench-report-1", "runs": [run]})
    assert run["reference"] == "bm3d"
    rivals = len(load_run(BASELINE).rows) - 3  # without the controls and BM3D itself
    assert len(run["differences"]) == 3 * rivals
    assert not validator.is_valid(made_up | {"surprise": 1})


def read_json(folder: Path) -> Any:
    def forbidden(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((folder / "report.json").read_text("utf-8"), parse_constant=forbidden)


def test_infinite_scores_and_missing_ones_are_said_in_json(written: Path) -> None:
    [run] = read_json(written)["runs"]
    psnr = {(row["method"], row["level"]): row["scores"]["psnr"] for row in run["table"]}
    assert psnr["oracle", 0] == "inf"
    assert psnr["crash", 0] is None
    assert [f["method"] for f in run["failures"]] == ["crash"] * len(run["failures"])


def test_ties_are_equally_bold_and_what_is_worse_is_not(written: Path) -> None:
    [run] = read_json(written)["runs"]
    best = next(b for b in run["best"] if (b["metric"], b["level"]) == ("psnr", 0))
    assert best["methods"] == ["good", "twin"]
    [line] = [d for d in run["differences"] if (d["method"], d["level"]) == ("twin", 0)]
    assert line["low"] <= 0 <= line["high"]
    [line] = [d for d in run["differences"] if (d["method"], d["level"]) == ("poor", 0)]
    assert line["high"] < -1
    assert line["win_rate"] == 0
    table = (written / "table1.md").read_text(encoding="utf-8")
    assert re.search(r"^\| Good .*\*\*31\.76\*\*", table, re.MULTILINE)
    assert re.search(r"^\| Twin .*\*\*31\.70\*\*", table, re.MULTILINE)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("source", ["made-up", "baseline"])
def test_the_latex_table_compiles(source: str, written: Path, tmp_path: Path) -> None:
    table = (written / "table1.tex").read_text(encoding="utf-8")
    if source == "baseline":
        from denoisebench.reporting.latex import table_latex
        from denoisebench.reporting.table import full_table

        table = table_latex(full_table(load_run(BASELINE)))
    preamble = "\n".join(re.findall(r"^% (\\usepackage.*)$", table, re.MULTILINE))
    (tmp_path / "table1.tex").write_text(table, encoding="utf-8")
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass[twocolumn]{{article}}\n{preamble}\n"
        "\\begin{document}\n\\input{table1}\n\\end{document}\n"
    )
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:]
    assert "Overfull" not in result.stdout  # nothing is beyond the page's edge
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


def test_the_latex_table_has_as_many_cells_in_every_row(written: Path) -> None:
    table = (written / "table1.tex").read_text(encoding="utf-8")
    body = table.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    figures = re.findall(r"S\[table-format=[0-9.+-]+\]", table)
    assert len(rows) == 7
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) == len(figures)


@given(st.text(max_size=40))
def test_no_text_is_a_command_to_latex(text: str) -> None:
    plain = escape_latex(text)
    for ours in re.findall(
        r"\\[a-zA-Z]+\{\}|\$\\?[a-zA-Z-]+\$|\\textsuperscript\{2\}|\\[&%$#_{}]", plain
    ):
        plain = plain.replace(ours, "", 1)
    assert not set(plain) & set("\\{}$&#^_~%\n")


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12),
)
def test_no_point_beats_one_on_the_pareto_front(points: list[tuple[int, int]]) -> None:
    front = pareto(points)

    def beaten(point: tuple[int, int]) -> bool:
        return any(c <= point[0] and g >= point[1] and (c, g) != point for c, g in points)

    assert {points[i] for i in front} == {p for p in points if not beaten(p)}
    costs = [points[i][0] for i in front]
    assert costs == sorted(costs)


def test_the_figures_are_valid_svg_and_told_in_words(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    found = re.findall(r"^!\[((?:[^\]\\]|\\.)+)\]\((plots/[\w-]+\.svg)\)$", text, re.MULTILINE)
    assert len(found) >= 8
    for words, name in found:
        assert len(words) > 40
        root = ElementTree.parse(written / name).getroot()
        assert "<script>" not in (written / name).read_text(encoding="utf-8")
        assert root.tag.endswith("svg")


def test_hostile_names_are_only_text_on_the_page(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    assert page.count("<script") == 3  # the cards, the pictures, and ours
    assert "<img" not in page
    assert "alert(1)</script>" not in page
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


HIDDEN = "\x1b[31m\x07\x9b\u202e\u2066\u2028\ud800"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write reports of a run with texts that turn, command, compute and never end."""
    from denoisebench.reporting.write import write_reports

    frames = (f"=frame{HIDDEN}", "-b.png")
    long = "A" * 1_000_000
    rows = [
        made_up.row(
            "m", title=f"=1+1{HIDDEN}", licence=f"non-commercial{HIDDEN}", note="+n" + long
        ),
        made_up.row("bad", title="@bad" + long, reference=HIDDEN, family=HIDDEN),
        made_up.row("n", title="-n\n\tn"),
    ]
    ok = [
        Measurement(
            Cell(method, "cpu", frame, 25.0, 0),
            Status.OK,
            psnr=30.0 + number - (method == "n"),
            ssim=-0.25,
            call_ns=(1_000_000,),
            pixels=1000,
        )
        for method in "mn"
        for number, frame in enumerate(frames)
    ]
    failed = [
        Measurement(Cell("bad", "cpu", frame, 25.0, 0), Status.ERROR, f"=cmd|{HIDDEN}{long}")
        for frame in frames
    ]
    run = made_up.results(rows, [*ok, *failed], frames=frames, sigmas=(25.0,), seeds=1)
    run = replace(
        run,
        manifest=shown_manifest(replace(run.manifest, command=f"bench run {HIDDEN}")),
        measurements=Measurements.of(run.measurements.values()).shown(),
    )
    out = tmp_path_factory.mktemp("hostile")
    write_reports({f"run{HIDDEN}": (out, run)}, out, ALL.split(","))
    (out / "junit.xml").write_text(export.junit(run)["junit.xml"], encoding="utf-8")
    return out


def test_hidden_characters_are_shown_as_escapes_in_every_format(hostile: Path) -> None:
    written = [f for f in hostile.rglob("*") if f.is_file() and f.suffix != ".parquet"]
    assert len(written) > 8
    for file in written:
        text = file.read_text(encoding="utf-8")
        hidden = {letter for letter in text if not letter.isprintable()} - {"\n"}
        assert hidden == set(), file.name
        assert len(text) < 250_000, file.name  # no text of a megabyte is in it
    shown = (hostile / "table1.md").read_text(encoding="utf-8")
    assert r"=1+1\\x1b[31m\\x07\\x9b\\u202e\\u2066\\u2028\\ud800" in shown
    assert "… (1000" in shown
    [run] = read_json(hostile)["runs"]
    assert run["dataset"]["frames"][0]["id"] == f"=frame{HIDDEN}"


def test_no_text_of_a_csv_is_a_formula_and_numbers_stay_numbers(hostile: Path) -> None:
    for name in ("frames.csv", "table1.csv"):
        with (hostile / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows
        for line in rows:
            for column, cell in line.items():
                if column in TEXT_COLUMNS:
                    assert not cell.startswith(("=", "+", "-", "@")), (name, column)
    table = pd.read_csv(hostile / "table1.csv")
    assert table.ssim_mean.tolist()[::2] == [-0.25, -0.25]
    assert table.title.tolist()[2] == "'-n n"
    assert pd.read_csv(hostile / "frames.csv").ssim.dtype == float


def test_several_runs_share_a_page_and_keep_their_tables(bench: Bench, tmp_path: Path) -> None:
    for name in ("a/run", "b/run"):
        make_run(tmp_path / name)
    result = bench("report", "a/run", "b/run", "--format", "html,json,latex", "--out", "both")
    assert result.returncode == 0, result.stderr
    assert [run["name"] for run in read_json(tmp_path / "both")["runs"]] == ["run", "run-2"]
    for name in ("run", "run-2"):
        assert (tmp_path / "both" / name / "table1.tex").is_file()
    page = (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    assert page.count('<section class="run"') == 2


def test_a_report_shows_the_asked_metrics_and_psnr_alone(bench: Bench, tmp_path: Path) -> None:
    asked = ["report", BASELINE, "--metrics", "saturation", "--format", "md,json", "--out", "some"]
    shown = bench(*asked).stdout
    assert "PSNR σ25" in shown
    assert "Saturation σ25" in shown
    assert "SSIM" not in shown
    [run] = read_json(tmp_path / "some")["runs"]
    assert [metric["name"] for metric in run["metrics"]] == ["psnr", "saturation"]


def test_an_interrupted_run_is_compared_on_the_frames_that_all_have(
    ask: Bench, tmp_path: Path
) -> None:
    def interrupted(m: Measurement) -> Measurement | None:
        is_lost = m.cell.method == "good" and m.cell.sigma == 25 and m.cell.frame > "sea/b"
        return None if is_lost else m

    folder = make_changed_run(tmp_path / "run", interrupted)
    incomplete, mean = "2 of 6 frames measured", "29.26"
    for words in ([], ["--common"]):
        shown = ask("report", "run", *words, "--format", ALL).stdout
        assert incomplete in shown
        for name in ("table1.md", "table1.tex", "table1.csv", "report.md", "report.html"):
            assert incomplete in (folder / name).read_text(encoding="utf-8"), name
        [run] = read_json(folder)["runs"]
        [row] = [
            row
            for row in run["table"]
            if (row["method"], row["device"], row["level"]) == ("twin", "cpu", 1)
        ]
        assert row["frames"] == (2 if words else 6)
        assert ("Means over the frames that all methods have" in shown) == bool(words)
    assert mean not in shown
    assert "2 of 6 at sigma 25" in " ".join(run["remarks"])


def test_nothing_is_compared_with_a_method_that_lacks_frames(ask: Bench, tmp_path: Path) -> None:
    make_changed_run(
        tmp_path / "run",
        lambda m: None if (m.cell.method, m.cell.frame) == ("poor", "sea/a") else m,
    )
    refused = ask("report", "run", "--against", "poor")
    assert refused.returncode == 2
    assert "--against poor: it lacks frames at every level of noise" in refused.stderr
    assert ask("report", "run", "--against", "poor", "--common").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere holds no run"),
        (["run", "other"], "--out"),
        (["run", "--format", "htm"], "html"),
        (["run", "--metrics", ","], "give at least one"),
        (["run", "--metrics", "ssmi"], "unknown metric 'ssmi'; did you mean ssim?"),
        (["run", "--against", "god"], "unknown method 'god'; did you mean good?"),
    ],
)
def test_what_cannot_be_reported_is_said_in_one_line(
    bench: Bench, tmp_path: Path, words: list[str], said: str
) -> None:
    make_run(tmp_path / "run")
    result = bench("report", *words)
    assert result.returncode == 2
    assert said in result.stderr


def test_open_shows_the_page_in_the_browser(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "run")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/asked\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    assert bench("report", "run", "--format", "csv", "--open").returncode == 0
    assert (tmp_path / "asked").read_text().strip() == f"file://{tmp_path}/run/report.html"


def test_a_run_keeps_lossless_crops_of_some_frames(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["--methods", "oracle,gaussian", "--sigma", "25", "--dataset", f"folder:{photos}"]
    assert bench("run", *words, "--keep-images", "2", "--out", "run").returncode == 0
    cell = Cell("oracle", "cpu", "photo0.png", 25.0, 0)
    frames = json.loads((tmp_path / "run" / "manifest.json").read_text())["dataset"]["frames"]
    ids = [frame["id"] for frame in frames]
    kept = [f for f in ids if pictures.clean_file(tmp_path / "run", f).is_file()]
    assert kept == ids[:2]
    clean = pictures.clean_file(tmp_path / "run", ids[0]).read_bytes()
    oracle = Cell("oracle", "cpu", ids[0], cell.sigma, 0)
    estimate = pictures.estimate_file(tmp_path / "run", oracle).read_bytes()
    assert np.array_equal(pictures.decode_crop(clean), pictures.decode_crop(estimate))
    noisy = pictures.decode_crop(pictures.noisy_file(tmp_path / "run", oracle).read_bytes())
    difference = noisy.astype(float) - pictures.decode_crop(clean)
    assert 15 < math.sqrt((difference**2).mean()) < 26  # clipping takes some of sigma 25
    assert bench("run", *words, "--keep-images", "0", "--out", "none").returncode == 0
    assert not (tmp_path / "none" / "pictures").exists()


@pytest.mark.parametrize("shape", [(300, 20, 3), (5, 400, 1), (128, 128, 3), (1, 1, 1)])
def test_the_crop_is_the_part_with_most_detail(shape: tuple[int, int, int]) -> None:
    frame = np.zeros(shape, np.uint8)
    frame[-1, -1] = 255
    rows, columns = pictures.detail(frame)
    crop = frame[rows, columns]
    assert crop.shape == (min(128, shape[0]), min(128, shape[1]), shape[2])
    assert crop.max() == 255


def test_the_page_takes_so_many_pictures_as_there_is_room_for(tmp_path: Path) -> None:
    from denoisebench.reporting.contents import Contents
    from denoisebench.reporting.viewer import viewer

    folder = make_run(tmp_path / "run")
    run = Contents("run", folder, load_run(folder))
    whole = viewer(run)
    assert whole is not None
    assert whole["left_out"] == 0
    size = sum(len(picture) for picture in whole["pictures"]) * 3 // 4
    part = viewer(run, limit=size // 2)
    assert part is not None
    assert 0 < len(part["scenes"]) < len(whole["scenes"])
    assert part["left_out"] == len(whole["scenes"]) - len(part["scenes"])
    assert viewer(run, limit=0) is None
    shutil.rmtree(folder / pictures.CROPS_FOLDER)
    assert viewer(run) is None
