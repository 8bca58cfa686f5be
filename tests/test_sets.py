"""Runs on several data sets: one run for each, by one command."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

import denoisebench as db
from denoisebench.comparing.launches import check_words
from denoisebench.datasets.catalogue import split_datasets
from denoisebench.errors import UsageError
from denoisebench.running.plan import RunOptions
from denoisebench.running.sets import make_plans

if TYPE_CHECKING:
    from conftest import Bench

FEW = ("--methods", "gaussian,median", "--sigma", "25", "--frames", "2")


@pytest.fixture
def two(photos: Path, tmp_path: Path) -> list[str]:
    """Name two folders of images that have the same name."""
    first, second = tmp_path / "a" / "photos", tmp_path / "b" / "photos"
    shutil.copytree(photos, first)
    second.mkdir(parents=True)
    for path in sorted(photos.iterdir()):
        with Image.open(path) as image:
            image.transpose(Image.Transpose.ROTATE_90).save(second / path.name)
    return [f"folder:{first}", f"folder:{second}"]


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("stills", ["stills"]),
        ("standard:set12,standard:bsd68, stills", ["standard:set12", "standard:bsd68", "stills"]),
        ("standard:set12,standrd:bsd68", ["standard:set12", "standrd:bsd68"]),
        ("folder:a,b", ["folder:a,b"]),
        ("folder:a,b,stills", ["folder:a,b", "stills"]),
        ("folder:a,folder:b,c,pairs:d", ["folder:a", "folder:b,c", "pairs:d"]),
        ("folder:x[1,2],stills,", ["folder:x[1,2]", "stills"]),
    ],
)
def test_a_path_keeps_its_commas(text: str, sets: list[str]) -> None:
    assert split_datasets(text) == sets


def test_an_existing_path_keeps_commas_that_names_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_datasets("folder:sea,stills,wild") == ["folder:sea", "stills", "wild"]
    Path("sea,stills,wild").mkdir()
    assert split_datasets("folder:sea,stills,wild") == ["folder:sea,stills,wild"]
    assert split_datasets("folder:sea,stills,wild,stills")[1:] == ["stills"]
    assert split_datasets("stills,folder:sea") == ["stills", "folder:sea"]


def test_a_run_on_several_sets_is_a_run_on_each_that_goes_on_alone_too(
    bench: Bench, tmp_path: Path, photos: Path
) -> None:
    sets = f"stills,folder:{photos}"
    result = bench("run", *FEW, "--dataset", sets, "--out", "both")
    assert result.returncode == 0, result.stderr
    stills, own = sorted((tmp_path / "both").iterdir(), reverse=True)
    assert stills.name == "stills"
    assert own.name.startswith("photos")
    assert "Data set 2 of 2: Frames: photos" in result.stderr
    again = bench("run", *FEW, "--dataset", "stills", "--out", stills)
    assert "4 cells, 4 measured before" in again.stderr
    whole = bench("run", *FEW, "--dataset", sets, "--out", "both")
    assert whole.stderr.count("4 cells, 4 measured before") == 2
    assert bench("compare", stills, stills).returncode == 0


def test_without_a_folder_the_runs_lie_where_they_lie_alone(
    bench: Bench, tmp_path: Path, two: list[str]
) -> None:
    result = bench("run", *FEW, "--dataset", ",".join(two))
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert len(names) == 2
    assert all(name.startswith("photos-") for name in names)


def test_a_run_in_a_folder_of_an_older_name_goes_on_there(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "my photos"
    folder.mkdir()
    Image.linear_gradient("L").crop((0, 0, 40, 40)).save(folder / "a.png")
    words = ("run", *FEW, "--dataset", f"folder:{folder}")
    assert bench(*words).returncode == 0
    [new] = (tmp_path / "results").iterdir()
    digest = new.name.removeprefix("my-photos-")
    new.rename(new.with_name(f"folder-{digest}"))
    again = bench(*words)
    assert "2 cells, 2 measured before" in again.stderr
    assert f"Results: results/folder-{digest}" in again.stderr
    assert f"Data: my photos: 1 image, digest {digest}, split `test`, 1 frame," in again.stdout


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ("stills,standrd:set12", "unknown data set 'standrd:set12'"),
        ("stills,stills,folder:nowhere", "folder:nowhere: does not exist"),
        (",", "give at least one"),
    ],
)
def test_what_is_wrong_with_one_set_stops_all_before_any_begins(
    ask: Bench, tmp_path: Path, sets: str, words: str
) -> None:
    result = ask("run", *FEW, "--dataset", sets)
    assert result.returncode == 2
    assert words in result.stderr
    assert not (tmp_path / "results").exists()


def test_two_sets_of_the_same_images_are_refused(photos: Path, tmp_path: Path) -> None:
    copied = tmp_path / photos.name
    shutil.copytree(photos, copied)
    options = RunOptions(methods=("gaussian",), sigmas=(25.0,))
    with pytest.raises(UsageError, match="two of the data sets are the same, photos"):
        make_plans(options, [f"folder:{photos}", f"folder:{copied}"])


def test_several_sets_share_the_budget_by_the_time_that_they_take(photos: Path) -> None:
    options = RunOptions(methods=("bm3d", "nlm-skimage"), sigmas=(25.0,), budget=200.0)
    (stills, _), (own, _) = make_plans(options, ["stills", f"folder:{photos}"])
    shares = [plan.options.budget for plan in (stills, own)]
    assert None not in shares
    assert sum(filter(None, shares)) == pytest.approx(200, abs=0.2)
    assert shares[0] > shares[1]  # type: ignore[operator]
    assert f"--budget {own.options.budget:g}" in own.options.command


def test_a_launch_of_two_versions_takes_one_data_set() -> None:
    for words in (["--dataset", "stills,documentary"], ["--dataset=stills,documentary"]):
        with pytest.raises(UsageError, match="a launch is a run on one data set"):
            check_words(["--methods", "median", *words])
    check_words(["--methods", "median", "--dataset", "folder:a,b"])


def test_python_takes_a_list_and_returns_a_list(two: list[str], tmp_path: Path) -> None:
    paths = [Path(name.removeprefix("folder:")) for name in two]
    runs = db.run("median", paths, 25, frames=1, out=tmp_path / "runs", quiet=True)
    assert [run.results.progress for run in runs] == ["1 of 1 cell"] * 2
    assert len({run.folder for run in runs}) == 2
    with pytest.raises(UsageError, match="name at least one data set"):
        db.run("median", [], 25)
