"""Denoise Bench: compare image denoisers fairly, fast and reproducibly.

    import denoisebench as db

    run = db.run("bm3d,nlm-skimage", "stills", sigma=25)
    run.table()

Nothing heavy is imported before a function is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from denoisebench.denoisers.registry import register
    from denoisebench.errors import UsageError
    from denoisebench.library import (
        AdvisedRuns,
        Comparison,
        Run,
        RunInterrupted,
        add_noise,
        advise,
        compare,
        conventions,
        denoise,
        load,
        merge,
        report,
        run,
    )
    from denoisebench.metrics.flip import flip
    from denoisebench.metrics.lpips import lpips
    from denoisebench.metrics.ms_ssim import ms_ssim
    from denoisebench.metrics.psnr_ssim import psnr, ssim
    from denoisebench.metrics.psnr_y import psnr_y
    from denoisebench.metrics.saturation import saturation_error

__version__ = "0.1.0"

__all__ = [
    "AdvisedRuns",
    "Comparison",
    "Run",
    "RunInterrupted",
    "UsageError",
    "add_noise",
    "advise",
    "compare",
    "conventions",
    "denoise",
    "flip",
    "load",
    "lpips",
    "merge",
    "ms_ssim",
    "psnr",
    "psnr_y",
    "register",
    "report",
    "run",
    "saturation_error",
    "ssim",
]

_HOMES = {
    "UsageError": "errors",
    "flip": "metrics.flip",
    "lpips": "metrics.lpips",
    "ms_ssim": "metrics.ms_ssim",
    "psnr": "metrics.psnr_ssim",
    "psnr_y": "metrics.psnr_y",
    "register": "denoisers.registry",
    "saturation_error": "metrics.saturation",
    "ssim": "metrics.psnr_ssim",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'library')}")
    return getattr(home, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
