"""The kept pictures of a run, as the page's script takes them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from denoisebench.cells import NOISY_CONTROL
from denoisebench.reporting.formatting import one_line
from denoisebench.reporting.summary import plain
from denoisebench.store import crops

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.cells import Cell
    from denoisebench.reporting.contents import Contents
    from denoisebench.reporting.summary import RowSummary, Summary
    from denoisebench.store.manifest import Row
    from denoisebench.store.results import Results

_PICTURE_BYTES = 3_000_000
"""How much of what a run kept goes onto the page; as text it takes a third more."""


def viewer(run: Contents, limit: int = _PICTURE_BYTES) -> dict[str, Any] | None:
    """Collect what the page's script needs, ready for JSON; None if the run kept no pictures.

    A scene is a frame at a level of noise. Frames that are some method's worst or best come first,
    and the middle level of noise does.

    Args:
        limit: bytes of pictures.
    """
    middle = len(run.results.levels) // 2
    album, scenes, left_out = _Album(limit), [], 0
    for level, frame in _scenes(run, middle):
        kept = _kept(run.folder, run.results, level, frame)
        numbers = album.add(kept)
        if numbers is None:
            left_out += 1
        elif numbers:
            psnr = _psnr_of(run.summary, level, frame)
            scenes.append(
                {"frame": one_line(frame), "level": level, "pictures": numbers, "psnr": psnr}
            )
    if not scenes:
        return None
    scenes.sort(key=lambda scene: (scene["level"], scene["frame"]))
    return {
        "scenes": scenes,
        "pictures": album.pictures,
        "left_out": left_out,
        "titles": {method: one_line(title) for method, title in run.summary.titles.items()},
        "levels": [level.label for level in run.summary.levels],
        "start": {"level": middle, "methods": leaders(run.summary)},
    }


@dataclass
class _Album:
    """Pictures as the page holds them, each once, up to a limit of bytes."""

    limit: int
    pictures: list[str] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def add(self, contents: dict[str, bytes]) -> dict[str, int] | None:
        """The pictures' numbers; None if there is no room for all of them."""
        new = {content for content in contents.values() if content not in self._numbers}
        if sum(map(len, new)) + sum(map(len, self._numbers)) > self.limit:
            return None
        return {what: self._number(content) for what, content in contents.items()}

    def _number(self, content: bytes) -> int:
        if content not in self._numbers:
            self._numbers[content] = len(self.pictures)
            text = base64.b64encode(content).decode()
            self.pictures.append(f"data:image/webp;base64,{text}")
        return self._numbers[content]


def _scenes(run: Contents, middle: int) -> list[tuple[int, str]]:
    """Level and frame of all scenes, the most telling first."""
    mentions = [frame for line in extremes(run.summary) for frame in (line.worst, line.best)]
    frames = [frame.id for frame in run.results.manifest.dataset.frames]
    frames.sort(key=lambda frame: -mentions.count(frame))
    levels = sorted(range(len(run.results.levels)), key=lambda level: abs(level - middle))
    return [(level, frame) for level in levels for frame in frames]


@dataclass(frozen=True)
class Extremes:
    """A method's worst and best frame by PSNR at one level.

    Attributes:
        psnr: of every frame, in dB.
    """

    level: int
    method: str
    psnr: dict[str, float]
    worst: str
    best: str


def extremes(summary: Summary) -> list[Extremes]:
    """Find each method's worst and best frame, level by level; the first device counts."""
    found: dict[tuple[int, str], Extremes] = {}
    for row in summary.table:
        if row.finite_psnr_by_frame:
            found.setdefault((row.level, row.method), _extremes(row))
    return list(found.values())


def _extremes(row: RowSummary) -> Extremes:
    psnr = row.finite_psnr_by_frame
    worst, best = (end(psnr, key=psnr.__getitem__) for end in (min, max))
    return Extremes(row.level, row.method, psnr, worst, best)


def leaders(summary: Summary) -> list[str]:
    """Name the two methods that are best by PSNR; fewer where fewer have one."""
    return list(dict.fromkeys(row.method for row in summary.competing if row.psnr))[:2]


def _kept(folder: Path, results: Results, level: int, frame: str) -> dict[str, bytes]:
    """The crops of a frame at a level that were kept: noisy, clean, and by method."""
    files: dict[str, Path] = {}
    for row in results.rows:
        cell = _first_cell(results, row, level, frame)
        file = crops.estimate_file(folder, cell)
        if not row.is_control and row.method not in files and file.is_file():
            files |= {
                crops.NOISY_FRAME: crops.noisy_file(folder, cell),
                crops.CLEAN_FRAME: crops.clean_file(folder, frame),
                row.method: file,
            }
    return {what: file.read_bytes() for what, file in files.items() if file.is_file()}


def _first_cell(results: Results, row: Row, level: int, frame: str) -> Cell:
    cells = results.cells(row, results.levels[level])
    return next(cell for cell in cells if cell.frame == frame and cell.seed == 0)


def _psnr_of(summary: Summary, level: int, frame: str) -> dict[str, Any]:
    """The whole frame's PSNR by method, ready for JSON; also of the noisy frame."""
    rows = [row for row in reversed(summary.table) if row.level == level]
    found = {row.method: plain(row.psnr_by_frame.get(frame)) for row in rows}
    return found | {crops.NOISY_FRAME: found.get(NOISY_CONTROL)}
