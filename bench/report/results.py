"""A stored run as data frames: one row a cell, and one row a method, sigma and device."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.cells import Cell, Measurement, Status
from denoisebench.folder import STORE, read_manifest
from denoisebench.protocol import mean_psnr
from denoisebench.store import Store
from denoisebench.timing import is_noisy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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
    "device",
    "frames",
    "psnr_mean",
    "psnr_std",
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


@dataclass(frozen=True)
class Results:
    """A run as it is stored: its manifest, and the measurements of the cells it planned."""

    manifest: dict[str, Any]
    measurements: dict[Cell, Measurement]

    @property
    def sigmas(self) -> list[float]:
        return [float(sigma) for sigma in self.manifest["options"]["sigmas"]]

    @property
    def devices(self) -> list[str]:
        return list(dict.fromkeys(row["device"] for row in self.manifest["rows"]))

    def cells(self, row: dict[str, Any], sigma: float | None = None) -> list[Cell]:
        """The cells that were planned for a row, at one sigma or at all."""
        sigmas = self.sigmas if sigma is None else [sigma]
        return [
            Cell(row["method"], row["device"], frame["id"], s, seed)
            for frame in self.manifest["dataset"]["frames"]
            for s in sigmas
            for seed in range(self.manifest["options"]["seeds"])
        ]

    def measured(self, row: dict[str, Any], sigma: float | None = None) -> list[Measurement]:
        known = self.measurements
        return [known[cell] for cell in self.cells(row, sigma) if cell in known]

    def failures(self) -> list[Measurement]:
        """What went wrong; a method that is not installed and was not asked for did not."""
        return [
            m
            for row in self.manifest["rows"]
            for m in self.measured(row)
            if m.status is not Status.OK
            and not (
                m.status is Status.UNAVAILABLE
                and m.session is None
                and not row["asked_by_name"]
                and row["problem"] is None
            )
        ]


def load(folder: Path) -> Results:
    """Read a run's folder.

    Raises:
        UsageError: it holds no run, or a damaged one.
    """
    manifest = read_manifest(folder)
    with Store(folder / STORE, read_only=True) as store:
        return Results(manifest, store.measurements())


def frames_table(results: Results) -> pd.DataFrame:
    """One row a measured cell, in the order of the plan. Times in milliseconds, memory in MB."""
    rows = [_frame_row(m) for row in results.manifest["rows"] for m in results.measured(row)]
    return pd.DataFrame(rows, columns=list(_frame_row(_NOTHING)))


def _frame_row(m: Measurement) -> dict[str, Any]:
    return {
        "method": m.cell.method,
        "device": m.cell.device,
        "frame": m.cell.frame,
        "sigma": m.cell.sigma,
        "seed": m.cell.seed,
        "status": m.status.value,
        "reason": m.reason,
        "psnr": m.psnr,
        "ssim": m.ssim,
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


def table1(results: Results) -> pd.DataFrame:
    """The paper's Table 1 as tidy data: one row a method, sigma and device."""
    rows = [
        _table1_row(results, row, sigma)
        for row in results.manifest["rows"]
        for sigma in results.sigmas
    ]
    return pd.DataFrame(rows, columns=list(TABLE1_COLUMNS))


def _table1_row(results: Results, row: dict[str, Any], sigma: float) -> dict[str, Any]:
    planned = len(results.cells(row, sigma))
    measured = results.measured(row, sigma)
    ok = [m for m in measured if m.status is Status.OK]
    status, note = _verdict(planned, measured, ok)
    identity = {
        "method": row["method"],
        "title": row["title"],
        "sigma": sigma,
        "device": row["device"],
        "frames": len({m.cell.frame for m in ok}),
        "psnr_paper": PAPER_PSNR.get(row["name"]),
        "status": status,
        "note": "; ".join(filter(None, [note, _time_note(ok)])),
    }
    # A mean over the frames that happened to succeed would flatter the method.
    if not ok or status not in (Status.OK, INCOMPLETE):
        return identity
    psnrs = [m.psnr for m in ok if m.psnr is not None]
    ssims = [m.ssim for m in ok if m.ssim is not None]
    return identity | {
        "psnr_mean": mean_psnr(psnrs),
        "psnr_std": _deviation(psnrs),
        "ssim_mean": sum(ssims) / len(ssims) if ssims else None,
        "ms_per_frame": median(median(m.call_ns) / 1e6 for m in ok),
        "ms_per_megapixel": median(median(m.call_ns) / m.pixels for m in ok),
        "transfer_ms": _milliseconds([ns for m in ok for ns in m.transfer_ns]),
        **_process_figures(results.measured(row)),
    }


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
        share = "" if len(failed) == planned else f"{len(failed)} of {planned} cells failed: "
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


def iter_notes(results: Results) -> Iterator[tuple[dict[str, Any], str]]:
    """What a reader of each row must know: its licence where it restricts, and its card's note."""
    for row in results.manifest["rows"]:
        if "non-commercial" in row["licence"]:
            yield row, f"Licence: {row['licence']}."
        if row["note"]:
            yield row, row["note"]
