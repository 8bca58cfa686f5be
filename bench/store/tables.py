"""Tidy tables of a run: ``frames.csv`` by cell, and ``table1.csv`` by row and noise level."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from itertools import product, repeat
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from denoisebench.cells import NOISY_CONTROL, Status
from denoisebench.columns import FRAMES_COLUMNS, TABLE1_COLUMNS, TEXT_COLUMNS, with_further
from denoisebench.metrics.registry import PROTOCOL, select_metrics
from denoisebench.protocol import mean_psnr
from denoisebench.protocol.shift import NOTICEABLE
from denoisebench.store.manifest import MetricRecord
from denoisebench.store.results import score_column
from denoisebench.store.scores import is_partly_infinite
from denoisebench.text import as_cell
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from denoisebench.cells import Level
    from denoisebench.machine.throughput import Throughput
    from denoisebench.store.manifest import Row
    from denoisebench.store.measurements import Measurements, ScoreColumn
    from denoisebench.store.results import Results

PAPER_PSNR = {
    "wgan-gp-unet": 29.5263,
    "dcgan": 27.1454,
    "nlm-skimage": 32.0913,
    "bm3d": 33.6711,
}
"""PSNR in dB by method, from Table 1 of Gong, Liu & Lv 2020. The paper prints neither its sigma nor
its frames."""

PAPER_DATASET = "documentary"
"""Name of the data set that stands in for the paper's frames."""

INCOMPLETE = "incomplete"
"""Status of a row while cells are missing; every other status of a row is one of cells."""


def frames_table(results: Results) -> pd.DataFrame:
    """Tabulate the measured cells in the order of the plan; `FRAMES_COLUMNS` names the columns."""
    return _frames_table(results, _all_places(results), _digests(results))


def frames_tables(results: Results) -> Iterator[pd.DataFrame]:
    """Yield the rows of `frames_table` in tables of bounded length; the first may be empty.

    A million rows take a gigabyte as one table.
    """
    places, digests = _all_places(results), _digests(results)
    for start in range(0, max(1, len(places)), _PART):
        yield _frames_table(results, places[start : start + _PART], digests)


_PART = 50_000


def _all_places(results: Results) -> np.ndarray:
    """Return the places of all measured cells in the order of the plan, int (cells,)."""
    return np.concatenate([np.zeros(0, int), *(results.places(row) for row in results.rows)])


def _digests(results: Results) -> dict[str, np.ndarray]:
    """Return the columns of digests, in which hardly two texts are equal."""
    return {name: results.columns.column(name) for name in _DIGESTS}


