"""The main job on small frames: what it measures, stores, reuses and prints."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from denoisebench import metrics, protocol
from denoisebench.columns import TABLE1_COLUMNS
from denoisebench.store.results import load_run
from denoisebench.store.sqlite import Store

if TYPE_CHECKING:
    from conftest import Bench

CELL = ["method", "device", "frame", "sigma", "seed"]


def cells(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "frames.csv")


def manifest(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return loaded


def test_a_run_measures_every_cell_once_and_writes_its_tables(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["--methods", "noisy,oracle,gaussian,nlm-native", "--sigma", "15,25", "--seeds", "2"]
    result = bench("run", "--dataset", f"folder:{photos}", *words, "--out", "out")
    assert result.returncode == 0
    found = cells(tmp_path / "out")
    assert len(found) == 4 * 3 * 2 * 2
    assert not found.duplicated(CELL).any()
    assert (found.status == "ok").all()
    assert (found.ms > 0).all()
    # Bit-identical noise for all methods, other noise for every frame, sigma and seed.
    assert (found.groupby(["frame", "sigma", "seed"]).noisy_digest.nunique() == 1).all()
    assert found.noisy_digest.nunique() == 3 * 2 * 2
    table = pd.read_csv(tmp_path / "out" / "table1.csv")
    assert list(table.columns) == list(TABLE1_COLUMNS)
    assert len(table) == 4 * 2
    assert (table[table.method == "oracle"].psnr_mean == np.inf).all()
    means = found[found.method == "gaussian"].groupby("sigma").psnr.mean()
    mine = table[table.method == "gaussian"].set_index("sigma")
    np.testing.assert_allclose(mine.psnr_mean, means, rtol=1e-5)
    assert (mine.frames == 3).all()
    assert result.stdout == (tmp_path / "out" / "table1.md").read_text()
    assert manifest(tmp_path / "out")["state"] == "complete"


def test_the_score_of_a_cell_can_be_computed_by_hand(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    bench("run", "--dataset", f"folder:{photos}", "--methods", "noisy", "--sigma", "25")
    [folder] = (tmp_path / "results").iterdir()
    row, dataset = cells(folder).iloc[1], load_run(folder).manifest.dataset.name
    clean = np.asarray(Image.open(photos / row.frame))
    noisy = protocol.add_noise(clean, 25.0, dataset=dataset, frame=row.frame, seed=0)
    scored = protocol.quantise(noisy)
    assert row.psnr == pytest.approx(metrics.psnr(clean, scored), rel=1e-5)
    assert row.ssim == pytest.approx(metrics.ssim(clean, scored), rel=1e-5)


def test_the_digest_of_a_noisy_frame_is_of_what_the_method_got(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    """The estimate takes the frame's place in memory, so the digest must be taken before."""
    words = ["--methods", "gaussian,noisy", "--sigma", "25", "--out", "out"]
    assert bench("run", "--dataset", f"folder:{photos}", *words).returncode == 0
    dataset = load_run(tmp_path / "out").manifest.dataset.name
    for _, row in cells(tmp_path / "out").iterrows():
        clean = np.asarray(Image.open(photos / row.frame))
        noisy = protocol.add_noise(clean, 25.0, dataset=dataset, frame=row.frame, seed=0)
        assert row.noisy_digest == sha256(noisy.tobytes()).hexdigest()[:16]


