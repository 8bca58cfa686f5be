"""Registry of metrics: each has a scale and a direction, and tells if it can be computed here."""

from __future__ import annotations

import hashlib
import inspect
import math
import os
import re
import typing
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from denoisebench import plugins
from denoisebench.columns import FRAMES_COLUMNS
from denoisebench.digests import code_digest, value_digest
from denoisebench.errors import UsageError, unknown
from denoisebench.parameters import matching

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

_ENTRY_POINT_GROUP = "denoisebench.metrics"

PROTOCOL = ("psnr", "ssim")
"""Metrics that the protocol defines; every run scores them. Others have digests of their own."""

Function = typing.Callable[["np.ndarray", "np.ndarray"], "float | None"]
"""Takes the clean frame and the estimate, both uint8 (H, W, C), C = 3 (RGB) or 1, and writes to
neither; returns the score, or None if the metric is not defined for the frame."""

_F = typing.TypeVar("_F", bound=Function)

Direction = Literal["higher", "lower", "zero"]


@dataclass(frozen=True)
class Metric:
    """Description of a metric, known before it runs.

    Attributes:
        name: its name on the command line.
        title: its name in tables.
        direction: the best values: the ``higher`` ones, the ``lower`` ones, or those closest to
            ``zero``.
        range: the least and the greatest value it can have.
        unit: of its values; empty if they have none.
        source: the publication that defines it.
        decimals: number of decimals in tables.
        undefined: the frames that have no score, in words; empty if all have one.
        requires: import names of the libraries it needs.
        weights: function that returns the files of its weights; it raises FileNotFoundError, with
            a message that says what to do.
        function: computes the score; None if the metric's plugin could not be imported.
        problem: the reason why it could not be imported.

    Raises:
        ValueError: ``direction`` is none of the three.
        TypeError: ``requires`` is no tuple.

    Examples:
        >>> import numpy as np
        >>> metric = metrics()["psnr"]
        >>> metric.direction, metric.unit
        ('higher', 'dB')
        >>> clean = np.full((8, 8, 3), 100, np.uint8)
        >>> round(metric(clean, clean + 10), 2)
        28.13
    """

    name: str
    title: str
    direction: Direction = "higher"
    range: tuple[float, float] = (-math.inf, math.inf)
    unit: str = ""
    source: str = ""
    decimals: int = 3
    undefined: str = ""
    requires: tuple[str, ...] = ()
    weights: Callable[[], tuple[Path, ...]] = field(default=tuple, repr=False)
    function: Function | None = field(default=None, repr=False)
    problem: str | None = None

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise ValueError(f"{self.name}: direction is one of {', '.join(get_args(Direction))}")
        if not (isinstance(self.requires, tuple) and all(map(_is_text, self.requires))):
            raise TypeError(f"{self.name}: requires must be a tuple of modules")
        if not all(map(_is_text, (self.title, self.unit, self.source, self.undefined))):
            raise TypeError(f"{self.name}: title, unit, source and undefined must be texts")
        if self.decimals not in range(16):
            raise ValueError(f"{self.name}: decimals is a whole number from 0 to 15")

    @property
    def unavailable(self) -> str | None:
        """Reason why the metric cannot be computed here; None if it can."""
        if self.problem is not None:
            return self.problem
        try:
            unreadable = [str(file) for file in self.weights() if not os.access(file, os.R_OK)]
        except FileNotFoundError as error:
            return str(error)
        except (Exception, SystemExit) as error:  # a stranger's function may raise anything
            return plugins.describe_error(error)
        if unreadable:
            return f"cannot read {', '.join(unreadable)}"
        return plugins.lacking(self.requires)

    @cached_property
    def key(self) -> str:
        """Digest of an available metric's definition: its code, libraries and weights."""
        from denoisebench.machine import environment

        assert self.function is not None
        module, source = self.function.__module__, Path(inspect.getfile(self.function))
        return value_digest(
            self.name,
            code_digest(module, source, plugins.folder_of(module, source)),
            environment.versions(("numpy", *self.requires)),
            [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.weights()],
        )

    @property
    def description(self) -> dict[str, Any]:
        """Description to store with a run, so that its tables need no plugin; ready for JSON.

        ``key`` is None for a metric of the protocol, whose digest takes its place, and for an
        unavailable metric, which has no scores.
        """
        unavailable = self.unavailable
        return {
            "name": self.name,
            "title": self.title,
            "direction": self.direction,
            "unit": self.unit,
            "source": self.source,
            "decimals": self.decimals,
            "undefined": self.undefined,
            "unavailable": unavailable,
            "key": None if unavailable or self.name in PROTOCOL else self.key,
        }

    def __call__(self, clean: np.ndarray, estimate: np.ndarray) -> float | None:
        """Score an estimate; see `Function` for the arguments.

        Raises:
            ValueError: the function returned nan.
        """
        assert self.function is not None
        value = self.function(_read_only(clean), _read_only(estimate))
        if value is None:
            return None
        if math.isnan(number := float(value)):
            raise ValueError("it is not a number")
        return number


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _read_only(frame: np.ndarray) -> np.ndarray:
    """Return a copy that nobody can make writable: the next metric gets the same frame."""
    import numpy as np

    return np.frombuffer(frame.tobytes(), frame.dtype).reshape(frame.shape)


