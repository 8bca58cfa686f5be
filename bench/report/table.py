"""The paper's Table 1 grown up, in no format yet: a row a method, and what its figures rest on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.folder import BUSY_PERCENT
from denoisebench.protocol import GAUSSIAN, RECORDED
from denoisebench.report import scores
from denoisebench.report.results import Results, iter_notes, table1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from denoisebench.cells import Level

DEVICE_NAMES = {"cpu": "CPU", "cuda": "CUDA"}


@dataclass(frozen=True)
class Column:
    """One column of the table: which figure, of which rows, and which are the best of them.

    Attributes:
        group: what it shares with its neighbours: a metric's title, or a device's name.
        name: which of the group it is.
        figure: the column of `table1` that it shows.
        shown: prints a value.
        direction: ``higher``, ``lower`` or ``zero`` (the closest to it) is best; None if none is.
        level, device: of which rows; None takes the first of each method, or all.
        metric: the one whose mean it shows, as `Results.metrics` has it.
    """

    group: str
    name: str
    figure: str
    shown: Callable[[float], str]
    direction: str | None = None
    level: Level | None = None
    device: str | None = None
    metric: dict[str, Any] | None = None

    @property
    def header(self) -> str:
        return f"{self.group} {self.name}".strip()

    def values(self, table: pd.DataFrame) -> dict[str, float]:
        """The figure by method. Scores come from its first device, times from all levels."""
        if self.level is not None:
            table = table[at_level(table, self.level)]
        if self.device is not None:
            table = table[table["device"] == self.device]
        figures = table.astype({self.figure: float}).groupby("method", sort=False)[self.figure]
        found = figures.first() if self.device is None else figures.median()
        return {str(method): float(value) for method, value in found.dropna().items()}


@dataclass(frozen=True)
class Entry:
    """One figure of the table, as it is printed; ``best`` if none is better."""

    value: float
    text: str
    best: bool


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        notes: numbers of its footnotes, from 1.
        entries: one a column; None where there is no figure.
    """

    method: str
    title: str
    is_control: bool
    notes: list[int]
    entries: list[Entry | None]


@dataclass(frozen=True)
class Table:
    """The whole table.

    Attributes:
        footnotes: what its rows refer to by number.
        remarks: data, units, protocol, machine and command: without them the figures mean nothing.
            What stands between backticks is code.
    """

    columns: list[Column]
    lines: list[Line]
    footnotes: list[str]
    remarks: list[str]


def full_table(results: Results) -> Table:
    """The metrics' means per level of noise, PSNR beside the paper's figure, times and memory.

    Failed methods keep their row, without figures and with a footnote.
    """
    table = table1(results)
    rows = {row["method"]: row for row in results.manifest["rows"]}
    complete = {str(line["method"]) for _, line in table.iterrows() if line["status"] == "ok"}
    contest = complete & set(scores.contestants(results))
    columns = _columns(results)
    entries = [_entries(results, table, column, contest) for column in columns]
    footnotes: list[str] = []
    lines = []
    for method in _ordered(results, table):
        notes = _notes(results, table, method)
        footnotes += [note for note in notes if note not in footnotes]
        lines.append(
            Line(
                method,
                rows[method]["title"],
                rows[method]["family"] == "control",
                [footnotes.index(note) + 1 for note in notes],
                [of.get(method) for of in entries],
            )
        )
    return Table(columns, lines, footnotes, _remarks(results))


def at_level(table: pd.DataFrame, level: Level) -> pd.Series[bool]:
    """Which rows of `table1` are of a level."""

    def equal(column: pd.Series[float], value: float | None) -> pd.Series[bool]:
        return column.isna() if value is None else column == value

    return equal(table["sigma"], level.sigma) & equal(table["told"], level.told)


def _entries(
    results: Results, table: pd.DataFrame, column: Column, contest: set[str]
) -> dict[str, Entry]:
    """The column by method. What prints like the best is best, too; so is a score that is not
    significantly worse."""
    values = column.values(table)
    shown = {method: column.shown(value) for method, value in values.items()}
    best: set[str] = set()
    rivals = [value for method, value in values.items() if method in contest]
    if column.direction is not None and len(rivals) > 1:
        alike = column.shown(_BEST[column.direction](rivals))
        best = {method for method, text in shown.items() if text == alike and method in contest}
        if _is_judged(column):
            assert column.level is not None
            assert column.metric is not None
            best |= scores.not_worse(results, column.level, column.metric)
    return {m: Entry(value, shown[m], m in best) for m, value in values.items()}


