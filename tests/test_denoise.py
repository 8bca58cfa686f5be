"""``bench denoise`` on photographs made here."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, JpegImagePlugin

import denoisebench as db
from conftest import COMMAND
from denoisebench.denoisers.registry import select
from denoisebench.photos.estimating import blocks_of, estimate_noise
from denoisebench.photos.photo import Photo
from denoisebench.photos.raw import linear_profile
from denoisebench.photos.tiff_tags import Tag, read_tags, tags_bytes
from denoisebench.photos.tiling import Reach, SeamError, denoise_by_windows, reach_of

if TYPE_CHECKING:
    from conftest import Bench, Opener

ROOT = Path(__file__).parents[1]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXPOSURE, NOTE, MAKE, ORIENTATION, EXIF = 0x829A, 0x927C, 0x010F, 0x0112, 0x8769


def gradient(
    channels: int, dtype: type = np.uint16, shape: tuple[int, int] = (96, 80)
) -> np.ndarray:
    """Return samples that take many values of their depth."""
    count = shape[0] * shape[1] * channels
    values = np.linspace(0, np.iinfo(dtype).max, count).round().astype(dtype)
    return values.reshape(*shape, channels)


def noisy(sigma: float, shape: tuple[int, int, int] = (256, 256, 3), seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, shape)
    return (
        np.clip(np.linspace(60, 190, shape[1])[:, np.newaxis] + noise, 0, 255)
        .round()
        .astype(np.uint8)
    )


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[MAKE], tags[ORIENTATION] = "Maker", 6
    tags.get_ifd(EXIF).update({EXPOSURE: 0.01, NOTE: b"\x01\x02\xff"})
    return tags


def save_png16(path: Path, samples: np.ndarray) -> None:
    path.write_bytes(imagecodecs.png_encode(samples))


def stored(path: Path) -> np.ndarray:
    """Return the samples of a PNG or TIFF as they are."""
    samples = (
        tifffile.imread(path)
        if path.suffix == ".tif"
        else imagecodecs.png_decode(path.read_bytes())
    )
    return np.asarray(samples)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_all_bits_come_through_and_alpha_is_carried(
    ask: Bench, tmp_path: Path, suffix: str, channels: int, dtype: type
) -> None:
    samples = gradient(channels, dtype)
    path = tmp_path / f"photo{suffix}"
    if suffix == ".png":
        save_png16(path, samples)
    else:
        photometric = "rgb" if channels > 2 else "minisblack"
        extras = ["unassalpha"] if channels in (2, 4) else None
        tifffile.imwrite(
            path, samples.squeeze(), photometric=photometric, extrasamples=extras, compression="lzw"
        )
    result = ask("denoise", path, "--method", "noisy", "--sigma", "10")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{path.with_stem('photo-denoised')}\n"
    written = stored(tmp_path / f"photo-denoised{suffix}")
    assert written.dtype == dtype
    assert np.array_equal(written.reshape(samples.shape), samples)


def test_a_16_bit_photograph_is_denoised_to_more_than_8_bits(ask: Bench, tmp_path: Path) -> None:
    clean = np.linspace(20000, 22000, 128)[:, np.newaxis, np.newaxis]  # 8 values of 8 bits
    noise = np.random.default_rng(0).normal(0, 2570, (128, 128, 1))
    save_png16(tmp_path / "photo.png", (clean + noise).round().astype(np.uint16))
    assert ask("denoise", "photo.png", "--method", "dct", "--sigma", "10").returncode == 0
    estimate = stored(tmp_path / "photo-denoised.png").reshape(128, 128, 1)
    assert len(np.unique(estimate)) > 1000
    assert np.abs(estimate - clean).mean() < 257 < np.abs(noise).mean()


@pytest.mark.parametrize("name", ["photo.jpg", "photo.webp", "photo.png", "photo.tif"])
def test_profile_exif_and_orientation_are_kept(ask: Bench, tmp_path: Path, name: str) -> None:
    pixels = noisy(5)
    options: dict[str, Any] = {"exif": exif().tobytes(), "icc_profile": PROFILE}
    if name.endswith(".jpg"):
        options |= {"subsampling": 1, "progressive": True, "quality": 80}
    Image.fromarray(pixels).save(tmp_path / name, **options)
    assert ask("denoise", name, "--method", "median", "--out", "out").returncode == 0
    before, after = Image.open(tmp_path / name), Image.open(tmp_path / "out" / name)
    assert (after.size, after.mode, after.format) == (before.size, before.mode, before.format)
    assert after.info["icc_profile"] == PROFILE
    assert dict(after.getexif().get_ifd(EXIF)) == dict(exif().get_ifd(EXIF))
    assert (after.getexif()[MAKE], after.getexif()[ORIENTATION]) == ("Maker", 6)
    if name.endswith(".jpg"):
        assert JpegImagePlugin.get_sampling(after) == 1
        assert after.info["progressive"]
    assert np.asarray(after.convert("L")).std() < np.asarray(before.convert("L")).std()


@pytest.mark.parametrize("order", "<>")
def test_a_tiff_keeps_its_tags_byte_order_and_compression(
    ask: Bench, tmp_path: Path, order: str
) -> None:
    path = tmp_path / "photo.tif"
    tifffile.imwrite(
        path,
        gradient(1)[..., 0],
        byteorder=order,
        photometric="miniswhite",
        resolution=(300, 301),
        extratags=[(271, 2, 0, "Maker", True), (33432, 2, 0, b"\xa9 me\0", True)],
        metadata=None,
    )
    assert ask("denoise", path, "--method", "noisy", "--out", "out").returncode == 0
    with (
        tifffile.TiffFile(path) as before,
        tifffile.TiffFile(tmp_path / "out" / path.name) as after,
    ):
        for tag in before.pages.first.tags:
            if tag.name not in {"StripOffsets", "RowsPerStrip", "StripByteCounts"}:
                assert after.pages.first.tags[tag.code].value == tag.value, tag.name
        assert after.byteorder == order
        assert np.array_equal(after.asarray(), before.asarray())


@pytest.mark.parametrize("order", "<>")
def test_directories_of_tags_are_read_as_they_were_written(order: str) -> None:
    further = {1: Tag(2, b"R98\0")}
    exif_tags = {
        33434: Tag(5, b"\1\2\3\4\5\6\7\x08"),
        37500: Tag(7, b"abc"),
        40965: Tag(4, further),
    }
    tags = {
        271: Tag(2, b"\xe4\0"),
        34665: Tag(4, exif_tags),
        34853: Tag(4, {0: Tag(1, b"\2\3\0\0")}),
    }
    head = {"<": b"II*\0\x08\0\0\0", ">": b"MM\0*\0\0\0\x08"}[order]
    assert read_tags(head + tags_bytes(tags, 8, order), 8) == tags
    for length in range(8, 60):  # cut short
        read_tags((head + tags_bytes(tags, 8, order))[:length], 8)


def test_a_lossless_webp_stays_lossless_and_grey_stays_grey(ask: Bench, tmp_path: Path) -> None:
    pixels = gradient(4, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=True, exact=True)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "b.jpg")
    assert ask("denoise", "a.webp", "b.jpg", "--method", "noisy").returncode == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a-denoised.webp")), pixels)
    assert Image.open(tmp_path / "b-denoised.jpg").mode == "L"


def test_a_broken_file_of_a_folder_is_named_and_the_others_are_denoised(
    ask: Bench, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    (folder / "trip").mkdir(parents=True)
    save_png16(folder / "good.png", gradient(3))
    save_png16(folder / "trip" / "good.png", gradient(3))
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:500])
    tifffile.imwrite(folder / "stack.tif", gradient(3), photometric="minisblack")
    Image.fromarray(noisy(5)).convert("CMYK").save(folder / "print.jpg")
    (folder / "notes.txt").write_text("no photograph")
    result = ask("denoise", folder, "--method", "median", "--out", "out")
    assert result.returncode == 3
    for name in ("cut.png", "stack.tif", "print.jpg"):
        assert f"in/{name}: failed: " in result.stderr
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert written == {"good.png", "trip/good.png"}


def test_nothing_is_written_over(ask: Bench, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_png16(tmp_path / name, gradient(3))
    assert ask("denoise", "a.png", "--method", "median").returncode == 0
    refused = ask("denoise", "a.png", "--method", "noisy")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "bench: a-denoised.png is there already; --overwrite writes anew\n"
    before = (tmp_path / "a-denoised.png").read_bytes()
    result = ask("denoise", tmp_path, "--method", "noisy")  # goes on with what is missing
    assert result.returncode == 0
    assert "1 of 2 results are there already" in result.stderr
    assert (tmp_path / "a-denoised.png").read_bytes() == before
    assert ask("denoise", "a.png", "--method", "noisy", "--overwrite").returncode == 0
    assert np.array_equal(stored(tmp_path / "a-denoised.png"), gradient(3))


def test_results_within_the_folder_are_no_inputs(ask: Bench, tmp_path: Path) -> None:
    save_png16(tmp_path / "a.png", gradient(3))
    words = ("denoise", ".", "--method", "median", "--out", "clean")
    assert ask(*words).returncode == 0
    save_png16(tmp_path / "b.png", gradient(3))
    assert ask(*words).returncode == 0
    assert sorted(path.name for path in (tmp_path / "clean").iterdir()) == ["a.png", "b.png"]


def test_requests_that_cannot_be_carried_out_are_refused(ask: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for name in ("a.png", "other/a.png"):
        save_png16(tmp_path / name, gradient(3))
    for words, line in {
        ("a.png", "--out", "."): "a.png: is an input, and would be written over",
        ("a.png", "other/a.png", "--out", "out"): "would both be written to out/a.png",
        ("absent.png",): "absent.png: there is no such file or folder",
        (): "no file is given",
        ("a.png", "--method", "medain"): "did you mean median?",
        ("a.png", "--method", "oracle"): "nobody knows the clean picture",
        ("a.png", "--from", "nowhere"): "nowhere",
    }.items():
        result = ask("denoise", *words)
        assert (result.returncode, result.stdout) == (2, "")
        assert line in result.stderr


def test_of_a_camera_s_jpeg_with_previews_the_picture_is_denoised(
    ask: Bench, tmp_path: Path
) -> None:
    large, small = (Image.fromarray(noisy(9)[::step, ::step]) for step in (1, 4))
    large.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[small])
    large.save(tmp_path / "b.png", save_all=True, append_images=[large.rotate(90)])  # animated
    result = ask("denoise", "a.jpg", "b.png", "--method", "median")
    assert result.returncode == 3
    assert "several pictures, of which the first is used" in result.stderr
    assert "b.png: failed: an animation" in result.stderr
    assert Image.open(tmp_path / "a-denoised.jpg").size == large.size


def test_a_picture_may_be_one_pixel_high(ask: Bench, tmp_path: Path) -> None:
    shapes = {"a.jpg": gradient(3, np.uint8, (1, 9)), "b.webp": noisy(9, (7, 1, 3))}
    for name, pixels in shapes.items():
        Image.fromarray(pixels).save(tmp_path / name)
    save_png16(tmp_path / "c.png", gradient(1, shape=(1, 1)))
    assert ask("denoise", tmp_path, "--method", "median").returncode == 0


def test_sigma_of_white_noise_is_estimated_and_told_with_its_range(
    ask: Bench, tmp_path: Path
) -> None:
    Image.fromarray(noisy(20)).save(tmp_path / "photo.png")
    result = ask("denoise", "photo.png", "--method", "median")
    assert re.search(
        r": 256×256 RGB, 8 bit; sigma (19|20) \((18|19) to 2[01], white\); median; ", result.stderr
    )


@pytest.mark.parametrize("sigma", [5, 15, 30])
def test_the_kind_of_noise_is_told_apart(sigma: float) -> None:
    white = noisy(sigma).astype(np.float32) / 255
    smooth = cv2.blur(noisy(2 * sigma).astype(np.float32) / 255, (2, 2))
    for pixels, is_white in ((white, True), (smooth, False)):
        found = estimate_noise(blocks_of(pixels.shape, lambda r, c, p=pixels: p[r, c]))
        assert found.white is is_white
        assert found.low <= found.sigma <= found.high
        assert found.sigma == pytest.approx(sigma, rel=0.1 if is_white else 0.2)


def test_a_flat_picture_has_no_noise(ask: Bench, tmp_path: Path) -> None:
    Image.new("L", (200, 100), 77).save(tmp_path / "flat.png")
    assert ask("denoise", "flat.png", "--budget-per-megapixel", "1").returncode == 0
    assert np.ptp(np.asarray(Image.open(tmp_path / "flat-denoised.png"))) == 0


def test_the_shipped_table_is_that_of_the_published_run() -> None:
    """Copy results/baseline/table1.csv to bench/photos when results are published anew."""
    shipped = (ROOT / "bench" / "photos" / "table1.csv").read_bytes()
    assert shipped == (ROOT / "results" / "baseline" / "table1.csv").read_bytes()


def test_auto_takes_the_best_within_the_budget_and_says_why(ask: Bench, tmp_path: Path) -> None:
    save_png16(tmp_path / "photo.png", gradient(3))
    result = ask("denoise", "photo.png", "--sigma", "25", "--budget-per-megapixel", "0.5")
    assert result.returncode == 0, result.stderr
    assert "DCT (Yu & Sapiro): 29.41 dB at sigma 25 and 0.21 s a megapixel" in result.stderr
    result = ask("denoise", "photo.png", "--overwrite", "--budget-per-megapixel", "0.0001")
    assert result.returncode == 3
    assert "raise --budget-per-megapixel" in result.stderr


def test_auto_chooses_by_a_run_of_the_users(ask: Bench, photos: Path, tmp_path: Path) -> None:
    words = ("--methods", "median,gaussian", "--sigma", "25", "--out", "results/mine")
    assert ask("run", "--dataset", f"folder:{photos}", *words).returncode == 0
    save_png16(tmp_path / "photo.png", gradient(3))
    result = ask("denoise", "photo.png", "--from", "results/mine", "--sigma", "25")
    assert result.returncode == 0, result.stderr
    assert "of the 2 methods that take at most 10 s in the run results/mine" in result.stderr


def test_tiles_leave_no_seam(ask: Bench, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (1100, 1400, 1), np.uint16)
    save_png16(tmp_path / "photo.png", samples)
    result = ask("denoise", "photo.png", "--method", "wiener", "--sigma", "50")
    assert "seams of tiles " in result.stderr
    photo = Photo(samples, 1, bytes)
    [method] = select(["wiener"])
    whole = photo.rounded(method.build().denoise(photo.floats(), 50 / 255))
    difference = stored(tmp_path / "photo-denoised.png").astype(int) - whole[..., 0]
    assert np.abs(difference).max() <= 1


def test_tiles_that_leave_seams_are_refused() -> None:
    photo = Photo(gradient(1, shape=(300, 200)), 1, bytes)

    def average(frame: np.ndarray) -> np.ndarray:
        return np.full_like(frame, frame.mean())

    with pytest.raises(SeamError, match="its tiles differ by"):
        denoise_by_windows(photo, average, Reach(20, 192), lambda done, total: None)


@pytest.mark.parametrize("shape", [(300, 200), (193, 1000), (640, 64), (65, 64)])
def test_windows_cover_a_picture_once_and_see_it_as_a_whole_would(shape: tuple[int, int]) -> None:
    photo = Photo(gradient(3, shape=shape), 1, bytes)

    def blur(frame: np.ndarray) -> np.ndarray:
        return cv2.blur(frame, (41, 41))

    found, _ = denoise_by_windows(photo, blur, Reach(20, 192), lambda done, total: None)
    assert np.abs(found.astype(int) - photo.rounded(blur(photo.floats()))).max() <= 1


def test_networks_tell_their_own_reach() -> None:
    [small, large] = select(["unet-mse", "unet-mse[tile=2048]"])
    assert reach_of(small) == Reach(48, 1024)
    assert reach_of(large) == Reach(48, 2048)


CRASHING = """
import os, time
from dataclasses import dataclass
from denoisebench import register

