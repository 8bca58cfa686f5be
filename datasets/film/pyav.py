"""Films as PyAV reads them.

Decoding is in order and never seeks: a seek by number lands on other frames where the frame rate
varies, and in transport streams. A damaged frame spoils those that are predicted from it, and
decoders do not flag them; so everything from the key frame before a damage to the one after it is
counted and left out.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

from denoisebench.datasets.film.pyav_picture import AvPicture, Converters, converts
from denoisebench.datasets.film.reading import FilmError, no_film, refuse_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOT_FILMS = ("tty", "image2", "hls", "dash", "concat", "lrc", "srt", "webvtt", "ass")
_STILLS = "_pipe"  # ends the names of FFmpeg's readers of single images
_EARLY = 0.5  # seconds by which a film may end before its time without being called truncated
_FROM_ZERO = ("matroska", "nut", "asf")  # count a film's length from 0, wherever it starts


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
        with self._opened() as (container, stream):
            refuse_size(path, stream.codec_context.height, stream.codec_context.width)
            self.codec: str = stream.codec_context.name
            self._start, self._end = _declared_span(container, stream)
            self.seconds = max(0.0, self._end - self._start)
            self._reached = self._start
            self._base: Fraction = stream.time_base or Fraction(1, 1)
            self._rate = float(stream.average_rate or 25)

    def pictures(self) -> Iterator[AvPicture]:
        """Its frames in order of presentation; those that damage made useless are counted only.

        Raises:
            FilmError: it holds what cannot be made a frame.
        """
        converters = Converters()
        group, whole = 0, True
        ordinal = -1
        start: float | None = None
        interlaced, transfer = False, ""
        with self._opened() as (container, stream):
            for frame in self._frames(container, stream):
                ordinal += frame is not None
                if frame is None or frame.is_corrupt:
                    self.damaged.add(group)
                    whole = False
                    continue
                if frame.key_frame:
                    group += 1
                    whole = True
                seconds = self._seconds(frame, ordinal)
                start = seconds if start is None else start
                if whole:
                    self._check(frame)
                    since = max(0.0, seconds - start)
                    picture = AvPicture(frame, ordinal, since, group, converters)
                    interlaced |= picture.interlaced
                    transfer = picture.transfer or transfer
                    yield picture
        self._take_notes(interlaced, transfer)

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        """Yield decoded frames, and None where the file is damaged; note the time reached."""
        packets = container.demux(_timed(container, stream))
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError:
                yield None
                return
            self._reached = max(self._reached, _end(packet))
            if packet.stream.index != stream.index:
                continue
            try:
                yield from stream.codec_context.decode(packet if packet.size else None)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                yield None

    def _check(self, frame: Any) -> None:
        refuse_size(self.path, frame.height, frame.width)
        if not converts(frame.colorspace):
            raise FilmError(
                f"{self.path}: its colours are coded in a way that is not supported "
                f"(matrix {frame.colorspace} of ITU-T H.273; Dolby Vision profile 5, perhaps); "
                "convert the film to BT.709 first"
            )

    def _seconds(self, frame: Any, ordinal: int) -> float:
        return ordinal / self._rate if frame.pts is None else float(frame.pts * self._base)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """Open the container and its stream of moving pictures."""
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
            kinds = sorted({stream.type for stream in container.streams} - {"video"})
            only = f"it holds {' and '.join(kinds)} only" if kinds else "it holds nothing"
            raise no_film(self.path, f"{only}, no moving pictures")
        best = container.streams.best("video")
        stream = best if best in moving else moving[0]
        if stream.codec_context is None:
            raise FilmError(
                f"{self.path}: there is no decoder for its pictures; convert it to H.264 first"
            )
        return stream

    def _take_notes(self, interlaced: bool, transfer: str) -> None:
        if self._end - self._reached > _EARLY + 1 / self._rate:
            last = self._reached - self._start
            self.notes.append(
                f"it ends after {last:.1f} of {self.seconds:.1f} s, truncated: what decoded is used"
            )
        if self.damaged:
            self.notes.append(
                f"it is damaged in {len(self.damaged)} of its runs of frames from one key frame to "
                "the next, which are left out; frame numbers count the frames that decoded"
            )
        if interlaced:
            self.notes.append("it is interlaced: of each frame one field is used")
        if transfer:
            self.notes.append(f"it is HDR ({transfer}): toned down to SDR")


def _timed(container: Any, stream: Any) -> list[Any]:
    """Return the streams that the declared length is of: all, where the pictures have none."""
    return [stream] if stream.duration else list(container.streams)


def _declared_span(container: Any, stream: Any) -> tuple[float, float]:
    """Return the time of the first picture and that of the end, in seconds of the film's clock."""
    start = _seconds(stream.start_time, stream.time_base)
    if stream.duration:
        base, length = start, _seconds(stream.duration, stream.time_base)
    else:
        unit = Fraction(1, av.time_base)
        base, length = (_seconds(time, unit) for time in (container.start_time, container.duration))
    if container.format.name.startswith(_FROM_ZERO) and length > base:
        base = 0.0
    return start, base + length


def _end(packet: Any) -> float:
    """Return the time at which a packet's content ends; minus infinity if it tells no time."""
    time = packet.dts if packet.pts is None else packet.pts
    if time is None:
        return -math.inf
    return _seconds(time + (packet.duration or 0), packet.time_base)


def _seconds(time: int | None, unit: Fraction | None) -> float:
    return float((time or 0) * (unit or 0))


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
