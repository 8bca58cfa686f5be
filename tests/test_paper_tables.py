"""One table of several data sets, for a paper: columns, rows, marks, errors, origin, refusals."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import made_up
import pytest
from made_up import EVIL, row

import denoisebench as db
from denoisebench.cells import Cell, Measurement, Status
from denoisebench.errors import UsageError
from denoisebench.reporting.html import table_html
from denoisebench.reporting.joint import PaperOptions, joint_table
from denoisebench.reporting.latex import table_latex
from denoisebench.reporting.markdown import render
from denoisebench.store.manifest import DatasetRecord, FrameRecord

if TYPE_CHECKING:
    from conftest import Bench
    from denoisebench.reporting.table import Table
    from denoisebench.store.results import Results

ROOT = Path(__file__).parents[1]
FRAMES = ("a", "b", "c")
PSNR = {"good": 30.0, "fair": 28.0, "poor": 8.5, "noisy": 7.0}
ROWS = [
    row("good", title="Good"),
    row("fair", title="Fair", note="Costs a fifth."),
    row("poor", title="Poor"),
    row("noisy", title="Noisy input", family="control"),
]


def on(
    name: str, title: str = "", *, lift: float = 0.0, split: str = "test", **parts: object
) -> Results:
    """Return a run on a data set; sigma 25 is 5 dB below 15, each frame 1 dB above the last."""
    frames = tuple(FrameRecord(frame, f"{name}{frame}", (250, 400, 3)) for frame in FRAMES)
    measured = [
        Measurement(
            Cell(method, "cpu", frame, sigma, 0),
            Status.OK,
            psnr=psnr + lift + number - (sigma - 15) / 2,
            ssim=psnr / 50,
            call_ns=(int(psnr * 1e6),) * 3,
            pixels=100_000,
        )
        for method, psnr in PSNR.items()
        for number, frame in enumerate(FRAMES)
        for sigma in (15.0, 25.0)
    ]
    about = {
        "dataset": DatasetRecord(name, title or f"{name}: x", "CC0", split, frames),
        "seeds": 1,
    }
    return made_up.results(ROWS, measured, **about | parts)


TWO = (on("sea"), on("land", lift=1.0))


def grid(table: Table) -> list[list[str]]:
    """Return the heads and cells of a table's Markdown."""
    lines = [line for line in render(table).splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line
    ]


def test_sets_and_sigmas_are_columns_and_each_mean_is_of_one_set() -> None:
    head, good, fair, poor, noisy = grid(joint_table(TWO, PaperOptions()))
    assert head == ["Method", "sea σ15", "sea σ25", "land σ15", "land σ25"]
    assert good == ["Good", "**31.00**", "**26.00**", "**32.00**", "**27.00**"]
    assert fair[1:] == [
        "<ins>29.00</ins>",
        "<ins>24.00</ins>",
        "<ins>30.00</ins>",
        "<ins>25.00</ins>",
    ]
    assert poor == ["Poor", "9.50", "4.50", "10.50", "5.50"]
    assert noisy == ["Noisy input", "8.00", "3.00", "9.00", "4.00"]


def test_columns_choose_sets_sigmas_metrics_and_costs_in_their_order() -> None:
    def heads(*columns: str) -> list[str]:
        return grid(joint_table(TWO, PaperOptions(columns)))[0][1:]

    assert heads("25", "land", "sea") == ["land σ25", "sea σ25"]
    assert heads("LA*", "ssim") == ["SSIM σ15", "SSIM σ25"]
    assert heads("ssim", "psnr", "15") == [
        *("sea SSIM σ15", "sea PSNR σ15", "land SSIM σ15", "land PSNR σ15"),
    ]
    assert heads("sea", "time", "memory") == ["CPU ms/MP", "CPU MB"]
    assert heads("psnr", "time", "15")[:2] == ["sea σ15", "sea CPU ms/MP"]
    with pytest.raises(UsageError, match="--columns: unknown column 'lnad'; did you mean land"):
        heads("lnad")


