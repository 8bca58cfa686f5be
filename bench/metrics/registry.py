"""The registry of metrics: each says on which scale it measures, and whether it can be had."""

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

ENTRY_POINT_GROUP = "denoisebench.metrics"

PROTOCOL = ("psnr", "ssim")
"""What the protocol defines and every run scores. Other metrics carry their own identity."""

Function = typing.Callable[["np.ndarray", "np.ndarray"], "float | None"]
"""Takes the clean frame and the estimate, both uint8 (H, W, C), C = 3 (RGB) or 1, neither to be
written to; returns the score, or None where the metric is not defined for the frame."""

F = typing.TypeVar("F", bound=Function)

Direction = Literal["higher", "lower", "zero"]


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before it runs.

    Attributes:
        name: what the command line calls it.
        title: what a table calls it.
        direction: whether ``higher``, ``lower`` or ``zero`` (the closest to it) is best.
        range: the least and the greatest value it can have.
        unit: of its values; empty if they have none.
        source: the publication that defines it.
        decimals: how many a table shows.
        undefined: the frames that have no score, in words; empty if all have one.
        requires: import names of the libraries it needs.
        weights: names the files of its weights; raises FileNotFoundError, saying what to do.
        function: computes it; None when its plugin could not be imported.
        problem: why it could not.
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
        if not isinstance(self.requires, tuple):
            raise TypeError(f"{self.name}: requires must be a tuple of modules")

    @property
    def unavailable(self) -> str | None:
        """Why the metric cannot be computed here, or None if it can."""
        if self.problem is not None:
            return self.problem
        try:
            files = self.weights()
        except FileNotFoundError as error:
            return str(error)
        except Exception as error:  # a stranger's function may raise anything
            return plugins.describe_error(error)
        if unreadable := [str(file) for file in files if not os.access(file, os.R_OK)]:
            return f"cannot read {', '.join(unreadable)}"
        return plugins.lacking(self.requires)

    @cached_property
    def key(self) -> str:
        """Identity of the definition, of an available metric: its code, libraries and weights."""
        from denoisebench.machine import environment

        assert self.function is not None
        source = Path(inspect.getfile(self.function))
        return value_digest(
            self.name,
            code_digest(self.function.__module__, source),
            environment.versions(("numpy", *self.requires)),
            [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.weights()],
        )

    @property
    def description(self) -> dict[str, Any]:
        """What a stored run keeps of it, so that its tables need no plugin; ready for JSON.

        ``key`` is None where the protocol's digest takes its place, or there are no scores.
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
        """The score of an estimate; see `Function`.

        Raises:
            ValueError: the function returned no number.
        """
        assert self.function is not None
        value = self.function(_read_only(clean), _read_only(estimate))
        if value is None:
            return None
        if math.isnan(number := float(value)):
            raise ValueError("it is not a number")
        return number


def _read_only(frame: np.ndarray) -> np.ndarray:
    """What one metric wrote into a frame would mislead the next."""
    view = frame.view()
    view.flags.writeable = False
    return view


_metrics: dict[str, Metric] = {}


def register(name: str, **card: Any) -> Callable[[F], F]:
    """Decorator: enter a function into the registry. The arguments are those of `Metric`."""

    def enter(function: F) -> F:
        if name in FRAMES_COLUMNS.keys() - set(PROTOCOL):
            raise ValueError(f"no metric can be called {name!r}, as frames.csv has such a column")
        if name == "all" or re.search(r"[][*?,\s]", name):
            raise ValueError(f"no metric can be called {name!r}, as --metrics reads it otherwise")
        if not inspect.isfunction(function):
            raise TypeError(f"{name}: a metric is a function of two frames, not {function!r}")
        known = _metrics.get(name)
        if known is not None and known.function is not None:
            raise ValueError(f"two metrics are called {name!r}: {known.function} and {function}")
        _metrics[name] = Metric(name=name, function=function, **card)
        return function

    return enter


@cache
def _load_installed() -> None:
    """Import our own metrics, then those that other packages announce."""
    plugins.import_modules("denoisebench.metrics")
    for name, problem in plugins.load_announced(ENTRY_POINT_GROUP).items():
        listed = f"{name} (plugin)" if name in _metrics else name  # hide neither behind the other
        _metrics[listed] = Metric(name=listed, title=listed, problem=problem)


def metrics() -> dict[str, Metric]:
    """All known metrics by name: the protocol's, then the others in alphabetical order."""
    _load_installed()
    further = sorted(_metrics.keys() - set(PROTOCOL))
    return {name: _metrics[name] for name in (*PROTOCOL, *further)}


def select(expressions: Iterable[str]) -> list[Metric]:
    """The metrics that expressions name, in the order given, each once.

    An expression is ``all``, a name, or a glob over names.

    Raises:
        UsageError: an unknown name (near matches are listed).
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
