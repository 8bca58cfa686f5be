"""Limits of a comparison: the sizes in ``--fail-on``, and those that a machine can resolve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError
from denoisebench.files import read_toml
from denoisebench.machine import environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from denoisebench.store.manifest import MetricRecord

COSTS = ("time", "memory")
"""Figures that are no metrics; they are compared by ratios, and on one machine only."""

UNITS_OF_THE_LAST_DIGIT = 2
"""Default limit of a score, in units of the last digit that tables show: 0.02 dB of PSNR."""

DEFAULT_SHARES = {"time": 0.05, "memory": 0.20}
"""Default limits of costs, as shares of BASE."""

FLOORS = {"time": 0.02e6, "memory": 8e6}
"""Changes in ns and bytes below which a cost never counts as changed, whatever its share."""


@dataclass(frozen=True)
class ComparisonLimits:
    """The sizes of change that count, and the changes that fail a comparison.

    Attributes:
        sizes: the sizes that were asked for, by metric or cost: a score's in its unit, a cost's as
            a share.
        gated: the metrics and costs on which a comparison fails.
        calibrated: the smallest share of a method's time that this machine can tell, by method.

    Examples:
        >>> limits = ComparisonLimits({"time": 0.10}, calibrated={"bm3d": 0.15})
        >>> limits.share("time", "bm3d"), limits.share("memory")
        (0.15, 0.2)
    """

    sizes: Mapping[str, float] = field(default_factory=dict)
    gated: frozenset[str] = frozenset({"psnr", "ssim"})
    calibrated: Mapping[str, float] = field(default_factory=dict)

    def score(self, metric: MetricRecord) -> float:
        """Return the smallest loss of a metric that counts, in its unit."""
        default = UNITS_OF_THE_LAST_DIGIT * 10.0**-metric.decimals
        return self.sizes.get(metric.name, default)

    def share(self, cost: str, method: str = "") -> float:
        """Return the smallest growth of a cost that counts, as a share of BASE.

        Args:
            cost: ``time`` or ``memory``.
            method: the method's spec. A limit of its time is at least what the machine resolves.
        """
        asked = self.sizes.get(cost, DEFAULT_SHARES[cost])
        return max(asked, self.calibrated.get(method, 0.0)) if cost == "time" else asked

    def calibrated_words(self, method: str) -> str:
        """Say so if a method's time has a larger limit than was asked for; else return ''."""
        share = self.share("time", method)
        raised = share > self.sizes.get("time", DEFAULT_SHARES["time"])
        return f"below {100 * share:.3g} % this machine can tell nothing" if raised else ""


def read_fail_on(text: str) -> tuple[dict[str, float], frozenset[str]]:
    """Read the limits in ``--fail-on``.

    Args:
        text: metrics and costs, separated by commas, each alone or with a size: a score's in its
            unit, a cost's in percent.

    Returns:
        The sizes by name (costs as shares), and all names. A name alone has no size: it takes its
        default.

    Raises:
        ValueError: the text is something else; the message says what is wrong.

    Examples:
        >>> sizes, names = read_fail_on("psnr=0.02,ssim,time=10%")
        >>> sizes, sorted(names)
        ({'psnr': 0.02, 'time': 0.1}, ['psnr', 'ssim', 'time'])
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
    """Read a size; a cost's percent become a share.

    Raises:
        ValueError: it is no number above 0, or percent are given for a score or missing for a cost.
    """
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
    """Read the smallest shares of times that this machine resolves.

    Args:
        path: a file that ``bench calibrate`` wrote.

    Returns:
        The shares by method.

    Raises:
        UsageError: the file cannot be read, or comes from another machine.
    """
    found = read_toml(path, f"--calibration {path}")
    try:
        machine = str(found["machine"])
        shares = {str(name): float(share) for name, share in found["time"].items()}
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path}: not what bench calibrate writes ({type(error).__name__}: {error})"
        ) from error
    if machine != environment.machine_id():
        raise UsageError(f"{path}: calibrated on another machine; run bench calibrate on this one")
    return shares
