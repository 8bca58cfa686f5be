"""``manifest:FILE.toml``: what is listed is verified, what is badly listed is told in one line."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from denoisebench.cli import main
from denoisebench.datasets import DataError
from denoisebench.datasets.base import pixel_digest
from denoisebench.datasets.catalogue import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

HEAD = 'name = "mine"\ntitle = "mine: two"\nlicence = "CC0"\ncite = "Me 2026"\n'


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def entry(folder: Path, path: str, *keys: str) -> str:
    data = (folder / path).read_bytes()
    known = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "rgb_sha256_16": pixel_digest(np.array(Image.open(folder / path))),
    }
    lines = [f'{key} = "{known[key]}"' for key in keys]
    return "\n".join(["[[frame]]", f'path = "{path}"', *lines, ""])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images and, in other splits, two more, listed by hand."""
    paths = ["test/b/x.png", "test/a.png", "train/a/y.png", "val/z.png"]
    for seed, path in enumerate(paths):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(seed)).save(tmp_path / path)
    kinds = [("sha256",), ("rgb_sha256_16",), ("sha256", "rgb_sha256_16"), ("sha256",)]
    entries = [entry(tmp_path, path, *keys) for path, keys in zip(paths, kinds, strict=True)]
    splits = 'splits = ["train", "val", "test"]\n'
    (tmp_path / "m.toml").write_text(HEAD + splits + "\n".join(entries), encoding="utf-8")
    return tmp_path


def test_it_is_a_data_set_like_others(folder: Path) -> None:
    dataset = open_dataset(f"manifest:{folder}/m.toml")
    assert (dataset.name, dataset.title, dataset.licence) == ("mine", "mine: two", "CC0")
    assert dataset.splits == ("train", "val", "test")
    assert [frame.id for frame in dataset.frames("test")] == ["a", "b/x"]
    assert [frame.id for frame in dataset.frames("train")] == ["a/y"]
    frame = pickle.loads(pickle.dumps(dataset.frames("test")[1]))
    np.testing.assert_array_equal(frame.read(), picture(0))
    assert frame.digest == pixel_digest(picture(0))
    assert dataset.size("test") == 2
    assert dataset.missing("test") == []
    dataset.fetch("test")


def test_it_may_lie_anywhere_and_be_named_from_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, folder / "moved")
    monkeypatch.setenv("HOME", str(folder / "moved"))
    monkeypatch.setenv("USERPROFILE", str(folder / "moved"))
    dataset = open_dataset("manifest:~/m.toml")
    assert dataset.folder == folder / "moved"
    assert len(dataset.frames("test")) == 2


def test_without_splits_all_is_test_and_paths_are_ids(folder: Path) -> None:
    (folder / "flat.toml").write_text(HEAD + entry(folder, "test/b/x.png", "sha256"))
    dataset = open_dataset(f"manifest:{folder}/flat.toml")
    assert dataset.splits == ("test",)
    assert [frame.id for frame in dataset.frames("test")] == ["test/b/x"]


def test_names_are_the_same_in_every_normal_form_of_unicode(tmp_path: Path) -> None:
    found = {}
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "é.png")
        Image.fromarray(picture(0)).save(tmp_path / name)
        head = HEAD.replace("mine", unicodedata.normalize(form, "été"))
        file = tmp_path / f"{form}.toml"
        file.write_text(head + entry(tmp_path, name, "sha256"), encoding="utf-8")
        dataset = open_dataset(f"manifest:{file}")
        found[form] = [dataset.name, *(frame.id for frame in dataset.frames("test"))]
    assert found["NFC"] == found["NFD"] == [unicodedata.normalize("NFC", n) for n in ("été", "é")]


