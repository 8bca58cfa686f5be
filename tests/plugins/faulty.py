"""Methods that go wrong, each in its own way."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.denoisers import register

if TYPE_CHECKING:
    from collections.abc import Callable


def faulty(name: str) -> Callable[[Callable[[np.ndarray], object]], None]:
    """Register a function of the noisy frame as a method."""

    def enter(function: Callable[[np.ndarray], object]) -> None:
        @register(f"faulty-{name}", title=name, family="local", blind=True)
        @dataclass(frozen=True)
        class Faulty:
            def denoise(self, noisy: np.ndarray, sigma: float) -> object:
                return function(noisy)

    return enter


@faulty("raises")
def _raises(noisy: np.ndarray) -> object:
    raise RuntimeError("this method | is <broken>\nand says so at length")


@faulty("exits")
def _exits(noisy: np.ndarray) -> object:
    sys.exit("enough")


@faulty("hangs")
def _hangs(noisy: np.ndarray) -> object:
    time.sleep(3600)


@faulty("killed")
def _killed(noisy: np.ndarray) -> object:
    os.kill(os.getpid(), signal.SIGKILL)


@faulty("crashes")
def _crashes(noisy: np.ndarray) -> object:
    os.kill(os.getpid(), signal.SIGSEGV)


@faulty("leaves")
def _leaves(noisy: np.ndarray) -> object:
    os._exit(7)


@faulty("hogs")
def _hogs(noisy: np.ndarray) -> object:
    hoard = []
    while True:
        hoard.append(np.ones(4_000_000))
        time.sleep(0.001)


@faulty("nan")
def _nan(noisy: np.ndarray) -> object:
    return np.full_like(noisy, np.nan)


@faulty("shape")
def _shape(noisy: np.ndarray) -> object:
    return noisy[:-1].copy()


@faulty("float64")
def _float64(noisy: np.ndarray) -> object:
    return noisy.astype(np.float64)


@faulty("none")
def _none(noisy: np.ndarray) -> object:
    return None


@faulty("writes")
def _writes(noisy: np.ndarray) -> object:
    noisy[0, 0] = 0
    return noisy.copy()


@faulty("chatters")
def _chatters(noisy: np.ndarray) -> object:
    print("garbage on stdout")
    os.write(1, b"garbage on descriptor 1\n")
    os.write(2, b"garbage on descriptor 2\n")
    return noisy.copy()


@faulty("sometimes")
def _sometimes(noisy: np.ndarray) -> object:
    if noisy.mean() > 0.505:  # one of the three photos is brighter than the others
        raise ValueError("too bright")
    return noisy.copy()


@register("faulty-build", title="build", family="local")
@dataclass(frozen=True)
class CannotBeBuilt:
    """Fails when it is built, not when it is imported."""

    def __post_init__(self) -> None:
        raise OSError("weights are missing")

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        return noisy


@register("faulty-flaky", title="flaky", family="local")
@dataclass(frozen=True)
class Flaky:
    """Dies in the first process of a run, works in the next."""

    marker: str = ""

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if not os.path.exists(self.marker):
            with open(self.marker, "w"):
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        return noisy.copy()