def test_a_frame_that_no_method_denoised_is_still_shown(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    plugin = Path(__file__).parent / "plugins" / "faulty.py"
    words = [
        "--plugin",
        plugin,
        "--methods",
        "faulty-raises",
        "--sigma",
        "25",
        "--keep-images",
        "1",
    ]
    assert bench("run", "--dataset", f"folder:{photos}", *words, "--out", "out").returncode == 3
    kept = [path.name for path in (tmp_path / "out" / "pictures").iterdir()]
    assert sorted("noisy" in name for name in kept) == [False, True]


def test_grey_frames_work_like_colour_ones(bench: Bench, tmp_path: Path) -> None:
    grey = np.tile(np.arange(40, 80, dtype=np.uint8), (32, 1))
    (tmp_path / "grey").mkdir()
    Image.fromarray(grey).save(tmp_path / "grey" / "ramp.png")
    words = ["--methods", "noisy,gaussian,nlm-native", "--sigma", "25", "--out", "out"]
    result = bench("run", "--dataset", "folder:grey", *words)
    assert result.returncode == 0
    psnr = cells(tmp_path / "out").set_index("method").psnr
    assert (psnr.drop("noisy") > psnr["noisy"] + 3).all()


def test_a_second_run_measures_only_what_is_new(bench: Bench, photos: Path, tmp_path: Path) -> None:
    words = ["run", "--dataset", f"folder:{photos}", "--out", "out", "--sigma", "25"]
    bench(*words, "--methods", "gaussian")
    first = cells(tmp_path / "out")
    second = bench(*words, "--methods", "gaussian,gaussian[width=2],noisy")
    assert "9 cells, 3 measured before" in second.stderr
    found = cells(tmp_path / "out")
    assert found.method.unique().tolist() == ["gaussian", "gaussian[width=2.0]", "noisy"]
    assert found[found.method == "gaussian"].ms.tolist() == first.ms.tolist()
    forced = bench(*words, "--methods", "gaussian,noisy", "--force", "gaussian")
    assert "6 cells, 3 measured before" in forced.stderr
    assert cells(tmp_path / "out").query("method == 'gaussian'").ms.tolist() != first.ms.tolist()


def test_times_are_not_reused_under_another_thread_count(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["run", "--dataset", f"folder:{photos}", "--out", "out", "--methods", "gaussian"]
    bench(*words, "--threads", "1")
    one = cells(tmp_path / "out")
    result = bench(*words, "--threads", "2")
    assert "9 cells\n" in result.stderr
    two = cells(tmp_path / "out")
    assert (one.timing_key != two.timing_key).all()
    assert (one.quality_key == two.quality_key).all()
    assert (one.output_digest == two.output_digest).all()


@pytest.mark.parametrize("changed", ["mine.py", "mine.weights"])
def test_results_are_not_reused_when_the_method_changes(
    bench: Bench, photos: Path, tmp_path: Path, changed: str
) -> None:
    (tmp_path / "mine.weights").write_text("0.5")
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from denoisebench.denoisers import register\n"
        "WEIGHTS = Path(__file__).with_suffix('.weights')\n"
        "@register('mine', title='Mine', family='local', blind=True, weights=(WEIGHTS,))\n"
        "@dataclass(frozen=True)\n"
        "class Mine:\n"
        "    def load(self, device): self.factor.append(float(WEIGHTS.read_text()))\n"
        "    def denoise(self, noisy, sigma): return noisy * np.float32(self.factor[0] + 0.0)\n"
        "    factor = []\n"
    )
    words = ["run", "--dataset", f"folder:{photos}", "--out", "out", "--methods", "mine"]
    words += ["--plugin", "mine.py"]
    bench(*words)
    before = cells(tmp_path / "out").psnr
    text = (tmp_path / changed).read_text()
    (tmp_path / changed).write_text(text.replace("0.5", "0.9").replace("+ 0.0", "+ 0.4"))
    assert "measured before" not in bench(*words).stderr
    assert (cells(tmp_path / "out").psnr > before).all()


def test_frames_are_taken_evenly_from_the_whole_split(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(10):
        image = np.full((16, 16, 3), 20 * number, np.uint8)
        Image.fromarray(image).save(tmp_path / "many" / f"{number}.png")
    words = ["--methods", "noisy", "--sigma", "25", "--frames", "3", "--out", "out"]
    bench("run", "--dataset", "folder:many", *words)
    assert cells(tmp_path / "out").frame.tolist() == ["0.png", "3.png", "6.png"]


def test_a_toml_file_sets_any_option_and_the_command_line_wins(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    plugin = Path(__file__).parent / "plugins" / "faulty.py"
    (tmp_path / "bench.toml").write_text(
        f'dataset = "folder:{photos}"\n'
        'methods = ["noisy", "gaussian[width=2]"]\n'
        'exclude = "median"\n'
        'noise = "correlated[width=2]"\n'
        "sigma = [10, 20.5]\n"
        "told = [12, 30]\n"
        "seeds = 3\n"
        "frames = 2\n"
        'budget = "10m"\n'
        'metrics = ["ssim", "psnr-y"]\n'
        'device = "cpu"\n'
        "timeout = 60\n"
        "memory_limit = 4\n"
        "threads = 1\n"
        "jobs = 2\n"
        "timed_frames = 1\n"
        "throughput = false\n"
        'machine = "lab 3"\n'
        f'plugin = "{plugin}"\n'
        'force = "noisy"\n'
        "keep_images = 1\n"
        'out = "from-toml"\n'
        "fresh = true\n"
    )
    result = bench("run", "--config", "bench.toml", "--seeds", "1")
    assert result.returncode == 0
    options = manifest(tmp_path / "from-toml")["options"]
    assert options == {
        "methods": ["noisy", "gaussian[width=2]"],
        "exclude": ["median"],
        "dataset": f"folder:{photos}",
        "split": "test",
        "noise": "correlated[width=2]",
        "sigmas": [10.0, 20.5],
        "told": [12.0, 30.0],
        "seeds": 1,
        "frames": 2,
        "budget": 600.0,
        "metrics": ["ssim", "psnr-y"],
        "device": "cpu",
        "timeout": 60.0,
        "memory_limit": 4.0,
        "threads": 1,
        "jobs": 2,
        "timed_frames": 1,
        "throughput": False,
        "scheduler": None,
        "machine": "lab 3",
        "plugins": [str(plugin)],
        "torch": [],
        "checkpoints": [],
        "weights": [],
        "force": ["noisy"],
        "keep_images": 1,
        "out": "from-toml",
        "fresh": True,
    }


def test_the_stored_command_asks_for_the_same_run(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    plugin = Path(__file__).parent / "plugins" / "faulty.py"
    words = ["--methods", "noisy,gaussian[width=2]", "--sigma", "7.12345678,25", "--plugin", plugin]
    bench("run", "--dataset", f"folder:{photos}", *words, "--threads", "1", "--out", "out")
    before = manifest(tmp_path / "out")
    again = bench(*before["command"].replace("'", "").split()[1:])
    assert "12 cells, 12 measured before" in again.stderr
    assert manifest(tmp_path / "out")["options"] == before["options"]


def test_threads_are_pinned_in_every_library_and_recorded(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["--methods", "gaussian,nlm-native,residual-cnn", "--sigma", "25", "--frames", "1"]
    bench("run", "--dataset", f"folder:{photos}", *words, "--threads", "1", "--out", "out")
    with Store(tmp_path / "out" / "run.sqlite", read_only=True) as store:
        threads = {s["method"]: s["details"]["threads"] for s in store.sessions()}
    assert threads["gaussian"]["cv2"] == 1
    assert threads["nlm-native"]["numba"] == 1
    assert "torch" not in threads["nlm-native"]
    assert threads["residual-cnn"]["torch"] == 1
    assert {t["OMP_NUM_THREADS"] for t in threads.values()} == {"1"}
    assert {t["openblas"] for t in threads.values() if "openblas" in t} == {1}


def test_the_first_call_is_stored_apart_and_raw_samples_are_kept(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["--methods", "median", "--sigma", "15,25", "--out", "out"]
    bench("run", "--dataset", f"folder:{photos}", *words)
    with Store(tmp_path / "out" / "run.sqlite", read_only=True) as store:
        found = list(store.measurements().values())
    cold = [m for m in found if m.cold_ns is not None]
    assert len(cold) == 1
    assert cold[0].load_ns is not None
    assert all(len(m.call_ns) == 10 for m in found)  # a fast method gets all its rounds
    # It imports OpenCV, which takes far longer than to filter a small frame.
    assert cold[0].cold_ns + cold[0].load_ns > 10 * np.median(cold[0].call_ns)


@pytest.mark.parametrize("form", ["json", "csv", "md", "table"])
def test_list_shows_every_method_in_every_format(ask: Bench, form: str) -> None:
    result = ask("list", "--format", form)
    assert result.returncode == 0
    assert "bm3d" in result.stdout
    assert "non-commercial" in result.stdout
    if form == "json":
        rows = json.loads(result.stdout)
    elif form == "csv":
        rows = pd.read_csv(io.StringIO(result.stdout)).to_dict("records")
    else:
        return
    by_name = {row["name"]: row for row in rows}
    assert by_name["nlm-native"]["devices"] == "cpu cuda"
    assert by_name["median"]["blind"] == "yes"
    assert (by_name["median"]["deterministic"], by_name["bm3d"]["deterministic"]) == ("yes", "no")
    assert by_name["bm3d"]["available"] == "yes"


def test_list_says_why_a_plugin_is_unavailable(bench: Bench) -> None:
    plugin = Path(__file__).parent / "plugins" / "fails_at_import.py"
    result = bench("list", "--plugin", plugin, "--format", "json")
    [row] = [r for r in json.loads(result.stdout) if r["name"] == "fails_at_import"]
    assert "No module named 'a_library_that_nobody_has'" in row["available"]


def test_report_rebuilds_the_same_tables(
    bench: Bench, ask: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["--methods", "noisy,median", "--sigma", "25", "--out", "out"]
    run = bench("run", "--dataset", f"folder:{photos}", *words)
    names = ("table1.md", "table1.csv", "frames.csv")
    written = {name: (tmp_path / "out" / name).read_bytes() for name in names}
    for name in names:
        (tmp_path / "out" / name).unlink()
    report = ask("report", "out", "--out", "elsewhere/tables")
    assert report.stdout == run.stdout
    assert {n: (tmp_path / "elsewhere/tables" / n).read_bytes() for n in names} == written


def test_report_says_what_it_needs(ask: Bench) -> None:
    result = ask("report", "nothing-here")
    assert result.returncode == 2
    assert "nothing-here holds no run" in result.stderr


def test_a_run_folder_that_cannot_be_written_to_can_be_read(
    bench: Bench, ask: Bench, photos: Path, tmp_path: Path
) -> None:
    bench("run", "--dataset", f"folder:{photos}", "--methods", "noisy", "--out", "out")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert not files & {"run.sqlite-wal", "run.sqlite-shm"}
    before = (tmp_path / "out" / "run.sqlite").read_bytes()
    assert ask("report", "out", "--out", "tables").returncode == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == files
    assert (tmp_path / "out" / "run.sqlite").read_bytes() == before