def test_damage_is_named(folder: Path) -> None:
    Image.fromarray(picture(9)).save(folder / "test" / "a.png")
    (folder / "test" / "b" / "x.png").unlink()
    dataset = open_dataset(f"manifest:{folder}/m.toml")
    assert dataset.missing("test") == ["test/a.png", "test/b/x.png"]
    for ask in (dataset.frames, dataset.fetch):
        with pytest.raises(DataError) as refusal:
            ask("test")
        assert "of 2 test files, 2 cannot be used" in str(refusal.value)
        assert "test/a.png: its decoded pixels are not those of the manifest" in str(refusal.value)
        assert "test/b/x.png: no such file" in str(refusal.value)
    verdict = CliRunner().invoke(main, ["data", "verify", f"manifest:{folder}/m.toml"])
    assert verdict.exit_code == 2
    assert "2 files" in verdict.stderr


def test_a_file_with_other_bytes_is_not_the_listed_one(folder: Path) -> None:
    same_pixels = Image.open(folder / "val" / "z.png").copy()
    same_pixels.save(folder / "val" / "z.png", compress_level=0)
    with pytest.raises(DataError, match=r"val/z.png: its sha256 is not the manifest's"):
        open_dataset(f"manifest:{folder}/m.toml").frames("val")


def test_an_unknown_split_lists_the_known(folder: Path) -> None:
    with pytest.raises(DataError, match="unknown split 'tset'; did you mean test"):
        open_dataset(f"manifest:{folder}/m.toml").frames("tset")


DIGEST = "0" * 64
FRAME = f'[[frame]]\npath = "a.png"\nsha256 = "{DIGEST}"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = ", "not valid TOML"),
        (FRAME, "it has no name"),
        ('name = "a"\n' + FRAME, "it has no licence"),
        (HEAD.replace('"mine"', "3") + FRAME, "it has no name"),
        (HEAD, "it lists no frames"),
        (HEAD + "frame = 3", "it lists no frames"),
        (HEAD + "frame = [1, 2]", "it lists no frames"),
        (HEAD + "[[frame]]\n", "frame 1: its path is None"),
        (HEAD + FRAME.replace("a.png", "../a.png"), "frame 1: its path is '../a.png'"),
        (HEAD + FRAME.replace("a.png", "/a.png"), "its path is '/a.png'"),
        (HEAD + FRAME.replace("a.png", "C:/a.png"), "its path is 'C:/a.png'"),
        (HEAD + FRAME.replace('"a.png"', "'a\\b.png'"), "with forward slashes"),
        (HEAD + '[[frame]]\npath = "a.png"\n', "a.png has no digest"),
        (HEAD + FRAME.replace(DIGEST, "abc"), "'abc' is no digest of 64 hex digits"),
        (HEAD + FRAME.replace(f'"{DIGEST}"', "12"), "12 is no digest"),
        (HEAD + FRAME + "id = 7\n", "its id is 7"),
        (HEAD + FRAME + FRAME, "2 frames have the id 'a'"),
        (HEAD + FRAME + FRAME + 'id = "b"\n', "2 frames have the file 'a.png'"),
        (HEAD + "splits = 3\n" + FRAME, "splits is no list of names"),
        (HEAD + 'splits = ["test"]\n' + FRAME.replace("a.png", "tset/a.png"), "did you mean test"),
    ],
)
def test_a_bad_manifest_is_one_line_and_code_2(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(text)
    result = CliRunner().invoke(main, ["data", "verify", f"manifest:{tmp_path}/m.toml"])
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert reason in line
    assert str(tmp_path / "m.toml") in line


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for path, reason in {
        tmp_path: "a folder; give the TOML file in it",
        tmp_path / "nowhere.toml": r"cannot be read \(No such file",
        tmp_path / "binary.toml": "not valid UTF-8",
    }.items():
        with pytest.raises(DataError, match=reason):
            open_dataset(f"manifest:{path}")


def test_a_file_whose_name_no_system_can_have_is_told_as_missing(tmp_path: Path) -> None:
    text = (
        f'name = "n"\nlicence = "l"\n[[frame]]\npath = "{"x" * 300}.png"\nsha256 = "{"0" * 64}"\n'
    )
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.png: no such file"):
        open_dataset(f"manifest:{tmp_path / 'm.toml'}").frames("test")