_metrics: dict[str, Metric] = {}


def _is_same(known: Any, function: Any) -> bool:
    """Return True for a function that is defined again, as when its file has changed."""
    before, now = ((f.__module__, f.__qualname__) for f in (known.function, function))
    return before == now


def register(name: str, **card: Any) -> Callable[[_F], _F]:
    """Enter a function into the registry; a decorator.

    Args:
        name: the metric's name on the command line, and its column in frames.csv.
        card: the other attributes of `Metric`, but ``function`` and ``problem``.

    Returns:
        The decorator, which returns the function as it is.

    Raises:
        TypeError: raised by the decorator: it was given no function, or `Metric` refuses ``card``.
        ValueError: raised by the decorator: the name is a column of frames.csv, cannot be written
            after ``--metrics``, or is another metric's; or `Metric` refuses ``card``.

    Examples:
        >>> @register("worst", title="Worst error", direction="lower", range=(0, 255))
        ... def worst(clean, estimate):
        ...     return float(abs(clean.astype(int) - estimate).max())
        >>> metrics()["worst"].direction
        'lower'
        >>> del _metrics["worst"]  # so that the example leaves no trace
    """

    def enter(function: _F) -> _F:
        if name in FRAMES_COLUMNS.keys() - set(PROTOCOL):
            raise ValueError(f"no metric can be called {name!r}, as frames.csv has such a column")
        if name == "all" or re.search(r"[][*?,\s]", name):
            raise ValueError(f"no metric can be called {name!r}, as --metrics reads it otherwise")
        if not inspect.isfunction(function):
            raise TypeError(f"{name}: a metric is a function of two frames, not {function!r}")
        known = _metrics.get(name)
        if known is not None and known.function is not None and not _is_same(known, function):
            raise ValueError(f"two metrics are called {name!r}: {known.function} and {function}")
        _metrics[name] = Metric(name=name, function=function, **card)
        return function

    return enter


@cache
def _load_installed() -> None:
    """Import the project's own metrics, then those that other packages announce."""
    plugins.import_modules("denoisebench.metrics")
    for name, problem in plugins.load_announced(_ENTRY_POINT_GROUP).items():
        listed = f"{name} (plugin)" if name in _metrics else name  # hide neither behind the other
        _metrics[listed] = Metric(name=listed, title=listed, problem=problem)


def metrics() -> dict[str, Metric]:
    """Give all known metrics by name: the protocol's, then the others in alphabetical order.

    Examples:
        >>> list(metrics())[:4]
        ['psnr', 'ssim', 'flip', 'lpips']
    """
    _load_installed()
    further = sorted(_metrics.keys() - set(PROTOCOL))
    return {name: _metrics[name] for name in (*PROTOCOL, *further)}


def select_metrics(expressions: Iterable[str]) -> list[Metric]:
    """Find the metrics that expressions name, in the order given, each once.

    Args:
        expressions: each is ``all``, a name, or a glob over names.

    Raises:
        UsageError: an unknown name; the message lists near matches.

    Examples:
        >>> [metric.name for metric in select_metrics(["ssim", "psnr*"])]
        ['ssim', 'psnr', 'psnr-y']
    """
    known = metrics()
    chosen: dict[str, Metric] = {}
    for expression in expressions:
        names = matching(expression, known)
        if not names:
            what = unknown("metric", expression, known)
            raise UsageError(f"{what}; `bench list --metrics` shows all")
        chosen |= {name: known[name] for name in names}
    return list(chosen.values())
