"""A stored run without any measuring: ties, failures, two devices, two seeds and hostile names."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.cells import Cell, Measurement, Status
from denoisebench.store import crops as pictures
from denoisebench.store.sqlite import Store

if TYPE_CHECKING:
    from pathlib import Path

EVIL = '<script>alert(1)</script> & "co" | $x_1$ {%} \\input{x} <img src=x onerror=alert(2)>'
FRAMES = tuple(f"sea/{name}" for name in "abcdef")
SIGMAS = (15.0, 25.0)
SEEDS = 2

# PSNR at sigma 15 on the first frame, and milliseconds a frame on the CPU.
_METHODS = {"good": (30.0, 40.0), "twin": (29.95, 8.0), "poor": (27.0, 1.0), "evil": (24.0, 3.0)}
_CONTROLS = {"oracle": (math.inf, 0.1), "noisy": (22.0, 0.1)}


def make_run(folder: Path) -> Path:
    """Write the folder of a finished run, with pictures of two frames."""
    folder.mkdir(parents=True)
    with Store(folder / "run.sqlite") as store:
        for measurement in _measurements():
            store.save(measurement)
    (folder / "manifest.json").write_text(json.dumps(_manifest()), encoding="utf-8")
    _keep_pictures(folder)
    return folder


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


def _manifest() -> dict[str, Any]:
    rows = [
        _row("good", "Good"),
        _row("good", "Good", device="cuda"),
        _row("twin", "Twin", note="Costs a fifth."),
        _row("poor", "Poor", licence="non-commercial (Somewhere)"),
        _row("evil", EVIL, reference="</style><b>", note="`ticks` & <i>tags</i>"),
        _row("crash", "Crash", asked_by_name=True),
        _row("oracle", "Clean frame", family="control"),
        _row("noisy", "Noisy input", family="control"),
    ]
    return {
        "manifest": 1,
        "state": "complete",
        "written": "2026-01-02T03:04:05+00:00",
        "command": "bench run --methods 'all,<b>' --sigma 15,25 --seeds 2",
        "rows": rows,
        "options": {"sigmas": list(SIGMAS), "seeds": SEEDS},
        "threads": 2,
        "busy_percent": 0.0,
        "protocol": {"version": 1, "digest": "0123456789ab", "noise": "white"},
        "dataset": {
            "name": "made-up",
            "title": "made up <i>frames</i>",
            "licence": "CC0 <u>",
            "split": "test",
            "frames": [{"id": f, "digest": "0" * 16, "shape": [250, 400, 3]} for f in FRAMES],
        },
        "environment": {
            "denoisebench": "0",
            "python": "3",
            "system": "none",
            "cpu": "abacus",
            "cores": 2,
            "memory_gb": 1.0,
            "cuda": {"name": "loom", "cuda": "1"},
            "libraries": {"numpy": "2"},
        },
    }


def _row(method: str, title: str, **card: Any) -> dict[str, Any]:
    return {
        "method": method,
        "name": method,
        "title": title,
        "device": "cpu",
        "family": "local",
        "reference": "",
        "licence": "MIT",
        "note": "",
        "parameters": {},
        "asked_by_name": False,
        "problem": None,
    } | card


def _keep_pictures(folder: Path) -> None:
    """Stripes in place of a frame; the better a method, the fainter the noise that it leaves."""
    rows, columns = np.mgrid[0:160, 0:160]
    clean = np.stack([(rows * k + columns * 2) % 256 for k in (1, 2, 3)], -1).astype(np.uint8)
    keeper = pictures.Pictures(folder, (FRAMES[0], FRAMES[5]))
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    for method, (psnr, _) in _METHODS.items():
        for frame in (FRAMES[0], FRAMES[5]):
            for sigma in SIGMAS:
                noisy = (clean / 255 + sigma / 255 * noise).astype(np.float32)
                left = noise * sigma * (32 - psnr) / 10
                estimate = np.clip(clean + left, 0, 255).astype(np.uint8)
                keeper.keep(Cell(method, "cpu", frame, sigma, 0), clean, noisy, estimate)
