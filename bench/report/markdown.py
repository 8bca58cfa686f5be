"""The paper's Table 1 grown up, in Markdown: a row a method, and what its figures rest on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from tabulate import tabulate

from denoisebench.folder import BUSY_PERCENT
from denoisebench.protocol import GAUSSIAN, RECORDED
from denoisebench.report.results import Results, iter_notes, table1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from denoisebench.cells import Level

_DEVICE_NAMES = {"cpu": "CPU", "cuda": "CUDA"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class _Column:
    """One column of the table: which figure, of which rows, and which is the best of them."""

    header: str
    figure: str
    shown: Callable[[float], str]
    best: Callable[[Iterable[float]], float] | None = None
    level: Level | None = None
    device: str | None = None

    def values(self, table: pd.DataFrame) -> dict[str, float]:
        """The figure by method. Scores come from its first device, times from all levels."""
        if self.level is not None:
            table = table[
                _is(table["sigma"], self.level.sigma) & _is(table["told"], self.level.told)
            ]
        if self.device is not None:
            table = table[table["device"] == self.device]
        figures = table.astype({self.figure: float}).groupby("method", sort=False)[self.figure]
        found = figures.first() if self.device is None else figures.median()
        return {str(method): float(value) for method, value in found.dropna().items()}

    def texts(self, table: pd.DataFrame, contest: set[str]) -> dict[str, str]:
        """The column as printed, by method; what prints like the best is as bold as the best."""
        values = self.values(table)
        shown = {method: self.shown(value) for method, value in values.items()}
        rivals = [value for method, value in values.items() if method in contest]
        best = self.shown(self.best(rivals)) if self.best and len(rivals) > 1 else None
        return {
            method: f"**{text}**" if text == best and method in contest else text
            for method, text in shown.items()
        }


def _is(column: pd.Series[float], value: float | None) -> pd.Series[bool]:
    return column.isna() if value is None else column == value


def table1_markdown(results: Results) -> str:
    """The metrics' means per sigma, PSNR beside the paper's figure, times and memory.

    The best are in bold. Failed methods keep their row, with dashes and a footnote.
    """
    table = table1(results)
    methods = {row["method"]: row for row in results.manifest["rows"]}
    contest = {
        str(line["method"])
        for _, line in table.iterrows()
        if line["status"] == "ok" and methods[line["method"]]["family"] != "control"
    }
    columns = [(c.header, c.texts(table, contest)) for c in _columns(results)]
    footnotes = _Footnotes()
    body = [
        [
            _escape(methods[method]["title"]) + footnotes.marks(_notes(results, table, method)),
            *(texts.get(method, "–") for _, texts in columns),
        ]
        for method in _ordered(results, table)
    ]
    headers = ["Method", *(header for header, _ in columns)]
    alignment = ["left", *["right"] * len(columns)]
    grid = tabulate(body, headers, "github", disable_numparse=True, colalign=alignment)
    return "\n\n".join(filter(None, [grid, footnotes.text(), _footer(results)])) + "\n"


def _decimals(count: int) -> Callable[[float], str]:
    return lambda value: "∞" if math.isinf(value) else f"{value:.{count}f}"


def _signed(count: int) -> Callable[[float], str]:
    return lambda value: f"{round(value, count) + 0.0:+.{count}f}"  # no minus before a zero


def _nearest_to_zero(values: Iterable[float]) -> float:
    return min(values, key=abs)


_BEST = {"higher": max, "lower": min, "zero": _nearest_to_zero}
_BEST_IN_WORDS = {
    "higher": "higher is better",
    "lower": "lower is better",
    "zero": "closest to 0 is best",
}


def _three_digits(value: float) -> str:
    """Three significant digits, or all those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _columns(results: Results) -> list[_Column]:
    scores = [
        column
        for metric in results.metrics
        if not metric["unavailable"]
        for column in _score_columns(metric, results)
    ]
    costs = [
        _Column(f"{_DEVICE_NAMES[d]} {unit}", figure, shown, min, device=d)
        for d in results.devices
        for unit, figure, shown in (
            ("ms/frame", "ms_per_frame", _three_digits),
            ("ms/MP", "ms_per_megapixel", _three_digits),
            ("MB", "peak_memory_mb", _decimals(0)),
        )
    ]
    return [*scores, *costs]


def _score_columns(metric: dict[str, Any], results: Results) -> list[_Column]:
    """A metric's means, a column a level of noise, and what is compared with PSNR's."""
    figure, direction = f"{metric['name']}_mean", metric["direction"]
    shown = (_signed if direction == "zero" else _decimals)(metric["decimals"])
    title, best = _escape(metric["title"]), _BEST[direction]
    heads = {level: _head(level, results) for level in results.levels}
    columns = [
        _Column(f"{title} {head}".strip(), figure, shown, best, level)
        for level, head in heads.items()
    ]
    if metric["name"] == "psnr" and results.noise == RECORDED:
        columns += [
            _Column(f"gain {head}".strip(), "psnr_gain", _signed(metric["decimals"]), best, level)
            for level, head in heads.items()
        ]
    if metric["name"] == "psnr" and _shows_paper(results):
        columns.append(_Column("paper", "psnr_paper", shown))
    return columns


def _head(level: Level, results: Results) -> str:
    """A level in a column's head; beside others that are told, the true sigma is told, too."""
    told = level.told
    if told is None and any(other.told is not None for other in results.levels):
        told = level.sigma
    sigma = [] if level.sigma is None else [f"σ{level.sigma:g}"]
    return " ".join(sigma + ([] if told is None else [f"told {told:g}"]))