def test_rows_choose_and_order_methods_and_the_best_is_that_of_those() -> None:
    def rows(*expressions: str) -> list[list[str]]:
        return grid(joint_table(TWO, PaperOptions(("sea", "15"), expressions)))[1:]

    assert rows("noisy", "p*", "fair") == [
        ["Noisy input", "8.00"],
        ["Poor", "<ins>9.50</ins>"],
        ["Fair ¹", "**29.00**"],
    ]
    assert [cells[0] for cells in rows("poor", "all")] == ["Poor", "Good", "Fair ¹", "Noisy input"]
    with pytest.raises(UsageError, match="--rows: unknown method 'god'; did you mean good"):
        rows("god")


def test_standard_errors_are_those_of_the_mean_over_frames() -> None:
    table = joint_table(TWO, PaperOptions(("sea", "15"), standard_errors=True))
    error = f"{1 / math.sqrt(3):.2f}"  # the frames are 1 dB apart
    assert grid(table)[1] == ["Good", f"**31.00** ± {error}"]
    assert "standard error of the mean" in render(table)
    assert rf"\bfseries 31.00 \pm {error}" in table_latex(table)
    assert f"<strong>31.00</strong> ± {error}" in table_html(table)


def parsed(latex: str) -> tuple[list[str], list[list[str]]]:
    """Return the formats of the S columns, and the figures of each row as siunitx gets them."""
    [types] = re.findall(r"\\begin{tabular}{[lp](.*)}$", latex, re.MULTILINE)
    body = latex.partition("\\midrule")[2].partition("\\bottomrule")[0]
    rows = [line.removesuffix(r" \\").split(" & ") for line in body.splitlines() if " & " in line]
    return re.findall(r"S\[table-format=([0-9.()]+)\]", types), [cells[1:] for cells in rows]


def test_latex_aligns_figures_at_their_points_also_bold_and_underlined_ones() -> None:
    table = joint_table(TWO, PaperOptions(caption="50 % of it", label="tab:a}b"))
    latex = table_latex(table)
    formats, rows = parsed(latex)
    assert formats == ["2.2"] * 4
    for cells, line in zip(rows, table.lines, strict=True):
        assert len(cells) == 4
        for cell, entry in zip(cells, line.entries, strict=True):
            assert entry is not None
            number = re.sub(r"^\\bfseries |\\phantom\{[0-9.]*\}|\\underline|[{}]", "", cell)
            assert float(number) == pytest.approx(entry.value, abs=0.005)
            assert cell.startswith(r"\bfseries ") == entry.best
            assert (r"\underline{" in cell) == entry.second
            assert cell.count("{") == cell.count("}")
    assert r"\caption{50 \% of it}" in latex
    assert r"\label{tab:a-b}" in latex
    assert "siunitx" in latex.splitlines()[2]
    shorter = table_latex(joint_table([TWO[0]], PaperOptions(("25",), ("poor", "fair", "good"))))
    assert r"\phantom{0}\underline{4.50}" not in shorter  # it is the third
    assert "{\\phantom{0}\\underline{4.50}}" in table_latex(
        joint_table([TWO[0]], PaperOptions(("25",), ("poor", "fair")))
    )


def test_every_format_tells_the_origin_in_a_comment_that_nothing_ends() -> None:
    run = on("sea", command=f"bench run --methods '-->{EVIL}'")
    table = joint_table([run], PaperOptions(caption="c"))
    for text, begin, end in (
        (render(table), "<!--\n", "\n-->"),
        (table_html(table), "<!--\n", "\n-->"),
        (table_latex(table), "", r"\begin{table*}"),
    ):
        comment = text.partition(begin)[2].partition(end)[0] if begin else text.partition(end)[0]
        for words in ("digest `0123456789ab`", "numpy 2", run.manifest.dataset.digest, "bench run"):
            assert words in comment, text
    assert "<script" not in re.sub(r"<!--.*?-->", "", table_html(table), flags=re.DOTALL)
    assert all(
        line.startswith("%") for line in table_latex(table).split("\\begin{table*}")[0].splitlines()
    )


