"""Contact sheets: a data set at a glance, in one PNG."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from denoisebench.files import replacing
from denoisebench.plotting import load_matplotlib

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

    from denoisebench.datasets.base import Frame

_COLUMNS = 6
_BOX = (176, 132)  # width and height of the largest thumbnail, in pixels
_MARGIN = 8
_LABEL = 16  # height of a line of text
BACKGROUND, _INK = (250, 250, 250), (40, 40, 40)


def contact_sheet(frames: Sequence[Frame], path: Path, heading: str) -> None:
    """Draw thumbnails with their ids.

    Of a frame with recorded noise, which a thumbnail would hide, the middle is shown at its full
    size, the clean image on the right. One frame at a time is in memory.

    Args:
        frames: to be shown, in order.
        path: the PNG to write; one that exists is replaced.
        heading: a line above them.

    Raises:
        UsageError: the file cannot be written.
        DataError: a frame cannot be read.
    """
    from PIL import Image, ImageDraw

    pictures = max(len(_pictures(frame)) for frame in frames)
    width = _BOX[0] * pictures + _MARGIN
    columns = min(len(frames), max(1, _COLUMNS // pictures))
    rows = -(-len(frames) // columns)
    height = _BOX[1] + _LABEL + _MARGIN
    size = (max(columns * width + _MARGIN, 480), rows * height + _LABEL + 2 * _MARGIN)
    sheet = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    _write_line(draw, (_MARGIN, _MARGIN), heading, size[0] - 2 * _MARGIN)
    for number, frame in enumerate(frames):
        left = _MARGIN + number % columns * width
        top = _LABEL + 2 * _MARGIN + number // columns * height
        below = top
        for place, read in enumerate(_pictures(frame)):
            picture = _small(read(), crop=frame.read_noisy is not None)
            sheet.paste(picture, (left + place * _BOX[0], top))
            below = max(below, top + picture.height)
        _write_line(draw, (left, below), frame.id, width - _MARGIN)
    _save(sheet, path)


def _pictures(frame: Frame) -> list[Callable[[], np.ndarray]]:
    readers = [frame.read_noisy, frame.read if frame.has_clean else None]
    return [reader for reader in readers if reader is not None]


def _small(pixels: np.ndarray, crop: bool) -> Image:
    from PIL import Image

    width, height = _BOX[0] - 2, _BOX[1] - 2
    if crop:
        top, left = (max(0, (pixels.shape[i] - side) // 2) for i, side in ((0, height), (1, width)))
        pixels = pixels[top : top + height, left : left + width]
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.thumbnail((width, height), Image.Resampling.BOX)
    return picture


def _write_line(draw: ImageDraw, place: tuple[int, int], text: str, width: int) -> None:
    """As much of a text as fits; its end, which tells names apart, is kept."""
    font = _font()
    text = shown = " ".join(text.split())
    while draw.textlength(shown, font=font) > width:
        text = text[1:]
        shown = f"…{text}"
    draw.text(place, shown, fill=_INK, font=font)


@cache
def _font() -> FreeTypeFont:
    """One that comes with matplotlib; the one of Pillow knows few letters beyond ASCII."""
    load_matplotlib()
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size=11)


def _save(sheet: Image, path: Path) -> None:
    with replacing(path) as file:
        sheet.save(file, format="PNG")
