"""Films as PyAV reads them.

Decoding is in order and never seeks: a seek by number lands on other frames where the frame rate
varies, and in transport streams. A damaged frame spoils those that are predicted from it, and
decoders do not flag them; so everything from the key frame before a damage to the one after it is
counted and left out.
"""

from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from denoisebench.datasets.film.reading import (
    SCAN_LINES,
    THUMBNAIL,
    FilmError,
    no_film,
    refuse_size,
)
from denoisebench.datasets.film.tone import HLG, PQ, to_sdr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOT_FILMS = ("tty", "image2", "hls", "dash", "concat", "lrc", "srt", "webvtt", "ass")
_STILLS = "_pipe"  # ends the names of FFmpeg's readers of single images
_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_SHRINK = Interpolation.AREA | _EXACT
_CONVERT = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | _EXACT
_HD_LINES = 576  # above them, an untagged film is taken to have the colours of HD
# AVColorSpace, ITU-T H.273: those that swscale converts
_UNSPECIFIED, _RGB = 2, 0
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
_TRANSFERS = {16: PQ, 18: HLG}
_EARLY = 0.5  # seconds by which a film may end before its time without being called truncated


class PyavFilm:
    """A film file, see `Film`.

    Args:
        path: of an existing file.

    Raises:
        FilmError: it is no film, or one that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.decoder = f"PyAV {av.__version__}, libavcodec {_version('libavcodec')}"
        self.damaged: set[int] = set()
        self.notes: list[str] = []
        self._converters = _Converters()
        with self._opened() as (container, stream):
            refuse_size(path, stream.codec_context.height, stream.codec_context.width)
            self.codec: str = stream.codec_context.name
            self.seconds = _declared_seconds(container, stream)
            self._base: Fraction = stream.time_base or Fraction(1, 1)
            self._rate = float(stream.average_rate or 25)

    def pictures(self) -> Iterator[AvPicture]:
        """Its frames in order of presentation; those that damage made useless are counted only.

        Raises:
            FilmError: it holds what cannot be made a frame.
        """
        group, whole = 0, True
        ordinal, seconds = -1, 0.0
        start: float | None = None
        fields = 0
        with self._opened() as (container, stream):
            for frame in _frames(container, stream):
                if frame is None:
                    self.damaged.add(group)
                    whole = False
                    continue
                ordinal += 1
                if frame.is_corrupt:
                    self.damaged.add(group)
                    whole = False
                    continue
                if frame.key_frame:
                    group += 1
                    whole = True
                seconds = self._seconds(frame, ordinal)
                start = seconds if start is None else start
                if whole:
                    fields += bool(frame.interlaced_frame)
                    yield self._picture(frame, ordinal, max(0.0, seconds - start), group)
        self._take_notes(seconds - (start or 0.0), fields)

    def _picture(self, frame: Any, ordinal: int, seconds: float, group: int) -> AvPicture:
        refuse_size(self.path, frame.height, frame.width)
        matrix = frame.colorspace
        if matrix not in (_UNSPECIFIED, _RGB) and matrix not in _MATRICES:
            raise FilmError(
                f"{self.path}: its colours are coded in a way that is not supported "
                f"(matrix {matrix} of ITU-T H.273; Dolby Vision profile 5, perhaps); "
                "convert the film to BT.709 first"
            )
        return AvPicture(frame, ordinal, seconds, group, self._converters)

    def _seconds(self, frame: Any, ordinal: int) -> float:
        if frame.pts is not None:
            seconds: float = float(frame.pts * self._base)
            return seconds
        return ordinal / self._rate

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """The container and the stream of moving pictures."""
        try:
            # A file object: names need no encoding, and playlists open nothing else.
            file = self.path.open("rb")
            container: Any = av.open(file, metadata_errors="ignore")
        except (OSError, ValueError) as error:
            raise no_film(self.path, _why_unreadable(self.path, error)) from error
        with file, container:
            stream = self._video_stream(container)
            stream.thread_type = "AUTO"
            yield container, stream

    def _video_stream(self, container: Any) -> Any:
        name = container.format.name
        if name.endswith(_STILLS) or any(word in _NOT_FILMS for word in name.split(",")):
            raise no_film(self.path, "it is no film")
        moving = [
            stream
            for stream in container.streams.video
            if not stream.disposition & av.stream.Disposition.attached_pic
        ]
        if not moving:
            kinds = sorted({stream.type for stream in container.streams})
            only = f"it holds {' and '.join(kinds)} only" if kinds else "it holds nothing"
            raise no_film(self.path, f"{only}, no moving pictures")
        best = container.streams.best("video")
        return best if best in moving else moving[0]

    def _take_notes(self, last: float, fields: int) -> None:
        if self.seconds - last > _EARLY + 1 / self._rate:
            self.notes.append(
                f"it ends after {last:.1f} of {self.seconds:.1f} s, truncated: what decoded is used"
            )
        if self.damaged:
            self.notes.append(
                f"it is damaged: {len(self.damaged)} runs of frames, each from one key frame to "
                "the next, are left out; frame numbers count the frames that decoded"
            )
        if fields:
            self.notes.append("it is interlaced: of each frame one field is used")
        if self._converters.hdr:
            self.notes.append(f"it is HDR ({self._converters.hdr}): toned down to SDR")


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames; None where the file is damaged."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            yield None
            return
        try:
            yield from stream.codec_context.decode(packet if packet.size else None)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            yield None


def _declared_seconds(container: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / float(av.time_base)


class AvPicture:
    """A frame of PyAV, see `Picture`.

    Args:
        frame: as decoded.
        converters: shared by a film's frames.
    """

    def __init__(
        self, frame: Any, ordinal: int, seconds: float, group: int, converters: _Converters
    ) -> None:
        self.ordinal = ordinal
        self.seconds = seconds
        self.group = group
        self.interlaced = bool(frame.interlaced_frame)
        self._frame = converters.field(frame) if self.interlaced else frame
        self._transfer = _TRANSFERS.get(frame.color_trc)
        matrix = frame.colorspace
        if matrix in (_UNSPECIFIED, _RGB):
            matrix = 1 if frame.height > _HD_LINES else 5
        self._matrix = Colorspace(_MATRICES[matrix])
        self._turns = round(frame.rotation / 90) % 4
        self._converters = converters

    def thumbnail(self) -> np.ndarray:
        """uint8 (*`THUMBNAIL`, 3), YCbCr."""
        rows, columns = THUMBNAIL if self._turns % 2 == 0 else THUMBNAIL[::-1]
        small = self._converters.thumbnail.reformat(
            self._frame, columns, rows, "yuv444p", interpolation=_SHRINK, threads=1
        )
        return self._upright(np.moveaxis(small.to_ndarray(), 0, -1))

    def grey(self) -> np.ndarray:
        """Luma, uint8 (H, W), of at most `SCAN_LINES` rows."""
        frame = self._frame
        scale = min(1.0, SCAN_LINES / frame.height)
        size = max(16, round(frame.width * scale)), max(16, round(frame.height * scale))
        small = self._converters.grey.reformat(
            frame, *size, "gray", interpolation=_SHRINK, threads=1
        )
        return self._upright(small.to_ndarray())

    def rgb(self) -> np.ndarray:
        """All its pixels, uint8 (H, W, 3), sRGB."""
        frame = self._frame
        deep = any(component.bits > 8 for component in frame.format.components)
        colours = self._converters.rgb.reformat(
            frame,
            format="rgb48le" if deep else "rgb24",
            src_colorspace=self._matrix,
            dst_color_range=ColorRange.JPEG,
            interpolation=_CONVERT,
            threads=1,
        ).to_ndarray()
        if self._transfer is not None:
            self._converters.hdr = self._transfer
            colours = to_sdr(colours, self._transfer)
        elif deep:
            colours = ((colours.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return self._upright(_halve_columns(colours) if self.interlaced else colours)

    def _upright(self, pixels: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(pixels, self._turns))


def _halve_columns(pixels: np.ndarray) -> np.ndarray:
    """Give a field the proportions of its frame: averages of two columns, rounded half up."""
    wide = pixels[:, : pixels.shape[1] // 2 * 2].astype(np.uint16)
    return ((wide[:, ::2] + wide[:, 1::2] + 1) // 2).astype(np.uint8)


class _Converters:
    """swscale's contexts, one for each use: setting one up takes longer than using it."""

    def __init__(self) -> None:
        self.thumbnail = VideoReformatter()
        self.grey = VideoReformatter()
        self.rgb = VideoReformatter()
        self.field = _FieldFilter()
        self.hdr = ""


class _FieldFilter:
    """Takes the upper field out of an interlaced frame, before its chroma is interpolated."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._kind: tuple[int, int, str] | None = None

    def __call__(self, frame: Any) -> Any:
        kind = frame.width, frame.height, frame.format.name
        if kind != self._kind:
            self._kind, self._graph = kind, _field_graph(frame)
        self._graph.vpush(frame)
        return self._graph.vpull()


def _field_graph(frame: Any) -> Any:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
    )
    field = graph.add("field", "type=top")
    sink = graph.add("buffersink")
    graph.link_nodes(source, field, sink).configure()
    return graph


def _why_unreadable(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] in (b"ftyp", b"moov", b"mdat"):
        return (
            "it is cut short before its index, without which no MP4 or MOV can be read, or damaged"
        )
    if isinstance(error, av.error.InvalidDataError):
        return "it is no film, or too damaged to be read"
    return f"it cannot be opened ({getattr(error, 'strerror', None) or error})"


def _version(library: str) -> str:
    return ".".join(map(str, av.library_versions[library]))
