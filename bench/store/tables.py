"""Tidy tables of a run: ``frames.csv`` by cell, and ``table1.csv`` by row and noise level."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.cells import NOISY_CONTROL, Score, Status
from denoisebench.columns import FRAMES_COLUMNS, TABLE1_COLUMNS, TEXT_COLUMNS, with_further
from denoisebench.machine.timing import is_noisy
from denoisebench.protocol import mean_psnr
from denoisebench.protocol.shift import NOTICEABLE
from denoisebench.store.results import score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.cells import Cell, Level, Measurement
    from denoisebench.store.manifest import MetricRecord, Row
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
    """Tabulate each method, device and noise level; `TABLE1_COLUMNS` names the columns."""
    rows = [_table1_row(results, row, level) for row in results.rows for level in results.levels]
    further = [metric.column for metric in results.further_metrics]
    columns = with_further(TABLE1_COLUMNS, further, after="ssim_mean")
    return _numeric(pd.DataFrame(rows, columns=columns))


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


def _table1_row(results: Results, row: Row, level: Level) -> dict[str, Any]:
    """Return the line of a row and noise level, by column."""
    planned = len(results.cells(row, level))
    measured = results.measured(row, level)
    ok = [m for m in measured if m.status is Status.OK]
    status, note = _verdict(planned, measured, ok)
    identity = {
        "method": row.method,
        "title": row.title,
        "sigma": level.sigma,
        "told": level.told,
        "device": row.device,
        "frames": len({m.cell.frame for m in ok}),
        "psnr_paper": PAPER_PSNR.get(row.name),
        "status": status,
        "note": note,
    }
    # A mean over the frames that happened to succeed would flatter the method.
    if not ok or status not in (Status.OK, INCOMPLETE):
        return identity
    means, notes = _further_means(results, ok)
    return identity | {
        **_protocol_means(ok),
        **means,
        "note": "; ".join(filter(None, [note, _time_note(ok), _shift_note(results, ok), *notes])),
        "psnr_gain": _gain(results, ok),
        "ms_per_frame": median(median(m.call_ns) / 1e6 for m in ok),
        "ms_per_megapixel": median(median(m.call_ns) / m.pixels for m in ok),
        "transfer_ms": _milliseconds([ns for m in ok for ns in m.transfer_ns]),
        **_process_figures(results.measured(row)),
    }


def _protocol_means(ok: Sequence[Measurement]) -> dict[str, float | None]:
    """Return the means of PSNR and SSIM over the frames that have them, by column."""
    psnrs = [m.psnr for m in ok if m.psnr is not None]
    ssims = [m.ssim for m in ok if m.ssim is not None]
    return {
        "psnr_mean": mean_psnr(psnrs) if psnrs else None,
        "psnr_std": _deviation(psnrs),
        "ssim_mean": sum(ssims) / len(ssims) if ssims else None,
    }


def _further_means(
    results: Results, ok: Sequence[Measurement]
) -> tuple[dict[str, float], list[str]]:
    """Return the means of further metrics by column, and notes on metrics without a mean."""
    means, notes = {}, []
    for metric in results.further_metrics:
        if metric.unavailable:
            continue
        scores = [score(m, metric) for m in ok]
        reasons = [s.reason if s else "not scored yet" for s in scores if s is None or s.reason]
        values = [s.value for s in scores if s is not None and s.value is not None]
        if reasons:
            notes.append(
                f"{metric.title}: no mean, {len(reasons)} of {len(ok)} cells have no score: "
                f"{reasons[0]}"
            )
        elif values:
            means[metric.column] = sum(values) / len(values)
    return means, notes


def _gain(results: Results, ok: Sequence[Measurement]) -> float | None:
    """Return the mean gain in PSNR over the noisy frames, in dB; None if some are not known.

    The noisy frames' PSNR is that of the control `noisy`.
    """
    rows = [row for row in results.rows if row.method == NOISY_CONTROL]
    inputs = {_scene(m.cell): m.psnr for row in rows for m in results.measured(row)}
    pairs = [(m.psnr, inputs.get(_scene(m.cell))) for m in ok]
    known = [(psnr, before) for psnr, before in pairs if psnr is not None and before is not None]
    return fmean(psnr - before for psnr, before in known) if len(known) == len(ok) else None


def _scene(cell: Cell) -> tuple[Any, ...]:
    """Return the identity of a cell's noisy frame within its run."""
    return cell.frame, cell.sigma, cell.seed


def _process_figures(measured: Sequence[Measurement]) -> dict[str, float | None]:
    """Return the figures that are measured once in a process, over all of a row's levels."""
    return {
        "cold_ms": _milliseconds([m.cold_ns for m in measured if m.cold_ns is not None]),
        "peak_memory_mb": _megabytes(
            max((m.peak for m in measured if m.peak is not None), default=None)
        ),
    }


def _verdict(
    planned: int, measured: Sequence[Measurement], ok: Sequence[Measurement]
) -> tuple[str, str]:
    """Return a row's status, and one line on its failures or missing cells."""
    failed = [m for m in measured if m.status is not Status.OK]
    if failed:
        status = Counter(m.status for m in failed).most_common(1)[0][0]
        reason = next(m.reason for m in failed if m.status is status)
        how = "were not tried" if status is Status.UNAVAILABLE else "failed"
        share = "" if len(failed) == planned else f"{len(failed)} of {planned} cells {how}: "
        return status.value, f"{share}{reason}"
    if len(ok) < planned:
        return INCOMPLETE, f"mean over {len(ok)} of {planned} cells"
    return Status.OK.value, ""


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
        "clean frame; PSNR suffers"
    )


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
