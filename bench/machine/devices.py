"""The devices of this machine."""

from __future__ import annotations

import ctypes
import sys
from functools import cache


@cache
def has_cuda() -> bool:
    """True if torch can use a CUDA device; torch is imported only where there is a driver."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    import torch

    return bool(torch.cuda.is_available())


@cache
def cuda_description() -> dict[str, str]:
    """Model and software of the CUDA device; empty where there is none."""
    if not has_cuda():
        return {}
    import torch

    return {
        "name": torch.cuda.get_device_name(),
        "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }
