"""``bench data extract`` on films made here, with a number painted into every frame."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import signal
import struct
import subprocess
import sys
import time
import tomllib
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'denoisebench[video]'")
cv2 = pytest.importorskip("cv2")

from films import (  # noqa: E402
    BLOCK,
    HEIGHT,
    TOP,
    WIDTH,
    Coding,
    paint_number,
    read_number,
    shots_of,
    view,
    write_film,
)
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from denoisebench.cli import main  # noqa: E402
from denoisebench.datasets.base import pixel_digest  # noqa: E402
from denoisebench.datasets.catalogue import open_dataset  # noqa: E402
from denoisebench.datasets.film import judging, shots  # noqa: E402
from denoisebench.datasets.film.diversity import VIEW, Views, farthest_first  # noqa: E402
from denoisebench.datasets.film.diversity import view as view_of  # noqa: E402
from denoisebench.datasets.film.opencv import OpencvFilm  # noqa: E402
from denoisebench.datasets.film.opening import open_film  # noqa: E402
from denoisebench.datasets.film.pool import Candidate, Pool  # noqa: E402
from denoisebench.datasets.film.pyav_picture import displayed  # noqa: E402
from denoisebench.datasets.film.reading import FilmError  # noqa: E402
from denoisebench.datasets.film.tone import HLG, MASTER, PQ, SCREEN, to_sdr  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Bench

LENGTHS = (16, 19, 15, 21, 17, 15, 20, 16, 18, 17, 15, 31)
CUTS = list(itertools.accumulate(LENGTHS))[:-1]
PANNED = 40  # frames of each shot of the panning film
QUICK = {"crf": "12", "preset": "ultrafast"}
FEW = ("--per-film", "5", "--val", "1", "--test", "2")


def extract(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["data", "extract", *map(str, words)])


def manifest_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))


def pixels_of(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def true_shot(number: int) -> int:
    return sum(number >= cut for cut in CUTS)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="session")
def plain(films: Path) -> Path:
    """Twelve shots at a constant rate, with B-frames."""
    return write_film(films / "plain.mp4", shots_of(LENGTHS))


@pytest.fixture(scope="session")
def panning(films: Path) -> Path:
    """Twelve shots that each pan over a whole width, so that one shot yields several frames."""
    return write_film(
        films / "panning.mkv", shots_of([PANNED] * 12, pan=1.0), Coding(options=QUICK)
    )


# --- which frame is which ---------------------------------------------------------------------


def irregular(number: int) -> int:
    """Timestamps of a variable rate: frames of one and of three units, and a pause."""
    return number + 2 * (number // 3) + (25 if number > 150 else 0)


OPEN_GOP = {
    "x264-params": "open-gop=1:bframes=3:b-pyramid=normal:keyint=24:scenecut=0",
    "crf": "12",
    "preset": "superfast",
}
HEVC = Coding(
    "libx265",
    "yuv420p10le",
    {"crf": "14", "preset": "ultrafast", "x265-params": "log-level=0"},
)
FORMS = {
    "constant rate, B-frames, MP4": ("a.mp4", Coding()),
    "variable rate, MKV": ("a.mkv", Coding(pts=irregular)),
    "variable rate, MP4": ("a.mp4", Coding(pts=irregular)),
    "open GOP, B-pyramid, MKV": ("a.mkv", Coding(options=OPEN_GOP)),
    "open GOP, MPEG-TS": ("a.ts", Coding(options=OPEN_GOP)),
    "MPEG-2, MPEG-TS": ("a.ts", Coding("mpeg2video", options={"b": "6M", "bf": "2", "g": "12"})),
    "MPEG-4, AVI": ("a.avi", Coding("mpeg4", options={"b": "6M", "bf": "2"})),
    "10 bits, 4:2:2, MOV": ("a.mov", Coding(pixels="yuv422p10le")),
    "10 bits, HEVC, MKV": ("a.mkv", HEVC),
    "lossless, FFV1": ("a.mkv", Coding("ffv1", "yuv444p", {})),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_frame_is_the_one_that_the_manifest_says(form: str, tmp_path: Path) -> None:
    name, coding = FORMS[form]
    film = write_film(tmp_path / name, shots_of(LENGTHS), coding)
    out = tmp_path / "set"
    result = extract(film, "--name", "set", "--out", out, *FEW)
    assert result.exit_code == 0, result.stderr
    assert "toned down" not in result.stderr
    manifest = manifest_of(out)
    assert manifest["film"][0]["sha256"] == hashlib.sha256(film.read_bytes()).hexdigest()
    assert manifest["film"][0]["frames"] == sum(LENGTHS)
    assert len(manifest["frame"]) == 8
    start = coding.pts(0)
    for frame in manifest["frame"]:
        path = out / frame["path"]
        pixels = pixels_of(path)
        assert read_number(pixels) == frame["ordinal"]
        assert pixel_digest(pixels) == frame["rgb_sha256_16"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == frame["sha256"]
        assert pixels.shape == (HEIGHT // 2, WIDTH // 2, 3) == (frame["height"], frame["width"], 3)
        assert frame["seconds"] == pytest.approx(
            (coding.pts(frame["ordinal"]) - start) / 25, abs=2e-3
        )


def test_the_pixels_are_those_that_were_encoded(tmp_path: Path) -> None:
    """The colours come through the matrix of SD, and of HD where the film is tagged with it."""
    for matrix in (None, 1):
        film = tmp_path / f"{matrix}.mkv"
        coding = Coding("libx264", "yuv444p", {"qp": "0", "preset": "ultrafast"}, matrix=matrix)
        write_film(film, shots_of(LENGTHS), coding)
        out = tmp_path / f"set-{matrix}"
        assert extract(film, "--name", "s", "--out", out, "--full-size", *FEW).exit_code == 0
        originals = list(shots_of(LENGTHS))
        for frame in manifest_of(out)["frame"]:
            given = originals[frame["ordinal"]].astype(int)
            assert np.abs(pixels_of(out / frame["path"]) - given).mean() < 1


def test_a_phones_clip_is_upright(tmp_path: Path) -> None:
    """OpenCV, which turns films by itself, is the judge."""
    film = write_film(tmp_path / "phone.mp4", shots_of(LENGTHS), Coding(rotation=90))
    out = tmp_path / "set"
    assert extract(film, "--name", "set", "--out", out, *FEW).exit_code == 0
    capture = cv2.VideoCapture(str(film))
    turned = {i: capture.read()[1][..., ::-1] for i in range(sum(LENGTHS))}
    for frame in manifest_of(out)["frame"]:
        pixels = pixels_of(out / frame["path"])
        assert pixels.shape == (WIDTH // 2, HEIGHT // 2, 3)
        judge = cv2.resize(
            turned[frame["ordinal"]], pixels.shape[1::-1], interpolation=cv2.INTER_AREA
        )
        assert np.abs(pixels.astype(int) - judge).mean() < 4


def woven() -> Iterator[np.ndarray]:
    """Interlaced frames: the fields of frame n show moments 2n and 2n + 1."""
    moments = shots_of([2 * length for length in LENGTHS])
    for upper, lower in zip(moments, moments, strict=True):
        frame = upper.copy()
        frame[1::2] = lower[1::2]
        yield frame


def test_of_an_interlaced_frame_one_moment_is_used(tmp_path: Path) -> None:
    options = {"crf": "10", "preset": "superfast", "x264-params": "tff=1"}
    film = write_film(tmp_path / "tape.mkv", woven(), Coding(options=options))
    out = tmp_path / "set"
    result = extract(film, "--name", "set", "--out", out, *FEW)
    assert result.exit_code == 0
    assert "it is interlaced: of each frame one field is used" in result.stderr
    for frame in manifest_of(out)["frame"]:
        pixels = pixels_of(out / frame["path"])
        assert pixels.shape == (HEIGHT // 2, WIDTH // 2, 3)
        assert read_number(pixels) == 2 * frame["ordinal"]
    whole = extract(film, "--name", "set", "--out", tmp_path / "whole", "--full-size", *FEW)
    assert whole.exit_code == 2
    assert "leave out --full-size" in whole.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"tape.mkv", "set"}


# --- orientation ------------------------------------------------------------------------------

UPRIGHT = (1, 0, 0, 1)
EIGHT = [
    (a, b, c, d)
    for signs in itertools.product((1, -1), repeat=2)
    for a, b, c, d in ((signs[0], 0, 0, signs[1]), (0, signs[0], signs[1], 0))
]
CORNERS = {(-1, -1): (230, 20, 20), (1, -1): (20, 200, 20), (-1, 1): (20, 20, 230)}  # x, y


def boxed(a: int, b: int, c: int, d: int) -> bytes:
    """Return a display matrix as a track's header has it (ISO/IEC 14496-12, 6.2.2)."""
    return struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)