@register("fragile", title="Fragile", family="local")
@dataclass(frozen=True)
class Fragile:
    seconds: float = 0.0
    def denoise(self, noisy, sigma):
        if noisy.mean() > 0.9:
            os.kill(os.getpid(), 9)
        time.sleep(self.seconds * (noisy.mean() > 0.4))
        return noisy.copy()
"""


def test_a_method_that_dies_on_one_photograph_goes_on_with_the_next(
    ask: Bench, tmp_path: Path
) -> None:
    (tmp_path / "fragile.py").write_text(CRASHING)
    for name, value in {"a.png": 100, "b.png": 250, "c.png": 30}.items():
        Image.new("L", (40, 30), value).save(tmp_path / name)
    words = ("--plugin", "fragile.py", "--method", "fragile", "--jobs", "1")
    result = ask("denoise", "a.png", "b.png", "c.png", *words)
    assert result.returncode == 3
    assert "b.png: failed: killed: its process was ended by SIGKILL" in result.stderr
    assert result.stdout.split() == ["a-denoised.png", "c-denoised.png"]


def test_an_interruption_keeps_what_is_finished(tmp_path: Path) -> None:
    (tmp_path / "fragile.py").write_text(CRASHING)
    Image.new("L", (40, 30), 30).save(tmp_path / "a.png")
    Image.new("L", (40, 30), 150).save(tmp_path / "b.png")
    words = ("--plugin", "fragile.py", "--method", "fragile[seconds=100]", "--jobs", "1")
    process = subprocess.Popen(
        [COMMAND, "denoise", "a.png", "b.png", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "a-denoised.png").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.endswith("Interrupted. The same command goes on with the files left.\n")
    assert sorted(p.name for p in tmp_path.glob("*-denoised*")) == ["a-denoised.png"]
    assert not list(tmp_path.glob(".*.part"))


def test_a_preview_shows_the_photographs_upright(ask: Bench, tmp_path: Path) -> None:
    Image.fromarray(noisy(20, (100, 60, 3))).save(tmp_path / "<b>.jpg", exif=exif())
    result = ask("denoise", tmp_path, "--method", "median", "--preview")
    assert result.returncode == 0
    page = (tmp_path / "preview-denoised.html").read_text("utf-8")
    assert 'width="100"' in page  # turned by EXIF
    assert "&lt;b&gt;.jpg" in page
    assert Image.open(tmp_path / "preview-denoised.png").format == "PNG"
    assert ask("denoise", tmp_path, "--method", "median").returncode == 2  # no preview is an input


def test_a_preview_fits_a_phone_and_its_line_is_dragged_on_the_picture(
    ask: Bench, open_page: Opener, tmp_path: Path
) -> None:
    Image.fromarray(noisy(20, (300, 400, 3))).save(tmp_path / f"{'long ' * 30}.png")
    assert ask("denoise", tmp_path, "--method", "median", "--preview").returncode == 0
    page = open_page(tmp_path / "preview-denoised.html", viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator(".pair").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60, steps=3)
    page.mouse.up()
    at = page.locator(".pair").evaluate("pair => pair.style.getPropertyValue('--at')")
    assert float(at.rstrip("%")) == pytest.approx(80, abs=3)


def test_the_library_denoises_files_too(tmp_path: Path) -> None:
    save_png16(tmp_path / "a.png", gradient(3))
    (tmp_path / "b.png").write_bytes(b"")
    done = db.denoise(tmp_path, "median", 10, out=tmp_path / "out", quiet=True, jobs=1)
    assert [(o.target.name, o.problem) for o in done] == [
        ("a.png", ""),
        ("b.png", "the file is empty"),
    ]
    with pytest.raises(db.UsageError, match="unknown option 'job'"):
        db.denoise(tmp_path, job=1)  # type: ignore[call-arg]


def test_raw_files_are_refused_by_a_clear_line_or_read_by_rawpy(
    ask: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photo.nef").write_bytes(bytes(1000))
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    result = ask("denoise", "photo.nef")
    assert result.returncode == 3
    assert "pip install 'denoisebench[raw]'" in result.stderr
    monkeypatch.undo()
    pytest.importorskip("rawpy")
    result = ask("denoise", tmp_path / "photo.nef")
    assert result.returncode == 3
    assert "no raw file that LibRaw" in result.stderr


def save_dng(path: Path, light: np.ndarray) -> None:
    """Write linear RGB, (H, W, 3) in [0, 1], as a camera whose green is twice its red would."""
    seen = light * [0.5, 1, 0.7]
    mosaic = seen[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = seen[::2, ::2, 0], seen[1::2, 1::2, 2]
    matrix = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.204, 1.057)

    def rationals(*values: float) -> list[int]:
        return [number for value in values for number in (round(value * 10000), 10000)]

    tifffile.imwrite(
        path,
        (mosaic * 16383).round().astype(np.uint16),
        photometric=32803,
        metadata=None,
        extratags=[
            (50706, 1, 4, (1, 4, 0, 0), True),
            (50708, 2, 0, "Test", True),
            (33421, 3, 2, (2, 2), True),
            (33422, 1, 4, (0, 1, 1, 2), True),
            (50721, 10, 9, rationals(*matrix), True),
            (50728, 5, 3, rationals(0.5, 1, 0.7), True),
            (50717, 4, 1, 16383, True),
        ],
    )


def test_a_raw_file_is_developed_linearly(ask: Bench, tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="rawpy is not installed: pip install 'denoisebench[raw]'")
    light = np.full((64, 96, 3), 0.2)
    light[:, 48:] = 0.4
    save_dng(tmp_path / "photo.dng", light)
    assert ask("denoise", "photo.dng", "--method", "median").returncode == 0
    with tifffile.TiffFile(tmp_path / "photo-denoised.tif") as file:
        developed, profile = file.asarray(), file.pages.first.tags[34675].value
    assert profile == linear_profile()
    assert developed.dtype == np.uint16
    dark, bright = developed[:, 8:40].mean((0, 1)), developed[:, 56:88].mean((0, 1))
    assert np.allclose(bright / dark, 2, rtol=0.01)
    assert np.ptp(dark) < 0.02 * dark.mean()  # grey, by the camera's white balance


def test_the_profile_of_a_developed_raw_file_is_linear() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(linear_profile()))
    assert ImageCms.getProfileDescription(profile).strip() == "Linear sRGB"
    to_srgb = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    pixel = ImageCms.applyTransform(Image.new("RGB", (1, 1), (55, 55, 55)), to_srgb)
    assert pixel is not None
    assert all(abs(value - 128) <= 2 for value in pixel.getpixel((0, 0)))  # type: ignore[union-attr]
