"""Films, denoised frame by frame: codec, times, sound and colours are kept."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.datasets.base import DataError
from denoisebench.photos.estimating import NoiseEstimate, blocks_of, estimate_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

FILM_FORMATS = {
    **dict.fromkeys((".mp4", ".m4v"), "mp4"),
    **dict.fromkeys((".ts", ".mts", ".m2ts"), "mpegts"),
    **dict.fromkeys((".mpg", ".mpeg"), "mpeg"),
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".wmv": "asf",
}
"""FFmpeg's names of containers, by the suffixes that a film is known by."""

_SAMPLED = 8  # frames of which the noise is estimated
_QUALITY = {
    "libx264": {"crf": "16", "preset": "medium"},
    "libx265": {"crf": "18", "preset": "medium", "x265-params": "log-level=error"},
    "libvpx-vp9": {"crf": "20", "b": "0"},
    "libsvtav1": {"crf": "20"},
}
"""Options of encoders at which their loss is hardly seen; others get twice the film's bit rate."""
_WHITE = 65535
_LIKE = ("color_range", "color_primaries", "color_trc", "colorspace")


def sample_film(path: Path) -> tuple[NoiseEstimate, list[np.ndarray]]:
    """Estimate the noise of a film from key frames, spread over all of it.

    Returns:
        The estimate, and the frames, uint16 (H, W, 3).

    Raises:
        DataError: PyAV is not installed, or the film cannot be read.
    """
    kept: list[np.ndarray] = []
    stride = 1
    with _opened(path) as (container, stream):
        stream.codec_context.skip_frame = "NONKEY"
        for number, frame in enumerate(container.decode(stream)):
            if number % stride == 0:
                kept.append(_pixels(frame))
            if len(kept) > _SAMPLED:
                kept, stride = kept[::2], 2 * stride
    blocks = (blocks_of(pixels.shape, _reader(pixels)) for pixels in kept)
    return estimate_noise(chain.from_iterable(blocks)), kept


def _reader(pixels: np.ndarray) -> Callable[[slice, slice], np.ndarray]:
    return lambda rows, columns: floats_of(pixels[rows, columns])


