"""What this machine can tell apart: a version launched in turn with itself.

Whatever differs between launches of one version is the machine's noise. Looks are drawn from it
again and again, and judged by the rule that judges versions: how often would it raise an alarm, how
often would it see what is slower by a tenth?
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
"""The slowdown whose detection is told."""

_QUANTILE = 0.995
_STEP = 0.005


@dataclass(frozen=True)
class Calibration:
    """What a machine can tell of one method's time.

    Attributes:
        scatter: robust standard deviation of a launch, as a share of its time.
        share: the change to ask for: no smaller than what the rule asks for by itself, nor than
            what the estimate reaches by chance in half a percent of looks.
        alarms: how often two looks at the same version call it slower, by that share.
        detected: how often they see what is slower by `_SLOWER`.
    """

    scatter: float
    share: float
    alarms: float
    detected: float


def calibrate(first: np.ndarray, second: np.ndarray, launches: int, least: float) -> Calibration:
    """Learn from launches of one version.

    Args:
        first, second: times (pairs,) of neighbours in time.
        launches: of each version, in the looks that will be taken.
        least: the share that the rule asks for by itself.
    """
    noise = np.log(second) - np.log(first)
    generator = np.random.default_rng(0)

    def look(slowdown: float = 0.0) -> decision.Look:
        """Looks at pairs drawn from the noise; which launch of a pair was whose is drawn, too."""
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
    """What ``--calibration`` reads, and how it came about."""
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
