"""What the harness itself costs, beside what it measures. Run with ``tox -e bench``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from denoisebench import metrics, protocol
from denoisebench.running.plan import RunOptions, make_plan
from denoisebench.running.progress import PlainProgress
from denoisebench.running.run_folder import RunFolder
from denoisebench.running.runner import carry_out

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from denoisebench.running.costs import Costs


@pytest.fixture(scope="session")
def frame() -> np.ndarray:
    """480 × 320 colour pixels."""
    return np.random.default_rng(0).integers(0, 256, (320, 480, 3), dtype=np.uint8)


def make_frames(folder: Path, frame: np.ndarray) -> None:
    folder.mkdir()
    for number in range(10):
        Image.fromarray(np.roll(frame, number)).save(folder / f"{number}.png")


def test_harness_cost_per_cell(
    benchmark: BenchmarkFixture, frame: np.ndarray, tmp_path: Path
) -> None:
    """Wall time of a serial run less calls, loads and scoring; the aim is 2 ms a cell.

    The figure is ``harness_ms_per_cell`` in the benchmark's extra information.
    """
    make_frames(tmp_path / "frames", frame)
    seeds = 4 if benchmark.enabled else 1
    options = RunOptions(
        methods=("median",),
        dataset=f"folder:{tmp_path / 'frames'}",
        seeds=seeds,
        fresh=True,
        jobs=1,
    )
    costs = run_costs(benchmark, options, tmp_path / "out", rounds=3)
    assert costs.cells == 30 * seeds


def run_costs(benchmark: BenchmarkFixture, options: RunOptions, out: Path, *, rounds: int) -> Costs:
    """Time whole runs, and return the costs of the last."""
    plan, _ = make_plan(options)

    def run() -> Costs:
        with RunFolder(out, plan) as folder:
            return carry_out(plan, folder, PlainProgress())

    costs: Costs = benchmark.pedantic(run, rounds=rounds)
    benchmark.extra_info.update(costs.summary())
    assert costs.cells == plan.size
    return costs


@pytest.mark.benchmark(group="the same cells in two harnesses")
@pytest.mark.parametrize("harness", ["denoisebench", "benchopt"])
@pytest.mark.parametrize("seeds", [1, 9])
def test_against_benchopt(
    benchmark: BenchmarkFixture, frame: np.ndarray, tmp_path: Path, harness: str, seeds: int
) -> None:
    """Whole commands that noise, filter and score 30 or 270 frames; benchopt does it in process.

    The difference of the two, divided by 240, is the time of a cell.
    """
    pytest.importorskip("benchopt", reason="benchopt is not installed; it brings much along")
    if not benchmark.enabled:
        pytest.skip("measured with --benchmark-only")
    make_frames(tmp_path / "frames", frame)
    here = Path(sys.executable).parent
    data = ["--dataset", f"folder:{tmp_path / 'frames'}", "--seeds", str(seeds), "--fresh"]
    scored = ["--jobs", "1", "--timed-frames", "0", "--keep-images", "0"]
    draws = ",".join(map(str, range(seeds)))
    peer = shutil.copytree(Path(__file__).parent / "benchopt_median", tmp_path / "peer")
    once = ["--max-runs", "1", "--n-repetitions", "1", "--no-cache", "--no-plot", "--no-html"]
    words = {
        "denoisebench": [here / "bench", "run", "--methods", "median", *data, *scored],
        "benchopt": [here / "benchopt", "run", peer, "--dataset", f"frames[seed=[{draws}]]", *once],
    }
    benchmark.pedantic(
        lambda: subprocess.run(words[harness], cwd=tmp_path, check=True, capture_output=True),
        rounds=3,
    )


@pytest.mark.benchmark(group="frames scored one by one and side by side")
@pytest.mark.parametrize("jobs", [1, 2])
def test_side_by_side(benchmark: BenchmarkFixture, tmp_path: Path, jobs: int) -> None:
    """Methods of one thread; on two cores, two jobs should take little more than half the time."""
    from skimage import data

    (tmp_path / "frames").mkdir()
    whole = data.astronaut()
    side = 320 if benchmark.enabled else 24
    for number in range(12 if benchmark.enabled else 2):
        crop = np.roll(whole, 40 * number, axis=(0, 1))[:side, :side]
        Image.fromarray(crop).save(tmp_path / "frames" / f"{number}.png")
    options = RunOptions(
        methods=("nlm-skimage", "tv-chambolle", "wavelet-bayes", "nlm-skimage[patch_size=7]"),
        dataset=f"folder:{tmp_path / 'frames'}",
        fresh=True,
        jobs=jobs,
        timed_frames=0,
        threads=jobs,
        keep_images=0,
    )
    run_costs(benchmark, options, tmp_path / "out", rounds=2 if benchmark.enabled else 1)


@pytest.mark.benchmark(group="cells of 100 ms on two processes and on a cluster of two")
@pytest.mark.parametrize("place", [["--jobs", "2"], ["--scheduler", "local:2"]])
def test_on_a_cluster(
    benchmark: BenchmarkFixture, frame: np.ndarray, tmp_path: Path, place: list[str]
) -> None:
    """Whole commands over 600 cells that sleep; the cluster should take at most a ninth more."""
    pytest.importorskip("distributed", reason="distributed is not installed (extra cluster)")
    if not benchmark.enabled:
        pytest.skip("measured with --benchmark-only")
    make_frames(tmp_path / "frames", frame)
    plugin = Path(__file__).parents[1] / "plugins" / "clustered.py"
    words = [Path(sys.executable).with_name("bench"), "run", "--plugin", plugin, "--fresh"]
    cells = ["--methods", "slow", "--dataset", f"folder:{tmp_path / 'frames'}", "--seeds", "20"]
    scored = [*place, "--timed-frames", "0", "--keep-images", "0"]
    benchmark.pedantic(
        lambda: subprocess.run(
            [*words, *cells, *scored], cwd=tmp_path, check=True, capture_output=True
        ),
        rounds=2,
    )


@pytest.mark.parametrize("words", [["--help"], ["list"]])
def test_start_up(benchmark: BenchmarkFixture, words: list[str]) -> None:
    """A fresh process answers; the aim is half a second."""
    command = [Path(sys.executable).with_name("bench"), *words]
    benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True), rounds=10, warmup_rounds=1
    )


@pytest.mark.benchmark(group="SSIM against scikit-image's")
@pytest.mark.parametrize("implementation", ["denoisebench", "scikit-image"])
def test_ssim(benchmark: BenchmarkFixture, frame: np.ndarray, implementation: str) -> None:
    from skimage.metrics import structural_similarity

    other = np.roll(frame, 1)
    if implementation == "denoisebench":
        score = benchmark(metrics.ssim, frame, other)
    else:
        score = benchmark(
            structural_similarity,
            frame,
            other,
            channel_axis=2,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    assert -1 < score < 1


def test_noise(benchmark: BenchmarkFixture, frame: np.ndarray) -> None:
    noisy = benchmark(protocol.add_noise, frame, 25.0, dataset="x", frame="y", seed=0)
    assert noisy.shape == frame.shape
