"""Tidy tables of a run: ``frames.csv`` by cell, and ``table1.csv`` by row and noise level."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.cells import NOISY_CONTROL, Score, Status
from denoisebench.columns import FRAMES_COLUMNS, TABLE1_COLUMNS, TEXT_COLUMNS, with_further
from denoisebench.machine.timing import is_noisy
from denoisebench.metrics.registry import PROTOCOL, select_metrics
from denoisebench.protocol import mean_psnr
from denoisebench.protocol.shift import NOTICEABLE
from denoisebench.store.manifest import MetricRecord
from denoisebench.store.results import score, score_value
from denoisebench.store.scores import is_partly_infinite
from denoisebench.text import as_cell

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from denoisebench.cells import Cell, Level, Measurement
    from denoisebench.store.manifest import Row
    from denoisebench.store.results import Results

PAPER_PSNR = {
    "wgan-gp-unet": 29.5263,
    "dcgan": 27.1454,
    "nlm-skimage": 32.0913,
    "bm3d": 33.6711,
}
"""PSNR in dB by method, from Table 1 of Gong, Liu & Lv 2020. The paper prints neither its sigma nor
its frames."""

INCOMPLETE = "incomplete"
"""Status of a row while cells are missing; every other status of a row is one of cells."""

_Scene = tuple[str, float | None, int]
"""Identity of a noisy frame within its run: the frame's id, the sigma and the noise draw."""


def frames_table(results: Results) -> pd.DataFrame:
    """Tabulate the measured cells in the order of the plan; `FRAMES_COLUMNS` names the columns."""
    further = results.further_metrics
    rows = [_frame_row(m, further) for row in results.rows for m in results.measured(row)]
    columns = with_further(FRAMES_COLUMNS, [metric.name for metric in further], after="ssim")
    return _numeric(pd.DataFrame(rows, columns=columns))


