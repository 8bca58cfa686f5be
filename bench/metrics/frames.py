"""The check that two arrays are frames of one size: what is not would get a wrong score."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["check_frames"]


def check_frames(clean: np.ndarray, estimate: np.ndarray) -> None:
    """Refuse what is not two uint8 frames (H, W, C) of one shape, C = 3 (RGB) or 1.

    Raises:
        ValueError: it is not; the message says how.

    Examples:
        >>> import numpy as np
        >>> frame = np.zeros((16, 16, 3), np.uint8)
        >>> check_frames(frame, frame)
        >>> check_frames(frame, frame / 255)
        Traceback (most recent call last):
        ValueError: frames to score are uint8 (H, W, C); the estimate is float64 (16, 16, 3)
    """
    for name, frame in (("the clean frame", clean), ("the estimate", estimate)):
        if frame.dtype != "uint8" or frame.ndim != 3 or frame.shape[2] not in (1, 3):
            raise ValueError(
                f"frames to score are uint8 (H, W, C); {name} is {frame.dtype} {frame.shape}"
            )
    if clean.shape != estimate.shape:
        raise ValueError(
            f"frames to score have one shape; the clean frame has {clean.shape}, the estimate "
            f"{estimate.shape}"
        )
