"""How figures and names are printed for people: the same in every format."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NONE = "–"
DEVICE_NAMES = {"cpu": "CPU", "cuda": "CUDA"}

Figure = float | str | None
"""A measurement as a summary has it: infinite ones are the strings ``inf`` and ``-inf``."""


def decimals(count: int, *, sign: bool = False) -> Callable[[Figure], str]:
    """A printer of so many places after the point, on request with a sign before all."""

    def shown(figure: Figure) -> str:
        value = number(figure)
        if math.isnan(value):
            return NONE
        # Adding a zero leaves no minus before one.
        text = f"{round(value, count) + 0.0:{'+' if sign else ''}.{count}f}"
        return text.replace("inf", "∞").replace("-", "−")

    return shown


decibels = decimals(2, sign=True)
"""Prints differences in dB."""


def three_digits(figure: Figure) -> str:
    """Three significant digits, or all those before the point."""
    value = number(figure)
    if math.isnan(value):
        return NONE
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def megabytes(figure: Figure) -> str:
    """Whole MB: pages and allocators make less meaningless."""
    return "<1" if number(figure) < 0.5 else decimals(0)(figure)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def pvalue(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval(line: dict[str, Any]) -> str:
    """A difference in dB with its confidence interval, if it has one."""
    mean, low, high = (decibels(line[key]) for key in ("mean", "low", "high"))
    return f"{mean} dB" if line["low"] is None else f"{mean} dB [{low}, {high}]"


def number(figure: Figure) -> float:
    """The figure as a number; nan where there is none."""
    return math.nan if figure is None else float(figure)


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def one_line(text: str) -> str:
    """A text from elsewhere, without what breaks lines, turns their direction or is no character.

    Names come from plugins: one that turns the writing direction would turn the figures beside it,
    and control characters are not allowed in XML.
    """
    kept = ("" if unicodedata.category(c) == "Cf" else _printable(c) for c in text)
    return " ".join("".join(kept).split())


def _printable(letter: str) -> str:
    return " " if unicodedata.category(letter).startswith("C") else letter
