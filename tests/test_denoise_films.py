"""``bench denoise`` on films made here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'denoisebench[video]'")

from films import HEIGHT, WIDTH, Coding, view, write_film  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Bench

FRAMES = 12


def noisy_frames() -> Iterator[np.ndarray]:
    noise = np.random.default_rng(0)
    for number in range(FRAMES):
        pixels = view(1, number / FRAMES) + noise.normal(0, 20, (HEIGHT, WIDTH, 3))
        yield np.clip(pixels, 0, 255).round().astype(np.uint8)


def decoded(path: Path) -> tuple[Any, list[Any]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        facts = stream.codec_context.name, stream.codec_context.pix_fmt, stream.average_rate
        return facts, list(container.decode(stream))


def times(frames: list[Any]) -> list[float]:
    return [float(frame.pts * frame.time_base) for frame in frames]


CODINGS = {
    "plain.mp4": Coding(),
    "uneven.mkv": Coding(pts=lambda i: i * (i + 3)),
    "deep.mkv": Coding(
        codec="libx265", pixels="yuv420p10le", options={"x265-params": "log-level=0"}
    ),
    "turned.mp4": Coding(rotation=90),
    "old.avi": Coding(codec="mpeg4", options={"qmax": "3"}),
}


@pytest.mark.parametrize("name", CODINGS)
def test_codec_times_colours_and_rotation_of_a_film_are_kept(
    ask: Bench, tmp_path: Path, name: str
) -> None:
    write_film(tmp_path / name, noisy_frames(), CODINGS[name])
    result = ask("denoise", name, "--method", "dct", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert f"{name}: {FRAMES} frames, {WIDTH}×{HEIGHT}; sigma " in result.stderr
    (facts, before), (facts_after, after) = map(decoded, (tmp_path / name, tmp_path / "out" / name))
    assert facts_after == facts
    assert times(after) == times(before)
    assert after[0].rotation == before[0].rotation
    was, now = (frames[5].to_ndarray(format="rgb24").astype(float) for frames in (before, after))
    clean = view(1, 5 / FRAMES)
    assert np.abs((now - was).mean((0, 1))).max() < 0.6
    assert ((now - clean) ** 2).mean() < 0.7 * ((was - clean) ** 2).mean()


def test_sound_and_title_are_kept(ask: Bench, tmp_path: Path) -> None:
    write_film(tmp_path / "silent.mp4", noisy_frames())
    with (
        av.open(str(tmp_path / "silent.mp4")) as source,
        av.open(str(tmp_path / "film.mp4"), "w") as container,
    ):
        container.metadata["title"] = "Reef"
        video = container.add_stream_from_template(template=source.streams.video[0])
        sound = container.add_stream("aac", rate=44100, layout="mono")
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
        wave = np.sin(np.arange(22050, dtype=np.float32) / 10)[np.newaxis]
        tone = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        tone.rate, tone.pts = 44100, 0
        container.mux(sound.encode(tone))
        container.mux(sound.encode(None))
    assert ask("denoise", "film.mp4", "--method", "median").returncode == 0
    packets = []
    for name in ("film.mp4", "film-denoised.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert container.metadata["title"] == "Reef"
            packets.append([bytes(packet) for packet in container.demux(audio=0)])
    assert packets[0] == packets[1]


def test_without_pyav_a_film_is_refused_by_a_clear_line(
    ask: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_film(tmp_path / "film.mp4", noisy_frames())
    monkeypatch.setitem(sys.modules, "av", None)
    result = ask("denoise", "film.mp4", "--method", "median")
    assert result.returncode == 3
    assert "film.mp4: failed: a film: pip install 'denoisebench[video]' (PyAV)" in result.stderr


def test_what_is_no_film_or_cut_is_named(ask: Bench, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    whole = write_film(tmp_path / "whole.mp4", noisy_frames()).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[:2000])
    result = ask(
        "denoise", "text.mp4", "cut.mp4", "whole.mp4", "--method", "median", "--out", "out"
    )
    assert result.returncode == 3
    assert "text.mp4: failed: it cannot be read" in result.stderr
    assert "cut.mp4: failed: " in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole.mp4"]