def test_two_folders_of_one_name_stay_apart() -> None:
    runs = [on(f"folder-{n}", f"photos: 3 images, digest {n}") for n in ("aa", "bb")]
    heads = grid(joint_table(runs, PaperOptions(("15",))))[0]
    assert heads[1:] == ["photos (folder-aa) σ15", "photos (folder-bb) σ15"]
    splits = [on("sea", split="val"), on("sea")]
    assert grid(joint_table(splits, PaperOptions(("15",))))[0][1:] == [
        "sea val σ15",
        "sea test σ15",
    ]


def test_a_failure_is_told_with_its_set_and_leaves_a_dash() -> None:
    whole = on("land")
    lost = Cell("fair", "cpu", "b", 25.0, 0)
    measured = dict(whole.measurements) | {lost: Measurement(lost, Status.ERROR, "no")}
    table = joint_table([TWO[0], replace(whole, measurements=measured)], PaperOptions())
    [fair] = [cells for cells in grid(table) if cells[0].startswith("Fair")]
    assert fair[-1] == "–"
    assert "error (land CPU σ=25): 2 of 3 frames measured; 1 of 3 cells failed: no." in render(
        table
    )
    assert "`bench report RUN --common`" in render(table)
    common = replace(whole, measurements=measured).on_common_frames()
    assert [c for c in grid(joint_table([common], PaperOptions(("25",)))) if c[0] == "Good"] == [
        ["Good", "**26.00**"]
    ]


def test_what_cannot_stand_in_one_table_is_refused() -> None:
    other = on("land", protocol={"version": 1, "digest": "ffff", "noise": "white"})
    with pytest.raises(UsageError, match="sea and land were measured under different protocols"):
        joint_table([TWO[0], other], PaperOptions())
    with pytest.raises(UsageError, match=r"two of the runs are on sea, test.*`bench merge`"):
        joint_table([TWO[0], TWO[0]], PaperOptions())
    slow = on("land", environment=replace(made_up.ENVIRONMENT, cores=4))
    with pytest.raises(UsageError, match="measured on different machines"):
        joint_table([TWO[0], slow], PaperOptions(("time",)))
    assert joint_table([TWO[0], slow], PaperOptions()).columns


def test_the_report_of_several_runs_prints_and_writes_one_table(ask: Bench, tmp_path: Path) -> None:
    folders = [made_up.store(tmp_path / str(n), run) for n, run in enumerate(TWO)]
    result = ask("report", *folders, "--format", "md,latex,html", "--out", "out")
    assert result.returncode == 0
    assert result.stdout == (tmp_path / "out" / "table.md").read_text()
    assert result.stdout.startswith("PSNR in dB on sea and land.\n\n| Method")
    assert (tmp_path / "out" / "table.tex").is_file()
    assert (tmp_path / "out" / "table.html").is_file()
    assert (tmp_path / "out" / "0" / "table1.md").is_file()
    same = ask("report", folders[0], folders[0], "--format", "md", "--out", "same")
    assert same.returncode == 0
    assert same.stdout.count("| Method") == 2
    asked = ask("report", folders[0], folders[0], "--columns", "15", "--out", "never")
    assert asked.returncode == 2
    assert "a table has one run a data set" in asked.stderr
    assert not (tmp_path / "never").exists()


def test_the_published_run_makes_a_paper_table_and_can_leave_out_the_papers_figures(
    ask: Bench, tmp_path: Path
) -> None:
    baseline = ROOT / "results" / "baseline"
    chosen = PaperOptions(("25", "psnr"), ("bm3d*", "noisy"))
    rows = grid(joint_table([db.load(baseline).results], chosen))
    assert {cells[0].rstrip(" ¹²³") for cells in rows[1:]} == {
        "BM3D",
        "BM3D (native)",
        "Noisy input",
    }
    assert [len(cells) for cells in rows] == [2] * 4
    words = ("report", baseline, "--format", "md", "--out", tmp_path)
    plain = ask(*words, "--metrics", "psnr", "--no-paper").stdout
    assert "paper" not in plain.splitlines()[0]
    with pytest.raises(UsageError, match="report: unknown option 'colums'; did you mean columns"):
        db.report(baseline, "md", out=tmp_path, colums="15")  # type: ignore[call-arg]
