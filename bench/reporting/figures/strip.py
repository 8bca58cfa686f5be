"""Strip of crops, method beside method, of frames that cannot be scored."""

from __future__ import annotations

import textwrap
from io import BytesIO
from typing import TYPE_CHECKING

from denoisebench.cells import told_to
from denoisebench.errors import UsageError
from denoisebench.files import write_bytes
from denoisebench.plotting import load_matplotlib
from denoisebench.reporting.table import head
from denoisebench.store.crops import decode_crop, estimate_file, read_crop
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from denoisebench.cells import Cell
    from denoisebench.store.results import Results

_Crops = dict[str, "np.ndarray | str"]
"""By frame, pixels, uint8 (H, W, 3), or the reason why they are not shown."""

STRIP = "strip.png"
_PANEL, _DPI = 1.6, 200  # a crop's side in inches, and dots per inch
_TITLE_LETTERS = 22  # letters in a line above a crop


def write_strip(results: Results, folder: Path, out: Path) -> bool:
    """Write ``strip.png``: a row for each frame, a column for each method, the noisy frame first.

    Args:
        results: the stored run.
        folder: the run's folder, with its kept pictures.
        out: folder for the file.

    Returns:
        False if there is nothing to show: no picture was kept, or all frames can be scored.

    Raises:
        UsageError: it cannot be written.
    """
    known = results.manifest.dataset.frames
    unscored = [frame.id for frame in known if not frame.has_clean]
    if not unscored:
        return False
    shapes = {frame.id: frame.shape for frame in known}
    columns = [(title, _crops(folder, cells, shapes)) for title, cells in _columns(results)]
    frames = [id for id in unscored if any(id in crops for _, crops in columns)]
    if frames:
        write_bytes(out / STRIP, draw_strip(frames, [column for column in columns if column[1]]))
    return bool(frames)


def _columns(results: Results) -> list[tuple[str, list[Cell]]]:
    """Return title and cells of each method, controls first."""
    rows = sorted(results.rows, key=lambda row: not row.is_control)
    several = len(results.devices) > 1
    return [
        (
            " ".join(filter(None, [row.title, row.device * several, head(level, results)])),
            results.whole.cells(row, level),
        )
        for row in rows
        for level in told_to(row.blind, results.levels)
    ]


def _crops(folder: Path, cells: list[Cell], shapes: Mapping[str, Sequence[int]]) -> _Crops:
    """Return the kept estimates by frame, or the reason why a file is none."""
    found: _Crops = {}
    for cell in cells:
        try:
            content = read_crop(estimate_file(folder, cell), shapes[cell.frame])
        except UsageError as error:
            found[cell.frame] = str(error)
        else:
            if content is not None:
                found[cell.frame] = decode_crop(content)
    return found


def draw_strip(frames: list[str], columns: list[tuple[str, _Crops]]) -> bytes:
    """Draw crops, a row a frame, and return them as PNG.

    Args:
        frames: ids of the frames to show.
        columns: title and crops by frame of each column.
    """
    load_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    size = _PANEL * len(columns) + 0.2, (_PANEL + 0.05) * len(frames) + 0.3
    with rc_context({"text.parse_math": False}):  # a dollar in a name is a dollar
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        places = figure.subplots(len(frames), len(columns), squeeze=False)
        for row, frame in zip(places, frames, strict=True):
            row[0].set_ylabel(one_line(frame), fontsize=6)
            for place, (_, crops) in zip(row, columns, strict=True):
                place.set(xticks=[], yticks=[])
                crop = crops.get(frame)
                if isinstance(crop, str):
                    words = textwrap.fill(f"not shown: {crop}", _TITLE_LETTERS)
                    place.text(0.05, 0.95, words, fontsize=6, va="top", transform=place.transAxes)
                elif crop is not None:
                    place.imshow(crop, interpolation="none")
        for place, (title, _) in zip(places[0], columns, strict=True):
            place.set_title(textwrap.fill(one_line(title), _TITLE_LETTERS), fontsize=7)
        content = BytesIO()
        figure.savefig(content, format="png")
    return content.getvalue()