def _numeric(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with nan for missing figures, also in columns without any figure."""
    missing = [name for name in table if table[name].dtype == object and name not in TEXT_COLUMNS]
    return table.astype(dict.fromkeys(missing, float))


def _frame_row(m: Measurement, further: Sequence[MetricRecord]) -> dict[str, Any]:
    """Return a measurement's row by column, with the scores of further metrics."""
    scores = {metric.name: score(m, metric) or _NO_SCORE for metric in further}
    lost = [f"{name}: {score.reason}" for name, score in scores.items() if score.reason]
    return {
        **vars(m.cell),
        "sigma_given": m.sigma_given,
        "status": m.status.value,
        "reason": "; ".join(filter(None, [m.reason, *lost])),
        "psnr": m.psnr,
        "ssim": m.ssim,
        **{name: score.value for name, score in scores.items()},
        "ms": _milliseconds(m.call_ns),
        "event_ms": _milliseconds(m.event_ns),
        "transfer_ms": _milliseconds(m.transfer_ns),
        "cold_ms": _milliseconds(m.cold_ns),
        "load_ms": _milliseconds(m.load_ns),
        "rounds": len(m.call_ns),
        "peak_memory_mb": _megabytes(m.peak_memory),
        "peak_device_memory_mb": _megabytes(m.peak_device_memory),
        "pixels": m.pixels,
        "noisy_digest": m.noisy_digest,
        "output_digest": m.output_digest,
        "quality_key": m.quality_key,
        "timing_key": m.timing_key,
    }


_NO_SCORE = Score(None, "")


def table1(results: Results) -> pd.DataFrame:
    """Tabulate each method, device and noise level; `TABLE1_COLUMNS` names the columns.

    A row has figures only if it has all frames over which means are taken: means over other frames
    cannot be compared.
    """
    defined = {level: _defined(results, level) for level in results.levels}
    rows = [
        _table1_row(results, row, level, defined[level])
        for row in results.rows
        for level in results.levels
    ]
    further = [metric.column for metric in results.further_metrics]
    columns = with_further(TABLE1_COLUMNS, further, after="ssim_mean")
    return _numeric(pd.DataFrame(rows, columns=columns))


def as_csv(table: pd.DataFrame) -> str:
    """Write a tidy table as CSV, in which no text is a formula to a spreadsheet.

    Digits after the sixth say nothing that raw samples do not.
    """
    texts = {name: table[name].map(as_cell) for name in table if name in TEXT_COLUMNS}
    return table.assign(**texts).to_csv(index=False, float_format="%.6g")


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
    results: Results, row: Row, level: Level, defined: Mapping[str, frozenset[_Scene]]
) -> dict[str, Any]:
    """Return the line of a row and noise level, by column.

    Args:
        results: the stored run.
        row: the row.
        level: the noise level.
        defined: the noisy frames of the level over which means are taken, by metric.
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
    ok = results.measured(row, level)
    means, notes = _means(results, level, ok, defined)
    return identity | {
        **means,
        "note": "; ".join(filter(None, [lack, *_process_notes(results, level, ok), *notes])),
        "psnr_std": _deviation([m.psnr for m in ok if m.psnr is not None]),
        "psnr_gain": _gain(results, ok),
        **_times([m for m in ok if m.call_ns]),
        "transfer_ms": _milliseconds([ns for m in ok for ns in m.transfer_ns]),
        **_process_figures(results.measured(row), {m.pixels for m in ok}),
    }


def _times(timed: Sequence[Measurement]) -> dict[str, float]:
    """Return the times of a line, by column, from the measurements that have some."""
    if not timed:
        return {}
    return {
        "ms_per_frame": median(median(m.call_ns) / 1e6 for m in timed),
        "ms_per_megapixel": median(median(m.call_ns) / m.pixels for m in timed),
    }


def _status(results: Results, row: Row, level: Level) -> str:
    """Return ``ok`` for a row that has all frames, else its most common failure, if it has any."""
    if results.is_complete(row, level):
        return Status.OK.value
    failed = [m.status for m in results.measured(row, level) if m.status is not Status.OK]
    return Counter(failed).most_common(1)[0][0].value if failed else INCOMPLETE


def _lack(results: Results, row: Row, level: Level) -> str:
    """Say on one line how many frames a row has, and what failed; '' if it has all."""
    if results.is_complete(row, level):
        return ""
    measured, planned = results.measured(row, level), len(results.cells(row, level))
    failed = [m for m in measured if m.status is not Status.OK]
    have, total = len(results.complete_frames(row, level)), len(results.frames(level))
    share = f"{have} of {total} frames measured"
    if not failed:
        return share
    status = Counter(m.status for m in failed).most_common(1)[0][0]
    reason = next(m.reason for m in failed if m.status is status)
    if len(failed) == planned:
        return reason
    how = "were not tried" if status is Status.UNAVAILABLE else "failed"
    return f"{share}; {len(failed)} of {planned} cells {how}: {reason}"


def _defined(results: Results, level: Level) -> dict[str, frozenset[_Scene]]:
    """Return the noisy frames on which any contestant has a score, by metric.

    Metrics are not defined for every frame. Means of a metric are taken over the same frames for
    all methods, as well.
    """
    complete = [row for row in results.rows if results.is_complete(row, level)]
    rivals = [row for row in complete if not row.is_control] or complete
    measured = [m for row in rivals for m in results.measured(row, level)]
    return {
        metric.name: frozenset(
            _scene(m.cell) for m in measured if score_value(m, metric) is not None
        )
        for metric in _scored(results)
    }


def _scored(results: Results) -> list[MetricRecord]:
    """Return the metrics of which the table has means: the protocol's, and further ones."""
    further = [metric for metric in results.further_metrics if not metric.unavailable]
    return [*_protocol_metrics(), *further]


@cache
def _protocol_metrics() -> list[MetricRecord]:
    """Return the metrics that every run scores."""
    return [MetricRecord(**metric.description) for metric in select_metrics(PROTOCOL)]


def _means(
    results: Results,
    level: Level,
    ok: Sequence[Measurement],
    defined: Mapping[str, frozenset[_Scene]],
) -> tuple[dict[str, float], list[str]]:
    """Return the means of metrics by column, and notes on means that are missing or infinite."""
    means, notes = {}, []
    for metric in _scored(results):
        values = {_scene(m.cell): score_value(m, metric) for m in ok}
        known = {scene: value for scene, value in values.items() if value is not None}
        if lack := _no_mean(metric, ok, known.keys() == defined[metric.name]):
            notes.append(f"{metric.title}: no mean, {lack}")
        elif known:
            mean = mean_psnr if metric.name == "psnr" else _mean
            means[metric.column] = mean([*known.values()])
            notes += _infinities(metric, level, known)
    return means, notes


