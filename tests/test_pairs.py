"""Runs on recorded noise, on other synthetic noises, and on sigmas that are told wrongly."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from denoisebench import metrics, protocol
from denoisebench.cells import Cell, Measurement, Status
from denoisebench.datasets import DataError
from denoisebench.datasets.catalogue import open_dataset
from denoisebench.datasets.images import read_image
from denoisebench.digests import value_digest
from denoisebench.protocol import estimation, noise
from denoisebench.running.identity import Identities
from denoisebench.running.plan import RunOptions, make_plan
from denoisebench.store import crops as pictures
from denoisebench.store.sqlite import Store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

FIRST_VERSION = """
CREATE TABLE measurements (
    method, device, frame, sigma, seed, status, reason, psnr, ssim, call_ns, event_ns, transfer_ns,
    cold_ns, load_ns, peak_memory, peak_device_memory, pixels, quality_key, timing_key,
    noisy_digest, output_digest, session, PRIMARY KEY (method, device, frame, sigma, seed)
);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, method, device, started, details);
INSERT INTO measurements VALUES (
    'bm3d', 'cpu', 'a', 25.0, 0, 'ok', '', 30.5, 0.9, '[7, 8]', '[]', '[]',
    NULL, NULL, NULL, NULL, 100, 'q', 't', 'n', 'o', 1
);
PRAGMA application_id = 1684164163;
PRAGMA user_version = 1;
"""


def frames(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "frames.csv")


def manifest(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="session")
def pairs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs; the noise is white, of sigma 20."""
    folder = tmp_path_factory.mktemp("pairs")
    for kind in ("clean", "noisy"):
        (folder / kind).mkdir()
    rng = np.random.default_rng(0)
    for photo in sorted(photos.iterdir())[:2]:
        clean = read_image(photo)
        noisy = np.clip(np.rint(clean + 20 * rng.standard_normal(clean.shape)), 0, 255)
        Image.fromarray(clean).save(folder / "clean" / photo.name)
        Image.fromarray(noisy.astype(np.uint8)).save(folder / "noisy" / photo.name)
    return folder


def put(folder: Path, *names: str, size: tuple[int, int] = (6, 5)) -> None:
    """Images of noise under these names."""
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["noisy/a.png", "clean/a.png", "noisy/b.bmp", "clean/b.png"], ["a", "b"]),
        (["x_real.png", "x_mean.png", "y_1_real.png", "y_1_mean.png"], ["x", "y_1"]),
        (["s1/7_NOISY_SRGB_010.PNG", "s1/7_GT_SRGB_010.PNG"], ["s1/7_SRGB_010"]),
        (["été/noisy.png", "été/clean.png"], ["été"]),
        (["noisy.png", "clean.png"], ["frame"]),
    ],
)
def test_the_usual_layouts_of_pairs_are_understood(
    tmp_path: Path, names: list[str], ids: list[str]
) -> None:
    put(tmp_path, *names)
    found = open_dataset(f"pairs:{tmp_path}").frames("test")
    assert [frame.id for frame in found] == ids
    frame = found[0]
    assert frame.read_noisy is not None
    assert np.array_equal(frame.read_noisy(), read_image(tmp_path / names[0]))
    assert not np.array_equal(frame.read_noisy(), frame.read())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["noisy/a.png", "clean/b.png"], "clean/b.png has no partner; noisy/a.png has no partner"),
        (["a.png", "a_clean.png"], "a.png is neither noisy nor clean by its name"),
        (["noisy/a_clean.png"], "noisy/a_clean.png is both noisy and clean"),
        (["noisy/a.png", "a_real.png", "a_gt.png"], "a_real.png and noisy/a.png are both noisy"),
    ],
)
def test_images_that_make_no_pairs_are_told(tmp_path: Path, names: list[str], message: str) -> None:
    put(tmp_path, *names)
    with pytest.raises(DataError, match=message) as told:
        open_dataset(f"pairs:{tmp_path}")
    assert "write noisy/NAME.png beside clean/NAME.png" in str(told.value)


def test_a_pair_of_two_sizes_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a_noisy.png")
    put(tmp_path, "a_clean.png", size=(6, 4))
    with pytest.raises(DataError, match="a: the noisy image is 5×6 RGB, the clean one 4×6 RGB"):
        open_dataset(f"pairs:{tmp_path}")