@pytest.fixture(scope="session")
def coloured(films: Path) -> Path:
    """Write a film with a colour of its own in three corners."""
    picture = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    for (x, y), colour in CORNERS.items():
        rows = slice(0, 40) if y < 0 else slice(-40, None)
        picture[rows, slice(0, 40) if x < 0 else slice(-40, None)] = colour
    return write_film(films / "coloured.mp4", [picture] * 6)


def corners_of(pixels: np.ndarray, matrix: tuple[int, ...]) -> None:
    """Check that each colour is where the matrix shows its corner."""
    a, b, c, d = matrix
    for (x, y), colour in CORNERS.items():
        right, below = a * x + c * y > 0, b * x + d * y > 0
        row = round(pixels.shape[0] * (0.9 if below else 0.1))
        column = round(pixels.shape[1] * (0.9 if right else 0.1))
        assert np.abs(pixels[row, column].astype(int) - colour).max() < 40


@pytest.mark.parametrize("matrix", EIGHT)
def test_a_display_matrix_is_obeyed_in_all_eight_orientations(
    matrix: tuple[int, ...], coloured: Path, tmp_path: Path
) -> None:
    film = tmp_path / "turned.mp4"
    coded = coloured.read_bytes()
    assert coded.count(boxed(*UPRIGHT)) == 2  # the film's, which players ignore, and the track's
    header, track = coded.index(boxed(*UPRIGHT)), coded.rindex(boxed(*UPRIGHT))
    assert header < coded.index(b"tkhd") < track
    film.write_bytes(coded[:track] + boxed(*matrix) + coded[track + 36 :])
    picture = next(iter(open_film(film).pictures()))
    pixels = picture.rgb()
    assert pixels.shape[:2] == ((HEIGHT, WIDTH) if matrix[0] else (WIDTH, HEIGHT))
    corners_of(pixels, matrix)
    corners_of(cv2.cvtColor(picture.thumbnail(), cv2.COLOR_YUV2RGB), matrix)
    assert picture.grey().shape == pixels.shape[:2]


@given(
    st.integers(-1, 1).filter(bool),
    st.integers(-1, 1).filter(bool),
    st.floats(-40, 40),
    st.booleans(),
)
def test_an_orientation_is_the_nearest_of_the_eight(
    across: int, down: int, degrees: float, swaps: bool
) -> None:
    """Scaling a matrix and turning it a little change nothing."""
    exact = np.array([[0, across], [down, 0]] if swaps else [[across, 0], [0, down]], float)
    turn = np.deg2rad(degrees)
    near = 0.7 * exact @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    pixels = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(displayed(pixels, near), displayed(pixels, exact))