def _shows_paper(results: Results) -> bool:
    """The paper's noise was white and Gaussian, of a known sigma."""
    return results.noise == GAUSSIAN.name and all(level.told is None for level in results.levels)


def _ordered(results: Results, table: pd.DataFrame) -> list[str]:
    """Methods from best to worst mean PSNR, then those without one, then the controls."""
    controls = {r["method"] for r in results.manifest["rows"] if r["family"] == "control"}
    means = table.astype({"psnr_mean": float}).groupby("method", sort=False)["psnr_mean"].mean()

    def rank(item: tuple[Any, float]) -> tuple[bool, bool, float]:
        method, psnr = item
        return method in controls, math.isnan(psnr), -psnr

    return [str(method) for method, _ in sorted(means.items(), key=rank)]


def _notes(results: Results, table: pd.DataFrame, method: str) -> list[str]:
    """What a reader must know of a row: what its card says, and what went wrong, and where."""
    notes = [note for row, note in iter_notes(results) if row["method"] == method]
    lines = table[(table["method"] == method) & (table["note"] != "")]
    for (status, note), same in lines.groupby(["status", "note"], sort=False):
        where = ", ".join(_where(line) for _, line in same.iterrows())
        notes.append(f"{note}." if status == "ok" else f"{status} ({where}): {note}.")
    return list(dict.fromkeys(notes))


def _where(line: pd.Series[Any]) -> str:
    """The device and the level of noise of a line of the tidy table."""
    sigma = f" σ={line['sigma']:g}" if pd.notna(line["sigma"]) else ""
    told = f" told {line['told']:g}" if pd.notna(line["told"]) else ""
    return f"{_DEVICE_NAMES[line['device']]}{sigma}{told}"


class _Footnotes:
    """Numbers notes as they are first met; rows with the same note share its number."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def marks(self, notes: list[str]) -> str:
        self._notes += [note for note in notes if note not in self._notes]
        numbers = (str(self._notes.index(note) + 1) for note in notes)
        return "".join(f" {number.translate(_SUPERSCRIPTS)}" for number in numbers)

    def text(self) -> str:
        return "  \n".join(
            f"{str(number).translate(_SUPERSCRIPTS)} {_escape(note)}"
            for number, note in enumerate(self._notes, 1)
        )


def _footer(results: Results) -> str:
    """The data, the protocol and the machine: without them the figures mean nothing."""
    manifest = results.manifest
    data, machine = manifest["dataset"], manifest["environment"]
    frames, seeds = len(data["frames"]), manifest["options"]["seeds"]
    draws = "one noise draw each" if seeds == 1 else f"{seeds} noise draws each"
    libraries = ", ".join(f"{name} {v}" for name, v in machine["libraries"].items())
    cuda = f"; {machine['cuda']['name']}, CUDA {machine['cuda']['cuda']}" if machine["cuda"] else ""
    share = manifest["busy_percent"]
    busy = f" It was {share:.0f} % busy with other work." if share > BUSY_PERCENT else ""
    data_words = [
        f"Data: {data['title']}, split `{data['split']}`, {frames} frames"
        + ("" if results.noise == RECORDED else f", {draws}"),
        manifest.get("noise", {"words": "the same noise for every method"})["words"],
    ]
    lines = [
        "; ".join([*data_words, *_told(results)]) + ". Means over frames.",
        " ".join(_units(results)),
        *map(_legend, results.further_metrics),
        f"Protocol {manifest['protocol']['version']}, digest `{manifest['protocol']['digest']}`.",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:g} GB, "
        f"{manifest['threads']} threads{cuda}; {machine['system']}.{busy}",
        f"Versions: denoisebench {machine['denoisebench']}, Python {machine['python']}, "
        f"{libraries}.",
        f"Command: `{manifest['command']}`",
    ]
    return "  \n".join(lines)


def _told(results: Results) -> list[str]:
    """What methods that need a sigma were told, where it is not the true one."""
    if any(level.told is not None for level in results.levels):
        return ["told is the sigma that methods were given that need one"]
    if results.noise == GAUSSIAN.name:
        return []
    given = [m.sigma_given for m in results.measurements.values() if m.sigma_given is not None]
    return [f"they were told {min(given):.1f} to {max(given):.1f}"] if given else []


def _units(results: Results) -> list[str]:
    names = {metric["name"] for metric in results.metrics}
    sentences = ["PSNR in dB; MB is peak memory." if "psnr" in names else "MB is peak memory."]
    if "psnr" in names and _shows_paper(results):
        sentences.append(
            "The column `paper` is the paper's Table 1: it prints neither its sigma nor its "
            "frames, so it is for orientation."
        )
    if "psnr" in names and results.noise == RECORDED:
        sentences.append("Gain is the mean PSNR less that of the noisy frames.")
    return sentences


def _legend(metric: dict[str, Any]) -> str:
    """How to read a further metric's column, or why there is none."""
    title = _escape(metric["title"])
    if metric["unavailable"]:
        return f"{title}: unavailable: {_escape(metric['unavailable'])}."
    unit = f" in {metric['unit']}" if metric["unit"] else ""
    undefined = f", not defined for {metric['undefined']}" if metric["undefined"] else ""
    source = f" ({metric['source']})" if metric["source"] else ""
    return _escape(
        f"{metric['title']}{unit}: {_BEST_IN_WORDS[metric['direction']]}{undefined}{source}."
    )


def _escape(text: str) -> str:
    """Names come from plugins: keep them from breaking the table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
