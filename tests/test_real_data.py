"""Camera noise, and data sets whose bytes nobody had seen: fetched, unpacked, trusted, refused."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import struct
import tomllib
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from denoisebench.datasets import DataError, archives, catalogue, real
from denoisebench.datasets import first_use as firstuse
from denoisebench.datasets.catalogue import open_dataset
from denoisebench.datasets.published import MANIFESTS, Published
from denoisebench.datasets.real import SiddValidation
from denoisebench.datasets.unpacked import Unpacked
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from loopback import Server

SIZE = (12, 10)  # width and height of the pictures made here


def picture(seed: int) -> np.ndarray:
    shape = (SIZE[1], SIZE[0], 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    return data.getvalue()


# --- CC15, the real pairs ---------------------------------------------------------------------


@pytest.fixture
def real_root(documentary_root: Path) -> Path:
    if not (documentary_root / "real").is_dir():
        pytest.skip("the real pairs are not on disk; DENOISEBENCH_DATA holds no folder real")
    return documentary_root / "real"


def test_cc15_is_as_noisy_as_its_source_says(real_root: Path) -> None:
    frames = open_dataset("real:cc15").frames("test")
    assert len(frames) == 15
    assert frames[0].id == "5dmark3_iso3200_1"
    psnr = []
    for frame in frames:
        assert frame.read_noisy is not None
        difference = frame.read().astype(float) - frame.read_noisy()
        psnr.append(10 * np.log10(255**2 / np.mean(difference**2)))
        assert frame.shape == (512, 512, 3)
    assert np.mean(psnr) == pytest.approx(33.41, abs=0.01)


# --- the manifests ----------------------------------------------------------------------------

NAMES = [n for n in catalogue.NAMED if ":" in n and not n.startswith("train:")]


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_is_complete(name: str) -> None:
    dataset = open_dataset(name)
    assert isinstance(dataset, Published)
    assert dataset.name == name
    assert dataset.splits == ("test",)
    assert dataset.licence
    assert re.search(r"\b(19|20)\d\d\b", dataset.citation)
    assert name.partition(":")[0] in dataset.folder.parts


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.toml")), ids=lambda path: path.stem)
def test_addresses_are_pinned_and_digests_whole(path: Path) -> None:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    for source in content.get("source", {}).values():
        assert source["commit"] in source["url"]
    if path.stem != "sidd-val":  # it says so
        for archive in content.get("archive", ()):
            assert re.search(r"/[0-9a-f]{40}\.zip$", archive["url"])
    for frame in content.get("frame", ()):
        for file in (frame["clean"], frame["noisy"]) if "noisy" in frame else (frame,):
            assert re.fullmatch(r"[0-9a-f]{64}", file.get("sha256", "0" * 64))
            assert ("sha256" in file) == ("bytes" in file)


# --- pictures whose digests nobody knows ------------------------------------------------------


@pytest.fixture
def unseen(tmp_path: Path, server: Server) -> Path:
    """Return the manifest of three pictures, one of them with a name that is not ASCII."""
    stems = ["a", "b", "größe"]
    for seed, stem in enumerate(stems):
        server.files[f"{stem}.png"] = png(picture(seed))
    frames = [{"path": f"{stem}.png"} for stem in stems]
    return write_manifest(tmp_path, server.url, frames)


def write_manifest(folder: Path, url: str | None, frames: list[dict[str, Any]]) -> Path:
    text = f'name = "x:set"\ntitle = "t"\nlicence = "l"\nfolder = "x/Set"\npixels = {list(SIZE)}\n'
    text += f"source.s.url = {json.dumps(url)}\n" if url else "source.s.repository = 'none'\n"
    for frame in frames:
        text += "[[frame]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in frame.items())
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    return folder / "manifest.toml"


def test_digests_are_recorded_on_first_use_and_said_to_be(
    unseen: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert "nothing yet" in Published(unseen).trust
    assert [f.id for f in Published(unseen).frames("test")] == ["a", "b", "größe"]
    record = cache / "x" / "Set" / "FIRST_USE.sha256"
    assert len(caplog.messages) == 1
    assert "digests of its 3 files were not known; recorded on this first use" in caplog.text
    digests = dict(reversed(line.split()) for line in record.read_text("utf-8").splitlines())
    data = (cache / "x" / "Set" / "größe.png").read_bytes()
    assert digests["größe.png"] == hashlib.sha256(data).hexdigest()
    caplog.clear()
    assert len(Published(unseen).frames("test")) == 3
    assert caplog.messages == []
    assert str(record) in Published(unseen).trust


def test_a_change_after_first_use_is_noticed_and_undone(
    unseen: Path, server: Server, cache: Path
) -> None:
    Published(unseen).fetch("test")
    (cache / "x" / "Set" / "b.png").write_bytes(png(picture(9)))
    server.asked.clear()
    assert Published(unseen).missing("test") == ["b.png"]
    Published(unseen).fetch("test")
    assert server.asked == ["b.png"]
    np.testing.assert_array_equal(Published(unseen).frames("test")[1].read(), picture(1))


def test_a_server_that_has_changed_since_first_use_is_not_believed(
    unseen: Path, server: Server, cache: Path
) -> None:
    Published(unseen).fetch("test")
    (cache / "x" / "Set" / "b.png").unlink()
    server.files["b.png"] = png(picture(9))
    with pytest.raises(DataError, match=r"b\.png has, twice, sent something else") as refusal:
        Published(unseen).fetch("test")
    record = cache / "x" / "Set" / "FIRST_USE.sha256"
    assert f"as on first use, in {record}" in str(refusal.value)
    record.unlink()  # the user trusts the new one
    np.testing.assert_array_equal(Published(unseen).frames("test")[1].read(), picture(9))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(b"<html>Sign in</html>", "not a PNG"), (png(np.zeros((4, 4, 3), np.uint8)), "4×4 pixels")],
)
def test_a_page_of_excuses_is_never_recorded(
    answer: bytes, reason: str, unseen: Path, server: Server, cache: Path
) -> None:
    server.answers["b.png"] = [answer]
    with pytest.raises(DataError, match=reason) as refusal:
        Published(unseen).fetch("test")
    assert "b.png has sent something else" in str(refusal.value)
    assert not (cache / "x" / "Set" / "b.png").exists()
    assert len(Published(unseen).frames("test")) == 3


def test_files_put_there_by_hand_must_be_the_sets(
    unseen: Path, server: Server, cache: Path
) -> None:
    folder = cache / "x" / "Set"
    folder.mkdir(parents=True)
    for name in server.files:
        (folder / name).write_bytes(png(np.zeros((20, 30, 3), np.uint8)))
    with pytest.raises(DataError, match=r"30×20 pixels, but x:set is a set of 12×10"):
        Published(unseen).fetch("test")
    assert server.asked == []
    assert (folder / "a.png").exists()


def test_a_record_that_cannot_be_written_is_a_warning(
    unseen: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise UsageError(f"cannot write {path}: Read-only file system")

    monkeypatch.setattr(firstuse, "write_text", refuse)
    assert len(Published(unseen).frames("test")) == 3
    assert "cannot be recorded (cannot write" in caplog.text
    assert "a change of the files would not be noticed" in caplog.text


@pytest.mark.parametrize("damage", ["no digest\n", "\x80".encode("latin-1")])
def test_a_damaged_record_is_refused(damage: str | bytes, unseen: Path, cache: Path) -> None:
    Published(unseen).fetch("test")
    record = cache / "x" / "Set" / "FIRST_USE.sha256"
    record.write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    with pytest.raises(DataError, match="record of the files' digests cannot be read") as refusal:
        Published(unseen).fetch("test")
    assert "delete it" in str(refusal.value)


def test_a_named_folder_may_be_anywhere_and_is_never_fetched_into(
    unseen: Path, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Published(unseen).fetch("test")
    own = tmp_path / "Dátä 数据"
    shutil.move(cache, own)
    monkeypatch.setenv("DENOISEBENCH_DATA", str(own))
    server.asked.clear()
    assert len(Published(unseen).frames("test")) == 3
    (own / "x" / "Set" / "a.png").unlink()
    with pytest.raises(DataError, match=r"1 test file missing .* \(a\.png is the first\)"):
        Published(unseen).fetch("test")
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"holds no folder 'x/Set'; .* put the 3 test files"):
        Published(unseen).fetch("test")
    assert server.asked == []


def test_a_set_without_addresses_is_filled_by_hand(cache: Path, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, None, [{"path": "a.png"}])
    with pytest.raises(DataError, match="no address is known") as refusal:
        Published(manifest).fetch("test")
    assert "a.png is the first), and no address is known where they could be fetched; put them "
    assert str(cache / "x" / "Set") in str(refusal.value)
    (cache / "x" / "Set").mkdir(parents=True)
    (cache / "x" / "Set" / "a.png").write_bytes(png(picture(0)))
    assert len(Published(manifest).frames("test")) == 1


@pytest.mark.parametrize("second", [{"path": "a.png"}, {"path": "a.jpg"}])
def test_two_frames_of_one_name_are_refused(second: dict[str, str], tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, "http://localhost/", [{"path": "a.png"}, second])
    with pytest.raises(DataError, match="two frames called 'a'"):
        Published(manifest)


# --- pairs that come in an archive ------------------------------------------------------------


@pytest.fixture
def packed(tmp_path: Path, server: Server) -> Path:
    """Return the manifest of three pairs in an archive, whose names it does not know."""
    server.files["set.zip"] = pack(3)
    text = 'name = "x:pairs"\ntitle = "t"\nlicence = "l"\nfolder = "x/Pairs"\n'
    text += '[pairs]\nclean = "crops/*_mean.png"\nnoisy = "crops/*_real.png"\ncount = 3\n'
    text += f'[[archive]]\npath = "set.zip"\nurl = "{server.url}set.zip"\nstrip = 1\n'
    (tmp_path / "packed.toml").write_text(text, encoding="utf-8")
    return tmp_path / "packed.toml"


def pack(pairs: int, changed: int | None = None) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as bundle:
        bundle.writestr("repository/README.md", "about them")
        for number in range(pairs):
            seed = 9 if number == changed else number
            bundle.writestr(f"repository/crops/c_{number}_mean.png", png(picture(seed)))
            bundle.writestr(f"repository/crops/c_{number}_real.png", png(picture(seed + 50)))
    return data.getvalue()


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_pairs_are_unpacked_and_the_archive_is_not_kept(
    packed: Path, server: Server, cache: Path
) -> None:
    dataset = Unpacked(packed)
    assert dataset.size("test") == 3
    assert len(dataset.missing("test")) == 6
    frames = dataset.frames("test")
    assert [frame.id for frame in frames] == ["c_0", "c_1", "c_2"]
    np.testing.assert_array_equal(frames[2].read(), picture(2))
    assert frames[2].read_noisy is not None
    np.testing.assert_array_equal(frames[2].read_noisy(), picture(52))
    found = names(dataset.folder)
    assert len(found) == 7
    assert {name.split("/")[0] for name in found} == {"crops", "FIRST_USE.sha256"}
    server.asked.clear()
    assert Unpacked(packed).missing("test") == []
    Unpacked(packed).fetch("test")
    assert server.asked == []


def test_a_damaged_archive_is_fetched_once_more(packed: Path, server: Server, cache: Path) -> None:
    server.answers["set.zip"] = [pack(3)[:-40]]
    assert len(Unpacked(packed).frames("test")) == 3
    assert server.asked == ["set.zip", "set.zip"]


def test_an_archive_that_stays_damaged_is_refused(
    packed: Path, server: Server, cache: Path
) -> None:
    server.files["set.zip"] = b"<html>"
    with pytest.raises(DataError, match=r"twice, set\.zip is neither a zip nor a tar") as refusal:
        Unpacked(packed).fetch("test")
    assert str(cache / "x" / "Pairs") in str(refusal.value)
    assert f"or set.zip ({server.url}set.zip)" in str(refusal.value)
    assert server.asked == ["set.zip", "set.zip"]
    assert list((cache / "x" / "Pairs").iterdir()) == []


def test_an_archive_that_unfolds_without_end_is_one_line_and_leaves_nothing(
    packed: Path, server: Server, cache: Path
) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("repository/crops/c_0_mean.png", bytes(1 << 27))
    server.files["set.zip"] = data.getvalue()
    with pytest.raises(DataError, match=r"c_0_mean\.png is larger than it may be") as refusal:
        Unpacked(packed).fetch("test")
    assert "\n" not in str(refusal.value)
    assert list((cache / "x" / "Pairs").iterdir()) == []


def test_an_archive_that_lacks_pairs_is_refused(packed: Path, server: Server, cache: Path) -> None:
    server.files["set.zip"] = pack(2)
    with pytest.raises(DataError, match="what was fetched lacks 2 of them"):
        Unpacked(packed).fetch("test")


def test_an_archive_put_there_by_hand_is_unpacked_and_kept(
    packed: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own" / "x" / "Pairs"
    folder.mkdir(parents=True)
    (folder / "set.zip").write_bytes(pack(3))
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path / "own"))
    assert len(Unpacked(packed).frames("test")) == 3
    assert (folder / "set.zip").exists()
    assert server.asked == []


def test_a_pair_changed_after_first_use_comes_back(packed: Path, cache: Path) -> None:
    Unpacked(packed).fetch("test")
    crops = cache / "x" / "Pairs" / "crops"
    (crops / "c_1_real.png").write_bytes(png(picture(9)))
    (crops / "c_2_mean.png").unlink()
    assert set(Unpacked(packed).missing("test")) == {"crops/c_1_real.png", "crops/c_2_mean.png"}
    np.testing.assert_array_equal(Unpacked(packed).frames("test")[2].read(), picture(2))


def test_other_pairs_than_on_first_use_are_refused_and_the_good_ones_kept(
    packed: Path, server: Server, cache: Path
) -> None:
    Unpacked(packed).fetch("test")
    (cache / "x" / "Pairs" / "crops" / "c_0_mean.png").unlink()
    server.files["set.zip"] = pack(3, changed=0)
    with pytest.raises(DataError, match="or has others than on first use"):
        Unpacked(packed).fetch("test")
    assert Unpacked(packed).missing("test") == ["crops/c_0_mean.png"]


def test_pairs_that_do_not_belong_to_the_set_are_refused(packed: Path, cache: Path) -> None:
    Unpacked(packed).fetch("test")
    for half in ("mean", "real"):
        (cache / "x" / "Pairs" / "crops" / f"mine_{half}.png").write_bytes(png(picture(7)))
    with pytest.raises(DataError, match="holds 4 pairs, but the set has 3"):
        Unpacked(packed).frames("test")


def test_a_full_disk_while_unpacking_is_told(
    packed: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archives.os, "replace", fill)
    with pytest.raises(DataError, match=r"cannot be unpacked into .* \(No space left on device\)"):
        Unpacked(packed).fetch("test")


# --- SIDD's arrays ----------------------------------------------------------------------------

SIDD = ("ValidationNoisyBlocksSrgb", "ValidationGtBlocksSrgb")


@pytest.fixture
def sidd(tmp_path: Path, server: Server) -> tuple[Path, np.ndarray, np.ndarray]:
    """Return the manifest of two photographs of three blocks, with noisy and clean blocks."""
    made = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 8, 8, 3), dtype=np.uint8)
    for name, blocks in zip(SIDD, made, strict=True):
        data = io.BytesIO()
        savemat(data, {name: blocks}, do_compression=True)
        server.files[f"{name}.mat"] = data.getvalue()
    text = (MANIFESTS / "sidd-val.toml").read_text(encoding="utf-8")
    text = text.replace("[256, 256]", "[8, 8]").replace("count = 1280", "count = 6")
    text = re.sub(r'"http://.*/(.*\.mat)"', rf'"{server.url}\1"', text)
    (tmp_path / "sidd.toml").write_text(text, encoding="utf-8")
    return tmp_path / "sidd.toml", made[0], made[1]


def test_sidds_arrays_may_not_unfold_to_fill_the_memory(
    sidd: tuple[Path, np.ndarray, np.ndarray],
    server: Server,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(real, "FILE_BYTES", 1000)
    with pytest.raises(DataError, match="unfolds to more than 1,000 bytes"):
        SiddValidation(sidd[0]).fetch("test")
    assert names(cache) == set()
    server.files[f"{SIDD[0]}.mat"] = bytes(126) + b"IM" + struct.pack("<LL", 14, 0) * 200
    with pytest.raises(DataError, match="has more than 100 variables"):
        SiddValidation(sidd[0]).fetch("test")


def test_sidds_arrays_are_cut_into_frames(
    sidd: tuple[Path, np.ndarray, np.ndarray], cache: Path
) -> None:
    manifest, noisy, clean = sidd
    frames = SiddValidation(manifest).frames("test")
    assert [f.id for f in frames] == [f"{i:02}-{j:02}" for i in (1, 2) for j in (1, 2, 3)]
    for frame, before, after in zip(
        frames, noisy.reshape(-1, 8, 8, 3), clean.reshape(-1, 8, 8, 3), strict=True
    ):
        assert frame.read_noisy is not None
        np.testing.assert_array_equal(frame.read_noisy(), before)
        np.testing.assert_array_equal(frame.read(), after)
    assert not [name for name in names(cache) if name.endswith(".mat")]


@pytest.mark.parametrize("wrong", [b"MATLAB 5.0, but no more", "other variable", "other shape"])
def test_an_array_that_is_not_sidds_is_refused(
    wrong: str | bytes, sidd: tuple[Path, np.ndarray, np.ndarray], server: Server, cache: Path
) -> None:
    if isinstance(wrong, str):
        data = io.BytesIO()
        name = SIDD[0] if wrong == "other shape" else "x"
        savemat(data, {name: np.zeros((2, 3), np.uint8)})
        wrong = data.getvalue()
    server.files[f"{SIDD[0]}.mat"] = wrong
    with pytest.raises(
        DataError, match=rf"twice, {SIDD[0]}\.mat (is damaged|holds uint8 \(2, 3\))"
    ):
        SiddValidation(sidd[0]).fetch("test")
