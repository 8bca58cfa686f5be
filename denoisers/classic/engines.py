"""Two engines for one method: numba for arrays on the CPU, torch for tensors on any device.

Where numba cannot be used, torch takes its place.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

__all__ = ["by_tensor", "remark_on_torch", "takes_numba"]


def takes_numba(frame: object) -> bool:
    """Tell whether a frame is for numba: an array, where numba can be used.

    Examples:
        >>> takes_numba(np.zeros((8, 8, 1), np.float32))
        True
    """
    return isinstance(frame, np.ndarray) and remark_on_torch() is None


@cache
def remark_on_torch() -> str | None:
    """Return a remark for readers of a run in which torch takes numba's place; None if it does not.

    Examples:
        >>> remark_on_torch() is None
        True
    """
    try:
        import denoisebench.denoisers.classic.compiled  # noqa: F401
    except ImportError as error:
        return f"torch computed it, since numba cannot be used ({error})"
    return None


def by_tensor(
    frame: np.ndarray | torch.Tensor, process: Callable[[torch.Tensor], torch.Tensor]
) -> np.ndarray | torch.Tensor:
    """Process a frame by torch; an array (H, W, C) becomes a tensor (1, C, H, W) and back.

    Examples:
        >>> by_tensor(np.ones((2, 3, 1), np.float32), lambda frame: 2 * frame).shape
        (2, 3, 1)
    """
    import torch

    if not isinstance(frame, np.ndarray):
        return process(frame)
    batch = np.ascontiguousarray(frame.transpose(2, 0, 1), np.float32)[None]
    with torch.no_grad():
        output = process(torch.from_numpy(batch))
    return np.ascontiguousarray(output[0].numpy().transpose(1, 2, 0))