def _frames_table(
    results: Results, places: np.ndarray, digests: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Tabulate the cells at some places; see `_digests`."""
    found = results.columns
    further = results.further_metrics
    scored = {metric.name: score_column(results, metric) for metric in further}
    columns = {
        **{name: found.texts(name, places) for name in _FEW_TEXTS},
        **{name: column[places] for name, column in digests.items()},
        **{name: found.numbers(name)[places] for name in _AS_STORED},
        **{name: found.numbers(name)[places].astype(int) for name in ("seed", "pixels")},
        **{name: column.values[places] for name, column in scored.items()},
        "reason": _reasons(results, places, scored),
        "rounds": found.times("call_ns").rounds[places],
        **{name: found.times(of).ns[places] / 1e6 for name, of in _SAMPLED.items()},
        **{f"{name}_ms": found.numbers(f"{name}_ns")[places] / 1e6 for name in ("cold", "load")},
        **{f"{name}_mb": found.numbers(name)[places] / 1e6 for name in _PEAKS},
    }
    names = with_further(FRAMES_COLUMNS, [metric.name for metric in further], after="ssim")
    return pd.DataFrame(
        {n: _as_text(columns[n]) if n in TEXT_COLUMNS else columns[n] for n in names}
    )


def _as_text(values: np.ndarray) -> pd.Series[Any]:
    """Return texts as a column; pyarrow, where pandas has it, takes no halves of characters."""
    try:
        return pd.Series(values, dtype=str)
    except UnicodeEncodeError:
        return pd.Series(values, dtype=object)


_FEW_TEXTS = ("method", "device", "frame", "status")
_AS_STORED = ("sigma", "told", "sigma_given", "psnr", "ssim")
_SAMPLED = {"ms": "call_ns", "event_ms": "event_ns", "transfer_ms": "transfer_ns"}
_PEAKS = ("peak_memory", "peak_device_memory")
_DIGESTS = ("noisy_digest", "output_digest", "quality_key", "timing_key")


def _reasons(results: Results, places: np.ndarray, scored: Mapping[str, ScoreColumn]) -> np.ndarray:
    """Return the reasons of failures and of missing scores, an array of objects (places,)."""
    found = results.columns.texts("reason", places)
    for name, column in scored.items():
        for number, place in enumerate(places.tolist()):
            if column.reasons[place]:
                lost = f"{name}: {column.reasons[place]}"
                found[number] = "; ".join(filter(None, [found[number], lost]))
    return found


def table1(results: Results) -> pd.DataFrame:
    """Tabulate each method, device and noise level; `TABLE1_COLUMNS` names the columns.

    A row has figures only if it has all frames over which means are taken: means over other frames
    cannot be compared.
    """
    inputs = _inputs(results)
    defined = {level: _defined(results, level) for level in results.levels}
    lines = [
        _table1_row(results, row, level, defined[level], inputs)
        for row in results.rows
        for level in results.levels
    ]
    further = [metric.column for metric in results.further_metrics]
    columns = with_further(TABLE1_COLUMNS, further, after="ssim_mean")
    return _numeric(pd.DataFrame(lines, columns=columns))


def _numeric(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with nan for missing figures, also in columns without any figure."""
    missing = [name for name in table if table[name].dtype == object and name not in TEXT_COLUMNS]
    return table.astype(dict.fromkeys(missing, float))


def as_csv(tables: Iterable[pd.DataFrame]) -> Iterator[str]:
    """Write the rows of tidy tables as CSV, in which no text is a formula to a spreadsheet.

    Digits after the sixth say nothing that raw samples do not.

    Args:
        tables: parts of a table, of the same columns.

    Yields:
        The lines of each part; those of the first begin with the columns' names.
    """
    for number, table in enumerate(tables):
        head = [",".join(table.columns)] if number == 0 else []
        cells = zip(*(_texts(table[name]) for name in table), strict=True)
        yield "".join(f"{line}\n" for line in (*head, *map(",".join, cells)))


def _texts(column: pd.Series[Any]) -> Iterable[str]:
    """Write the values of a column as they stand in CSV; empty for missing ones."""
    values = column.tolist()
    if column.dtype.kind == "i":
        return map(str, values)
    if column.dtype.kind == "f":
        missing = repeat("", len(values))
        return missing if column.isna().all() else (_number(value) for value in values)
    known = [value if isinstance(value, str) else "" for value in values]
    whole = "".join(known)
    if whole.isascii() and whole.isalnum():  # such as digests
        return known
    cells = {text: _quoted(as_cell(text)) for text in set(known)}
    return [cells[text] for text in known]


def _number(value: float) -> str:
    """Write a number with six significant digits; empty for nan."""
    return f"{value:.6g}" if value == value else ""


def _quoted(text: str) -> str:
    """Write a text on one line as CSV has it."""
    return '"{}"'.format(text.replace('"', '""')) if "," in text or '"' in text else text


def named_lines(results: Results) -> dict[str, dict[str, Any]]:
    """Return the lines of `table1` by names in words that are the same in every run.

    Histories and other tools follow a row by its name. A blind method's name has no told sigma.
    """
    rows = product(results.rows, results.levels)
    lines = table1(results).to_dict("records")
    return {
        row.label(level): {str(key): value for key, value in line.items()}
        for (row, level), line in zip(rows, lines, strict=True)
    }


def _table1_row(
    results: Results,
    row: Row,
    level: Level,
    defined: Mapping[str, np.ndarray],
    inputs: Mapping[int, float],
) -> dict[str, Any]:
    """Return the line of a row and noise level, by column.

    Args:
        results: the stored run.
        row: the row.
        level: the noise level.
        defined: the noisy frames of the level over which means are taken, by metric.
        inputs: PSNR of the noisy frames, see `_inputs`.
    """
    frames = results.complete_frames(row, level)
    status = _status(results, row, level)
    lack = _lack(results.whole, row, level)
    identity = {
        "method": row.method,
        "title": row.title,
        "sigma": level.sigma,
        "told": level.told,
        "device": row.device,
        "frames": len(frames),
        "psnr_paper": PAPER_PSNR.get(row.name),
        "status": status,
        "note": lack if lack or status == Status.OK else "no frame that all methods have",
    }
    if status != Status.OK:
        return identity
    ok = results.places(row, level)
    means, notes = _means(results, level, ok, defined)
    psnr = results.columns.numbers("psnr")[ok]
    return identity | {
        **means,
        "note": "; ".join(filter(None, [lack, *_process_notes(results, level, ok), *notes])),
        "psnr_std": _deviation(psnr[~np.isnan(psnr)]),
        "psnr_gain": _gain(results, ok, inputs),
        **_times(results.columns, ok),
        **_process_figures(results, row, ok),
    }


def _status(results: Results, row: Row, level: Level) -> str:
    """Return ``ok`` for a row that has all frames, else its most common failure, if it has any."""
    if results.is_complete(row, level):
        return Status.OK.value
    failed = _failed(results, row, level)
    return _most_common(results, failed) if len(failed) else INCOMPLETE


def _failed(results: Results, row: Row, level: Level) -> np.ndarray:
    """Return the places of a row's failures at a noise level, int (cells,)."""
    places = results.places(row, level)
    failed: np.ndarray = places[~results.columns.ok[places]]
    return failed


def _most_common(results: Results, places: np.ndarray) -> str:
    """Return the most common status of some cells."""
    return str(Counter(results.columns.texts("status", places)).most_common(1)[0][0])


def _lack(results: Results, row: Row, level: Level) -> str:
    """Say on one line how many frames a row has, and what failed; '' if it has all."""
    if results.is_complete(row, level):
        return ""
    failed, planned = _failed(results, row, level), results.planned(row, level)
    have, total = len(results.complete_frames(row, level)), len(results.frames(level))
    share = f"{have} of {counted(total, 'frame')} measured"
    if not len(failed):
        return share
    status = _most_common(results, failed)
    first = list(results.columns.texts("status", failed)).index(status)
    reason = results.columns.texts("reason", failed)[first]
    if len(failed) == planned:
        return str(reason)
    how = "were not tried" if status == Status.UNAVAILABLE else "failed"
    return f"{share}; {len(failed)} of {counted(planned, 'cell')} {how}: {reason}"


def _defined(results: Results, level: Level) -> dict[str, np.ndarray]:
    """Return the noisy frames on which any contestant has a score, sorted, by metric.

    Metrics are not defined for every frame. Means of a metric are taken over the same frames for
    all methods, as well.
    """
    complete = [row for row in results.rows if results.is_complete(row, level)]
    rivals = [row for row in complete if not row.is_control] or complete
    measured = [np.zeros(0, int), *(results.places(row, level) for row in rivals)]
    return {
        metric.name: _scenes(
            results, np.concatenate(measured), score_column(results, metric).values
        )
        for metric in _scored(results)
    }


def _scenes(results: Results, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the numbers of the noisy frames that have a value, sorted, int (noisy frames,)."""
    return np.unique(results.columns.scenes[places[~np.isnan(values[places])]])


def _scored(results: Results) -> list[MetricRecord]:
    """Return the metrics of which the table has means: the protocol's, and further ones."""
    further = [metric for metric in results.further_metrics if not metric.unavailable]
    return [*_protocol_metrics(), *further]


@cache
def _protocol_metrics() -> list[MetricRecord]:
    """Return the metrics that every run scores."""
    return [MetricRecord(**metric.description) for metric in select_metrics(PROTOCOL)]


def _means(
    results: Results, level: Level, ok: np.ndarray, defined: Mapping[str, np.ndarray]
) -> tuple[dict[str, float], list[str]]:
    """Return the means of metrics by column, and notes on means that are missing or infinite."""
    means, notes = {}, []
    for metric in _scored(results):
        column = score_column(results, metric)
        known = ok[~np.isnan(column.values[ok])]
        alike = np.array_equal(_scenes(results, ok, column.values), defined[metric.name])
        if lack := _no_mean(metric, column, ok, alike):
            notes.append(f"{metric.title}: no mean, {lack}")
        elif len(known):
            mean = mean_psnr if metric.name == "psnr" else _mean
            means[metric.column] = mean(column.values[known].tolist())
            notes += _infinities(results, metric, level, known)
    return means, notes


def _no_mean(metric: MetricRecord, column: ScoreColumn, ok: np.ndarray, is_alike: bool) -> str:
    """Say why a metric has no mean; '' if it has one, or no score at all."""
    if metric.name not in PROTOCOL:
        found = [column.reasons[place] for place in ok.tolist()]
        reasons = ["not scored yet" if why is None else why for why in found if why != ""]
        if reasons:
            return f"{len(reasons)} of {counted(len(ok), 'cell')} without a score: {reasons[0]}"
    return "" if is_alike else "it is defined on other frames than for other methods"


def _infinities(
    results: Results, metric: MetricRecord, level: Level, known: np.ndarray
) -> list[str]:
    """Remark that a mean is infinite because of some frames, and give the mean over the others."""
    values = score_column(results, metric).values[known]
    if not is_partly_infinite(values):
        return []
    frames = results.columns.codes("frame")[0][known]
    infinite = np.unique(frames[np.isinf(values)])
    others = values[~np.isin(frames, infinite)].tolist()
    mean = f"{_mean(others):.{metric.decimals}f} {metric.unit}".strip() if others else "none"
    return [
        f"{metric.title} ({level}): infinite on {len(infinite)} of {len(np.unique(frames))} "
        f"frames, {mean} over the others"
    ]


def _inputs(results: Results) -> dict[int, float]:
    """Return the PSNR in dB of the noisy frames, that of the control `noisy`, by their numbers."""
    found: dict[int, float] = {}
    for row in results.rows:
        if row.method == NOISY_CONTROL:
            places = results.places(row)
            psnr = results.columns.numbers("psnr")[places].tolist()
            found.update(zip(results.columns.scenes[places].tolist(), psnr, strict=True))
    return found


def _gain(results: Results, ok: np.ndarray, inputs: Mapping[int, float]) -> float | None:
    """Return the mean gain in PSNR over the noisy frames, in dB; None if some are not known."""
    psnr = results.columns.numbers("psnr")[ok]
    scenes = results.columns.scenes[ok].tolist()
    before = np.array([inputs.get(scene, math.nan) for scene in scenes])
    is_known = not (np.isnan(psnr) | np.isnan(before)).any()
    return _mean((psnr - before).tolist()) if is_known else None


def _times(columns: Measurements, ok: np.ndarray) -> dict[str, float | None]:
    """Return a row's times in milliseconds, over the cells that were timed."""
    ns = columns.times("call_ns").ns[ok]
    timed = ~np.isnan(ns)
    by_size = ns[timed] / columns.numbers("pixels")[ok][timed]
    return {
        "ms_per_frame": _median(ns[timed] / 1e6),
        "ms_per_megapixel": _median(by_size),
        "transfer_ms": _milliseconds(columns.samples("transfer_ns", ok)),
    }


def _process_figures(results: Results, row: Row, ok: np.ndarray) -> dict[str, float | None]:
    """Return the figures that are measured once in a process, over all of a row's levels.

    Args:
        results: the stored run.
        row: the row.
        ok: places of the frames that count; memory grows with their number of pixels.
    """
    columns, places = results.columns, results.places(row)
    sizes = columns.numbers("pixels")
    peak = columns.numbers("peak_memory" if row.device == "cpu" else "peak_device_memory")
    peaks = peak[places[np.isin(sizes[places], sizes[ok])]]
    peaks = peaks[~np.isnan(peaks)]
    cold = columns.numbers("cold_ns")[places]
    return {
        **_batch_figures(_throughputs(results, places)),
        "cold_ms": _milliseconds(cold[~np.isnan(cold)].tolist()),
        "peak_memory_mb": peaks.max() / 1e6 if len(peaks) else None,
    }


def _batch_figures(found: list[Throughput]) -> dict[str, float | None]:
    """Return the figures of the middle one of some times on batches, the slowest of two."""
    if not found:
        return {}
    middle = found[(len(found) - 1) // 2]
    return {
        "mp_per_s": middle.megapixels_per_second,
        "batch": middle.batch,
        "j_per_mp": middle.joules_per_megapixel,
    }


def _throughputs(results: Results, places: np.ndarray) -> list[Throughput]:
    """Return the times on batches of a row's processes, the slowest first."""
    found = [t for s in _sessions(results, places) for t in results.throughputs.get(s, ())]
    return sorted(found, key=lambda one: one.megapixels_per_second)


def _sessions(results: Results, places: np.ndarray) -> list[int]:
    """Return the numbers of the processes that measured some cells."""
    sessions = results.columns.numbers("session")[places]
    found: list[int] = np.unique(sessions[~np.isnan(sessions)]).astype(int).tolist()
    return found


def _process_notes(results: Results, level: Level, ok: np.ndarray) -> list[str]:
    """Return notes on the processes that measured; some may be empty."""
    known = _sessions(results, ok)
    notes = [_untimed_note(results, level, ok), _time_note(results, ok)]
    problems = dict.fromkeys(t.problem for t in _throughputs(results, ok))
    return [*notes, *problems, _shift_note(results, known), *results.remarked(known)]


def without_times(note: str) -> str:
    """Return the notes of a row of `table1` without those on its times.

    Examples:
        >>> without_times("timed on 3 of 20 frames; 1 of 2 frames measured")
        '1 of 2 frames measured'
    """
    return "; ".join(part for part in note.split("; ") if not part.startswith(_ON_TIMES))


_SCATTERED = "Times scatter: their interquartile range is above 10 % of the median"
_ON_TIMES = (_SCATTERED, "timed on ", "not timed", "batches of ")


def _untimed_note(results: Results, level: Level, ok: np.ndarray) -> str:
    """Say so if a method was timed on fewer frames than others; else return ''."""
    frames, columns = results.frames(level), results.columns
    timed = set(columns.texts("frame", ok[columns.times("call_ns").rounds[ok] > 0]))
    if timed == results.timed_frames.intersection(frames):
        return ""
    return f"timed on {len(timed)} of {counted(len(frames), 'frame')}" if timed else "not timed"


def _time_note(results: Results, ok: np.ndarray) -> str:
    """Say so if the times of most frames scatter; else return ''."""
    times = results.columns.times("call_ns")
    judged = times.scatters[ok[times.judged[ok]]]
    scattered = len(judged) and judged.sum() > len(judged) / 2
    return _SCATTERED if scattered else ""


def _shift_note(results: Results, sessions: Sequence[int]) -> str:
    """Say so if the estimates of some processes are shifted; else return ''."""
    shift = results.shift(sessions)
    if shift is None or math.hypot(*shift) < NOTICEABLE:
        return ""
    down, right = shift
    return (
        f"estimates are shifted by ({down:.2f}, {right:.2f}) pixels (down, right) against the "
        "clean frame, which lowers PSNR"
    )


def _mean(values: Sequence[float]) -> float:
    """Return the mean; nan where infinite values have both signs."""
    return sum(values) / len(values)


def _deviation(values: np.ndarray) -> float | None:
    """Return the sample standard deviation; None where it is not defined."""
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    return float(pd.Series(values).std())


def _milliseconds(ns: Sequence[float]) -> float | None:
    """Return the median of times in milliseconds; None if there is none."""
    return median(ns) / 1e6 if ns else None


def _median(values: np.ndarray) -> float | None:
    """Return the median; None if there is no value."""
    return float(np.median(values)) if len(values) else None
