"""Kept pictures of a run, in the form that the page's script needs."""

from __future__ import annotations

import base64
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from denoisebench.cells import NOISY_CONTROL
from denoisebench.errors import UsageError
from denoisebench.reporting.summary import jsonable
from denoisebench.store import crops
from denoisebench.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.reporting.contents import Contents
    from denoisebench.reporting.summary import RowSummary, Summary
    from denoisebench.store.manifest import FrameRecord
    from denoisebench.store.results import Results

_PICTURE_BYTES = 3_000_000
"""Most bytes of pictures on the page; as base64 text they take a third more."""


def viewer(run: Contents, limit: int = _PICTURE_BYTES) -> dict[str, Any] | None:
    """Collect the pictures and scores that the page's script needs, ready for JSON.

    A scene is a frame at a noise level. If the limit leaves scenes out, those at the middle level
    are taken first, and of a level those that are some method's worst or best frame.

    Args:
        run: the run.
        limit: most bytes of pictures.

    Returns:
        None if the run kept no pictures. ``refused`` names the files that are no pictures of it.
    """
    middle = len(run.results.levels) // 2
    album, scenes, left_out = _Album(limit), [], 0
    refused: dict[str, None] = {}
    for level, frame in _scenes(run, middle):
        kept = _kept(run.folder, run.results, level, frame, refused)
        numbers = album.add(kept)
        if numbers is None:
            left_out += 1
        elif numbers:
            psnr = _psnr_of(run.summary, level, frame.id)
            scenes.append(
                {"frame": one_line(frame.id), "level": level, "pictures": numbers, "psnr": psnr}
            )
    if not scenes and not refused:
        return None
    scenes.sort(key=lambda scene: (scene["level"], scene["frame"]))
    return {
        "scenes": scenes,
        "pictures": album.pictures,
        "left_out": left_out,
        "refused": list(refused),
        "titles": {method: one_line(title) for method, title in run.summary.titles.items()},
        "levels": [level.label for level in run.summary.levels],
        "start": {"level": middle, "methods": leaders(run.summary)},
    }


@dataclass
class _Album:
    """Pictures on the page, each once, up to a limit of bytes.

    Attributes:
        limit: most bytes of pictures.
        pictures: data URLs of the pictures.
    """

    limit: int
    pictures: list[str] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def add(self, contents: dict[str, bytes]) -> dict[str, int] | None:
        """Add files by name and return their numbers; None if there is no room for all."""
        new = {content for content in contents.values() if content not in self._numbers}
        if sum(map(len, new)) + sum(map(len, self._numbers)) > self.limit:
            return None
        return {what: self._number(content) for what, content in contents.items()}

    def _number(self, content: bytes) -> int:
        """Return a picture's number; a new one is added."""
        if content not in self._numbers:
            self._numbers[content] = len(self.pictures)
            text = base64.b64encode(content).decode()
            self.pictures.append(f"data:image/webp;base64,{text}")
        return self._numbers[content]


def _scenes(run: Contents, middle: int) -> list[tuple[int, FrameRecord]]:
    """Return level and frame of the scenes of which pictures may be kept, those to show first."""
    names = _names(run.folder)
    kept = [
        frame
        for frame in notable_frames(run.summary)
        if names and not (frame.has_clean and _clean_name(run.folder, frame) not in names)
    ]
    levels = sorted(range(len(run.results.levels)), key=lambda level: abs(level - middle))
    return [(level, frame) for level in levels for frame in kept]


def _names(folder: Path) -> set[str]:
    """Return the names of the files in the folder of crops; none if it cannot be listed."""
    try:
        return set(os.listdir(folder / crops.CROPS_FOLDER))
    except OSError:
        return set()


def _clean_name(folder: Path, frame: FrameRecord) -> str:
    """Return the name of the file of a clean frame's crop."""
    return crops.clean_file(folder, frame.id).name


def notable_frames(summary: Summary) -> list[FrameRecord]:
    """List a run's frames, first those that most often are a method's worst or best frame."""
    ends = Counter(frame for line in extremes(summary) for frame in (line.worst, line.best))
    return sorted(summary.dataset.frames, key=lambda frame: -ends[frame.id])


@dataclass(frozen=True)
class Extremes:
    """Worst and best frame of a method by PSNR, at one noise level.

    Attributes:
        level: index of the noise level.
        method: the method's spec.
        psnr: PSNR in dB by frame.
        worst: id of the frame with the lowest PSNR.
        best: id of the frame with the highest PSNR.
    """

    level: int
    method: str
    psnr: dict[str, float]
    worst: str
    best: str


def extremes(summary: Summary) -> list[Extremes]:
    """Find each method's worst and best frame at each level, on the first of its devices.

    Methods that lack frames are left out.
    """
    found: dict[tuple[int, str], Extremes] = {}
    for row in summary.table:
        if row.is_complete and row.finite_psnr_by_frame:
            found.setdefault((row.level, row.method), _extremes(row))
    return list(found.values())


def _extremes(row: RowSummary) -> Extremes:
    """Find the worst and best frame of a row that has a finite PSNR."""
    psnr = row.psnr_by_frame
    worst, best = (end(psnr, key=psnr.__getitem__) for end in (min, max))
    return Extremes(row.level, row.method, psnr, worst, best)


def leaders(summary: Summary) -> list[str]:
    """Return the two methods of highest PSNR; fewer if fewer are ranked by it."""
    return list(dict.fromkeys(row.method for row in summary.competing if row.is_ranked))[:2]


def _kept(
    folder: Path, results: Results, level: int, frame: FrameRecord, refused: dict[str, None]
) -> dict[str, bytes]:
    """Return the kept crops of a frame at a level, as files: noisy, clean, and by method.

    Args:
        folder: the run's folder.
        results: the stored run.
        level: index of the noise level.
        frame: the frame.
        refused: gets a sentence on each file that is no crop.
    """

    def read(file: Path) -> bytes | None:
        """Read a file; one that is no crop counts as absent."""
        try:
            return crops.read_crop(file, frame.shape)
        except UsageError as error:
            refused[str(error)] = None
            return None

    found: dict[str, bytes | None] = {}
    for row in results.rows:
        at = results.levels[level].as_told_to(row.blind)
        cell = at.cell(row.method, row.device, frame.id, seed=0)
        if row.is_control or found.get(row.method):
            continue
        found[row.method] = read(crops.estimate_file(folder, cell))
        if found[row.method] and crops.NOISY_FRAME not in found:
            found[crops.NOISY_FRAME] = read(crops.noisy_file(folder, cell))
            found[crops.CLEAN_FRAME] = read(crops.clean_file(folder, frame.id))
    order = (crops.NOISY_FRAME, crops.CLEAN_FRAME, *found)
    return {what: content for what in order if (content := found.get(what))}


def _psnr_of(summary: Summary, level: int, frame: str) -> dict[str, Any]:
    """Return the whole frame's PSNR by method and of the noisy frame, ready for JSON."""
    rows = [row for row in reversed(summary.table) if row.level == level]
    found = {row.method: jsonable(row.psnr_by_frame.get(frame)) for row in rows}
    return found | {crops.NOISY_FRAME: found.get(NOISY_CONTROL)}
