"""A stored run as data frames: one row a cell, and one row a method, sigma and device."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import pandas as pd

from denoisebench.cells import Cell, Level, Measurement, Score, Status, told_to
from denoisebench.folder import STORE, read_manifest
from denoisebench.metrics.registry import PROTOCOL, select
from denoisebench.plan import NOISY
from denoisebench.protocol import GAUSSIAN, mean_psnr
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


@dataclass(frozen=True)
class Results:
    """A run as it is stored: its manifest, and the measurements of the cells it planned."""

    manifest: dict[str, Any]
    measurements: dict[Cell, Measurement]

    @property
    def levels(self) -> list[Level]:
        """Of noise, and what was told of it; older manifests know sigmas alone."""
        stored = self.manifest.get("levels")
        if stored is None:
            return [Level(float(sigma)) for sigma in self.manifest["options"]["sigmas"]]
        return [Level(**level) for level in stored]

    @property
    def noise(self) -> str:
        """The spec of the noise, or `protocol.RECORDED`; older runs drew white Gaussian noise."""
        return str(self.manifest.get("noise", {"spec": GAUSSIAN.name})["spec"])

    @property
    def devices(self) -> list[str]:
        return list(dict.fromkeys(row["device"] for row in self.manifest["rows"]))

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The metrics to show, as `Metric.description` has them; by default the protocol's."""
        stored: list[dict[str, Any]] | None = self.manifest.get("metrics")
        return [m.description for m in select(PROTOCOL)] if stored is None else stored

    @property
    def further_metrics(self) -> list[dict[str, Any]]:
        """Those beyond the protocol's, which every run scores."""
        return [metric for metric in self.metrics if metric["name"] not in PROTOCOL]

    def cells(self, row: dict[str, Any], level: Level | None = None) -> list[Cell]:
        """The cells that were planned for a row, at one level or at all."""
        levels = told_to(row.get("blind", False), [level] if level else self.levels)
        return [
            at.cell(row["method"], row["device"], frame["id"], seed)
            for frame in self.manifest["dataset"]["frames"]
            for at in levels
            for seed in range(self.manifest["options"]["seeds"])
        ]

    def measured(self, row: dict[str, Any], level: Level | None = None) -> list[Measurement]:
        known = self.measurements
        return [known[cell] for cell in self.cells(row, level) if cell in known]

    def input_psnr(self) -> dict[tuple[Any, ...], float | None]:
        """PSNR of the noisy frames, as the control `noisy` has it, by frame, sigma and seed."""
        rows = [row for row in self.manifest["rows"] if row["method"] == NOISY]
        return {_scene(m.cell): m.psnr for row in rows for m in self.measured(row)}

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


def score(m: Measurement, metric: dict[str, Any]) -> Score | None:
    """A further metric's score, if it was measured under the definition that the run names."""
    score = m.scores.get(metric["name"])
    return score if score is not None and score.key == metric["key"] else None


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
        "note": "; ".join(filter(None, [note, _time_note(ok)])),
    }
    # A mean over the frames that happened to succeed would flatter the method.
    if not ok or status not in (Status.OK, INCOMPLETE):
        return identity
    psnrs = [m.psnr for m in ok if m.psnr is not None]
    ssims = [m.ssim for m in ok if m.ssim is not None]
    means, notes = _further_means(results, ok)
    return identity | {
        **means,
        "note": "; ".join(filter(None, [identity["note"], *notes])),
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
    """How far estimates are above their inputs in PSNR, in the mean, in dB, if all are known."""
    inputs = results.input_psnr()
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


def iter_notes(results: Results) -> Iterator[tuple[dict[str, Any], str]]:
    """What a reader of each row must know: its licence where it restricts, and its card's note."""
    for row in results.manifest["rows"]:
        if "non-commercial" in row["licence"]:
            yield row, f"Licence: {row['licence']}."
        if row["note"]:
            yield row, row["note"]
