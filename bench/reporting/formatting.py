"""Figures and names in print: the same in every format."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from denoisebench.reporting.differences import Difference

NONE = "–"
DEVICE_NAMES = {"cpu": "CPU", "cuda": "CUDA"}


def decimals(count: int, *, sign: bool = False) -> Callable[[float | None], str]:
    """Make a printer of so many places after the point, on request with a sign before all."""

    def shown(figure: float | None) -> str:
        value = _number(figure)
        if math.isnan(value):
            return NONE
        # Adding a zero leaves no minus before one.
        text = f"{round(value, count) + 0.0:{'+' if sign else ''}.{count}f}"
        return text.replace("inf", "∞").replace("-", "−")

    return shown


decibels = decimals(2, sign=True)
"""Prints differences in dB."""


def three_digits(figure: float | None) -> str:
    """Print three significant digits, or all those before the point."""
    value = _number(figure)
    if math.isnan(value):
        return NONE
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def megabytes(figure: float | None) -> str:
    """Print whole MB: pages and allocators make less meaningless."""
    return "<1" if _number(figure) < 0.5 else decimals(0)(figure)


def percent(share: float) -> str:
    """Print a share in whole percent."""
    return f"{100 * share:.0f} %"


def pvalue(p: float) -> str:
    """Print a p-value to three places."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval(line: Difference) -> str:
    """Print a difference in dB with its confidence interval, if it has one."""
    mean, low, high = map(decibels, (line.mean, line.low, line.high))
    return f"{mean} dB" if line.low is None else f"{mean} dB [{low}, {high}]"


def _number(figure: float | None) -> float:
    """The figure as a number; nan where there is none."""
    return math.nan if figure is None else float(figure)


def counted(count: int, noun: str) -> str:
    """Print a count with its noun: ``1 frame``, ``2 frames``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def one_line(text: str) -> str:
    """Strip a text from elsewhere of line breaks, direction marks and control characters.

    Names come from plugins: one that turns the writing direction would turn the figures beside it,
    and control characters are not allowed in XML.
    """
    kept = ("" if unicodedata.category(c) == "Cf" else _printable(c) for c in text)
    return " ".join("".join(kept).split())


def _printable(letter: str) -> str:
    return " " if unicodedata.category(letter).startswith("C") else letter
