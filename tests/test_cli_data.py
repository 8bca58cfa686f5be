"""``bench data``: machine output on stdout, words on stderr, bad input in one line and code 2."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from denoisebench.cli import main
from denoisebench.store.sqlite import Store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench


def bench_data(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", *arguments])


def test_list_says_what_there_is(documentary_root: Path) -> None:
    result = bench_data("list")
    assert result.exit_code == 0
    for word in ("documentary", "train: 100", "val: 10", "test: 20", "stills", "CC BY 4.0"):
        assert word in result.stdout
    lines = {line.split()[0]: line for line in result.stdout.splitlines()[2:]}
    assert "not on disk" not in lines["documentary"]
    assert "folder:PATH" in result.stderr


def test_list_says_what_is_not_on_disk(cache: Path) -> None:
    assert "train: 100, not on disk" in bench_data("list").stdout


def test_list_is_machine_readable(documentary_root: Path) -> None:
    rows = {row["name"]: row for row in json.loads(bench_data("list", "--format", "json").stdout)}
    assert {"documentary", "stills", "standard:set12"} <= set(rows)
    assert rows["documentary"]["splits"]["test"] == {"frames": 20, "on_disk": True}
    assert rows["stills"]["splits"] == {"test": {"frames": 6, "on_disk": True}}


def test_path_prints_the_folder_alone(documentary_root: Path, cache: Path) -> None:
    assert bench_data("path").stdout == f"{cache / 'documentary'}\n"
    assert bench_data("path", "stills").stdout.endswith("data\n")


def test_fetch_of_what_is_on_disk_says_so(documentary_root: Path) -> None:
    result = bench_data("fetch", "--split", "val")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"documentary val: 10 frames in {documentary_root / 'documentary'}",
        "Verified by: sha256 of every file in the manifest",
    ]


def test_verify_tells_intact_splits(documentary_root: Path) -> None:
    result = bench_data("verify", "--split", "val", "--split", "test")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "documentary val: 10 frames intact",
        "documentary test: 20 frames intact",
        "Verified by: sha256 of every file in the manifest",
    ]
    assert bench_data("verify", "stills").stderr == "stills test: 6 frames intact\n"


def test_verify_names_damage(
    documentary_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (documentary_root / "documentary" / "val").rglob("*.jpg"):
        copy = tmp_path / file.relative_to(documentary_root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(file)
    victim = next((tmp_path / "documentary" / "val" / "marine").iterdir())
    victim.unlink()
    victim.write_bytes(b"damaged")
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path))
    result = bench_data("verify", "--split", "val")
    assert result.exit_code == 2
    assert f"1 file missing or damaged in {tmp_path / 'documentary'}" in result.stderr
    assert f"val/marine/{victim.name}" in result.stderr
    assert "bench data fetch documentary" in result.stderr


def test_a_users_folder_is_verified_too(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    result = bench_data("verify", f"folder:{tmp_path}")
    assert result.exit_code == 0
    assert result.stderr == f"folder:{tmp_path} test: 1 frame intact\n"


@pytest.mark.parametrize("verb", ["fetch", "verify", "path"])
def test_unknown_names_are_one_line_and_code_2(verb: str) -> None:
    result = bench_data(verb, "documentry")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "bench: unknown data set 'documentry'; did you mean documentary?\n"


def test_unknown_splits_are_one_line_and_code_2(cache: Path) -> None:
    for verb in ("fetch", "verify"):
        result = bench_data(verb, "--split", "tets")
        assert result.exit_code == 2
        assert result.stderr == "bench: documentary: unknown split 'tets'; did you mean test?\n"


# --- show -------------------------------------------------------------------------------------


def test_show_tells_what_a_set_holds_and_draws_it(
    bench: Bench, documentary_root: Path, tmp_path: Path
) -> None:
    if not (documentary_root / "real").is_dir():
        pytest.skip("the real pairs are not on disk; DENOISEBENCH_DATA holds no folder real")
    result = bench("data", "show", "real:cc15")
    assert result.returncode == 0
    facts = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert "Nam, Hwang" in facts["cite"]
    assert facts["licence"].startswith("non-commercial")
    assert facts["verified by"] == "sha256 of every file in the manifest"
    assert facts["test"] == "15 of 512×512 RGB"
    noisy, clean = re.findall(r"sigma (\d+\.\d)", facts["noise"])
    assert float(noisy) > 3 * float(clean)
    assert facts["contact sheet"] == "real-cc15-test.png"
    sheet = np.array(Image.open(tmp_path / "real-cc15-test.png"))
    assert sheet.std() > 30


def test_the_sheet_shows_pairs_side_by_side_at_full_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy, clean = rng.integers(0, 256, (2, 400, 400, 3), dtype=np.uint8)
    for word, pixels in (("noisy", noisy), ("clean", clean)):
        Image.fromarray(pixels).save(tmp_path / f"x_{word}.png")
    sheet = tmp_path / "sheet.png"
    result = bench_data("show", f"pairs:{tmp_path}", "--out", str(sheet))
    assert result.exit_code == 0
    drawn = np.array(Image.open(sheet))
    for pixels in (noisy, clean):
        assert any(
            np.array_equal(drawn[i : i + 100, j : j + 100], pixels[150:250, 150:250])
            for i, j in zip(*np.nonzero((drawn == pixels[150, 150]).all(axis=2)), strict=True)
        )


def test_show_takes_grey_and_odd_names_and_huge_sets_in_parts(tmp_path: Path) -> None:
    folder = tmp_path / "Größe"
    folder.mkdir()
    for number in range(50):
        name = f"ein sehr langer Name mit Leerzeichen 数据 {number:02}.png"
        Image.fromarray(np.full((9, 7 + number), 5 * number, np.uint8)).save(folder / name)
    result = bench_data("show", f"folder:{folder}", "--out", str(tmp_path / "blatt.png"))
    assert result.exit_code == 0
    assert "1 of 7×9 grey" in result.stdout
    assert "45 of other sizes" in result.stdout
    assert "estimated from 48 frames" in result.stdout
    assert Image.open(tmp_path / "blatt.png").size[0] < 2000


def test_a_sheet_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    result = bench_data("show", "stills", "--out", str(tmp_path / "nowhere" / "sheet.png"))
    assert result.exit_code == 2
    assert result.stderr.startswith("bench: cannot write ")
    assert result.stderr.endswith("sheet.png: No such file or directory\n")


# --- data sets of other packages --------------------------------------------------------------

PLUGINS = """
from dataclasses import replace
from pathlib import Path
import numpy as np
from denoisebench.datasets import Published