def test_other_pixels_on_either_side_make_another_data_set(tmp_path: Path) -> None:
    put(tmp_path / "one", "a_noisy.png", "a_clean.png")
    shutil.copytree(tmp_path / "one", tmp_path / "same")
    put(tmp_path / "other", "a_noisy.png", "a_clean.png")
    put(tmp_path / "other", "a_noisy.png", size=(6, 5))
    shutil.copy(tmp_path / "one" / "a_clean.png", tmp_path / "other" / "a_noisy.png")
    names = {f: open_dataset(f"pairs:{tmp_path / f}").name for f in ("one", "same", "other")}
    assert names["one"] == names["same"] != names["other"]


def test_a_run_on_pairs_scores_what_was_recorded(bench: Bench, pairs: Path, tmp_path: Path) -> None:
    words = ["--methods", "gaussian,median", "--out", "out"]
    result = bench("run", "--dataset", f"pairs:{pairs}", *words)
    assert result.returncode == 0, result.stderr
    found = frames(tmp_path / "out").set_index(["method", "frame"])
    # What a denoiser must beat is measured, asked for or not.
    assert found.index.unique("method").tolist() == ["noisy", "gaussian", "median"]
    assert found.sigma.isna().all()
    for name in ("photo0", "photo1"):
        clean = read_image(pairs / "clean" / f"{name}.png")
        noisy = read_image(pairs / "noisy" / f"{name}.png")
        before = found.loc["noisy", name]
        assert before.psnr == pytest.approx(metrics.psnr(clean, noisy), rel=1e-5)
        assert before.ssim == pytest.approx(metrics.ssim(clean, noisy), rel=1e-5)
        told = found.loc["gaussian", name].sigma_given
        estimate = 255 * estimation.estimate_sigma(protocol.as_float(noisy))
        assert told == pytest.approx(estimate, rel=1e-5)
    assert found.loc["median"].sigma_given.isna().all()  # it is blind
    table = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method")
    gain = table.psnr_mean - table.psnr_mean["noisy"]
    assert table.psnr_gain.tolist() == pytest.approx(gain.tolist(), abs=1e-3)
    assert manifest(tmp_path / "out")["protocol"]["digest"] == protocol.digest("recorded")
    header = result.stdout.splitlines()[0]
    assert [cell.strip() for cell in header.strip("|").split("|")][1:4] == ["PSNR", "gain", "SSIM"]
    low, high = found.sigma_given.min(), found.sigma_given.max()
    assert f"told an estimate from the noisy frame, {low:.1f} to {high:.1f}." in result.stdout
    assert "paper" not in result.stdout
    again = bench("run", "--dataset", f"pairs:{pairs}", *words)
    assert "6 cells, 6 measured before" in again.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sigma", "25"], "brings its own noise; leave it out, or have methods told"),
        (["--noise", "jpeg"], "--noise jpeg: .* brings its own noise; leave it out"),
        (["--seeds", "2"], "has one recording of each frame"),
    ],
)
def test_what_recorded_noise_leaves_no_choice_of_is_refused(
    pairs: Path, words: list[str], message: str
) -> None:
    given = {"--sigma": {"sigmas": (25.0,)}, "--noise": {"noise": "jpeg"}, "--seeds": {"seeds": 2}}
    with pytest.raises(Exception, match=message):
        make_plan(RunOptions(dataset=f"pairs:{pairs}", **given[words[0]]))  # type: ignore[arg-type]


def test_frames_without_ground_truth_are_shown_and_not_scored(
    bench: Bench, pairs: Path, tmp_path: Path
) -> None:
    words = ["--dataset", f"noisy:{pairs / 'noisy'}", "--out", "out"]
    words += ["--methods", "gaussian,oracle"]
    result = bench("run", *words)
    assert result.returncode == 3  # the oracle was asked for by name
    found = frames(tmp_path / "out").set_index("method")
    assert found[["psnr", "ssim"]].isna().all(axis=None)
    assert found.loc["oracle"].reason.unique().tolist() == ["nobody knows the clean frame"]
    assert (found.loc["gaussian"].status == "ok").all()
    assert "PSNR" not in result.stdout.splitlines()[0]
    with Image.open(tmp_path / "out" / "strip.png") as strip:
        colours = np.asarray(strip.convert("RGB")).reshape(-1, 3)
        assert len(np.unique(colours, axis=0)) > 100  # not blank
    cell = Cell("noisy", "cpu", "photo0.png", None, 0)
    shown = pictures.decode_crop(pictures.estimate_file(tmp_path / "out", cell).read_bytes())
    assert np.array_equal(shown, read_image(pairs / "noisy" / "photo0.png"))
    refused = bench("run", *words, "--metrics", "psnr,ms-ssim")
    assert refused.returncode == 2
    assert "has no clean frames to score against" in refused.stderr
    (tmp_path / "out" / "strip.png").unlink()
    assert bench("report", "out", "--out", "elsewhere").returncode == 0
    assert (tmp_path / "elsewhere" / "strip.png").is_file()


