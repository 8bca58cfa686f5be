"""The data sets as their users meet them: found, fetched, verified, or refused in one line."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from denoisebench.cli import main
from denoisebench.datasets import DataError, catalogue, download
from denoisebench.datasets.base import pixel_digest
from denoisebench.datasets.catalogue import default_dataset, open_dataset
from denoisebench.datasets.documentary import DOCUMENTARY_MANIFEST, Documentary, halve
from denoisebench.datasets.folder import Folder
from denoisebench.datasets.stills import FRAME_SIDE, Stills
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from loopback import Server

ENTRIES = tomllib.loads(DOCUMENTARY_MANIFEST.read_text(encoding="utf-8"))["frame"]


def picture(seed: int, shape: tuple[int, ...] = (16, 12, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# --- halving ----------------------------------------------------------------------------------


@given(arrays(np.uint8, st.tuples(st.integers(2, 7), st.integers(2, 7), st.sampled_from([1, 3]))))
def test_halving_is_the_mean_of_2x2_rounded_half_up(pixels: np.ndarray) -> None:
    height, width, channels = pixels.shape[0] // 2, pixels.shape[1] // 2, pixels.shape[2]
    expected = np.empty((height, width, channels), np.uint8)
    for row, column in np.ndindex(height, width):
        block = pixels[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].astype(float)
        expected[row, column] = np.floor(block.mean(axis=(0, 1)) + 0.5)
    np.testing.assert_array_equal(halve(pixels), expected)


# --- documentary, the real frames -------------------------------------------------------------


@pytest.mark.parametrize(("split", "count"), [("train", 100), ("val", 10), ("test", 20)])
def test_documentary_has_its_splits(documentary_root: Path, split: str, count: int) -> None:
    frames = Documentary().frames(split)
    assert len(frames) == Documentary().size(split) == count
    assert [f.id for f in frames] == sorted({f.id for f in frames})
    assert sum(f.id.startswith("marine/") for f in frames) == count // 2
    sizes = {e["path"]: (e["height"] // 2, e["width"] // 2, 3) for e in ENTRIES}
    assert all(f.shape == sizes[f"{split}/{f.id}.jpg"] for f in frames)


def test_documentary_frames_are_the_halved_files(documentary_root: Path) -> None:
    for frame in Documentary().frames("val"):
        path = documentary_root / "documentary" / "val" / f"{frame.id}.jpg"
        full = np.array(Image.open(path), dtype=float)
        full = full[: full.shape[0] // 2 * 2, : full.shape[1] // 2 * 2]
        blocks = full.reshape(full.shape[0] // 2, 2, full.shape[1] // 2, 2, 3)
        pixels = frame.read()
        np.testing.assert_array_equal(pixels, np.floor(blocks.mean(axis=(1, 3)) + 0.5))
        assert pixels.dtype == np.uint8
        assert frame.digest == pixel_digest(pixels)


def test_documentary_decodes_here_as_the_manifest_says(
    documentary_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Documentary().frames("test")
    assert caplog.messages == []


def test_frame_ids_are_unique_over_all_splits_as_they_key_the_noise() -> None:
    assert len({e["path"].partition("/")[2] for e in ENTRIES}) == len(ENTRIES) == 130


def test_splits_share_no_picture() -> None:
    assert len({e["rgb_sha256_16"] for e in ENTRIES}) == len({e["sha256"] for e in ENTRIES}) == 130


def test_frames_travel_to_other_processes(documentary_root: Path) -> None:
    for frame in (Documentary().frames("val")[0], Stills().frames("test")[0]):
        travelled = pickle.loads(pickle.dumps(frame))
        np.testing.assert_array_equal(travelled.read(), frame.read())


# --- documentary, small and made up, served by a loopback server ------------------------------


@pytest.fixture
def manifest(tmp_path: Path, server: Server) -> Path:
    """Return a data set of three pictures to train, one to validate and two to test."""
    ids = [f"train/a/{i}" for i in range(3)] + ["val/a/3", "test/a/4", "test/b/5"]
    frames = []
    for seed, id in enumerate(ids):
        (tmp_path / "made").mkdir(exist_ok=True)
        made = tmp_path / "made" / f"{seed}.jpg"
        Image.fromarray(picture(seed)).save(made)
        server.files[made.name] = data = made.read_bytes()
        frames.append(
            {
                "path": f"{id}.jpg",
                "url": made.name,
                "sha256": hashlib.sha256(data).hexdigest(),
                "rgb_sha256_16": pixel_digest(np.array(Image.open(made))),
                "bytes": len(data),
            }
        )
    return write_manifest(tmp_path, server.url, frames)


def write_manifest(folder: Path, url: str, frames: list[dict[str, Any]]) -> Path:
    lines = ['name = "documentary"', 'title = "t"', 'licence = "l"']
    lines += ['splits = ["train", "val", "test"]']
    lines += [f'[source.{source}]\nurl = "{url}"' for source in "ab"]
    for frame in frames:
        lines += ["[[frame]]", *(f"{key} = {json.dumps(value)}" for key, value in frame.items())]
    path = folder / "manifest.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_fetching_takes_just_the_split_asked_for(
    manifest: Path, server: Server, cache: Path
) -> None:
    frames = Documentary(manifest).frames("test")
    assert [f.id for f in frames] == ["a/4", "b/5"]
    assert sorted(server.asked) == ["4.jpg", "5.jpg"]
    assert sorted(p.name for p in cache.rglob("*.*")) == ["4.jpg", "5.jpg"]
    assert frames[0].read().shape == (8, 6, 3)


def test_what_is_on_disk_and_intact_is_not_fetched_again(
    manifest: Path, server: Server, cache: Path
) -> None:
    Documentary(manifest).fetch("train")
    folder = cache / "documentary" / "train" / "a"
    (folder / "0.jpg").unlink()
    (folder / "1.jpg").write_bytes(b"damaged")
    server.asked.clear()
    assert Documentary(manifest).missing("train") == ["train/a/0.jpg", "train/a/1.jpg"]
    Documentary(manifest).fetch("train")
    assert sorted(server.asked) == ["0.jpg", "1.jpg"]
    assert Documentary(manifest).missing("train") == []


@pytest.mark.parametrize("hiccup", [b"not the picture", 503])
def test_a_download_that_goes_wrong_once_is_tried_again(
    hiccup: bytes | int, manifest: Path, server: Server, cache: Path
) -> None:
    server.answers["3.jpg"] = [hiccup]
    assert len(Documentary(manifest).frames("val")) == 1
    assert server.asked == ["3.jpg", "3.jpg"]


@pytest.mark.parametrize(
    ("answer", "reason"), [(b"other", "has, twice, sent something else"), (404, "404")]
)
def test_a_download_that_stays_wrong_is_refused_and_keeps_the_others(
    answer: bytes | int, reason: str, manifest: Path, server: Server, cache: Path
) -> None:
    server.answers["1.jpg"] = [answer] * 9
    with pytest.raises(DataError) as refusal:
        Documentary(manifest).fetch("train")
    message = str(refusal.value)
    assert reason in message
    assert "1.jpg" in message
    assert str(cache / "documentary") in message
    assert "DENOISEBENCH_DATA" in message
    assert server.asked.count("1.jpg") == 2
    assert sorted(p.name for p in cache.rglob("*") if p.is_file()) == ["0.jpg", "2.jpg"]


def test_an_unreachable_host_is_found_out_at_once(
    tmp_path: Path, manifest: Path, server: Server, cache: Path
) -> None:
    server.shutdown()
    server.server_close()
    start = time.monotonic()
    with pytest.raises(DataError, match=r"127\.0\.0\.1 cannot be reached") as refusal:
        Documentary(manifest).fetch("test")
    assert time.monotonic() - start < 5
    assert "\n" not in str(refusal.value)
    assert not cache.exists()


def test_a_name_server_that_hangs_is_given_up_on(
    manifest: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait())
    monkeypatch.setattr(download, "_PROBE_SECONDS", 0.2)
    with pytest.raises(DataError, match=r"no answer in 0\.2 s"):
        Documentary(manifest).fetch("test")
    release.set()


def test_a_cache_that_cannot_be_written_is_named(manifest: Path, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot be written to \((Not a directory|File exists)"):
        Documentary(manifest).fetch("test")


def test_a_full_disk_is_told(manifest: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pooch.core.shutil.move", fill)
    with pytest.raises(DataError, match=r"cannot be written to \(No space left on device\)"):
        Documentary(manifest).fetch("test")
    assert [p for p in cache.rglob("*") if p.is_file()] == []


def test_ctrl_c_keeps_what_has_arrived(
    manifest: Path, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        return server.files["1.jpg"]

    monkeypatch.setattr(download, "_THREADS", 1)
    server.answers["1.jpg"] = [interrupt]
    with pytest.raises(KeyboardInterrupt):
        Documentary(manifest).fetch("train")
    missing = Documentary(manifest).missing("train")
    assert set(missing) <= {"train/a/2.jpg"}
    server.asked.clear()
    Documentary(manifest).fetch("train")
    assert len(server.asked) == len(missing)


def test_progress_goes_to_stderr_alone(
    manifest: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Documentary(manifest).fetch("test")
    out, err = capfd.readouterr()
    assert out == ""
    assert "fetching" in err


# --- documentary, in the folder that the user names -------------------------------------------


@pytest.fixture
def own_folder(
    manifest: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Fill a folder, and have DENOISEBENCH_DATA name it."""
    for split in Documentary(manifest).splits:
        Documentary(manifest).fetch(split)
    shutil.move(cache, tmp_path / "own")
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path / "own"))
    return tmp_path / "own" / "documentary"


