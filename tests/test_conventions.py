"""Conventions: scores against independent references, and printed figures that are found again."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.color import rgb2gray, rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import denoisebench as db
from denoisebench import metrics
from denoisebench.cells import Cell
from denoisebench.protocol import as_float, quantise
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.protocol.observation import Drawn
from denoisebench.verifying.convention_search import ConventionSearch, PrintedFigure
from denoisebench.verifying.conventions import AXES, Convention, axes_of, conventions_within
from denoisebench.verifying.variants import AlteredNoise, VariantScores, planes_of, reduced

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

CLEAN = arrays(np.uint8, (24, 20, 3))
NOISE = arrays(np.float32, (24, 20, 3), elements=st.floats(-0.5, 0.5, width=32))
ONE = ("--frames", "1", "--sigma", "25")


def estimate_of(clean: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return as_float(clean) + noise


@given(CLEAN, NOISE)
def test_the_protocols_convention_gives_the_scores_of_a_run(
    clean: np.ndarray, noise: np.ndarray
) -> None:
    output = estimate_of(clean, noise)
    scores = VariantScores(clean, output)
    psnr, error = scores.psnr(Convention())
    assert psnr == pytest.approx(metrics.psnr(clean, quantise(output)), abs=1e-9)
    assert psnr == math.inf or psnr == pytest.approx(-10 * math.log10(error))
    assert scores.ssim(Convention()) == pytest.approx(
        metrics.ssim(clean, quantise(output)), abs=1e-6
    )
    luma = scores.psnr(Convention(colour="y-601"))[0]
    assert luma == pytest.approx(db.psnr_y(clean, quantise(output)), abs=1e-9)


@given(CLEAN, NOISE, st.sampled_from(["gaussian", "uniform"]), st.booleans(), st.booleans())
def test_ssim_agrees_with_scikit_image_under_each_window_covariance_and_range(
    clean: np.ndarray, noise: np.ndarray, window: str, is_sample: bool, is_doubled: bool
) -> None:
    output = estimate_of(clean, noise)
    convention = Convention(
        output="float",
        window=window,
        covariance="sample" if is_sample else "population",
        constants="510" if is_doubled else "255",
    )
    gaussian = {"gaussian_weights": True, "sigma": 1.5} if window == "gaussian" else {"win_size": 7}
    expected = structural_similarity(
        clean.astype(float),
        output.astype(float) * 255,
        data_range=510 if is_doubled else 255,
        channel_axis=2,
        use_sample_covariance=is_sample,
        **gaussian,
    )
    assert VariantScores(clean, output).ssim(convention) == pytest.approx(expected, abs=1e-7)


@given(CLEAN, NOISE)
def test_lumas_are_those_of_scikit_image_and_of_the_standards(
    clean: np.ndarray, noise: np.ndarray
) -> None:
    values = clean.astype(float)
    assert planes_of(values, "y-601")[..., 0] == pytest.approx(rgb2ycbcr(clean)[..., 0], abs=1e-3)
    # scikit-image's weights have one digit more.
    assert planes_of(values, "y-709-full")[..., 0] == pytest.approx(255 * rgb2gray(clean), abs=0.06)
    red, green, blue = np.moveaxis(values, -1, 0)
    by_hand = 0.299 * red + 0.587 * green + 0.114 * blue
    assert planes_of(values, "y-601-full")[..., 0] == pytest.approx(by_hand)


@given(CLEAN, NOISE, st.sampled_from([0, 4, 8]), st.sampled_from(["clipped", "float", "truncated"]))
def test_psnr_agrees_with_scikit_image_on_what_is_left_of_the_estimate(
    clean: np.ndarray, noise: np.ndarray, border: int, form: str
) -> None:
    output = estimate_of(clean, noise)
    values = output.astype(float) * 255
    if form != "float":
        values = np.clip(values, 0, 255)
    if form == "truncated":
        values = np.trunc(values)
    inside = np.s_[border : 24 - border, border : 20 - border]
    with np.errstate(divide="ignore"):
        expected = peak_signal_noise_ratio(
            clean[inside].astype(float), values[inside], data_range=255
        )
    found, _ = VariantScores(clean, output).psnr(Convention(border=border, output=form))
    assert found == pytest.approx(expected, abs=1e-9)


def test_means_and_peaks_by_hand() -> None:
    clean = np.zeros((8, 8, 3), np.uint8)
    clean[0, 0] = 100
    output = as_float(clean)
    output[..., 0] += 10 / 255
    output[..., 1:] += 1 / 255
    scores = VariantScores(clean, output)
    channels = [20 * math.log10(255 / error) for error in (10, 1, 1)]
    assert scores.psnr(Convention(colour="channels"))[0] == pytest.approx(np.mean(channels))
    assert scores.psnr(Convention())[0] == pytest.approx(10 * math.log10(255**2 / 34))
    assert scores.psnr(Convention(peak="clean"))[0] == pytest.approx(10 * math.log10(100**2 / 34))
    assert math.isnan(scores.psnr(Convention(border=4))[0])
    assert math.isnan(scores.ssim(Convention()))


def test_ssim_is_also_taken_at_a_reduced_size_and_over_all_pixels() -> None:
    draw = np.random.default_rng(0)
    plane = draw.random((512, 520))
    blocks = plane.reshape(256, 2, 260, 2).mean(axis=(1, 3))
    assert reduced(plane) == pytest.approx(blocks)
    thirds = draw.random((768, 768))
    centred = np.pad(thirds, 1, mode="symmetric")[:768, :768].reshape(256, 3, 256, 3)
    assert reduced(thirds) == pytest.approx(centred.mean(axis=(1, 3)))
    clean = draw.integers(0, 256, (40, 40, 1), np.uint8)
    output = estimate_of(clean, draw.normal(0, 0.1, clean.shape).astype(np.float32))
    scores = VariantScores(clean, output)
    padded = [np.pad(a, ((5, 5), (5, 5), (0, 0)), mode="edge") for a in (clean, output)]
    assert scores.ssim(Convention(edges="replicated")) == pytest.approx(
        VariantScores(*padded).ssim(Convention())
    )


def test_a_changed_noisy_frame_is_the_same_draw(tmp_path: Path) -> None:
    clean = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    frame = type("Frame", (), {"id": "a"})()
    cell = Cell("median", "cpu", "a", 50.0, 0)

    def observed(shares: bool, values: str) -> np.ndarray:
        out = np.empty(clean.shape, np.float32)
        altered = AlteredNoise(Drawn(WHITE_GAUSSIAN, "made-up"), shares, values)
        assert altered.observe(cell, frame, clean, out) == 50
        return out

    plain = observed(False, "float")
    assert plain.min() < 0 < 1 < plain.max()
    assert np.array_equal(observed(False, "clipped"), plain.clip(0, 1))
    assert np.array_equal(observed(False, "8bit"), as_float(quantise(plain)))
    noise = observed(True, "float") - as_float(clean)
    assert noise == pytest.approx(np.repeat((plain - as_float(clean))[..., :1], 3, 2), abs=1e-6)


def test_conventions_are_told_by_their_changes_the_fewest_first() -> None:
    axes = axes_of("psnr", has_colour=True, is_drawn=True)
    found = list(conventions_within(axes, 2))
    counts = [len(convention.changes) for convention in found]
    assert counts == sorted(counts)
    assert (found[0], max(counts), len(set(found))) == (Convention(), 2, len(found))
    sizes = [len(values) - 1 for values in axes.values()]
    pairs = (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2
    assert len(found) == 1 + sum(sizes) + pairs
    assert all(str(convention) for convention in found)
    assert {axis: next(iter(values)) for axis, values in AXES.items()} == vars(Convention())
    assert "noisy" not in axes_of("ssim", has_colour=False, is_drawn=False)


@pytest.fixture(scope="module")
def searched(photos: Path) -> ConventionSearch:
    return db.conventions("median", photos, 25, seeds=2, changes=2, quiet=True)


def test_the_protocols_figure_is_that_of_a_run(
    photos: Path, searched: ConventionSearch, tmp_path: Path
) -> None:
    run = db.run("median", photos, 25, seeds=2, out=tmp_path / "run", quiet=True)
    assert searched.scores[0].value == pytest.approx(run.table().psnr_mean[0], abs=1e-9)
    frames = run.frames().psnr.to_numpy().reshape(3, 2)
    scatter = math.sqrt(frames.var(axis=1, ddof=1).sum()) / 3
    assert searched.scores[0].scatter == pytest.approx(scatter)


def test_pooled_errors_are_averaged_before_the_logarithm(
    photos: Path, searched: ConventionSearch
) -> None:
    [pooled] = [s for s in searched.scores if s.convention == Convention(mean="pooled")]
    single = db.conventions("median", photos, 25, seeds=1, quiet=True).table()
    assert pooled.effect < 0  # Jensen
    assert list(single.convention[:1]) == ["protocol"]
    assert single.scatter.isna().all()


@pytest.mark.parametrize(
    "convention",
    [
        Convention(),
        Convention(noisy="clipped"),
        Convention(colour="y-601", border=4),
        Convention(mean="pooled", output="truncated"),
    ],
)
def test_a_figure_of_a_convention_is_found_again(
    photos: Path, searched: ConventionSearch, convention: Convention
) -> None:
    [made] = [score for score in searched.scores if score.convention == convention]
    found = db.conventions("median", photos, 25, printed=f"{made.value:.4f}", seeds=2, quiet=True)
    assert convention in [score.convention for score in found.fitting]
    distances = [(len(score.convention.changes), abs(score.distance)) for score in found.scores]
    assert all(a <= b for a, b in pairwise(distances))
    assert found.scores[0].convention == Convention()
    assert found.scores[0].fits == (abs(made.effect) <= found.scores[0].tolerance)


def test_the_tolerance_is_half_a_digit_and_the_scatter_of_one_draw_about_the_mean(
    photos: Path,
) -> None:
    found = db.conventions("median", photos, 25, printed="25.1", seeds=2, quiet=True).scores[0]
    quantile = 3.182  # Student's t, 3 degrees of freedom
    expected = 0.05 + quantile * found.scatter * math.sqrt(1.5)
    assert found.tolerance == pytest.approx(expected, rel=1e-3)
    alone = db.conventions("median", photos, 25, printed="25.1", seeds=1, quiet=True).scores[0]
    assert alone.tolerance == pytest.approx(0.05)


def test_the_command_names_what_fits_and_says_when_nothing_does(bench: Bench, photos: Path) -> None:
    data = ("--dataset", f"folder:{photos}")
    plain = bench("conventions", "median", *data, "--sigma", "25")
    assert plain.returncode == 0, plain.stderr
    rows = plain.stdout.splitlines()
    assert rows[2].startswith("| protocol ")
    assert "fits" not in rows[0]
    value = rows[2].split("|")[2].strip()
    found = bench("conventions", "median", *data, "--sigma", "25", "--printed", value)
    assert found.returncode == 0
    assert f"The protocol gives {value};" in found.stdout
    assert "nothing needs them" in found.stdout
    none = bench("conventions", "median", *data, "--sigma", "25", "--printed", "99.00")
    assert none.returncode == 1
    assert "None of 108 conventions gives 99.00. The nearest is off by −" in none.stdout


def test_csv_and_json_hold_all_conventions(bench: Bench, photos: Path) -> None:
    words = ("conventions", "gaussian", "--dataset", f"folder:{photos}", *ONE, "--metric", "ssim")
    table = list(csv.DictReader(io.StringIO(bench(*words, "--format", "csv").stdout)))
    content = json.loads(bench(*words, "--format", "json").stdout)
    assert len(table) == len(content["conventions"]) > 15
    assert table[0]["convention"] == "protocol"
    assert {row["changes"] for row in table} == {"0", "1"}
    assert (content["metric"], content["draws"], content["frames"]) == ("ssim", 2, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("conventions", "medain", *ONE), "did you mean median?"),
        (("conventions", "nlm-*", *ONE), "name one method"),
        (("conventions", "all", *ONE), "name one method"),
        (("conventions", "oracle", *ONE), "sees the clean frame"),
        (("conventions", "median", *ONE, "--printed", "about 30"), "give the figure as it is"),
        (("conventions", "median", *ONE, "--printed", "nan"), "give the figure as it is"),
        (("conventions", "median"), "give the sigma of the printed figure with --sigma"),
        (("conventions", "median", *ONE, "--split", "val"), "unknown split 'val'"),
        (("conventions", "median", "--sigma", "-1"), "-1"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_one_line(
    ask: Bench, photos: Path, words: tuple[str, ...], message: str
) -> None:
    refused = ask(*words, "--dataset", f"folder:{photos}")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert message in refused.stderr


def test_a_method_that_crashes_ends_the_request_and_not_the_command(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "crashing.py").write_text(
        "import os\n"
        "from dataclasses import dataclass\n"
        "from denoisebench import register\n"
        '@register("crashing", title="Crashing", family="local")\n'
        "@dataclass(frozen=True)\n"
        "class Crashing:\n"
        "    def denoise(self, noisy, sigma):\n"
        "        os._exit(7)\n"
    )
    words = ("--dataset", f"folder:{photos}", "--plugin", "crashing.py")
    failed = bench("conventions", "crashing", *words, *ONE)
    assert failed.returncode == 2
    assert "Crashing failed on photo" in failed.stderr
    assert "exited with code 7" in failed.stderr


def test_real_noise_has_neither_draws_nor_noisy_frames_to_change(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs"
    for kind in ("clean", "noisy"):
        (pairs / kind).mkdir(parents=True)
    for path in photos.iterdir():
        for kind in ("clean", "noisy"):
            (pairs / kind / path.name).write_bytes(path.read_bytes())
    words = ("conventions", "gaussian", "--dataset", f"pairs:{pairs}", "--seeds", "1")
    table = bench(*words, "--format", "csv")
    assert table.returncode == 0, table.stderr
    assert "noisy frame" not in table.stdout
    assert "border pixels" in table.stdout


def test_frames_that_are_too_small_for_ssim_are_refused(ask: Bench, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    Image.fromarray(np.zeros((10, 40, 3), np.uint8)).save(tmp_path / "small" / "a.png")
    words = ("--dataset", f"folder:{tmp_path / 'small'}", "--metric", "ssim")
    refused = ask("conventions", "median", *words, *ONE)
    assert refused.returncode == 2
    assert "ssim is not defined for a.png: 10 × 40 pixels" in refused.stderr


def test_a_print_keeps_its_digits() -> None:
    assert PrintedFigure.read(" 0.8500 ").half_digit == pytest.approx(5e-5)
    assert PrintedFigure.read("31").half_digit == 0.5
    assert replace(PrintedFigure.read("31.0"), text="").value == 31