def whole():
    return Published(Path(__file__).with_name("third.toml"))

def broken():
    import no_such_library

class Half:
    name = title = licence = "x"

class Grumpy(Published):
    def __init__(self):
        super().__init__(Path(__file__).with_name("third.toml"))
    def missing(self, split):
        raise RuntimeError("not today")

class Rotten(Published):
    def __init__(self):
        super().__init__(Path(__file__).with_name("third.toml"))
    def frames(self, split):
        return self.spoil(super().frames(split))

class Crash(Rotten):
    def spoil(self, frames):
        raise OSError("the shelf\\nfell down")

class Empty(Rotten):
    def spoil(self, frames):
        return []

class Twice(Rotten):
    def spoil(self, frames):
        return frames * 2

class Late(Rotten):
    def spoil(self, frames):
        def read():
            raise RuntimeError("the second frame is torn")
        return frames + [replace(frames[0], id="torn", read=read)]

class Grown(Rotten):
    def spoil(self, frames):
        return [replace(frames[0], read=lambda: np.zeros((400, 300, 3)))]
"""


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package that announces a good data set, many bad ones, and one of ours."""
    site = tmp_path / "site"
    (site / "third-1.0.dist-info").mkdir(parents=True)
    (site / "third.py").write_text(PLUGINS)
    (site / "third-1.0.dist-info" / "METADATA").write_text("Name: third\nVersion: 1.0\n")
    points = {"mine": "whole", "gone": "broken", "half": "Half", "grumpy": "Grumpy"}
    points |= {"missing": "nothing", "stills": "whole"}
    points |= {name.lower(): name for name in ("Crash", "Empty", "Twice", "Late", "Grown")}
    (site / "third-1.0.dist-info" / "entry_points.txt").write_text(
        "[denoisebench.datasets]\n" + "".join(f"{k} = third:{v}\n" for k, v in points.items())
    )
    manifest = 'name = "mine"\ntitle = "Mine"\nlicence = "CC0"\nsource.here.note = "by hand"\n'
    (site / "third.toml").write_text(manifest + 'frame = [{ path = "a.png" }]\n')
    monkeypatch.setenv("PYTHONPATH", str(site))
    (tmp_path / "data" / "mine").mkdir(parents=True)
    Image.fromarray(np.zeros((40, 30, 3), np.uint8)).save(tmp_path / "data" / "mine" / "a.png")
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path / "data"))


