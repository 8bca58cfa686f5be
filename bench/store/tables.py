"""A run as tidy data: one row a cell, and one row a method, sigma and device."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.cells import Cell, Measurement, Score, Status
from denoisebench.machine.timing import is_noisy
from denoisebench.protocol.rules import mean_psnr
from denoisebench.running.plan import NOISY
from denoisebench.store.results import score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.cells import Level
    from denoisebench.store.results import Results

PAPER_PSNR = {
    "wgan-gp-unet": 29.5263,
    "dcgan": 27.1454,
    "nlm-skimage": 32.0913,
    "bm3d": 33.6711,
}
"""Gong, Liu & Lv 2020, Table 1, in dB. The paper prints neither its sigma nor its frames."""

INCOMPLETE = "incomplete"
"""A row's status while cells are still missing; all others are those of cells."""

TABLE1_COLUMNS = (
    "method",
    "title",
    "sigma",
    "told",
    "device",
    "frames",
    "psnr_mean",
    "psnr_std",
    "psnr_gain",
    "psnr_paper",
    "ssim_mean",
    "ms_per_frame",
    "ms_per_megapixel",
    "transfer_ms",
    "cold_ms",
    "peak_memory_mb",
    "status",
    "note",
)


def frames_table(results: Results) -> pd.DataFrame:
    """One row a measured cell, in the order of the plan. Times in milliseconds, memory in MB."""
    further = results.further_metrics
    rows = [
        _frame_row(m, further) for row in results.manifest["rows"] for m in results.measured(row)
    ]
    return pd.DataFrame(rows, columns=list(_frame_row(_NOTHING, further)))


def _frame_row(m: Measurement, further: Sequence[dict[str, Any]]) -> dict[str, Any]:
    scores = {metric["name"]: score(m, metric) or _NO_SCORE for metric in further}
    lost = [f"{name}: {score.reason}" for name, score in scores.items() if score.reason]
    return {
        "method": m.cell.method,
        "device": m.cell.device,
        "frame": m.cell.frame,
        "sigma": m.cell.sigma,
        "told": m.sigma_given,
        "seed": m.cell.seed,
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


_NOTHING = Measurement(Cell("", "", "", 0, 0), Status.ERROR)
_NO_SCORE = Score(None, "")


def table1(results: Results) -> pd.DataFrame:
    """The paper's Table 1 as tidy data: one row a method, sigma and device.

    The means of further metrics stand in columns of their own, ``NAME_mean``, after SSIM's.
    """
    rows = [
        _table1_row(results, row, level)
        for row in results.manifest["rows"]
        for level in results.levels
    ]
    after = TABLE1_COLUMNS.index("ssim_mean") + 1
    further = [f"{metric['name']}_mean" for metric in results.further_metrics]
    return pd.DataFrame(rows, columns=[*TABLE1_COLUMNS[:after], *further, *TABLE1_COLUMNS[after:]])


def _table1_row(results: Results, row: dict[str, Any], level: Level) -> dict[str, Any]:
    planned = len(results.cells(row, level))
    measured = results.measured(row, level)
    ok = [m for m in measured if m.status is Status.OK]
    status, note = _verdict(planned, measured, ok)
    identity = {
        "method": row["method"],
        "title": row["title"],
        "sigma": level.sigma,
        "told": level.told,
        "device": row["device"],
        "frames": len({m.cell.frame for m in ok}),
        "psnr_paper": PAPER_PSNR.get(row["name"]),
        "status": status,
        "note": note,
    }
    # A mean over the frames that happened to succeed would flatter the method.
    if not ok or status not in (Status.OK, INCOMPLETE):
        return identity
    psnrs = [m.psnr for m in ok if m.psnr is not None]
    ssims = [m.ssim for m in ok if m.ssim is not None]
    means, notes = _further_means(results, ok)
    return identity | {
        **means,
        "note": "; ".join(filter(None, [note, _time_note(ok), *notes])),
        "psnr_mean": mean_psnr(psnrs) if psnrs else None,
        "psnr_std": _deviation(psnrs),
        "psnr_gain": _gain(results, ok),
        "ssim_mean": sum(ssims) / len(ssims) if ssims else None,
        "ms_per_frame": median(median(m.call_ns) / 1e6 for m in ok),
        "ms_per_megapixel": median(median(m.call_ns) / m.pixels for m in ok),
        "transfer_ms": _milliseconds([ns for m in ok for ns in m.transfer_ns]),
        **_process_figures(results.measured(row)),
    }


def _further_means(
    results: Results, ok: Sequence[Measurement]
) -> tuple[dict[str, float], list[str]]:
    """Means of the further metrics by column; where one is incomplete, a line that says so."""
    means, notes = {}, []
    for metric in results.further_metrics:
        if metric["unavailable"]:
            continue
        scores = [score(m, metric) for m in ok]
        reasons = [s.reason if s else "not scored yet" for s in scores if s is None or s.reason]
        values = [s.value for s in scores if s is not None and s.value is not None]
        if reasons:
            notes.append(
                f"{metric['title']}: no mean, {len(reasons)} of {len(ok)} cells have no score: "
                f"{reasons[0]}"
            )
        elif values:
            means[f"{metric['name']}_mean"] = sum(values) / len(values)
    return means, notes


def _gain(results: Results, ok: Sequence[Measurement]) -> float | None:
    """How far estimates are above their inputs in PSNR, in the mean, in dB, if all are known.

    The inputs' is what the control `noisy` has.
    """
    rows = [row for row in results.manifest["rows"] if row["method"] == NOISY]
    inputs = {_scene(m.cell): m.psnr for row in rows for m in results.measured(row)}
    pairs = [(m.psnr, inputs.get(_scene(m.cell))) for m in ok]
    known = [(psnr, before) for psnr, before in pairs if psnr is not None and before is not None]
    return fmean(psnr - before for psnr, before in known) if len(known) == len(ok) else None


def _scene(cell: Cell) -> tuple[Any, ...]:
    return cell.frame, cell.sigma, cell.seed


def _process_figures(measured: Sequence[Measurement]) -> dict[str, float | None]:
    """What is measured once a process rather than once a cell: over all of the row's sigmas."""
    memory = [m.peak_memory if m.cell.device == "cpu" else m.peak_device_memory for m in measured]
    return {
        "cold_ms": _milliseconds([m.cold_ns for m in measured if m.cold_ns is not None]),
        "peak_memory_mb": _megabytes(max((b for b in memory if b is not None), default=None)),
    }


def _verdict(
    planned: int, measured: Sequence[Measurement], ok: Sequence[Measurement]
) -> tuple[str, str]:
    """A row's status, and one line on what went wrong."""
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
    """Say so where the times of most frames scatter."""
    judged = [is_noisy(m.call_ns) for m in ok if len(m.call_ns) >= 4]
    scattered = judged and sum(judged) > len(judged) / 2
    return (
        "Times scatter: their interquartile range is above 10 % of the median" if scattered else ""
    )


def _deviation(values: Sequence[float]) -> float | None:
    """Sample standard deviation; None where there is none."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    return float(pd.Series(values).std())


def _milliseconds(ns: Sequence[int] | int | None) -> float | None:
    """The median in milliseconds."""
    if isinstance(ns, int):
        return ns / 1e6
    return median(ns) / 1e6 if ns else None


def _megabytes(count: int | None) -> float | None:
    return None if count is None else count / 1e6
