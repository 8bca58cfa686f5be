"""Methods for tests of a cluster: one that takes its time, and one that ends what is above it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from denoisebench.denoisers import register

if TYPE_CHECKING:
    import numpy as np


@register("slow", title="Slow", family="local")
@dataclass(frozen=True)
class Slow:
    """Sleep, and return the noisy frame."""

    seconds: float = 0.1

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        time.sleep(self.seconds)
        return noisy.copy()


@register("parricide", title="Parricide", family="local")
@dataclass(frozen=True)
class Parricide:
    """End the processes above its own, from the top: its guard is the first, then who supervises.

    `reach` is the number of processes above the guard.
    """

    reach: int = 1

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        for process in reversed(psutil.Process().parents()[: self.reach + 1]):
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(60)
        return noisy