def test_other_packages_add_data_sets_and_broken_ones_are_told(
    bench: Bench, third_party: None
) -> None:
    result = bench("data", "list", "--format", "json")
    assert result.returncode == 0
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["mine"]["splits"] == {"test": {"frames": 1, "on_disk": True}}
    assert rows["stills"]["splits"]["test"]["frames"] == 6  # ours cannot be replaced
    for name, reason in {
        "gone": "No module named 'no_such_library'",
        "half": "it has no splits, frames, folder, size, missing, fetch",
        "missing": "has no attribute 'nothing'",
        "grumpy": "RuntimeError: not today",
    }.items():
        assert reason in rows[name]["unavailable"]
    listed = bench("data", "list")
    assert listed.returncode == 0
    assert "mine" in listed.stdout
    assert "gone: unavailable: the data set gone (of third) cannot be used" in listed.stderr


def test_a_data_set_of_another_package_is_used_like_ours(bench: Bench, third_party: None) -> None:
    assert bench("data", "verify", "mine").returncode == 0
    run = bench("run", "--dataset", "mine", "--methods", "noisy", "--sigma", "25", "--out", "out")
    assert run.returncode == 0
    refused = bench("run", "--dataset", "gone", "--methods", "noisy")
    assert refused.returncode == 2
    assert refused.stderr.startswith("bench: the data set gone (of third) cannot be used: ")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("crash", "OSError: the shelf"),
        ("empty", "ValueError: it has no frames"),
        ("twice", "ValueError: 2 frames have the id 'a'"),
        ("late", "RuntimeError: the second frame is torn"),
        ("grown", "a was read as float64 (400, 300, 3), not as uint8 (40, 30, 3)"),
    ],
)
def test_frames_of_another_package_that_cannot_be_had_are_told_in_one_line(
    bench: Bench, third_party: None, tmp_path: Path, name: str, problem: str
) -> None:
    run = bench("run", "--dataset", name, "--methods", "noisy", "--sigma", "25", "--out", "out")
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    last = run.stderr.splitlines()[-1]
    assert last.startswith(f"bench: the data set {name} (of third)")
    assert last.endswith(problem)
    if name == "late":  # what was measured before stays
        with Store(tmp_path / "out" / "run.sqlite", read_only=True) as store:
            assert [cell.frame for cell in store.measurements()] == ["a"]


# --- what is not on disk ----------------------------------------------------------------------


def test_a_set_that_is_not_on_disk_says_what_goes_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path))
    result = bench_data("fetch", "standard:kodak24")
    assert result.exit_code == 2
    assert f"{tmp_path} holds no folder 'standard/Kodak24'" in result.stderr
    assert "the 24 test files of standard:kodak24 (kodim01.png is the first)" in result.stderr
    result = bench_data("verify", "real:polyu")
    assert result.exit_code == 2
    assert "200 files missing or damaged in" in result.stderr
    assert "(CroppedImages/*_mean.JPG, CroppedImages/*_real.JPG)" in result.stderr
