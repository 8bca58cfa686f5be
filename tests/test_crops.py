"""Pictures in the folder of a run: only a crop of a frame gets onto a page."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from made_up import FRAMES, make_run
from PIL import Image

from denoisebench.cells import Cell
from denoisebench.errors import UsageError
from denoisebench.reporting.figures.strip import write_strip
from denoisebench.reporting.write import write_reports
from denoisebench.store.crops import CROPS_FOLDER, encode_crop, estimate_file, read_crop
from denoisebench.store.results import load_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPE = (250, 400, 3)  # of the frames of the made-up run
CROP = encode_crop(np.full((128, 128, 3), 7, np.uint8))
SECRET = b"a file of this machine"


def link_to_a_secret(path: Path) -> None:
    path.with_suffix(".secret").write_bytes(SECRET)
    path.symlink_to(path.with_suffix(".secret"))


def link_to_a_crop(path: Path) -> None:
    path.with_suffix(".other").write_bytes(CROP)
    path.symlink_to(path.with_suffix(".other"))


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def moving(path: Path) -> None:
    frames = [Image.fromarray(np.full((128, 128, 3), i, np.uint8)) for i in (0, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)


def png(path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((128, 128, 3), np.uint8)).save(file, "png")
    path.write_bytes(file.getvalue())


CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "link": (link_to_a_secret, "it is a link"),
    "link to a crop": (link_to_a_crop, "it is a link"),
    "dangling link": (dangling, "it is a link"),
    "text": (lambda path: path.write_bytes(SECRET), "it is no WebP picture"),
    "empty": (lambda path: path.write_bytes(b""), "it is no WebP picture"),
    "folder": (lambda path: path.mkdir(), "it is no WebP picture"),
    "pipe": (os.mkfifo, "it is no WebP picture"),
    "png": (png, "it is no WebP picture"),
    "cut": (lambda path: path.write_bytes(CROP[:-9]), "it is no WebP picture"),
    "huge": (lambda path: os.truncate(_made(path), 10**10), "it is too large for a crop"),
    "bomb": (
        lambda path: path.write_bytes(encode_crop(np.zeros((9000, 9000, 1), np.uint8))),
        "it has 9000×9000 pixels, as no crop of its frame has",
    ),
    "small": (
        lambda path: path.write_bytes(encode_crop(np.zeros((64, 128, 3), np.uint8))),
        "it has 128×64 pixels, as no crop of its frame has",
    ),
    "moving": (moving, "it moves"),
}


def _made(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_is_no_crop_is_refused_with_a_reason(case: str, tmp_path: Path) -> None:
    path = tmp_path / "crop.webp"
    make, reason = CASES[case]
    make(path)
    with pytest.raises(UsageError, match=re.escape(reason)):
        read_crop(path, SHAPE)


def test_a_crop_is_read_and_an_absent_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "crop.webp"
    assert read_crop(path, SHAPE) is None
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    for content in (CROP, encode_crop(noise)):
        path.write_bytes(content)
        assert read_crop(path, SHAPE) == content
        assert read_crop(path, ()) == content
    path.write_bytes(encode_crop(noise[:20, :, :1]))
    assert read_crop(path, (20, 300, 1)) is not None


def test_a_folder_of_pictures_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "crop.webp").write_bytes(CROP)
    (tmp_path / CROPS_FOLDER).symlink_to("elsewhere")
    with pytest.raises(UsageError, match="pictures: it is a link"):
        read_crop(tmp_path / CROPS_FOLDER / "crop.webp", SHAPE)


def test_the_page_tells_of_refused_pictures_and_shows_the_others(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    crop = estimate_file(folder, Cell("poor", "cpu", FRAMES[0], 25.0, 0))
    crop.unlink()
    link_to_a_secret(crop)
    page = report(folder)
    assert f"Refused pictures of the run's folder (1): pictures/{crop.name}: it is a link." in page
    assert base64.b64encode(SECRET).decode() not in page
    [content] = re.findall(r'id="run-1-pictures">(.*?)</script>', page)
    assert len(json.loads(content)["scenes"]) == 4


def test_a_page_without_any_picture_that_can_be_shown_says_so(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / CROPS_FOLDER).rename(folder / "kept")
    (folder / CROPS_FOLDER).symlink_to("kept")
    page = report(folder)
    assert "folder (1): pictures: it is a link." in page
    assert "This run kept no pictures" not in page
    assert "data:image/webp" not in page


def test_a_strip_says_which_pictures_it_does_not_show(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    results = load_run(folder)
    data = results.manifest.dataset
    unscored = tuple(replace(frame, has_clean=False) for frame in data.frames)
    manifest = replace(results.manifest, dataset=replace(data, frames=unscored))
    crop = estimate_file(folder, Cell("poor", "cpu", FRAMES[0], 25.0, 0))
    drawn = []
    for refused in (False, True):
        if refused:
            crop.unlink()
            link_to_a_secret(crop)
        assert write_strip(replace(results, manifest=manifest), folder, tmp_path)
        drawn.append((tmp_path / "strip.png").read_bytes())
    assert drawn[0] != drawn[1]


def report(folder: Path) -> str:
    write_reports({"run": (folder, load_run(folder))}, folder, ["html", "md"])
    return (folder / "report.html").read_text(encoding="utf-8")
