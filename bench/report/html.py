"""The report as one page that needs nothing else: no network, no other file, no library."""

from __future__ import annotations

import base64
import math
import shlex
from dataclasses import dataclass, field
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from denoisebench import pictures
from denoisebench.report import scores, summary
from denoisebench.report.plots import interval, signed
from denoisebench.report.table import DEVICE_NAMES, full_table, three_digits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from denoisebench.cells import Cell
    from denoisebench.report.plots import Plot
    from denoisebench.report.results import Results
    from denoisebench.report.table import Column

PICTURE_BYTES = 3_000_000
"""How much of what a run kept goes onto the page; as text it takes a third more."""


def page(
    runs: Mapping[str, tuple[Path, Results]],
    document: dict[str, Any],
    figures: Mapping[str, Sequence[Plot]],
) -> str:
    """The page, as HTML.

    Args:
        runs: folder and content of each run, by name.
        document: their summaries, see `summary.document`.
        figures: of each run.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"remark": _remark, "figure": _figure, "digits": _digits}
    environment.filters |= {"interval": interval, "pvalue": _pvalue, "shell": shlex.quote}
    environment.filters |= {"grouped": _grouped_columns, "signed": signed}
    sections = [_section(*runs[run["name"]], run, figures[run["name"]]) for run in document["runs"]]
    return environment.get_template("page.html").render(
        runs=sections,
        style=Markup(_asset("page.css")),
        script=Markup(_asset("page.js")),
        devices=DEVICE_NAMES,
    )


def _asset(name: str) -> str:
    """A file of ours: what it holds is trusted."""
    return (resources.files("denoisebench.report") / "assets" / name).read_text(encoding="utf-8")


def _section(
    folder: Path, results: Results, run: dict[str, Any], figures: Sequence[Plot]
) -> dict[str, Any]:
    """What the template shows of a run."""
    titles = {method["method"]: method["title"] for method in run["methods"]}
    return {
        "summary": run,
        "titles": titles,
        "table": full_table(results),
        "plots": {
            kind: [(plot, Markup(plot.inline)) for plot in figures if plot.kind == kind]
            for kind in ("frontier", "course", "frames", "times")
        },
        "forests": _forests(results, run),
        "extremes": _extremes(run),
        "failures": _grouped(run["failures"]),
        "leaders": _leaders(run),
        "ranked": list(dict.fromkeys(m for rank in run["ranks"] for m in rank["average"])),
        "viewer": viewer(folder, results, run),
        "timed": list({(r["method"], r["device"]): r for r in reversed(run["table"])}.values())[
            ::-1
        ],
    }


def _forests(results: Results, run: dict[str, Any]) -> list[dict[str, Any]]:
    """The differences of all methods from each, so that the reader can choose the reference."""
    if run["reference"] is None:
        return []
    others = [m for m in scores.contestants(results) if m != run["reference"]]
    listed = [m["method"] for m in run["methods"]]
    found = []
    for reference in [run["reference"], *sorted(others, key=listed.index)]:
        lines = [
            line | {"is_bounded": all(map(math.isfinite, (line["low"], line["high"])))}
            for line in summary.differences(results, reference)
        ]
        if lines:
            lines.sort(key=lambda line: (line["level"], math.isnan(line["mean"]), -line["mean"]))
            found.append({"reference": reference, "lines": lines, **_axis(lines)})
    return found


def _axis(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Where an axis that holds zero and all bounded intervals begins and ends, in dB."""
    ends = [line[end] for line in lines for end in ("low", "high") if line["is_bounded"]]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    margin = 0.04 * (high - low) or 0.1
    return {"low": low - margin, "high": high + margin}