def floats_of(pixels: np.ndarray) -> np.ndarray:
    """Return 16-bit pixels as float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(_WHITE)


def denoise_film(
    path: Path,
    target: IO[bytes],
    denoise: Callable[[np.ndarray], np.ndarray],
    progress: Callable[[int, int], None],
) -> int:
    """Denoise each frame of a film, and copy its other streams as they are.

    Args:
        path: the film.
        target: file for the result.
        denoise: denoises a frame, float32 (H, W, 3) in [0, 1].
        progress: is told the number of frames that are done, and of all, roughly.

    Returns:
        The number of frames.

    Raises:
        DataError: the film cannot be read, or not be written in its codec.
    """
    import av

    done = 0
    with _opened(path) as (source, video):
        total = video.frames or round(
            float((video.duration or 0) * video.time_base * (video.average_rate or 25))
        )
        container: Any = av.open(target, "w", format=FILM_FORMATS[path.suffix.lower()])
        with container:
            container.metadata.update(source.metadata)
            encoder = _like(container, video)
            copies = _copied_streams(container, source)
            for packet in source.demux([video, *copies]):
                if packet.stream in copies:
                    if packet.dts is not None:
                        packet.stream = copies[packet.stream]
                        container.mux(packet)
                    continue
                for frame in packet.decode():
                    if done == 0 and frame.rotation:
                        encoder.set_display_rotation(frame.rotation)
                    container.mux(encoder.encode(_denoised(frame, denoise)))
                    done += 1
                    progress(done, max(done, total))
            container.mux(encoder.encode(None))
    return done


def _opened(path: Path) -> Any:
    """Open a film and its moving pictures; PyAV's errors become lines.

    Raises:
        DataError: on entering, see `sample_film`; inside, the film is damaged.
    """
    from contextlib import contextmanager

    try:
        import av
    except ImportError:
        raise DataError("a film: pip install 'denoisebench[video]' (PyAV)") from None

    @contextmanager
    def opened() -> Iterator[tuple[Any, Any]]:
        try:
            with path.open("rb") as file, av.open(file, metadata_errors="ignore") as container:
                if not container.streams.video:
                    raise DataError("holds no moving pictures")
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                yield container, stream
        except (av.error.FFmpegError, ValueError) as error:
            raise DataError(f"it cannot be read, or not be coded again ({error})") from None

    return opened()


def _like(container: Any, video: Any) -> Any:
    """Add a stream that is coded like another one."""
    import av

    context = video.codec_context
    try:
        encoder = av.codec.Codec(context.codec.canonical_name, "w").name
    except (av.codec.codec.UnknownCodecError, AttributeError):
        raise DataError(
            f"there is no encoder for its codec, {context.name}; convert it first"
        ) from None
    stream = container.add_stream(
        encoder, rate=video.average_rate or 25, options=_QUALITY.get(encoder, {})
    )
    stream.width, stream.height, stream.pix_fmt = context.width, context.height, context.pix_fmt
    stream.time_base = stream.codec_context.time_base = video.time_base
    if context.sample_aspect_ratio:
        stream.codec_context.sample_aspect_ratio = context.sample_aspect_ratio
    for name in _LIKE:
        setattr(stream.codec_context, name, getattr(context, name))
    if encoder not in _QUALITY and context.bit_rate:
        stream.codec_context.bit_rate = 2 * context.bit_rate
    stream.metadata.update(video.metadata)
    return stream


def _copied_streams(container: Any, source: Any) -> dict[Any, Any]:
    """Add the streams of sound and subtitles; return them by those of the source."""
    others = [stream for stream in source.streams if stream.type in ("audio", "subtitle")]
    return {stream: container.add_stream_from_template(template=stream) for stream in others}


def _denoised(frame: Any, denoise: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Return a denoised frame, of the same format and time."""
    import av

    from denoisebench.datasets.film.pyav_picture import EXACT_COLOURS, colour_matrix

    estimate = np.clip(denoise(floats_of(_pixels(frame))), 0, 1)
    pixels = np.floor(estimate * np.float32(_WHITE) + np.float32(0.5)).astype(np.uint16)
    coded = av.VideoFrame.from_ndarray(pixels, format="rgb48le").reformat(
        format=frame.format.name,
        src_color_range="JPEG",
        dst_colorspace=colour_matrix(frame),
        dst_color_range=_range(frame),
        interpolation=EXACT_COLOURS,
    )
    coded.pts, coded.time_base = frame.pts, frame.time_base
    for name in _LIKE:
        setattr(coded, name, getattr(frame, name))
    return coded


def _pixels(frame: Any) -> np.ndarray:
    """Return a frame's pixels as they are coded, not turned: uint16 (H, W, 3).

    Raises:
        DataError: it is interlaced, has alpha, or colours of an unknown matrix.
    """
    from denoisebench.datasets.film.pyav_picture import EXACT_COLOURS, colour_matrix, converts

    if frame.interlaced_frame:
        raise DataError("it is interlaced; deinterlace it first")
    if any(component.is_alpha for component in frame.format.components):
        raise DataError("its frames have alpha, which would be lost")
    if not converts(frame.colorspace):
        raise DataError(
            "its colours are coded in a way that is not supported; convert it to BT.709"
        )
    converted = frame.reformat(
        format="rgb48le",
        src_colorspace=colour_matrix(frame),
        src_color_range=_range(frame),
        dst_color_range="JPEG",
        interpolation=EXACT_COLOURS,
    )
    pixels: np.ndarray = converted.to_ndarray()
    return pixels


def _range(frame: Any) -> str:
    full = frame.color_range == 2 or frame.format.name.startswith(("yuvj", "rgb", "gbr", "bgr"))
    return "JPEG" if full else "MPEG"