def test_the_named_folder_is_used_and_nothing_is_fetched(
    manifest: Path, server: Server, own_folder: Path
) -> None:
    server.asked.clear()
    dataset = Documentary(manifest)
    assert dataset.folder == own_folder
    assert len(dataset.frames("train")) == 3
    assert server.asked == []


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_the_named_folder_must_be_complete(
    damage: str, manifest: Path, server: Server, own_folder: Path
) -> None:
    victim = own_folder / "test" / "b" / "5.jpg"
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-1])
    server.asked.clear()
    with pytest.raises(DataError, match="1 test file missing or damaged in ") as refusal:
        Documentary(manifest).frames("test")
    assert "DENOISEBENCH_DATA" in str(refusal.value)
    assert "test/b/5.jpg" in str(refusal.value)
    assert server.asked == []


def test_the_named_folder_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENOISEBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"DENOISEBENCH_DATA=.* holds no folder 'documentary'"):
        Documentary().fetch("test")


def test_another_jpeg_decoder_is_noticed_but_not_fatal(
    manifest: Path, own_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = manifest.read_text(encoding="utf-8")
    digest = tomllib.loads(text)["frame"][-1]["rgb_sha256_16"]
    manifest.write_text(text.replace(digest, "0" * 16), encoding="utf-8")
    assert len(Documentary(manifest).frames("test")) == 2
    assert len(caplog.messages) == 1
    assert "gives 1 of 2 frames other last bits" in caplog.text


# --- stills -----------------------------------------------------------------------------------


def test_stills_are_the_same_pixels_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    assert {frame.id: frame.digest for frame in Stills().frames("test")} == {
        "astronaut-face": "5741c21672e49fa3",
        "astronaut-patch": "d288e779e5a9975d",
        "chelsea": "a692572ddf0a483f",
        "coffee": "d348b914829c66d8",
        "motorcycle": "e394b7d32b5464cc",
        "rocket": "405f1e3743c5239e",
    }
    assert caplog.messages == []


def test_stills_are_whole_crops_with_content() -> None:
    for frame in Stills().frames("test"):
        pixels = frame.read()
        assert pixels.shape == frame.shape == (FRAME_SIDE, FRAME_SIDE, 3)
        assert pixels.std() > 20


def test_a_scikit_image_without_a_photograph_is_refused(tmp_path: Path) -> None:
    stills = Stills()
    stills.folder = tmp_path
    assert "rocket.jpg" in stills.missing("test")
    with pytest.raises(DataError, match=r"comes without astronaut.png, .*reinstall it"):
        stills.frames("test")


def test_a_scikit_image_with_another_photograph_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stills = Stills()
    shutil.copytree(stills.folder, tmp_path / "data")
    stills.folder = tmp_path / "data"
    Image.fromarray(picture(0, (300, 451, 3))).save(stills.folder / "chelsea.png")
    assert len(stills.frames("test")) == 6
    assert len(caplog.messages) == 1
    assert "has other pixels in chelsea.png" in caplog.text


def test_finding_the_data_sets_imports_nothing_heavy() -> None:
    code = (
        "import sys; from denoisebench.datasets.catalogue import NAMED;"
        "[d.missing('test') for d in (NAMED['stills'](), NAMED['documentary']())];"
        "print([m for m in ('torch', 'skimage', 'cv2', 'PIL', 'requests') if m in sys.modules])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "DENOISEBENCH_DATA"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "[]\n"


# --- folder:PATH ------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(picture(1)).save(folder / "b.PNG")
    Image.fromarray(picture(2)).save(folder / "sub" / "a.tiff")
    Image.fromarray(picture(3, (9, 7))).save(folder / "grey.bmp")
    return folder


def test_a_folder_holds_its_images_by_relative_path(photos: Path) -> None:
    frames = open_dataset(f"folder:{photos}").frames("test")
    assert [f.id for f in frames] == ["b.PNG", "grey.bmp", "sub/a.tiff"]
    np.testing.assert_array_equal(frames[0].read(), picture(1))
    assert frames[1].shape == (9, 7, 1)


def test_a_folders_name_follows_its_content_not_its_place(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "elsewhere" / "copy")
    here, there = Folder(str(photos)), Folder(str(tmp_path / "elsewhere" / "copy"))
    assert here.name == there.name
    assert here.name.startswith("folder-")
    digest = here.name.removeprefix("folder-")
    assert here.title == f"photos: 3 images, digest {digest}"
    assert there.title == f"copy: 3 images, digest {digest}"
    assert str(tmp_path) not in here.name + here.title
    (photos / "b.PNG").rename(photos / "c.png")
    assert Folder(str(photos)).name != there.name
    Image.fromarray(picture(4)).save(tmp_path / "elsewhere" / "copy" / "b.PNG")
    assert Folder(str(tmp_path / "elsewhere" / "copy")).name != here.name


def test_a_folder_skips_what_is_no_image(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    (photos / ".hidden.png").write_bytes(b"not even an image")
    (photos / ".cache").mkdir()
    (photos / ".cache" / "thumb.png").write_bytes(b"nor this")
    (photos / "notes.txt").write_text("a")
    (photos / "sub" / "clip.mp4").write_text("b")
    (photos / "loop").symlink_to(photos, target_is_directory=True)
    assert Folder(str(photos)).size("test") == 3
    assert caplog.messages == ["folder photos: 3 entries that are no images skipped"]


def test_a_folder_tells_each_loss_once(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(2):
        Image.fromarray(picture(i, (8, 8, 4))).save(photos / f"alpha{i}.png")
    Image.fromarray(picture(5, (8, 8)).astype(np.uint16) * 257).save(photos / "deep.png")
    Folder(str(photos)).frames("test")
    assert sorted(caplog.messages) == [
        "folder photos: 1 of 6 images: 16 bits a channel, rounded to 8: frames are 8-bit, "
        "as they are scored",
        "folder photos: 2 of 6 images: an alpha channel, which is dropped",
    ]
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_a_folder_tells_of_grey_that_is_stored_as_colour(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grey = Image.fromarray(picture(6, (8, 8)))
    grey.save(photos / "one-channel.png")
    grey.convert("RGB").save(photos / "three.png")
    grey.convert("P").save(photos / "palette.png")
    Folder(str(photos))
    assert caplog.messages == [
        "folder photos: 2 of 6 images: three equal channels: scored as colour; "
        "save one channel to have them scored as grey"
    ]


def test_a_folders_name_is_the_same_in_every_normal_form_of_unicode(tmp_path: Path) -> None:
    found = {}
    for form in ("NFC", "NFD"):
        place = tmp_path / form / unicodedata.normalize(form, "été")
        place.mkdir(parents=True)
        Image.fromarray(picture(1)).save(place / unicodedata.normalize(form, "é.png"))
        found[form] = Folder(str(tmp_path / form))
    assert found["NFC"].name == found["NFD"].name
    for folder in found.values():
        [frame] = folder.frames("test")
        assert frame.id == unicodedata.normalize("NFC", "été/é.png")
        np.testing.assert_array_equal(frame.read(), picture(1))


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems keep one of the two")
def test_two_files_whose_names_are_one_are_refused(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        Image.fromarray(picture(1)).save(tmp_path / unicodedata.normalize(form, "é.png"))
    with pytest.raises(
        DataError, match=r"two files have the name é\.png, .*; rename or remove one"
    ):
        Folder(str(tmp_path))


def test_a_folder_names_its_bad_images_in_one_line(photos: Path) -> None:
    for i in range(7):
        (photos / f"bad{i}.png").write_bytes(b"" if i else b"text")
    with pytest.raises(DataError) as refusal:
        Folder(str(photos))
    message = str(refusal.value)
    assert "of 10 images, 7 cannot be used: bad0.png: not a PNG" in message
    assert "bad4.png: the file is empty; and 2 more" in message
    assert "bad5.png" not in message
    assert "\n" not in message


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_a_file_name_that_is_no_text_is_refused(photos: Path) -> None:
    shutil.copy(photos / "b.PNG", os.fsencode(photos) + b"/caf\xe9.png")
    with pytest.raises(DataError, match="its name is not UTF-8") as refusal:
        Folder(str(photos))
    str(refusal.value).encode()


def test_what_is_no_folder_of_images_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, reason in {
        "": "does not exist",
        str(tmp_path / "nowhere"): "does not exist",
        str(photos / "b.PNG"): "is not a folder",
        str(tmp_path / "empty"): "holds no images",
    }.items():
        with pytest.raises(DataError, match=reason):
            open_dataset(f"folder:{path}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_subfolder_without_permission_is_refused(photos: Path) -> None:
    (photos / "sub").chmod(0)
    with pytest.raises(DataError, match=r"sub cannot be read \(Permission denied\)"):
        Folder(str(photos))
    (photos / "sub").chmod(0o700)


# --- names and the default --------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["documentary", "stills", "folder"])
def test_an_unknown_split_lists_the_known(
    spec: str, photos: Path, cache: Path, request: pytest.FixtureRequest
) -> None:
    dataset = open_dataset(f"folder:{photos}" if spec == "folder" else spec)
    with pytest.raises(DataError, match="unknown split 'tset'; did you mean test"):
        dataset.frames("tset")


def test_unknown_names_list_near_matches(photos: Path) -> None:
    with pytest.raises(UsageError, match="unknown data set 'documentry'; did you mean documentary"):
        open_dataset("documentry")
    with pytest.raises(UsageError, match=r"known: documentary, stills, .*set12.*, folder:PATH"):
        open_dataset("xyz")
    with pytest.raises(UsageError, match=f"write folder:{photos}"):
        open_dataset(str(photos))


@pytest.fixture
def small(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the made-up manifest in place of the real one."""
    monkeypatch.setattr(catalogue, "Documentary", lambda: Documentary(manifest))


def test_the_default_is_documentary_where_it_can_be_had(small: None, cache: Path) -> None:
    for origin in ("fetched into", "on disk in"):
        dataset, line = default_dataset("test")
        assert dataset.name == "documentary"
        assert line == f"Frames: t; {origin} {cache / 'documentary'}"


def test_the_default_is_stills_where_it_cannot(small: None, server: Server, cache: Path) -> None:
    server.shutdown()
    server.server_close()
    dataset, line = default_dataset("test")
    assert dataset.name == "stills"
    assert line.startswith("Frames: stills: six")
    assert "because documentary: 2 test files not on disk" in line
    assert "\n" not in line
    with pytest.raises(DataError, match="3 train files not on disk"):
        default_dataset("train")


def test_a_named_folder_that_is_incomplete_is_not_passed_over(
    small: None, own_folder: Path
) -> None:
    (own_folder / "test" / "a" / "4.jpg").unlink()
    with pytest.raises(DataError, match="DENOISEBENCH_DATA"):
        default_dataset("test")


@pytest.mark.parametrize("path", ["x" * 300, "x" * 300 + "/a.toml", "~nobody-is-called-so/a.toml"])
def test_a_path_that_cannot_be_is_one_line(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        ["run", "--dataset", f"manifest:{path}"],
        ["run", "--dataset", f"folder:{path}"],
        ["data", "verify", "real:polyu"],
        ["data", "show", "real:nam25"],
        ["data", "show", "standard:kodak24"],
    ):
        result = CliRunner().invoke(main, words, env={"DENOISEBENCH_DATA": path})
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("bench: ")
        assert result.stderr.count("\n") == 1
