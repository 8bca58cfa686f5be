"""The paper's Table 1 grown up, in Markdown: a row a method, and what its figures rest on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from denoisebench.folder import BUSY_PERCENT
from denoisebench.report.results import Results, iter_notes, table1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

_DEVICE_NAMES = {"cpu": "CPU", "cuda": "CUDA"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class _Column:
    """One column of the table: which figure, of which rows, and which is the best of them."""

    header: str
    figure: str
    shown: Callable[[float], str]
    best: Callable[[Iterable[float]], float] | None = None
    sigma: float | None = None
    device: str | None = None

    def values(self, table: pd.DataFrame) -> dict[str, float]:
        """The figure by method. Scores come from its first device, times from all sigmas."""
        if self.sigma is not None:
            table = table[table["sigma"] == self.sigma]
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


def table1_markdown(results: Results) -> str:
    """Mean PSNR per sigma beside the paper's figure, SSIM, times and memory; the best in bold.

    Failed methods keep their row, with dashes and a footnote.
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


def _three_digits(value: float) -> str:
    """Three significant digits, or all those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _columns(results: Results) -> list[_Column]:
    sigmas, devices = results.sigmas, results.devices
    psnr = [_Column(f"PSNR σ{s:g}", "psnr_mean", _decimals(2), max, sigma=s) for s in sigmas]
    paper = _Column("paper", "psnr_paper", _decimals(2))
    ssim = [_Column(f"SSIM σ{s:g}", "ssim_mean", _decimals(3), max, sigma=s) for s in sigmas]
    costs = [
        _Column(f"{_DEVICE_NAMES[d]} {unit}", figure, shown, min, device=d)
        for d in devices
        for unit, figure, shown in (
            ("ms/frame", "ms_per_frame", _three_digits),
            ("ms/MP", "ms_per_megapixel", _three_digits),
            ("MB", "peak_memory_mb", _decimals(0)),
        )
    ]
    return [*psnr, paper, *ssim, *costs]


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
        where = ", ".join(
            f"{_DEVICE_NAMES[line['device']]} σ={line['sigma']:g}" for _, line in same.iterrows()
        )
        notes.append(f"{note}." if status == "ok" else f"{status} ({where}): {note}.")
    return list(dict.fromkeys(notes))


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
    draws = "one noise draw" if seeds == 1 else f"{seeds} noise draws"
    libraries = ", ".join(f"{name} {v}" for name, v in machine["libraries"].items())
    cuda = f"; {machine['cuda']['name']}, CUDA {machine['cuda']['cuda']}" if machine["cuda"] else ""
    share = manifest["busy_percent"]
    busy = f" It was {share:.0f} % busy with other work." if share > BUSY_PERCENT else ""
    lines = [
        f"Data: {data['title']}, split `{data['split']}`, {frames} frames, {draws} each; "
        "the same noise for every method. Means over frames.",
        "PSNR in dB; MB is peak memory. The column `paper` is the paper's Table 1: it prints "
        "neither its sigma nor its frames, so it is for orientation.",
        f"Protocol {manifest['protocol']['version']}, digest `{manifest['protocol']['digest']}`.",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:g} GB, "
        f"{manifest['threads']} threads{cuda}; {machine['system']}.{busy}",
        f"Versions: denoisebench {machine['denoisebench']}, Python {machine['python']}, "
        f"{libraries}.",
        f"Command: `{manifest['command']}`",
    ]
    return "  \n".join(lines)


def _escape(text: str) -> str:
    """Names come from plugins: keep them from breaking the table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