def _no_mean(metric: MetricRecord, ok: Sequence[Measurement], is_alike: bool) -> str:
    """Say why a metric has no mean; '' if it has one, or no score at all."""
    if metric.name not in PROTOCOL:
        scores = [score(m, metric) for m in ok]
        reasons = [s.reason if s else "not scored yet" for s in scores if s is None or s.reason]
        if reasons:
            return f"{len(reasons)} of {len(ok)} cells have no score: {reasons[0]}"
    return "" if is_alike else "it is defined on other frames than for other methods"


def _infinities(metric: MetricRecord, level: Level, values: Mapping[_Scene, float]) -> list[str]:
    """Remark that a mean is infinite because of some frames, and give the mean over the others."""
    frames = {frame for frame, *_ in values}
    infinite = {frame for (frame, *_), value in values.items() if math.isinf(value)}
    if not is_partly_infinite(values.values()):
        return []
    others = [value for (frame, *_), value in values.items() if frame not in infinite]
    mean = f"{_mean(others):.{metric.decimals}f} {metric.unit}".strip() if others else "none"
    return [
        f"{metric.title} ({level}): infinite on {len(infinite)} of {len(frames)} frames, "
        f"{mean} over the others"
    ]


def _gain(results: Results, ok: Sequence[Measurement]) -> float | None:
    """Return the mean gain in PSNR over the noisy frames, in dB; None if some are not known.

    The noisy frames' PSNR is that of the control `noisy`.
    """
    rows = [row for row in results.rows if row.method == NOISY_CONTROL]
    inputs = {_scene(m.cell): m.psnr for row in rows for m in results.measured(row)}
    pairs = [(m.psnr, inputs.get(_scene(m.cell))) for m in ok]
    known = [(psnr, before) for psnr, before in pairs if psnr is not None and before is not None]
    differences = [psnr - before for psnr, before in known]
    return _mean(differences) if len(known) == len(ok) else None


def _scene(cell: Cell) -> _Scene:
    """Return the identity of a cell's noisy frame within its run."""
    return cell.frame, cell.sigma, cell.seed


def _process_figures(
    measured: Sequence[Measurement], sizes: Collection[int]
) -> dict[str, float | None]:
    """Return the figures that are measured once in a process, over all of a row's levels.

    Args:
        measured: the row's measurements.
        sizes: numbers of pixels of the frames that count; memory grows with them.
    """
    peaks = [m.peak for m in measured if m.peak is not None and m.pixels in sizes]
    return {
        "cold_ms": _milliseconds([m.cold_ns for m in measured if m.cold_ns is not None]),
        "peak_memory_mb": _megabytes(max(peaks, default=None)),
    }


def _process_notes(results: Results, level: Level, ok: Sequence[Measurement]) -> list[str]:
    """Return notes on the processes that measured; some may be empty."""
    notes = [_untimed_note(results, level, ok), _time_note(ok), _shift_note(results, ok)]
    return [*notes, *results.remarked(ok)]


def _untimed_note(results: Results, level: Level, ok: Sequence[Measurement]) -> str:
    """Say so if a method was timed on fewer frames than others; else return ''."""
    frames = results.frames(level)
    timed = {m.cell.frame for m in ok if m.call_ns}
    if timed == results.timed_frames.intersection(frames):
        return ""
    return f"timed on {len(timed)} of {len(frames)} frames" if timed else "not timed"


def _time_note(ok: Sequence[Measurement]) -> str:
    """Say so if the times of most frames scatter; else return ''."""
    judged = [is_noisy(m.call_ns) for m in ok if len(m.call_ns) >= 4]
    scattered = judged and sum(judged) > len(judged) / 2
    return (
        "Times scatter: their interquartile range is above 10 % of the median" if scattered else ""
    )


def _shift_note(results: Results, ok: Sequence[Measurement]) -> str:
    """Say so if the estimates are shifted; else return ''."""
    shift = results.shift(ok)
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


def _deviation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None where it is not defined."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    return float(pd.Series(values).std())


def _milliseconds(ns: Sequence[int] | int | None) -> float | None:
    """Return a time, or the median of times, in milliseconds; None if there is none."""
    if isinstance(ns, int):
        return ns / 1e6
    return median(ns) / 1e6 if ns else None


def _megabytes(count: int | None) -> float | None:
    """Return a number of bytes in MB."""
    return None if count is None else count / 1e6
