"""Methods that fork, hide what they return, or leave processes behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.denoisers import register

if TYPE_CHECKING:
    from collections.abc import Callable


def rogue(name: str, **card: Any) -> Callable[[Callable[[Any, str], object]], None]:
    """Register a function of the noisy frame and a mark as a method."""

    def enter(function: Callable[[Any, str], object]) -> None:
        @register(f"rogue-{name}", title=name, family="local", blind=True, **card)
        @dataclass(frozen=True)
        class Rogue:
            mark: str = "3600"

            def denoise(self, noisy: Any, sigma: float) -> object:
                return function(noisy, self.mark)

    return enter


def sleeper(seconds: str, **options: Any) -> None:
    """Start a process that sleeps; ``seconds`` marks it in the list of processes."""
    subprocess.Popen(["sleep", seconds], **options)


@rogue("forks")
def _forks(noisy: np.ndarray, mark: str) -> object:
    if os.fork() != 0:
        time.sleep(0.05)  # so that the copy answers first
    return noisy.copy()


@rogue("fork-fails")
def _fork_fails(noisy: np.ndarray, mark: str) -> object:
    if os.fork() == 0:
        raise RuntimeError("in the copy")
    time.sleep(0.05)  # so that the copy answers first
    return noisy.copy()


class Silent(np.ndarray):
    """Array of which no function tells anything."""

    def __array_ufunc__(self, *_: object, **__: object) -> object:
        return np.True_


@rogue("silent")
def _silent(noisy: np.ndarray, mark: str) -> object:
    return np.full_like(noisy, np.nan).view(Silent)


@rogue("masked")
def _masked(noisy: np.ndarray, mark: str) -> object:
    estimate = np.ma.masked_array(noisy.copy(), mask=np.zeros(noisy.shape, bool))
    estimate.data[0, 0] = np.nan
    estimate.mask[0, 0] = True
    return estimate


@rogue("masked-well")
def _masked_well(noisy: np.ndarray, mark: str) -> object:
    return np.ma.masked_array(noisy.copy(), mask=noisy > 0.5)


@rogue("liar")
def _liar(noisy: np.ndarray, mark: str) -> object:
    class Liar(np.ndarray):
        shape = noisy.shape

    return np.zeros((2, 2), np.float32).view(Liar)


@rogue("silent-tensor", array="torch")
def _silent_tensor(noisy: Any, mark: str) -> object:
    import torch

    class SilentTensor(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function: Any, *_: object, **__: object) -> object:
            return torch.zeros(noisy.shape)

    return torch.full(noisy.shape, float("nan")).as_subclass(SilentTensor)


@rogue("leaves-detached")
def _leaves_detached(noisy: np.ndarray, mark: str) -> object:
    sleeper(mark, start_new_session=True)
    return noisy.copy()


@rogue("leaves-orphan")
def _leaves_orphan(noisy: np.ndarray, mark: str) -> object:
    subprocess.run(["sh", "-c", f"setsid sleep {mark} &"], check=True)
    time.sleep(0.2)
    return noisy.copy()


@rogue("keeps-helper")
def _keeps_helper(noisy: np.ndarray, mark: str) -> object:
    sleeper(mark)
    sleeper("0", start_new_session=True)  # it ends, but is never waited for
    time.sleep(0.1)
    return noisy.copy()


@rogue("hangs-detached")
def _hangs_detached(noisy: np.ndarray, mark: str) -> object:
    sleeper(mark, start_new_session=True)
    time.sleep(3600)
    return None


@rogue("crashes-detached")
def _crashes_detached(noisy: np.ndarray, mark: str) -> object:
    sleeper(mark, start_new_session=True)
    os.kill(os.getpid(), 11)
    return None


@rogue("holds-lock")
def _holds_lock(noisy: np.ndarray, mark: str) -> object:
    sleeper(mark, start_new_session=True)
    return sum(range(10**12))  # one call in C, which never lets other threads run


@rogue("child-hogs")
def _child_hogs(noisy: np.ndarray, mark: str) -> object:
    hog = "hoard = [bytes(bytearray(50_000_000)) for _ in range(40)]; import time; time.sleep(60)"
    subprocess.run([sys.executable, "-c", hog], check=True)
    return noisy.copy()


@rogue("prints")
def _prints(noisy: np.ndarray, mark: str) -> object:
    for _ in range(200):
        os.write(1, b"x" * 1_000_000)
    return noisy.copy()
