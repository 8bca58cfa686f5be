"""Calibration of a machine: the smallest slowdown that it can tell from its own noise.

One version is launched in turn with itself, so that all differences between launches are the
machine's noise. Looks are drawn from this noise many times and judged by the rule that judges
versions. The shares of looks that raise an alarm, or that detect a slowdown by a tenth, are the
rule's error rates on this machine.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.comparing import decision
from denoisebench.machine import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

_DRAWS = 2000
_SLOWER = 0.10
"""The slowdown whose rate of detection is reported, as a share."""

_QUANTILE = 0.995  # the share that is asked for is reached by chance in 0.5 % of looks
_STEP = 0.005  # shares are rounded up to a multiple of this


@dataclass(frozen=True)
class Calibration:
    """Smallest change of one method's time that a machine can tell, and the error rates.

    Attributes:
        scatter: robust standard deviation of a launch's time, as a share of the time.
        share: the change to ask for, as a share of the time. It is no smaller than the rule's own
            share, nor than the change that 0.5 % of looks show by chance.
        alarms: share of cases, in [0, 1], in which two looks call the same version slower.
        detected: share of cases, in [0, 1], in which two looks detect a slowdown by 10 %.
    """

    scatter: float
    share: float
    alarms: float
    detected: float


def calibrate(first: np.ndarray, second: np.ndarray, launches: int, least: float) -> Calibration:
    """Estimate what a machine can tell from launches of one version.

    Args:
        first: times of the first launch of each pair, (pairs,), above 0, in any unit.
        second: times of its neighbour in time, (pairs,), in the same unit.
        launches: number of launches of each version in the looks that will be taken.
        least: the smallest share to ask for.

    Returns:
        The share to ask for, and the error rates of two looks with it. They are drawn from a fixed
        seed: the same times always give the same result.

    Examples:
        >>> times = np.array([10.0, 10.1, 9.9, 10.0, 10.2, 9.8])
        >>> calibrate(times, times[::-1], launches=10, least=0.05).alarms
        0.0
    """
    noise = np.log(second) - np.log(first)
    generator = np.random.default_rng(0)

    def look(slowdown: float = 0.0) -> decision.Look:
        """Look at pairs whose noise, and the order within each pair, are drawn at random."""
        shape = (_DRAWS, launches)
        drawn = generator.choice(noise, shape) * generator.choice([-1.0, 1.0], shape)
        return decision.look(np.ones(shape), np.exp(drawn) * (1 + slowdown))

    reached = math.expm1(float(np.quantile(np.abs(look().log_change), _QUANTILE)))
    share = max(least, math.ceil(reached / _STEP) * _STEP)
    alarms = look().slower(share) & look().slower(share)
    detected = look(_SLOWER).slower(share) & look(_SLOWER).slower(share)
    # A normal variable's median distance from its mean is 0.6745 standard deviations; a
    # difference of two launches scatters by the square root of 2 more than one of them.
    scatter = float(np.median(np.abs(noise))) / 0.6745 / math.sqrt(2)
    return Calibration(scatter, share, float(np.mean(alarms)), float(np.mean(detected)))


def to_toml(found: Mapping[str, Calibration], launches: int, command: str) -> str:
    """Write the TOML file that ``--calibration`` reads.

    Args:
        found: the calibration of each method, by spec.
        launches: number of launches of each version.
        command: the command that calibrated, for a comment.
    """
    lines = [
        "# How much slower a method must be to be called slower on this machine, as a share.",
        f"# {command}",
        f'machine = "{environment.machine_id()}"',
        f"launches = {launches}",
        "",
        "[time]",
        # A JSON string is a TOML string.
        *(f"{json.dumps(name)} = {c.share:g}" for name, c in found.items()),
    ]
    return "\n".join(lines) + "\n"
