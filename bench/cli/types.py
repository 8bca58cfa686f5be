"""Parameter types of the command line; each explains bad input in one line."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cells import LARGEST_SIGMA

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class CommaList(click.ParamType):  # type: ignore[type-arg]  # older releases take none
    """List ``a,b,c`` as a tuple, without duplicates.

    Args:
        name: the type's name in help texts.
        split: function that splits the text into items.
        convert: function that turns an item into a value; raises ValueError with the reason if
            it cannot.
    """

    def __init__(
        self, name: str, split: Callable[[str], list[str]], convert: Callable[[str], Any]
    ) -> None:
        self.name = name
        self._split = split
        self._convert = convert

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        """Convert a text to values; a tuple is a default and stays as it is."""
        if isinstance(value, tuple):
            return value
        try:
            values = [self._convert(item) for item in self._split(value)]
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not values:
            self.fail("give at least one", param, ctx)
        return tuple(dict.fromkeys(values))


class FiniteRange(click.FloatRange):
    """Range of finite numbers; click's own range lets nan pass."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Convert a text to a finite number in the range."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number:g} is not a finite number", param, ctx)
        return number


class Duration(click.ParamType):  # type: ignore[type-arg]  # older releases take none
    """Time such as ``90s``, ``10m`` or ``1.5h``, in seconds; a number alone is seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Convert a text to seconds; a number is a default and stays as it is."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([0-9]*\.?[0-9]+) *(s|m|min|h|)", value.strip())
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is no time: write it as 90s, 10m or 2h", param, ctx)
        return float(found[1]) * {"h": 3600, "m": 60, "min": 60}.get(found[2], 1)


DURATION = Duration()


class Setting(click.ParamType):  # type: ignore[type-arg]  # older releases take none
    """Text ``KEY=VALUE`` as a pair."""

    name = "key=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """Convert a text to a pair of key and value."""
        if isinstance(value, tuple):
            return value
        key, sign, text = value.partition("=")
        if not (key and sign):
            self.fail(f"{value!r} is not of the form KEY=VALUE", param, ctx)
        return key.strip(), text.strip()


def _sigma(text: str) -> float:
    """Read a sigma on the 8-bit scale.

    Raises:
        ValueError: it is no number between 0 and 255.
    """
    try:
        sigma = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not 0 <= sigma <= LARGEST_SIGMA:
        raise ValueError(f"{sigma:g} is not between 0 and 255; sigma is on the 8-bit scale")
    return sigma


def _at_commas(text: str) -> list[str]:
    """Split a text at its commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _split_names(text: str) -> list[str]:
    """Split a text at its commas outside brackets."""
    from denoisebench.denoisers.registry import split_expressions

    return split_expressions(text)


def _split_datasets(text: str) -> list[str]:
    """Split a text at its commas that begin another data set."""
    from denoisebench.datasets.catalogue import split_datasets

    return split_datasets(text)


def format_list(formats: Callable[[], Collection[str]]) -> CommaList:
    """Make the type of a list of formats.

    Args:
        formats: function that returns the known names, when the first one is read.
    """

    def convert(item: str) -> str:
        if item not in (known := formats()):
            raise ValueError(f"{item!r} is none of {', '.join(known)}")
        return item

    return CommaList("format,…", lambda text: text.split(","), convert)


SIGMA_LIST = CommaList("sigma,…", _at_commas, _sigma)
METHODS = CommaList("method,…", _split_names, str)
DATASETS = CommaList("set,…", _split_datasets, str)
COLUMN_LIST = CommaList("column,…", _at_commas, str)
METRICS = CommaList("metric,…", _split_names, str)
THREAD_COUNT = click.IntRange(1, 1024)