def _is_judged(column: Column) -> bool:
    """Whether its ties are found by statistics. A signed mean is not a mean of distances from 0."""
    return column.metric is not None and column.direction != "zero"


def decimals(count: int) -> Callable[[float], str]:
    return lambda value: "∞" if math.isinf(value) else f"{value:.{count}f}"


def signed(count: int) -> Callable[[float], str]:
    def shown(value: float) -> str:
        # Adding a zero leaves no minus before one.
        return "∞" if math.isinf(value) else f"{round(value, count) + 0.0:+.{count}f}"

    return shown


def three_digits(value: float) -> str:
    """Three significant digits, or all those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _nearest_to_zero(values: Iterable[float]) -> float:
    return min(values, key=abs)


_BEST: dict[str, Callable[[Iterable[float]], float]] = {
    "higher": max,
    "lower": min,
    "zero": _nearest_to_zero,
}
_BEST_IN_WORDS = {
    "higher": "higher is better",
    "lower": "lower is better",
    "zero": "closest to 0 is best",
}


def _columns(results: Results) -> list[Column]:
    of_scores = [
        column
        for metric in results.metrics
        if not metric["unavailable"]
        for column in _score_columns(metric, results)
    ]
    costs = [
        Column(DEVICE_NAMES[d], unit, figure, shown, "lower", device=d)
        for d in results.devices
        for unit, figure, shown in (
            ("ms/frame", "ms_per_frame", three_digits),
            ("ms/MP", "ms_per_megapixel", three_digits),
            ("MB", "peak_memory_mb", decimals(0)),
        )
    ]
    return [*of_scores, *costs]


def _score_columns(metric: dict[str, Any], results: Results) -> list[Column]:
    """A metric's means, a column a level of noise, and what is compared with PSNR's."""
    figure, direction = f"{metric['name']}_mean", metric["direction"]
    shown = (signed if direction == "zero" else decimals)(metric["decimals"])
    title = metric["title"]
    heads = {level: head(level, results) for level in results.levels}
    columns = [
        Column(title, words, figure, shown, direction, level, metric=metric)
        for level, words in heads.items()
    ]
    if metric["name"] == "psnr" and results.noise == RECORDED:
        gain = signed(metric["decimals"])
        columns += [
            Column("gain", words, "psnr_gain", gain, direction, level)
            for level, words in heads.items()
        ]
    if metric["name"] == "psnr" and _shows_paper(results):
        columns.append(Column("paper", "", "psnr_paper", shown))
    return columns


def head(level: Level, results: Results) -> str:
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
    return f"{DEVICE_NAMES[line['device']]}{sigma}{told}"


def _remarks(results: Results) -> list[str]:
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
    return [
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


def _told(results: Results) -> list[str]:
    """What methods that need a sigma were told, where it is not the true one."""
    if any(level.told is not None for level in results.levels):
        return ["told is the sigma that was given to methods that need one"]
    telling = results.manifest.get("noise", {"telling": ""})["telling"]
    given = [m.sigma_given for m in results.measurements.values() if m.sigma_given is not None]
    return [f"{telling}, {min(given):.1f} to {max(given):.1f}"] if telling and given else []


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
    if len(scores.contestants(results)) > 1:
        sentences.append(
            "Bold: the best, and scores that are not significantly worse (paired bootstrap over "
            "frames, 95 %)."
        )
    return sentences


def _legend(metric: dict[str, Any]) -> str:
    """How to read a further metric's column, or why there is none."""
    if metric["unavailable"]:
        return f"{metric['title']}: unavailable: {metric['unavailable']}."
    unit = f" in {metric['unit']}" if metric["unit"] else ""
    undefined = f", not defined for {metric['undefined']}" if metric["undefined"] else ""
    source = f" ({metric['source']})" if metric["source"] else ""
    return f"{metric['title']}{unit}: {_BEST_IN_WORDS[metric['direction']]}{undefined}{source}."
