"""Stored runs without any measuring; one has ties, failures, two devices and hostile names."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.cells import Cell, Level, Measurement, Status
from denoisebench.metrics.registry import select_metrics
from denoisebench.store import crops as pictures
from denoisebench.store.manifest import (
    DatasetRecord,
    EnvironmentRecord,
    FrameRecord,
    MetricRecord,
    NoiseRecord,
    Row,
    RunManifest,
)
from denoisebench.store.results import Results
from denoisebench.store.sqlite import STORE, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

EVIL = '<script>alert(1)</script> & "co" | $x_1$ {%} \\input{x} <img src=x onerror=alert(2)>'
FRAMES = tuple(f"sea/{name}" for name in "abcdef")
SIGMAS = (15.0, 25.0)
SEEDS = 2
ENVIRONMENT = EnvironmentRecord(
    denoisebench="0",
    python="3",
    system="none",
    cpu="abacus",
    cores=2,
    memory_gb=1.0,
    machine="m1",
    cuda={"name": "loom", "cuda": "1"},
    libraries={"numpy": "2"},
)

# PSNR at sigma 15 on the first frame, and milliseconds a frame on the CPU.
_METHODS = {"good": (30.0, 40.0), "twin": (29.95, 8.0), "poor": (27.0, 1.0), "evil": (24.0, 3.0)}
_CONTROLS = {"oracle": (math.inf, 0.1), "noisy": (22.0, 0.1)}


def row(method: str, device: str = "cpu", **card: Any) -> Row:
    """Return a row of a made-up run; the card's defaults are of no interest."""
    about = {"title": method.upper(), "family": "local", "licence": "MIT"} | card
    return Row(method=method, name=method, device=device, **about)


def manifest(rows: Sequence[Row], **parts: Any) -> RunManifest:
    """Return a manifest of a made-up run: by default six frames, sigma 15 and 25, two draws.

    Args:
        rows: the run's rows.
        parts: fields of `RunManifest` that differ, and of what it is made: ``frames``, ``sigmas``,
            ``seeds``.
    """
    frames = parts.pop("frames", FRAMES)
    records = tuple(FrameRecord(frame, "0" * 16, (250, 400, 3)) for frame in frames)
    usual: dict[str, Any] = {
        "command": "bench run",
        "options": {"seeds": parts.pop("seeds", SEEDS)},
        "threads": 2,
        "protocol": {"version": 1, "digest": "0123456789ab", "noise": "white"},
        "noise": NoiseRecord("gaussian", "the same noise for every method", ""),
        "levels": tuple(map(Level, parts.pop("sigmas", SIGMAS))),
        "dataset": DatasetRecord("made-up", "made up", "CC0", "test", records),
        "rows": tuple(rows),
        "metrics": tuple(MetricRecord(**m.description) for m in select_metrics(("psnr", "ssim"))),
        "environment": ENVIRONMENT,
        "busy_percent": 0.0,
        "timing": {},
    }
    return RunManifest(**usual | parts)


def results(rows: Sequence[Row], measured: Iterable[Measurement], **parts: Any) -> Results:
    """Return a stored run, as `load_run` returns it; see `manifest`."""
    return Results(manifest(rows, **parts), {m.cell: m for m in measured})


