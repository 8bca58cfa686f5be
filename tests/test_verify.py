"""Verification against published figures: expectations, verdicts, tables and the command."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
import time
from dataclasses import replace
from statistics import fmean
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import COMMAND
from denoisebench.cells import Cell, Measurement, Status
from denoisebench.datasets import catalogue
from denoisebench.errors import UsageError
from denoisebench.verifying import agreement as verify
from denoisebench.verifying import published as expectations
from denoisebench.verifying.agreement import Agreement
from denoisebench.verifying.table import verification_csv, verification_markdown

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

PUBLISHED, QUICK = expectations.load_published()
BM3D_ON_SET12 = PUBLISHED[0]

# Methods under names that have published figures. They are given the clean frame, so that they meet
# or miss a figure by as much as the test wants; the second fails at sigma 50.
STAND_INS = '''
from dataclasses import dataclass
import numpy as np
from denoisebench.denoisers import register, registry

for taken in ("dncnn", "ffdnet"):
    registry._cards.pop(taken, None)


def at(psnr, clean, noisy, sigma):
    """The clean frame with as much of the noise as gives this PSNR."""
    share = 10 ** (-psnr / 20) / sigma
    return (clean + share * (noisy - clean)).astype(np.float32)


@register("ffdnet", title="F", family="control", sees_clean=True)
@dataclass(frozen=True)
class Agreeing:
    def denoise(self, noisy, sigma, clean):
        return at(30.43, clean, noisy, sigma)


@register("dncnn", title="D", family="control", sees_clean=True)
@dataclass(frozen=True)
class Off:
    def denoise(self, noisy, sigma, clean):
        if sigma > 30 / 255:
            raise ValueError("no weights for this sigma")
        return at(30.04, clean, noisy, sigma)

'''


SLOW = """
import time
from dataclasses import dataclass
from denoisebench.denoisers import register, registry

registry._cards.pop("dncnn", None)


@register("dncnn", title="D", family="local")
@dataclass(frozen=True)
class Slow:
    def denoise(self, noisy, sigma):
        time.sleep(0.3)
        return noisy.copy()