def test_a_sweep_of_told_sigmas_reuses_the_true_one_and_asks_blind_methods_once(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["run", "--dataset", f"folder:{photos}", "--out", "out", "--sigma", "25"]
    words += ["--methods", "gaussian,median", "--frames", "2"]
    bench(*words)
    result = bench(*words, "--told", "15,25,50")
    assert "8 cells, 4 measured before" in result.stderr
    header, _, *rows = (line for line in result.stdout.splitlines() if line.startswith("|"))
    heads = [cell.strip() for cell in header.strip("|").split("|")]
    assert heads[1:4] == ["PSNR σ25 told 15", "PSNR σ25 told 25", "PSNR σ25 told 50"]
    shown = {row.split()[1]: [c.strip(" *") for c in row.split("|")[2:5]] for row in rows}
    assert len(set(shown["Gaussian"])) == 3
    assert len(set(shown["Median"])) == 1
    found = frames(tmp_path / "out")
    told = found[found.method == "gaussian"].groupby("frame").sigma_given.apply(sorted)
    assert told.tolist() == [[15, 25, 50]] * 2
    assert len(found[found.method == "median"]) == 2
    # The noise is that of sigma 25, whatever is told.
    assert (found.groupby("frame").noisy_digest.nunique() == 1).all()
    before = manifest(tmp_path / "out")["command"]
    assert "--told 15,25,50" in before


SPECIALIST = """
from dataclasses import dataclass
from denoisebench.denoisers import register
@register('only-25', title='Only 25', family='learned', sigmas=(25,))
@dataclass(frozen=True)
class Only25:
    def denoise(self, noisy, sigma):
        if not 20 < sigma * 255 < 31:
            raise ValueError('I know 25 alone')
        return noisy.copy()
"""


def test_a_method_for_certain_sigmas_is_left_out_elsewhere_unless_asked_for_by_name(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "specialist.py").write_text(SPECIALIST)
    words = ["run", "--plugin", "specialist.py", "--dataset", f"folder:{photos}"]
    words += ["--frames", "1", "--sigma", "25,30,100"]
    among_others = bench(*words, "--methods", "only-*,gaussian", "--out", "out")
    assert among_others.returncode == 0, among_others.stderr
    found = frames(tmp_path / "out").set_index(["method", "sigma"])
    assert (found.loc["gaussian"].status == "ok").all()
    assert found.loc["only-25"].status.tolist() == ["ok", "ok", "unavailable"]
    assert "unavailable (CPU σ=100): made for sigma 25, not for 100." in among_others.stdout
    by_name = bench(*words, "--methods", "only-25", "--out", "named")
    assert by_name.returncode == 3
    assert frames(tmp_path / "named").status.tolist() == ["ok", "ok", "error"]


def test_what_is_told_of_recorded_noise_decides_which_methods_are_left_out(
    bench: Bench, pairs: Path, tmp_path: Path
) -> None:
    (tmp_path / "specialist.py").write_text(SPECIALIST)
    words = ["run", "--plugin", "specialist.py", "--methods", "only-*", "--out", "out"]
    words += ["--dataset", f"pairs:{pairs}", "--told", "8,25"]
    result = bench(*words)
    assert result.returncode == 0, result.stderr
    found = frames(tmp_path / "out").set_index("method").loc["only-25"]
    assert found.status.tolist() == ["unavailable", "ok"] * 2
    assert found.reason.iloc[0] == "made for sigma 25, not for 8"


def test_a_run_with_another_noise_says_so_and_keeps_to_itself(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["run", "--dataset", f"folder:{photos}", "--methods", "gaussian,noisy", "--sigma", "25"]
    words += ["--frames", "1"]
    spec = "poisson-gaussian[shot=0.5]"
    result = bench(*words, "--noise", spec)
    assert result.returncode == 0, result.stderr
    [folder] = (tmp_path / "results").iterdir()
    assert folder.name.endswith("poisson-gaussian-shot=0.5")
    assert f"noise `{spec}`: Poisson and Gaussian" in result.stdout
    assert f"digest `{protocol.digest(spec)}`" in result.stdout
    assert "paper" not in result.stdout
    found = frames(folder).set_index("method")
    assert found.noisy_digest.nunique() == 1
    stored = manifest(folder)
    name, frame = stored["dataset"]["name"], stored["dataset"]["frames"][0]["id"]
    clean = read_image(photos / frame)
    model = noise.select_noise(spec)
    noisy = protocol.add_noise(clean, 25, dataset=name, frame=frame, seed=0, noise=model)
    strength = 255 * noise.rms(noisy, protocol.as_float(clean))
    assert found.loc["gaussian"].sigma_given == pytest.approx(strength, rel=1e-5)
    assert math.isnan(found.loc["noisy"].sigma_given)
    assert found.loc["noisy"].psnr == pytest.approx(
        metrics.psnr(clean, protocol.quantise(noisy)), rel=1e-5
    )
    refused = bench(*words, "--noise", "jpeg", "--out", folder)
    assert refused.returncode == 2
    assert f"holds a run with {spec} noise; choose another --out" in refused.stderr
    assert bench(*words, "--noise", "poison").returncode == 2


def test_a_method_that_only_says_it_is_blind_is_found_out(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "liar.py").write_text(
        "from dataclasses import dataclass\n"
        "import numpy as np\n"
        "from denoisebench.denoisers import register\n"
        "@register('liar', title='Liar', family='local', blind=True)\n"
        "@dataclass(frozen=True)\n"
        "class Liar:\n"
        "    def denoise(self, noisy, sigma): return noisy * np.float32(1 - sigma)\n"
    )
    words = ["--dataset", f"folder:{photos}", "--frames", "1", "--sigma", "25", "--out", "out"]
    assert bench("run", "--plugin", "liar.py", "--methods", "liar", *words).returncode == 3
    assert frames(tmp_path / "out").status.tolist() == ["invalid_output"]


def test_identities_of_white_gaussian_noise_are_those_of_earlier_runs(photos: Path) -> None:
    """Whatever a noise or a told sigma adds to a key, the cells of existing runs keep theirs."""
    plan, _ = make_plan(RunOptions(methods=("gaussian",), dataset=f"folder:{photos}"))
    [row] = plan.rows
    cell, frame = next(plan.cells(row))
    identities = Identities(plan)
    expected = value_digest(
        identities._method(row.method),
        "cpu",
        "01f03d1a36d7",
        plan.dataset.name,
        [frame.id, frame.digest, 15.0, 0],
    )
    assert identities.of(row, cell, frame)[0] == expected
    told = identities.of(row, replace(cell, told=20.0), frame)[0]
    recorded = identities.of(row, cell, replace(frame, noisy_digest="0"))[0]
    assert len({expected, told, recorded}) == 3


def test_a_store_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(FIRST_VERSION)
    connection.close()
    cell = Cell("bm3d", "cpu", "a", 25.0, 0)
    with Store(path, read_only=True) as store:
        [before] = store.measurements().values()
    assert before.cell == cell
    assert (before.psnr, before.call_ns, before.quality_key) == (30.5, (7, 8), "q")
    with Store(path) as store:
        assert store.measurements() == {cell: before}
        store.save(replace(before, cell=replace(cell, told=20.0)))
        store.save(replace(before, psnr=31.0))
    with Store(path) as store:
        found = store.measurements()
    assert {c.told: m.psnr for c, m in found.items()} == {None: 31.0, 20.0: 30.5}


def test_a_cell_of_recorded_noise_is_stored_once(tmp_path: Path) -> None:
    cell = Cell("x", "cpu", "a", None, 0)
    with Store(tmp_path / "run.sqlite") as store:
        store.save(Measurement(cell, Status.TIMEOUT, "slow"))
        store.save(Measurement(cell, Status.OK, sigma_given=4.5))
        store.save(Measurement(replace(cell, told=3.0), Status.OK, sigma_given=3.0))
        found = store.measurements()
    assert {c.told: m.sigma_given for c, m in found.items()} == {None: 4.5, 3.0: 3.0}
