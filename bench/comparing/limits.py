"""Limits of a comparison: those of ``--fail-on``, and those that a machine can resolve."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError
from denoisebench.machine import environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from denoisebench.store.manifest import MetricRecord

COSTS = ("time", "memory")
"""Not metrics: they are compared by ratios, and on one machine only."""

UNITS_OF_THE_LAST_DIGIT = 2
"""A score may lose less than this in the last digit that tables show: 0.02 dB of PSNR."""

DEFAULT_SHARES = {"time": 0.05, "memory": 0.20}
FLOORS = {"time": 0.02e6, "memory": 8e6}
"""In ns and bytes: smaller changes are no regressions, whatever share of the whole they are."""


@dataclass(frozen=True)
class ComparisonLimits:
    """The sizes of change that count, and the changes that fail a comparison.

    Attributes:
        sizes: by metric or cost, as asked for: a score in its unit, a cost as a share.
        gated: the metrics and costs that a comparison fails on.
        calibrated: the smallest share of its time that this machine can tell, by method.
    """

    sizes: Mapping[str, float] = field(default_factory=dict)
    gated: frozenset[str] = frozenset({"psnr", "ssim"})
    calibrated: Mapping[str, float] = field(default_factory=dict)

    def score(self, metric: MetricRecord) -> float:
        """Return the loss of a metric that is too much, in its unit."""
        default = UNITS_OF_THE_LAST_DIGIT * 10.0**-metric.decimals
        return self.sizes.get(metric.name, default)

    def share(self, cost: str, method: str = "") -> float:
        """Return the growth of a cost that is too much, no smaller than a machine can resolve."""
        asked = self.sizes.get(cost, DEFAULT_SHARES[cost])
        return max(asked, self.calibrated.get(method, 0.0)) if cost == "time" else asked

    def calibrated_words(self, method: str) -> str:
        """Say so where a time is judged more leniently than was asked for."""
        share = self.share("time", method)
        raised = share > self.sizes.get("time", DEFAULT_SHARES["time"])
        return f"below {100 * share:.3g} % this machine can tell nothing" if raised else ""


def read_fail_on(text: str) -> tuple[dict[str, float], frozenset[str]]:
    """Read ``psnr=0.02,time=10%``: the sizes, and all names. A name alone takes its default.

    Raises:
        ValueError: it says something else; the message says what.
    """
    sizes, names = {}, []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (part.strip() for part in item.partition("="))
        if name in names:
            raise ValueError(f"{name} is there twice: give it once")
        names.append(name)
        if sign:
            sizes[name] = _size(name, value)
    if not names:
        raise ValueError("give at least one, such as psnr=0.02")
    return sizes, frozenset(names)


def _size(name: str, text: str) -> float:
    percent = text.endswith("%")
    if percent != (name in COSTS):
        raise ValueError(
            f"{name}={text}: give time and memory in percent, scores in their unit, "
            "such as psnr=0.02,time=10%"
        )
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise ValueError(f"{name}={text}: {text!r} is not a number") from None
    if not 0 < value < float("inf"):
        raise ValueError(f"{name}={text}: give a number above 0")
    return value / 100 if percent else value


def read_calibration(path: Path) -> dict[str, float]:
    """Read the shares of a time that this machine resolves, as ``bench calibrate`` found them.

    Returns:
        By method.

    Raises:
        UsageError: the file cannot be read, or is of another machine.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        machine = str(found["machine"])
        shares = {str(name): float(share) for name, share in found["time"].items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); bench calibrate writes it") from error
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path}: not what bench calibrate writes ({type(error).__name__}: {error})"
        ) from error
    if machine != environment.machine_id():
        raise UsageError(f"{path}: calibrated on another machine; run bench calibrate on this one")
    return shares