def _extremes(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Each method's worst and best frame by PSNR, level by level; the first device counts."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for row in run["table"]:
        psnr = {f: v for f, v in row["psnr_by_frame"].items() if isinstance(v, float)}
        if psnr:
            ends = {"worst": min(psnr, key=psnr.__getitem__), "best": max(psnr, key=psnr.get)}  # type: ignore[arg-type]
            line = {"level": row["level"], "method": row["method"], "psnr": psnr, **ends}
            found.setdefault((row["level"], row["method"]), line)
    return list(found.values())


def _grouped(failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Failures alike in one line, with how many there are and on which frame first."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for failure in failures:
        key = tuple(failure[name] for name in ("method", "device", "status", "reason"))
        found.setdefault(key, failure | {"count": 0})["count"] += 1
    return list(found.values())


@dataclass
class _Album:
    """Pictures as the page holds them, each once."""

    pictures: list[str] = field(default_factory=list)
    size: int = 0
    _known: dict[bytes, int] = field(default_factory=dict)

    def cost(self, contents: list[bytes]) -> int:
        return sum(len(content) for content in set(contents) if content not in self._known)

    def add(self, content: bytes) -> int:
        """The picture's number."""
        if content not in self._known:
            self._known[content] = len(self.pictures)
            self.size += len(content)
            text = base64.b64encode(content).decode()
            self.pictures.append(f"data:image/webp;base64,{text}")
        return self._known[content]


def viewer(
    folder: Path, results: Results, run: dict[str, Any], limit: int = PICTURE_BYTES
) -> dict[str, Any] | None:
    """The kept pictures, as the page's script takes them; None if the run kept none.

    Frames that are some method's worst or best come first, and the middle level of noise does.

    Args:
        limit: bytes of pictures.
    """
    levels = range(len(results.levels))
    middle = len(levels) // 2
    rank = _by_interest(results, run)
    order = sorted(
        ((level, frame) for level in levels for frame in rank),
        key=lambda scene: (abs(scene[0] - middle), rank[scene[1]]),
    )
    album, scenes, left_out = _Album(), [], 0
    for level, frame in order:
        kept = _kept(folder, results, level, frame)
        if kept is None:
            continue
        if album.cost(list(kept.values())) + album.size > limit:
            left_out += 1
            continue
        scenes.append(
            {
                "frame": frame,
                "level": level,
                "pictures": {what: album.add(content) for what, content in kept.items()},
                "psnr": _psnr_of(run, level, frame),
            }
        )
    if not scenes:
        return None
    scenes.sort(key=lambda scene: (scene["level"], scene["frame"]))
    return {
        "scenes": scenes,
        "pictures": album.pictures,
        "left_out": left_out,
        "titles": {m["method"]: m["title"] for m in run["methods"]},
        "levels": [level["label"] for level in run["levels"]],
        "start": {"level": middle, "methods": _leaders(run)},
    }


def _by_interest(results: Results, run: dict[str, Any]) -> dict[str, int]:
    """Every frame's place: those that are most often a method's worst or best come first."""
    mentions = [line[end] for line in _extremes(run) for end in ("worst", "best")]
    frames = [frame["id"] for frame in results.manifest["dataset"]["frames"]]
    ordered = sorted(frames, key=lambda frame: -mentions.count(frame))
    return {frame: place for place, frame in enumerate(ordered)}


def _kept(folder: Path, results: Results, level: int, frame: str) -> dict[str, bytes] | None:
    """The crops of a frame at a level: noisy, clean, and by method; None if there are none."""
    files: dict[str, Path] = {}
    for row in results.manifest["rows"]:
        cell = _first_cell(results, row, level, frame)
        file = pictures.estimate_file(folder, cell)
        if row["family"] != "control" and row["method"] not in files and file.is_file():
            files |= {
                pictures.NOISY: pictures.noisy_file(folder, cell),
                pictures.CLEAN: pictures.clean_file(folder, frame),
                row["method"]: file,
            }
    found = {what: file.read_bytes() for what, file in files.items() if file.is_file()}
    return found or None


def _first_cell(results: Results, row: dict[str, Any], level: int, frame: str) -> Cell:
    cells = results.cells(row, results.levels[level])
    return next(cell for cell in cells if cell.frame == frame and cell.seed == 0)


def _psnr_of(run: dict[str, Any], level: int, frame: str) -> dict[str, Any]:
    """The whole frame's PSNR by method, the mean over noise draws."""
    return {
        row["method"]: row["psnr_by_frame"].get(frame)
        for row in reversed(run["table"])
        if row["level"] == level
    }


def _leaders(run: dict[str, Any]) -> list[str]:
    """The two methods that are best by PSNR; fewer where fewer have one."""
    controls = {m["method"] for m in run["methods"] if m["family"] == "control"}
    scored = dict.fromkeys(r["method"] for r in run["table"] if r["scores"].get("psnr"))
    return [method for method in scored if method not in controls][:2]


def _grouped_columns(columns: Iterable[Column]) -> list[tuple[str, list[Column]]]:
    """Neighbours that share a group, together."""
    return [(group, list(same)) for group, same in groupby(columns, lambda c: c.group)]


def _remark(text: str) -> Markup:
    """What stands between backticks is code."""
    parts = text.split("`")
    wrapped = (
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )
    return Markup("").join(wrapped)


def _figure(value: float | str | None, unit: str = "") -> str:
    """A measurement in three digits, or a dash."""
    if value is None:
        return "–"
    return f"{three_digits(float(value))}{unit}"


def _digits(value: float | str | None, count: int) -> str:
    if value is None:
        return "–"
    return f"{float(value):.{count}f}".replace("inf", "∞")


def _pvalue(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