"""


@pytest.fixture
def set12(documentary_root: Path) -> None:
    """Return the real Set12, named to the command as a user does."""
    if not (documentary_root / "standard" / "Set12").is_dir():
        pytest.skip("Set12 is not on disk; DENOISEBENCH_DATA holds no folder standard/Set12")


@pytest.fixture
def stand_ins(tmp_path: Path) -> list[str]:
    (tmp_path / "stand_ins.py").write_text(STAND_INS)
    return ["--plugin", "stand_ins.py", "--dataset", "standard:set12", "--out", "out"]


def records(folder: Path) -> list[dict[str, str]]:
    text = (folder / "verification.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def measured(psnr: dict[str, float], sigma: float = 25.0) -> Any:
    """Return a finished plan of BM3D on frames of these names, and what it measured."""
    row = SimpleNamespace(method=SimpleNamespace(spec="bm3d"), device="cpu")
    cells = [Cell("bm3d", "cpu", frame, sigma, 0) for frame in psnr]
    plan = SimpleNamespace(rows=[row], cells=lambda row: [(cell, None) for cell in cells])
    return plan, {c: Measurement(c, Status.OK, psnr=psnr[c.frame]) for c in cells}


def compared(
    psnr: dict[str, float], expectation: expectations.Expectation
) -> verify.FigureComparison:
    [comparison] = verify.compare_with_print(expectation.at((25.0,)), *measured(psnr))
    return comparison


def test_the_quick_form_agrees_with_what_the_papers_print(
    bench: Bench, set12: None, tmp_path: Path
) -> None:
    pytest.importorskip("bm3d")
    words = ["verify", "--quick", "--threads", "1", "--out", "out"]
    result = subprocess.run(  # twenty seconds of BM3D, which a busy machine stretches
        [COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == (tmp_path / "out" / "verification.md").read_text(encoding="utf-8")
    [bm3d] = [r for r in records(tmp_path / "out") if r["method"] == "bm3d"]
    assert (bm3d["verdict"], bm3d["frames"]) == ("agrees", "5")
    again = bench(*words)
    assert "5 cells, 5 measured before" in again.stderr
    assert again.stdout == result.stdout


def test_a_method_under_a_published_name_is_compared_and_the_exit_code_says_how(
    bench: Bench, set12: None, stand_ins: list[str], tmp_path: Path
) -> None:
    at_25 = ["verify", *stand_ins, "--sigma", "25"]
    agreeing = bench(*at_25, "--methods", "ffdnet")
    assert agreeing.returncode == 0, agreeing.stderr
    off = bench(*at_25, "--methods", "ffdnet,dncnn")
    assert off.returncode == 1
    assert "off by -0." in off.stdout
    assert "1 agrees, 1 off" in off.stderr
    by_method = {r["method"]: r for r in records(tmp_path / "out")}
    assert float(by_method["ffdnet"]["measured"]) == pytest.approx(30.43, abs=0.05)
    assert float(by_method["dncnn"]["difference"]) == pytest.approx(-0.4, abs=0.05)
    both = bench("verify", *stand_ins, "--sigma", "25,50", "--methods", "dncnn")
    assert both.returncode == 1
    assert "1 off, 1 failed" in both.stderr
    [failing] = [r for r in records(tmp_path / "out") if r["verdict"] == "failed"]
    assert "no weights for this sigma" in failing["reason"]
    failed = bench("verify", *stand_ins, "--sigma", "50", "--methods", "dncnn")
    assert failed.returncode == 3


def test_what_has_no_weights_is_not_comparable_and_says_how_to_have_them(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DENOISEBENCH_WEIGHTS", str(tmp_path))
    result = bench("verify", "--methods", "dncnn", "--out", "out")
    assert result.returncode == 0
    assert result.stdout.count("not comparable: `bench weights fetch dncnn`") == 9
    assert {r["verdict"] for r in records(tmp_path / "out")} == {"not comparable"}
    assert "9 not comparable" in result.stderr
    # Where no print can be compared, that is the reason, whatever is installed.
    unprinted = bench("verify", "--methods", "ksvd", "--out", "ksvd")
    assert "not comparable: its authors print single images" in unprinted.stdout


def test_an_interrupted_verification_goes_on(bench: Bench, set12: None, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["verify", "--methods", "dncnn", "--dataset", "standard:set12", "--sigma", "25"]
    words += ["--out", "out", "--plugin", "slow.py"]
    process = subprocess.Popen(
        [COMMAND, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    pictures = tmp_path / "out" / "standard-set12" / "pictures"
    deadline = time.monotonic() + 60
    while len(list(pictures.glob("*-dncnn-*"))) < 2:  # the first frame is stored then
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "incomplete: interrupted" in output
    assert f"To go on from here: bench {' '.join(words)}" in errors
    result = bench(*words)
    assert result.returncode == 1  # the noisy frame is no estimate
    assert "measured before" in result.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--methods", "bm3dd"], "did you mean bm3d?"),
        (["--methods", "median"], "known: bm3d, "),
        (["--dataset", "standard:set13"], "did you mean standard:set12"),
        (["--sigma", "17"], "no figures were published of this choice"),
        (["--sigma", "loud"], "is not a number"),
        (["--quick", "--sigma", "15"], "leave out --dataset and --sigma"),
        (["--plugin", "absent.py"], "no such Python file"),
    ],
)
def test_what_cannot_be_verified_is_refused_in_one_line(
    bench: Bench, words: list[str], complaint: str, tmp_path: Path
) -> None:
    result = bench("verify", *words, "--out", "out")
    assert result.returncode == 2
    assert complaint in result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_without_the_data_nothing_is_claimed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bm3d")
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path))
    result = bench("verify", "--quick", "--out", "out")
    assert result.returncode == 2
    assert "standard:set12" in result.stderr
    assert result.stdout == ""


def test_every_expectation_can_be_judged() -> None:
    for e in PUBLISHED:
        assert e.dataset in catalogue.NAMED or ":" in e.dataset
        assert catalogue.open_dataset(e.dataset).name == e.dataset
        assert bool(e.incomparable) != bool(e.psnr)
        if e.psnr:
            assert 0 < e.tolerance <= 0.1
            assert e.reason
        if e.images:
            assert e.image_tolerance.keys() == e.psnr.keys()
            assert all(e.tolerance < t <= 0.5 for t in e.image_tolerance.values())


def test_printed_means_are_the_means_of_the_printed_images() -> None:
    for e in (e for e in PUBLISHED if e.images):
        for sigma, mean in e.psnr.items():
            assert fmean(printed[sigma] for printed in e.images.values()) == pytest.approx(
                mean, abs=0.01
            )


def test_the_quick_part_is_a_part_of_the_whole() -> None:
    part = QUICK.part(BM3D_ON_SET12)
    assert list(part.images) == list(QUICK.frames)
    assert part.psnr == {25.0: pytest.approx(30.05, abs=0.005)}
    [without_images] = [e for e in PUBLISHED if e.method == "wnnm" and "set12" in e.dataset]
    assert "no single images" in QUICK.part(without_images).incomparable


def test_a_mean_beyond_its_tolerance_is_off() -> None:
    plain = replace(BM3D_ON_SET12, images={})
    psnr = {"a": 31.0, "b": 29.0}
    assert compared(psnr, plain).verdict is Agreement.AGREES
    off = compared(psnr | {"c": 30.6}, plain)
    assert (off.verdict, off.reason) == (Agreement.OFF, "off by +0.23 dB")
    assert compared({"a": float("inf")}, plain).verdict is Agreement.OFF


def test_images_in_the_wrong_order_are_off_though_the_mean_agrees() -> None:
    right = {frame: printed[25.0] for frame, printed in BM3D_ON_SET12.images.items()}
    assert compared(right, BM3D_ON_SET12).verdict is Agreement.AGREES
    swapped = right | {"01": right["02"], "02": right["01"]}
    result = compared(swapped, BM3D_ON_SET12)
    assert result.difference == pytest.approx(0, abs=0.01)
    assert result.verdict is Agreement.OFF
    assert result.reason in ("01 is off by +3.40 dB", "02 is off by -3.40 dB")


def test_failed_and_missing_frames_are_no_figures() -> None:
    plan, found = measured({"a": 29.97, "b": 29.97})
    plain = replace(BM3D_ON_SET12, images={}).at((25.0,))
    [first, second] = found
    [incomplete] = verify.compare_with_print(plain, plan, {first: found[first]})
    assert (incomplete.verdict, incomplete.measured) == (Agreement.INCOMPLETE, None)
    found[second] = Measurement(second, Status.TIMEOUT, "no result within 1 s")
    [failed] = verify.compare_with_print(plain, plan, found)
    assert failed.verdict is Agreement.FAILED
    assert failed.reason == "1 of 2 frames failed; the first: timeout: no result within 1 s"


@given(st.lists(st.floats(-1, 1), min_size=12, max_size=12))
def test_agreement_is_of_the_mean_and_of_every_image(errors: list[float]) -> None:
    e = BM3D_ON_SET12
    images = zip(e.images.items(), errors, strict=True)
    psnr = {frame: printed[25.0] + error for (frame, printed), error in images}
    result = compared(psnr, e)
    mean_agrees = abs(fmean(psnr.values()) - e.psnr[25.0]) <= e.tolerance
    worst, tolerance = max(abs(error) for error in errors), e.image_tolerance[25.0]
    if abs(worst - tolerance) > 1e-9:
        agrees = mean_agrees and worst < tolerance
        assert result.verdict is (Agreement.AGREES if agrees else Agreement.OFF)
    assert (result.reason == "") == (result.verdict is Agreement.AGREES)


def test_a_choice_keeps_the_order_of_the_file_and_names_what_is_unknown() -> None:
    chosen = verify.choose_expectations(
        PUBLISHED, ("w*", "bm3d"), ("standard:bsd68",), (25.0, 17.0)
    )
    assert [(e.method, e.psnr) for e in chosen] == [
        ("bm3d", {25.0: 28.57}),
        ("wnnm", {25.0: 28.83}),
    ]
    with pytest.raises(UsageError, match="known: bm3d"):
        verify.choose_expectations(PUBLISHED, ("gaussian",))


def test_the_tables_hold_every_figure_and_survive_what_plugins_say() -> None:
    agreeing = compared({"a": 29.99}, replace(BM3D_ON_SET12, images={}))
    broken = replace(agreeing, verdict=Agreement.FAILED, reason="error: a | b\nand more")
    markdown = verification_markdown([agreeing, broken], "bench verify")
    rows = [line for line in markdown.splitlines() if line.startswith("| BM3D")]
    assert [cell.strip() for cell in rows[0].split("|")[1:8]] == [
        *("BM3D", "set12", "25", "29.97", "29.99", "+0.02", "0.1"),
    ]
    assert "failed: error: a \\| b and more" in rows[1]
    for text in (BM3D_ON_SET12.source.citation, BM3D_ON_SET12.reason, "`bench verify`"):
        assert text in markdown
    [first, second] = csv.DictReader(io.StringIO(verification_csv([agreeing, broken])))
    assert (first["printed"], first["measured"], first["verdict"]) == ("29.97", "29.99", "agrees")
    assert second["reason"] == "error: a | b and more"