# --- the time that a film starts and ends at --------------------------------------------------


def with_sound(path: Path, starts: int, seconds: tuple[float, float]) -> Path:
    """Write a film of grey frames at 25/s that starts late, with sound of another length.

    Args:
        path: the suffix chooses the container.
        starts: seconds from 0.
        seconds: lengths of the pictures and of the sound; 0 for no sound.
    """
    codec = "flv" if path.suffix == ".flv" else "mpeg4"
    container: Any
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, width=WIDTH, height=HEIGHT)
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=44100) if seconds[1] else None
        for second in range(int(max(seconds))):
            for i in range(25 * (second < seconds[0])):
                frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), 99, np.uint8))
                frame.pts, frame.time_base = 25 * (starts + second) + i, Fraction(1, 25)
                container.mux(video.encode(frame.reformat(format="yuv420p")))
            if audio is not None and second < seconds[1]:
                sound = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), "fltp", "mono")
                sound.sample_rate, sound.pts = 44100, 44100 * (starts + second)
                container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None) if stream is not None else [])
    return path


def notes_of(path: Path) -> list[str]:
    """Read a film to its end, and return what was noticed."""
    film = open_film(path)
    for _ in film.pictures():
        pass
    return film.notes


@pytest.mark.parametrize("suffix", ["mkv", "nut", "wmv", "mp4", "mov", "ts", "mpg", "flv"])
@pytest.mark.parametrize("starts", [0, 2, 3600])
def test_a_whole_film_is_not_called_truncated_wherever_it_starts(
    suffix: str, starts: int, tmp_path: Path
) -> None:
    if suffix in ("mpg", "flv"):
        coding = Coding("mpeg2video" if suffix == "mpg" else "flv", options={})
    else:
        coding = Coding("mpeg4" if suffix == "wmv" else "libx264", options={})
    coding = replace(coding, pts=lambda i: i + 25 * starts)
    film = write_film(tmp_path / f"late.{suffix}", shots_of([40]), coding)
    assert notes_of(film) == []
    times = [picture.seconds for picture in open_film(film).pictures()]
    assert times == pytest.approx(np.arange(40) / 25, abs=2e-3)
    assert open_film(film).seconds == pytest.approx(1.6, abs=0.15)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "flv"])
@pytest.mark.parametrize("starts", [0, 10])
def test_sound_that_goes_on_longer_makes_no_truncated_film(
    suffix: str, starts: int, tmp_path: Path
) -> None:
    assert notes_of(with_sound(tmp_path / f"talk.{suffix}", starts, (3, 6))) == []


