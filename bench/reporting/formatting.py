"""Formatting of figures and names: the same in every report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from denoisebench.reporting.differences import Difference

NONE = "–"
"""Text for a figure that is not known."""

DEVICE_NAMES = {"cpu": "CPU", "cuda": "CUDA"}


def decimals(count: int, *, sign: bool = False) -> Callable[[float | None], str]:
    """Return a function that prints figures with a number of decimal places.

    Args:
        count: number of places after the point.
        sign: True to print a sign before positive figures, too.

    Examples:
        >>> decimals(2)(29.526), decimals(1, sign=True)(0.25), decimals(2)(None)
        ('29.53', '+0.2', '–')
    """

    def shown(figure: float | None) -> str:
        """Print a figure; None and nan are not known."""
        value = _number(figure)
        if math.isnan(value):
            return NONE
        # Adding a zero leaves no minus before one.
        text = f"{round(value, count) + 0.0:{'+' if sign else ''}.{count}f}"
        return text.replace("inf", "∞").replace("-", "−")

    return shown


decibels = decimals(2, sign=True)
"""Print a difference in dB, with its sign."""


def three_digits(figure: float | None) -> str:
    """Print three significant digits, or all digits before the point.

    Examples:
        >>> three_digits(0.012345), three_digits(12345.6)
        ('0.0123', '12346')
    """
    value = _number(figure)
    if math.isnan(value):
        return NONE
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def megabytes(figure: float | None) -> str:
    """Print a size in whole MB; memory is not measured more exactly.

    Examples:
        >>> megabytes(12.3), megabytes(0.2)
        ('12', '<1')
    """
    return "<1" if _number(figure) < 0.5 else decimals(0)(figure)


def percent(share: float) -> str:
    """Print a share, in [0, 1], in whole percent.

    Examples:
        >>> percent(0.25)
        '25 %'
    """
    return f"{100 * share:.0f} %"


def pvalue(p: float) -> str:
    """Print a p-value with three decimal places.

    Examples:
        >>> pvalue(0.0125), pvalue(0.0004)
        ('0.013', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval(line: Difference) -> str:
    """Print a difference in dB, with its confidence interval if it has one.

    Examples:
        >>> from denoisebench.reporting.differences import Difference
        >>> interval(Difference(0, "bm3d", 0.3, -0.1, 0.7, 0.8, 0.2, 10))
        '+0.30 dB [−0.10, +0.70]'
    """
    mean, low, high = map(decibels, (line.mean, line.low, line.high))
    return f"{mean} dB" if line.low is None else f"{mean} dB [{low}, {high}]"


def _number(figure: float | None) -> float:
    """Return the figure as a number; nan for None."""
    return math.nan if figure is None else float(figure)