def store(folder: Path, run: Results) -> Path:
    """Write the folder of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    run.manifest.write(folder)
    with Store(folder / STORE) as opened:
        for measurement in run.measurements.values():
            opened.save(measurement)
    return folder


def make_run(folder: Path) -> Path:
    """Write the folder of a finished run, with pictures of two frames."""
    run = results(
        _ROWS,
        _measurements(),
        dataset=replace(manifest([]).dataset, title="made up <i>frames</i>", licence="CC0 <u>"),
        written="2026-01-02T03:04:05+00:00",
        command="bench run --methods 'all,<b>' --sigma 15,25 --seeds 2",
    )
    store(folder, run)
    keep_pictures(
        folder, (FRAMES[0], FRAMES[5]), {method: psnr for method, (psnr, _) in _METHODS.items()}
    )
    return folder


def make_changed_run(folder: Path, change: Callable[[Measurement], Measurement | None]) -> Path:
    """Write the folder of a run whose measurements differ, or are missing where None is returned.

    Args:
        folder: the run's new folder.
        change: function of each measurement of `make_run`.
    """
    whole = results(_ROWS, _measurements())
    kept = [changed for m in whole.measurements.values() if (changed := change(m)) is not None]
    return store(folder, replace(whole, measurements={m.cell: m for m in kept}))


_ROWS = [
    row("good", title="Good"),
    row("good", "cuda", title="Good"),
    row("twin", title="Twin", note="Costs a fifth."),
    row("poor", title="Poor", licence="non-commercial (Somewhere)"),
    row("evil", title=EVIL, reference="</style><b>", note="`ticks` & <i>tags</i>"),
    row("crash", title="Crash", asked_by_name=True),
    row("oracle", title="Clean frame", family="control"),
    row("noisy", title="Noisy input", family="control"),
]


def _measurements() -> list[Measurement]:
    ok = [
        _ok(method, "cpu", frame, sigma, seed)
        for method in (*_METHODS, *_CONTROLS)
        for frame in FRAMES
        for sigma in SIGMAS
        for seed in range(SEEDS)
    ]
    fast = [_ok("good", "cuda", m.cell.frame, m.cell.sigma, m.cell.seed) for m in ok[:24]]
    failed = [
        Measurement(Cell("crash", "cpu", *where), Status.ERROR, "RuntimeError: out of <b>luck</b>")
        for where in ((f, s, n) for f in FRAMES for s in SIGMAS for n in range(SEEDS))
    ]
    return [*ok, *fast, *failed]


def _ok(method: str, device: str, frame: str, sigma: float | None, seed: int) -> Measurement:
    assert sigma is not None
    base, ms = {**_METHODS, **_CONTROLS}[method]
    number = FRAMES.index(frame)
    # The twin wins on every other frame, by more than it is worse in the mean.
    psnr = base + 0.7 * number - (sigma - 15) / 4 + 0.01 * seed
    psnr += 0.2 * (-1) ** number if method == "twin" else 0.1 * math.sin(number)
    on_cuda = device == "cuda"
    return Measurement(
        Cell(method, device, frame, sigma, seed),
        Status.OK,
        psnr=psnr,
        ssim=1.0 if math.isinf(psnr) else psnr / 40,
        call_ns=(int(ms * (2e4 if on_cuda else 1e6)),) * 3,
        transfer_ns=(2_000_000,) if on_cuda else (),
        cold_ns=int(ms * 5e6) if number == seed == 0 else None,
        load_ns=90_000_000 if number == seed == 0 else None,
        peak_memory=None if on_cuda else 3_000_000,
        peak_device_memory=7_000_000 if on_cuda else None,
        pixels=100_000,
    )


def keep_pictures(folder: Path, frames: Sequence[str], methods: Mapping[str, float]) -> None:
    """Keep stripes in place of frames; the better a method, the fainter the noise that it leaves.

    Args:
        folder: the run's folder.
        frames: the frames of which pictures are kept.
        methods: PSNR by method.
    """
    rows, columns = np.mgrid[0:160, 0:160]
    clean = np.stack([(rows * k + columns * 2) % 256 for k in (1, 2, 3)], -1).astype(np.uint8)
    keeper = pictures.Pictures(tuple(frames))
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    for method, psnr in methods.items():
        for frame in frames:
            for sigma in SIGMAS:
                noisy = (clean / 255 + sigma / 255 * noise).astype(np.float32)
                left = noise * sigma * (32 - psnr) / 10
                estimate = np.clip(clean + left, 0, 255).astype(np.uint8)
                cell = Cell(method, "cpu", frame, sigma, 0)
                pictures.write_crops(
                    folder, keeper.of_scene(cell, clean, noisy) | keeper.of_estimate(cell, estimate)
                )
