"""A frame as PyAV decodes it, converted by swscale: turned upright, to RGB, to SDR."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from denoisebench.datasets.film.reading import THUMBNAIL, scan_size
from denoisebench.datasets.film.tone import HLG, PQ, to_sdr

_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_SHRINK = Interpolation.AREA | _EXACT
EXACT_COLOURS = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | _EXACT
_HD_LINES = 576  # above them, an untagged film is taken to have the colours of HD
# Numbers of ITU-T H.273, and their names in swscale.
_UNSAID = (0, 2)  # RGB, which has no matrix, and unspecified
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
_TRANSFERS = {16: PQ, 18: HLG}


def converts(matrix: int) -> bool:
    """Return True if frames of a colour matrix of ITU-T H.273 can be made RGB."""
    return matrix in _UNSAID or matrix in _MATRICES


def colour_matrix(frame: Any) -> Colorspace:
    """Return the colour matrix of a frame, or the usual one of films of its size if it has none."""
    matrix = frame.colorspace
    if matrix in _UNSAID:
        matrix = 1 if frame.height > _HD_LINES else 5
    return Colorspace(_MATRICES[matrix])


class Converters:
    """swscale's contexts, one for each use: setting one up takes longer than using it.

    A film's frames share them.
    """

    def __init__(self) -> None:
        self.thumbnail = VideoReformatter()
        self.grey = VideoReformatter()
        self.rgb = VideoReformatter()
        self.field = _FieldFilter()


class AvPicture:
    """A frame of PyAV, see `Picture`.

    Args:
        frame: as decoded.
        converters: shared by a film's frames.

    Attributes:
        transfer: `PQ` or `HLG` where it is of high dynamic range, else empty.
    """

    def __init__(
        self, frame: Any, ordinal: int, seconds: float, group: int, converters: Converters
    ) -> None:
        self.ordinal = ordinal
        self.seconds = seconds
        self.group = group
        self.interlaced = bool(frame.interlaced_frame)
        self._frame = converters.field(frame) if self.interlaced else frame
        self.transfer = _TRANSFERS.get(frame.color_trc, "")
        self._matrix = colour_matrix(frame)
        self._display = _display_matrix(frame)
        self._converters = converters

    def thumbnail(self) -> np.ndarray:
        """uint8 (*`THUMBNAIL`, 3), YCbCr."""
        rows, columns = THUMBNAIL[::-1] if _swaps(self._display) else THUMBNAIL
        small = self._converters.thumbnail.reformat(
            self._frame, columns, rows, "yuv444p", interpolation=_SHRINK, threads=1
        )
        return self._upright(np.moveaxis(small.to_ndarray(), 0, -1))

    def grey(self) -> np.ndarray:
        """Luma, uint8 (H, W), of at most `SCAN_LINES` rows."""
        rows, columns = scan_size(self._frame.height, self._frame.width)
        small = self._converters.grey.reformat(
            self._frame, columns, rows, "gray", interpolation=_SHRINK, threads=1
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
            interpolation=EXACT_COLOURS,
            threads=1,
        ).to_ndarray()
        if self.transfer:
            colours = to_sdr(colours, self.transfer)
        elif deep:
            colours = ((colours.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return self._upright(_halve_columns(colours) if self.interlaced else colours)

    def _upright(self, pixels: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(displayed(pixels, self._display))


def displayed(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turn and mirror pixels into one of eight orientations, the nearest to a display matrix.

    Args:
        pixels: (H, W, ...), as they are coded.
        matrix: ((a, b), (c, d)): the pixel in column x and row y is shown in column ax + cy and
            row bx + dy, but for a shift that moves the picture back into view.

    Returns:
        A view of the pixels, (H, W, ...) or (W, H, ...).

    Examples:
        >>> displayed(np.array([[1, 2, 3], [4, 5, 6]]), np.array([[-1, 0], [0, 1]]))
        array([[3, 2, 1],
               [6, 5, 4]])
    """
    (a, b), (c, d) = matrix
    if _swaps(matrix):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _swaps(matrix: np.ndarray) -> bool:
    """Return True if a display matrix shows rows as columns."""
    (a, b), (c, d) = np.abs(matrix)
    return bool(b + c > a + d)


def _display_matrix(frame: Any) -> np.ndarray:
    """Return the part of a frame's display matrix that turns, mirrors and scales."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return np.eye(2)
    return np.frombuffer(data, np.int32).reshape(3, 3)[:2, :2].astype(float)


def _halve_columns(pixels: np.ndarray) -> np.ndarray:
    """Give a field the proportions of its frame: averages of two columns, rounded half up."""
    wide = pixels[:, : pixels.shape[1] // 2 * 2].astype(np.uint16)
    return ((wide[:, ::2] + wide[:, 1::2] + 1) // 2).astype(np.uint8)


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