@pytest.mark.parametrize("starts", [0, 3600])
@pytest.mark.parametrize("sound", [0, 4])
def test_a_late_film_that_is_cut_short_is_still_called_truncated(
    starts: int, sound: int, tmp_path: Path
) -> None:
    whole = with_sound(tmp_path / "whole.mkv", starts, (4, sound)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    [note] = [note for note in notes_of(tmp_path / "cut.mkv") if "truncated" in note]
    assert "of 4.0 s, truncated: what decoded is used" in note


# --- high dynamic range -----------------------------------------------------------------------


def coded(light: float, transfer: str) -> int:
    """Return the 16-bit signal of a grey of so many cd/m², by ITU-R BT.2100."""
    if transfer == PQ:
        power = (light / 10000) ** (2610 / 16384)
        signal = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    else:
        scene = (light / 1000) ** (1 / 1.2)
        high = 0.17883277 * np.log(max(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        signal = np.sqrt(3 * scene) if scene <= 1 / 12 else high
    return round(65535 * signal)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_tones_are_kept_below_the_knee_and_compressed_above(transfer: str) -> None:
    lights = [0.0, 1.0, 10.0, 50.0, 100.0, 203.0, 400.0, 1000.0]
    ramp = np.array([[[coded(light, transfer)] * 3 for light in lights]], np.uint16)
    [shown] = to_sdr(ramp, transfer)[..., 1].astype(float)
    assert np.all(np.diff(shown) > 0)
    for light, level in list(zip(lights, shown, strict=True))[:4]:
        assert level == pytest.approx(255 * (light / SCREEN) ** (1 / 2.4), abs=1.5)
    assert shown[-1] == 255
    assert lights[-1] == MASTER
    assert 220 < shown[5] < 240  # the white of a page leaves room for highlights


def test_an_hdr_film_is_toned_down(tmp_path: Path) -> None:
    dim = [(0.6 * frame).astype(np.uint8) for frame in shots_of(LENGTHS)]
    film = write_film(tmp_path / "hdr.mkv", dim, replace(HEVC, transfer=16, primaries=9, matrix=9))
    result = extract(film, "--name", "hdr", "--out", tmp_path / "hdr", *FEW)
    assert result.exit_code == 0, result.stderr
    assert "it is HDR (PQ): toned down to SDR" in result.stderr
    for frame in manifest_of(tmp_path / "hdr")["frame"]:
        toned = to_sdr(dim[frame["ordinal"]], PQ)
        expected = cv2.resize(toned, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
        shown = pixels_of(tmp_path / "hdr" / frame["path"])
        assert np.abs(shown.astype(int) - expected).mean() < 5


# --- shots and splits -------------------------------------------------------------------------


def test_all_cuts_are_found_and_no_others(plain: Path) -> None:
    firsts: dict[int, int] = {}
    for frame in shots.by_shot(open_film(plain).pictures()):
        firsts.setdefault(frame.shot, frame.picture.ordinal)
    assert [first - shots.CUT_MARGIN for first in firsts.values()] == [0, *CUTS]


def test_a_fast_pan_and_a_shaking_camera_are_no_cuts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wide = cv2.resize(view(0, 0), (4 * WIDTH, 4 * HEIGHT))

    def moving() -> Iterator[np.ndarray]:
        for i in range(100):
            left = 5 * i + rng.integers(0, 12)
            top = 100 + rng.integers(0, 12)
            yield wide[top : top + HEIGHT, left : left + WIDTH].copy()

    film = write_film(tmp_path / "pan.mkv", moving())
    assert {frame.shot for frame in shots.by_shot(open_film(film).pictures())} == {0}


def test_splits_share_no_shot(panning: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    words = ("--per-film", "12", "--val", "2", "--test", "4")
    assert extract(panning, "--name", "set", "--out", out, *words).exit_code == 0
    splits = defaultdict(set)
    per_shot: dict[int, int] = defaultdict(int)
    for frame in manifest_of(out)["frame"]:
        number = read_number(pixels_of(out / frame["path"]))
        assert frame["shot"] == number // PANNED
        splits[number // PANNED].add(frame["path"].split("/")[0])
        per_shot[number // PANNED] += 1
    assert all(len(names) == 1 for names in splits.values())
    assert max(per_shot.values()) > 1  # else nothing was tried


def test_a_view_that_comes_back_stays_in_one_split(tmp_path: Path) -> None:
    """Six views, each shown in two shots far apart: the interviews of a film."""

    def film() -> Iterator[np.ndarray]:
        number = 0
        for shot in [*range(6), *range(6)]:
            for i in range(PANNED):
                later = (number > 6 * PANNED) * 0.2
                yield paint_number(view(shot, i / PANNED + later, pan=1.0), number)
                number += 1

    out = tmp_path / "set"
    path = write_film(tmp_path / "returns.mkv", film())
    words = ("--per-film", "6", "--val", "2", "--test", "2")
    result = extract(path, "--name", "set", "--out", out, *words)
    assert result.exit_code == 0, result.stderr
    assert "12 shots" in result.stderr
    splits = defaultdict(set)
    for frame in manifest_of(out)["frame"]:
        splits[frame["shot"] % 6].add(frame["path"].split("/")[0])
    assert all(len(names) == 1 for names in splits.values())


def test_no_two_frames_are_near_duplicates(panning: Path, tmp_path: Path) -> None:
    """Judged by a hash that the extraction does not use."""

    def difference_hash(pixels: np.ndarray) -> np.ndarray:
        grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (17, 16), interpolation=3)
        return grey[:, 1:] > grey[:, :-1]

    out = tmp_path / "set"
    assert extract(panning, "--name", "s", "--out", out, "--per-film", "12").exit_code == 2
    words = ("--per-film", "12", "--val", "2", "--test", "4")
    assert extract(panning, "--name", "s", "--out", out, *words).exit_code == 0
    hashes = [difference_hash(pixels_of(out / f["path"])) for f in manifest_of(out)["frame"]]
    for one, other in itertools.combinations(hashes, 2):
        assert np.count_nonzero(one != other) > 24


def test_films_share_the_frames_evenly_and_keep_their_groups(
    plain: Path, panning: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    words = ("--per-film", "4", "--val", "3", "--test", "4", "--group", f"reef={panning}")
    assert extract(plain, panning, "--name", "set", "--out", out, *words).exit_code == 0
    counts: dict[str, int] = defaultdict(int)
    for frame in manifest_of(out)["frame"]:
        counts["/".join(frame["path"].split("/")[:2])] += 1
    assert counts == {
        "train/plain": 4,
        "train/reef": 4,
        "val/plain": 2,
        "val/reef": 1,
        "test/plain": 2,
        "test/reef": 2,
    }
    assert {f["path"].split("/")[2].split("-")[0] for f in manifest_of(out)["frame"]} == {
        "plain",
        "panning",
    }


# --- what is left out -------------------------------------------------------------------------


def subtitled(picture: np.ndarray) -> np.ndarray:
    height = picture.shape[0]
    for line, row in (("The shoal turns as one, and", 0.82), ("the hunters lose their aim.", 0.92)):
        for colour, width in (((0, 0, 0), 5), ((250, 250, 250), 2)):
            place = 20, round(row * height)
            cv2.putText(picture, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour, width)
    return picture


def test_frames_that_are_no_good_are_dropped(tmp_path: Path) -> None:
    spoil = {
        "good": lambda p: p,
        "black": lambda p: (p * 0.1).astype(np.uint8),
        "flat": lambda p: np.full_like(p, 127) + (p > 250),
        "blurred": lambda p: cv2.GaussianBlur(p, (0, 0), 9),
        "text": subtitled,
    }
    kinds = [*spoil] * 3
    frames = (
        spoil[kind](cv2.resize(view(shot, i / 16), (2 * WIDTH, 2 * HEIGHT)))
        for shot, kind in enumerate(kinds)
        for i in range(16)
    )
    film = write_film(tmp_path / "film.mkv", frames, Coding(options=QUICK))
    out = tmp_path / "set"
    result = extract(
        film, "--name", "s", "--out", out, "--per-film", "2", "--val", "0", "--test", "0"
    )
    assert result.exit_code == 0, result.stderr
    assert {kinds[f["ordinal"] // 16] for f in manifest_of(out)["frame"]} == {"good"}
    for kind in ("black", "flat", "blurred", "text"):
        assert kind in result.stderr


def test_the_limits_pass_real_photographs(documentary_root: Path) -> None:
    photographs = [f.read() for f in open_dataset("documentary").frames("test")]
    faults = [judging.fault(p, judging.bars(p)) for p in photographs]
    assert sum(map(bool, faults)) <= 1
    soft = [judging.fault(cv2.GaussianBlur(p, (0, 0), 2), judging.Bars()) for p in photographs]
    assert soft.count("blurred") >= 19


def test_blur_is_the_measure_of_scikit_image(documentary_root: Path) -> None:
    from skimage.measure import blur_effect

    for frame in open_dataset("documentary").frames("val"):
        grey = cv2.cvtColor(frame.read(), cv2.COLOR_RGB2GRAY)
        assert judging.blur(grey) == pytest.approx(blur_effect(grey / 255), abs=1e-6)


@pytest.mark.parametrize(
    ("bars", "height", "width"), [((28, 28, 0, 0), 192, 192), ((0, 0, 40, 40), 128, 272)]
)
def test_black_bars_are_cropped(
    bars: tuple[int, int, int, int], height: int, width: int, tmp_path: Path
) -> None:
    top, bottom, left, right = bars
    frames = (
        cv2.copyMakeBorder(picture, *bars, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        for picture in shots_of(LENGTHS)
    )
    film = write_film(tmp_path / "wide.mp4", frames)
    out = tmp_path / "set"
    assert extract(film, "--name", "set", "--out", out, *FEW).exit_code == 0
    assert len({(f["height"], f["width"]) for f in manifest_of(out)["frame"]}) == 1
    for frame in manifest_of(out)["frame"]:
        pixels = pixels_of(out / frame["path"])
        lost_rows, lost_columns = HEIGHT // 2 - pixels.shape[0], WIDTH // 2 - pixels.shape[1]
        assert 0 <= lost_rows <= 8
        assert 0 <= lost_columns <= 8
        assert lost_rows == 0 or (top and bottom)
        assert lost_columns == 0 or (left and right)
        if lost_columns == 0:
            assert read_number(pixels, top=TOP - lost_rows) == frame["ordinal"]


def test_a_picture_that_is_dark_at_one_side_has_no_bars(documentary_root: Path) -> None:
    for frame in open_dataset("documentary").frames("val"):
        picture = frame.read()
        assert judging.bars(picture) == judging.Bars()
        picture[-40:] //= 16
        assert judging.bars(picture) == judging.Bars()


def test_frames_can_be_kept_whole_or_shrunk(plain: Path, tmp_path: Path) -> None:
    words = ("--name", "set", *FEW)
    assert extract(plain, "--out", tmp_path / "a", "--full-size", *words).exit_code == 0
    for frame in manifest_of(tmp_path / "a")["frame"]:
        assert (frame["height"], frame["width"]) == (HEIGHT, WIDTH)
        assert read_number(pixels_of(tmp_path / "a" / frame["path"]), scale=1) == frame["ordinal"]
    assert extract(plain, "--out", tmp_path / "b", "--max-side", "72", *words).exit_code == 0
    assert {(f["height"], f["width"]) for f in manifest_of(tmp_path / "b")["frame"]} == {(48, 72)}


# --- repeated, interrupted, damaged -----------------------------------------------------------


@pytest.fixture(scope="session")
def whole(plain: Path, panning: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a data set of both films was made."""
    folder = tmp_path_factory.mktemp("whole")
    assert extract(plain, panning, "--name", "set", "--out", folder / "set", *FEW).exit_code == 0
    return folder


def test_the_same_films_and_options_give_the_same_bytes(
    plain: Path, panning: Path, whole: Path, tmp_path: Path
) -> None:
    assert extract(plain, panning, "--name", "set", "--out", tmp_path / "set", *FEW).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["set"]  # no work folder is left
    assert content_of(tmp_path) == content_of(whole)


def test_a_killed_extraction_leaves_nothing_half_and_goes_on(
    plain: Path, panning: Path, whole: Path, tmp_path: Path
) -> None:
    words = ["data", "extract", str(plain), str(panning), "--name", "set", *FEW]
    command = Path(sys.executable).with_name("bench")
    for done in ("*/*.png", "*/survey.json"):  # in the first film, and in the second
        process = subprocess.Popen([command, *words], cwd=tmp_path, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(tmp_path.glob(f".set.extraction/{done}")):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert [path.name for path in tmp_path.iterdir()] == [".set.extraction"]
    out = tmp_path / "set"
    assert extract(plain, panning, "--name", "set", "--out", out, *FEW).exit_code == 0
    assert content_of(tmp_path) == content_of(whole)


def test_films_gone_through_are_not_gone_through_again(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too much is asked for at first; the second command needs no decoder."""
    words = ("--name", "set", "--out", tmp_path / "set")
    refusal = extract(plain, *words)
    assert refusal.exit_code == 2
    assert "gone through need not be again" in refusal.stderr
    monkeypatch.setattr("denoisebench.datasets.film.pyav.PyavFilm.pictures", None)
    assert extract(plain, *words, *FEW).exit_code == 0


def test_a_film_whose_candidates_are_lost_is_gone_through_again(
    plain: Path, tmp_path: Path
) -> None:
    """As after a loss of power, when files may be there and empty."""
    words = ("--name", "set", "--out", tmp_path / "set")
    assert extract(plain, *words).exit_code == 2
    for candidate in tmp_path.glob(".set.extraction/*/*.png"):
        candidate.write_bytes(b"")
    assert extract(plain, *words, *FEW).exit_code == 0


def test_a_second_extraction_into_the_same_folder_waits_outside(
    plain: Path, tmp_path: Path
) -> None:
    import filelock

    (tmp_path / ".set.extraction").mkdir()
    with filelock.FileLock(tmp_path / ".set.extraction" / "run.lock"):
        result = extract(plain, "--name", "set", "--out", tmp_path / "set", *FEW)
    assert result.exit_code == 2
    assert "another extraction is at work in" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs ulimit")
def test_a_full_disk_is_told_and_nothing_is_lost(plain: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("bench")
    out = tmp_path / "set"
    words = f"{command} data extract {plain} --name set --out {out} {' '.join(FEW)}"
    # Python would cut its compiled modules short, too, and fail on them from then on.
    limits = "export PYTHONDONTWRITEBYTECODE=1; ulimit -f 6"
    full = subprocess.run(
        ["bash", "-c", f"{limits}; {words}"], capture_output=True, text=True, check=False
    )
    assert full.returncode == 2
    assert len(full.stderr.splitlines()) == 1
    assert "cannot write" in full.stderr
    assert list(tmp_path.iterdir()) == []
    assert extract(plain, "--name", "set", "--out", out, *FEW).exit_code == 0


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_of_a_truncated_film_what_decoded_is_used(suffix: str, tmp_path: Path) -> None:
    whole = write_film(tmp_path / f"w.{suffix}", shots_of(LENGTHS), Coding(options=OPEN_GOP))
    data = whole.read_bytes()
    film = tmp_path / f"cut.{suffix}"
    film.write_bytes(data[: len(data) * 2 // 3])
    out = tmp_path / "set"
    result = extract(
        film, "--name", "set", "--out", out, "--per-film", "3", "--val", "1", "--test", "1"
    )
    assert result.exit_code == 0, result.stderr
    if suffix == "mkv":  # a transport stream does not say how long it is
        assert "truncated: what decoded is used" in result.stderr
    manifest = manifest_of(out)
    assert 75 < manifest["film"][0]["frames"] < sum(LENGTHS)
    for frame in manifest["frame"]:
        assert read_number(pixels_of(out / frame["path"])) == frame["ordinal"]


def test_damaged_frames_are_left_out(tmp_path: Path) -> None:
    params = "keyint=15:scenecut=0:bframes=2"
    options = {"crf": "12", "preset": "superfast", "x264-params": params}
    film = write_film(tmp_path / "film.mkv", shots_of(LENGTHS), Coding(options=options))
    data = bytearray(film.read_bytes())
    for place in np.random.default_rng(3).integers(4000, len(data) - 4000, 4):
        data[place] ^= 0x5A
    film.write_bytes(data)
    out = tmp_path / "set"
    result = extract(
        film, "--name", "s", "--out", out, "--per-film", "3", "--val", "1", "--test", "1"
    )
    assert result.exit_code == 0, result.stderr
    assert "it is damaged" in result.stderr
    for frame in manifest_of(out)["frame"]:
        number = read_number(pixels_of(out / frame["path"]))
        assert frame["seconds"] == pytest.approx(number / 25, abs=2e-3)


# --- bad input --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bad(films: Path, plain: Path) -> Path:
    """Return a folder of files that are no films."""
    folder = films / "bad"
    folder.mkdir()
    with av.open(str(folder / "song.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        cover = container.add_stream("mjpeg", rate=1, width=WIDTH, height=HEIGHT)
        cover.pix_fmt, cover.disposition = "yuvj420p", av.stream.Disposition.attached_pic
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(cover.encode(av.VideoFrame.from_ndarray(view(0, 0))))
        for track, frame in ((stream, sound), (cover, None), (stream, None)):
            container.mux(track.encode(frame))
    Image.fromarray(view(0, 0)).save(folder / "photo.png")
    Image.fromarray(view(0, 0)).save(folder / "photo.jpg")
    (folder / "notes.txt").write_text("not a film at all\n" * 50)
    (folder / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:5,\n{plain}\n#EXT-X-ENDLIST\n")
    (folder / "empty.mp4").touch()
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    (folder / "cut.mp4").write_bytes(plain.read_bytes()[:50_000])
    (folder / "unknown.mp4").write_bytes(plain.read_bytes().replace(b"avc1", b"zzz9"))
    (folder / "folder.mp4").mkdir()
    tiny = (picture[:96, :96] for picture in shots_of(LENGTHS))
    write_film(folder / "tiny.mp4", tiny)
    write_film(folder / "night.mp4", (np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(100)))
    return folder


@pytest.mark.parametrize(
    ("name", "reason"),
    {
        "song.m4a": "it holds audio only, no moving pictures",
        "photo.png": "it is no film",
        "photo.jpg": "it is no film",
        "notes.txt": "it is no film",
        "list.m3u8": "it is no film",
        "empty.mp4": "the file is empty",
        "noise.mp4": "it is no film, or too damaged",
        "cut.mp4": "cut short before its index",
        "unknown.mp4": "no decoder for its pictures",
        "night.mp4": "0 frames to choose from (dropped: 4 black); leave it out",
        "folder.mp4": "is no regular file",
        "nowhere.mp4": "does not exist",
        "x" * 300 + ".mp4": "does not exist",
        "tiny.mp4": "48×48 pixels, too few",
    }.items(),
)
def test_what_is_no_film_is_one_line_and_code_2(
    name: str, reason: str, bad: Path, tmp_path: Path
) -> None:
    result = extract(bad / name, "--name", "set", "--out", tmp_path / "set", *FEW)
    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"bench: {bad / name}: ")
    assert reason in line
    assert name == "night.mp4" or not list(tmp_path.iterdir())


def test_frames_larger_than_8k_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    still = np.zeros((4400, 8200, 3), np.uint8)
    film = write_film(tmp_path / "huge.mkv", [still], Coding("mjpeg", "yuvj420p", {}))
    with pytest.raises(FilmError, match="8200×4400 pixels, more than 8K"):
        open_film(film)


def test_a_film_too_short_for_what_is_asked_says_what_it_yields(
    plain: Path, tmp_path: Path
) -> None:
    result = extract(plain, "--name", "set", "--out", tmp_path / "set")
    assert result.exit_code == 2
    assert "50 train, 10 val, 20 test frames are asked for; it has" in result.stderr
    assert "ask for fewer with --per-film, --val or --test" in result.stderr
    many = extract(plain, "--name", "set", "--out", tmp_path / "set", "--per-film", "1000000")
    assert many.exit_code == 2
    assert "1000000 train, 10 val, 20 test frames are asked for; it has" in many.stderr


def test_one_shot_cannot_serve_two_splits(tmp_path: Path) -> None:
    film = write_film(tmp_path / "take.mkv", shots_of([200], pan=2.0))
    words = ("--name", "set", "--out", tmp_path / "set", "--val", "0")
    refusal = extract(film, *words, "--per-film", "2", "--test", "1")
    assert refusal.exit_code == 2
    assert "8.0 s, 1 shot;" in refusal.stderr
    assert "0 test" in refusal.stderr
    assert extract(film, *words, "--per-film", "2", "--test", "0").exit_code == 0


def test_names_that_clash_are_refused(plain: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Film.mp4").write_bytes(plain.read_bytes())
    one, two = tmp_path / "a" / "Film.mp4", tmp_path / "b" / "Film.mp4"
    words = ("--name", "set", "--out", tmp_path / "set", *FEW)
    clash = extract(one, two, *words)
    assert clash.exit_code == 2
    assert f"tell them apart by groups: --group one={one}" in clash.stderr
    same = extract(one, two, *words, "--group", f"x={one}", "--group", f"y={two}")
    assert same.exit_code == 2
    assert "are the same film; leave one out" in same.stderr


def test_one_film_by_two_paths_is_one_film(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(plain)
    around = plain.parent / ".." / plain.parent.name / plain.name
    groups = ("--group", f"reef={around}", "--group", f"reef={tmp_path / 'link.mp4'}")
    result = extract(plain, "--name", "set", "--out", tmp_path / "set", *groups, *FEW)
    assert result.exit_code == 0, result.stderr
    [film] = manifest_of(tmp_path / "set")["film"]
    assert (film["file"], film["group"]) == ("plain.mp4", "reef")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["FILM", "--name", "../up"], "cannot name a data set"),
        (["FILM", "--name", ".."], "cannot name a data set"),
        (["FILM", "--name", ""], "cannot name a data set"),
        (["FILM", "--name", "n" * 61], "cannot name a data set"),
        (["FILM", "--name", "a", "--group", "x/y=FILM"], "cannot name a group"),
        (["FILM", "--name", "a", "--group", "marine"], "write it as NAME=FILM"),
        (["--name", "a"], "no film is given"),
        (
            ["FILM", "--name", "a", "--group", "x=FILM", "--group", "y=FILM"],
            "is in group x already",
        ),
        (
            ["FILM", "--name", "a", "--per-film", "0", "--val", "0", "--test", "0"],
            "no frame is asked",
        ),
    ],
)
def test_requests_that_make_no_sense_are_one_line(
    words: list[str], reason: str, plain: Path, tmp_path: Path
) -> None:
    filled = [word.replace("FILM", str(plain)) for word in words]
    result = extract(*filled, "--out", tmp_path / "set")
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert reason in line


def test_what_exists_is_not_touched(plain: Path, tmp_path: Path) -> None:
    """Not even an empty folder: it may be a mount point or a link, and could not be replaced."""
    empty, link = tmp_path / "empty", tmp_path / "link"
    empty.mkdir()
    link.symlink_to("nowhere")
    for out in (empty, link):
        result = extract(plain, "--name", "set", "--out", out, *FEW)
        assert result.exit_code == 2
        assert f"{out} exists; remove it, or choose another --out" in result.stderr
    assert sorted(tmp_path.iterdir()) == [empty, link]


def test_a_folder_that_cannot_be_made_is_told(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = extract(plain, "--name", "set", "--out", tmp_path / "file" / "set", *FEW)
    assert result.exit_code == 2
    assert "cannot make the folder" in result.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_folder_is_told(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "fixed").mkdir(mode=0o500)
    result = extract(plain, "--name", "set", "--out", tmp_path / "fixed" / "set", *FEW)
    assert result.exit_code == 2
    assert "Permission denied" in result.stderr


def test_names_in_any_script(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "дно океана"
    folder.mkdir()
    film = folder / "Küste & Riff 鯨 हिन्दी.mp4"
    film.write_bytes(plain.read_bytes())
    out = folder / "фильм"
    result = extract(film, "--name", "фильм", "--out", out, *FEW)
    assert result.exit_code == 0, result.stderr
    assert (out / "train" / "Küste-Riff-鯨-हिन्दी").is_dir()
    assert result.stdout == f"bench run --dataset 'manifest:{out}/manifest.toml'\n"
    assert len(open_dataset(f"manifest:{out}/manifest.toml").frames("train")) == 5


def test_a_film_of_the_longest_name(plain: Path, tmp_path: Path) -> None:
    film = tmp_path / f"{'鯨' * 83}.mp4"
    film.write_bytes(plain.read_bytes())
    result = extract(film, "--name", "set", "--out", tmp_path / "set", *FEW)
    assert result.exit_code == 0, result.stderr


def test_what_takes_long_shows_signs_of_life_whatever_the_name(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("denoisebench.cli.extract._HEARTBEAT_S", -1)
    monkeypatch.setattr("denoisebench.datasets.film.extraction.LONG_READ", 0)
    film = tmp_path / "{0}{reef}.mp4"
    film.write_bytes(plain.read_bytes())
    result = extract(film, "--name", "set", "--out", tmp_path / "set", *FEW)
    assert result.exit_code == 0, result.stderr
    assert "Taking the digests of 0 GB of film" in result.stderr
    assert f"{film}: 0:04 of 0:08" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_a_film_whose_name_is_no_text(plain: Path, tmp_path: Path) -> None:
    film = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    film.write_bytes(plain.read_bytes())
    result = extract(film, "--name", "set", "--out", tmp_path / "set", *FEW)
    assert result.exit_code == 0
    assert manifest_of(tmp_path / "set")["film"][0]["file"] == "caf\ufffd.mp4"


# --- without PyAV -----------------------------------------------------------------------------


def test_opencv_steps_in_and_says_so(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "denoisebench.datasets.film.pyav", raising=False)
    out = tmp_path / "set"
    with caplog.at_level(logging.WARNING, "denoisebench"):
        assert extract(plain, "--name", "set", "--out", out, *FEW).exit_code == 0
    assert "is read by OpenCV" in caplog.text
    assert "pip install 'denoisebench[video]'" in caplog.text
    manifest = manifest_of(out)
    assert manifest["film"][0]["decoder"].startswith("OpenCV")
    for frame in manifest["frame"]:
        assert read_number(pixels_of(out / frame["path"])) == frame["ordinal"]
    (tmp_path / "notes.txt").write_text("no film")
    refusal = extract(tmp_path / "notes.txt", "--name", "s", "--out", tmp_path / "s", *FEW)
    assert refusal.exit_code == 2
    assert "OpenCV finds no moving pictures in it" in refusal.stderr


@pytest.mark.parametrize("name", ["late.mkv", "film.mpg", "film.h264"])
def test_opencv_gives_each_frame_its_time_and_makes_up_no_truncation(
    name: str, tmp_path: Path
) -> None:
    coding = Coding("mpeg2video" if name == "film.mpg" else "libx264", options={})
    late = replace(coding, pts=lambda i: i + 90000 * (name == "late.mkv"))
    film = OpencvFilm(write_film(tmp_path / name, shots_of([40]), late))
    times = [picture.seconds for picture in film.pictures()]
    assert times == pytest.approx(np.arange(40) / 25, abs=2e-3)
    assert film.notes == []


# --- what it shows ----------------------------------------------------------------------------


def test_the_data_set_is_ready_to_run(bench: Bench, plain: Path, tmp_path: Path) -> None:
    result = bench("data", "extract", plain, "--name", "set", *FEW)
    assert result.returncode == 0
    assert result.stdout == "bench run --dataset manifest:set/manifest.toml\n"
    assert "8.8 s, 12 shots" in result.stderr
    for split, rows in (("train", 1), ("val", 1), ("test", 1)):
        sheet = Image.open(tmp_path / "set" / f"contact-{split}.png")
        assert sheet.height >= rows * HEIGHT // 2
    words = result.stdout.split()[1:]
    table = bench(*words, "--methods", "noisy", "--sigma", "25", "--out", "run")
    assert table.returncode == 0, table.stderr
    assert "set: frames of 1 film (plain), halved" in table.stdout


# --- numerics ---------------------------------------------------------------------------------


def candidate(ordinal: int, sharpness: float, seed: int) -> Candidate:
    rng = np.random.default_rng(seed)
    return Candidate(
        ordinal,
        ordinal / 25,
        0,
        0,
        sharpness,
        rng.integers(-60, 60, VIEW).astype(np.int8),
        rng.integers(0, 256, (18, 32, 3), dtype=np.uint8),
    )


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), max_size=25), st.integers(1, 6))
def test_a_pool_is_bounded_has_no_twins_and_tells_who_goes(
    offers: list[tuple[int, int]], capacity: int
) -> None:
    pool = Pool(capacity)
    present: dict[int, int] = {}  # by ordinal, which picture
    for ordinal, (picture, sharpness) in enumerate(offers):
        gone = pool.offer(candidate(ordinal, sharpness, picture))
        present[ordinal] = picture
        for one in gone:
            del present[one.ordinal]
        assert {one.ordinal for one in pool.candidates} == set(present)
        assert len(present) <= capacity
        assert len(set(present.values())) == len(present)


@given(st.integers(1, 12), st.integers(0, 99))
def test_farthest_first_takes_the_one_farthest_from_all_taken(count: int, seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 4, (12, 3), dtype=np.uint8)
    order = farthest_first(points[:, None, None], count)
    assert len(set(order)) == count
    wide = points.astype(int)
    apart = ((wide[:, None] - wide) ** 2).sum(axis=2)
    for step in range(1, count):
        reach = apart[:, order[:step]].min(axis=1)
        rest = [i for i in range(12) if i not in order[:step]]
        assert reach[order[step]] == max(reach[i] for i in rest)


def test_a_panned_picture_is_known_and_another_is_not(documentary_root: Path) -> None:
    pictures = [frame.read() for frame in open_dataset("documentary").frames("test")]
    for number, picture in enumerate(pictures):
        views = Views()
        step = picture.shape[1] // 10
        views.add(view_of(picture[:, step:]))
        assert views.alike(view_of(picture[:, :-step])).tolist() == [0]
        assert not any(views.alike(view_of(p)).size for p in pictures[number + 1 :])


@given(st.lists(st.floats(0, 100), min_size=5, max_size=5))
def test_a_cut_stands_out(changes: list[float]) -> None:
    others = [*changes[:2], *changes[3:]]
    if shots.is_cut(changes):
        assert changes[2] >= max(6, 3 * np.mean(others) - 1e-9)
    assert shots.is_cut([*changes[:2], 3 * sum(others) + 6, *changes[3:]])


assert BLOCK * 12 == WIDTH  # the strip fills the width
