"""The registry of methods: a dict of cards, one decorator, and nothing heavy.

Every module beside this one is a plugin: it imports numpy at most and leaves its library's import
to the method's call, so that listing all methods takes milliseconds.
"""

from __future__ import annotations

import inspect
import logging
import math
import re
import typing
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from denoisebench import parameters, plugins
from denoisebench.digests import code_digest
from denoisebench.errors import UsageError, unknown
from denoisebench.parameters import matching

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

ENTRY_POINT_GROUP = "denoisebench.denoisers"

log = logging.getLogger("denoisebench")

REACH = 1.2
"""How many times a sigma may be one that a method is made for, or the other way round."""


class Denoiser(Protocol):
    """What a plugin's class offers: a dataclass of parameters with this one method.

    It may also have ``load(device: str) -> None``, called once before the first frame: what takes
    time there is not timed as denoising.
    """

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        """Estimate the clean frame.

        Args:
            noisy: float32 (H, W, C), C = 3 (RGB) or 1; clean values lie in [0, 1], noisy ones may
                lie outside. It must not be written to. A method registered with
                ``array="torch"`` gets, and returns, a float32 tensor (1, C, H, W) on its device.
            sigma: standard deviation of the noise on the same scale (25/255, not 25), at least 0.
                A blind method is given nan.

        Returns:
            The estimate, in the shape and dtype of ``noisy``, all finite.

        Raises:
            ValueError: the method cannot work on this frame, and says why (too small, say).
        """
        ...


@dataclass(frozen=True)
class Card:
    """What is known of a method before it runs.

    Attributes:
        name: what the command line calls it.
        title: what a table calls it.
        family: ``control``, ``local``, ``patch``, ``transform``, ``variational`` or ``learned``.
        reference: the publication it implements.
        licence: of the code that does the work, when it is not ours.
        blind: True if it takes no notice of sigma: it is given nan.
        colour: how it treats RGB: ``joint``, ``opponent`` or ``per channel``.
        devices: where it can run.
        array: what ``denoise`` takes: a numpy array, or a torch tensor on the device.
        requires: import names of the libraries it needs.
        deterministic: the same input gives the same bits, on one machine.
        sees_clean: a control that is also given the clean frame, as ``clean=``.
        note: what a reader of its results must know.
        weights: the files of its trained weights.
        sigmas: those that it is made for, on the 8-bit scale (see `serves`); empty for a method
            that works at any.
        factory: the dataclass; None when the plugin could not be imported.
        problem: why it could not.
    """

    name: str
    title: str
    family: str
    reference: str = ""
    licence: str = "Apache-2.0"
    blind: bool = False
    colour: str = "per channel"
    devices: tuple[str, ...] = ("cpu",)
    array: Literal["numpy", "torch"] = "numpy"
    requires: tuple[str, ...] = ()
    deterministic: bool = True
    sees_clean: bool = False
    note: str = ""
    weights: tuple[Path, ...] = ()
    sigmas: tuple[float, ...] = ()
    factory: Callable[..., Denoiser] | None = field(default=None, repr=False)
    problem: str | None = None

    @property
    def unavailable(self) -> str | None:
        """Why the method cannot run here, or None if it can."""
        if self.problem is not None:
            return self.problem
        if lost := [file.name for file in self.weights if not file.is_file()]:
            return f"its weights are missing: {', '.join(lost)}"
        return plugins.lacking(self.requires)

    def unfit(self, sigma: float) -> str | None:
        """Why the method is not for this sigma, on the 8-bit scale, or None if it is."""
        if not self.sigmas or serves(self.sigmas, sigma):
            return None
        made_for = ", ".join(f"{one:g}" for one in self.sigmas)
        return f"made for sigma {made_for}, not for {sigma:.3g}"

    def told(self, sigma: float) -> float:
        """What ``denoise`` is given for a sigma on the 8-bit scale.

        A method that says it is blind and looks at sigma is found out: its output is not finite.
        """
        return math.nan if self.blind else sigma / 255

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters' names and default values."""
        return {} if self.factory is None else parameters.defaults(self.factory)


def serves(sigmas: Iterable[float], sigma: float) -> bool:
    """Whether what is made for some sigmas can be used for another: within `REACH` of one."""
    rounding = 1e-9
    return any(max(sigma, one) <= REACH * (1 + rounding) * min(sigma, one) for one in sigmas)


@dataclass(frozen=True)
class Method:
    """A card with fixed parameters: one row of a table."""

    card: Card
    overrides: parameters.Overrides = ()

    @property
    def spec(self) -> str:
        """The name that the command line and the store use: ``name[param=value,…]``."""
        return parameters.spec(self.card.name, self.overrides)

    @property
    def title(self) -> str:
        return self.card.title + self.spec.removeprefix(self.card.name).replace("[", " [")

    @property
    def parameters(self) -> dict[str, Any]:
        return self.card.parameters | dict(self.overrides)

    @property
    def module(self) -> str | None:
        """The module that defines it; None when its plugin could not be imported."""
        return None if self.card.factory is None else self.card.factory.__module__

    def build(self) -> Denoiser:
        assert self.card.factory is not None
        return self.card.factory(**dict(self.overrides))


_cards: dict[str, Card] = {}
_loaded_files: set[Path] = set()


def register(name: str, **card: Any) -> Callable[[type], type]:
    """Class decorator: enter a method into the registry. The arguments are those of `Card`."""

    def enter(factory: type) -> type:
        if not (is_dataclass(factory) and callable(getattr(factory, "denoise", None))):
            raise TypeError(f"{factory.__name__} must be a dataclass with a denoise method")
        if not isinstance(card.get("weights", ()), tuple):
            raise TypeError(f"{name}: weights must be a tuple of paths")
        known = _cards.get(name)
        if known is not None and known.factory is not None:
            raise ValueError(f"two methods are called {name!r}: {known.factory} and {factory}")
        _cards[name] = Card(
            name=name, factory=typing.cast("Callable[..., Denoiser]", factory), **card
        )
        return factory

    return enter


@cache
def _load_installed() -> None:
    """Import our own plugins, then those that other packages announce."""
    plugins.import_modules("denoisebench.denoisers")
    for name, problem in plugins.load_announced(ENTRY_POINT_GROUP).items():
        _list_broken(name, problem)


def load_file(path: Path) -> None:
    """Register the methods of a plugin file; twice is once.

    Raises:
        UsageError: there is no such Python file.
    """
    path = path.resolve()
    if path in _loaded_files:
        return
    if not path.is_file() or path.suffix != ".py":
        raise UsageError(f"--plugin {path.name}: no such Python file; give the path of a .py file")
    _load_installed()
    _loaded_files.add(path)
    problem = plugins.attempt(lambda: plugins.import_file(path))
    if problem is not None:
        log.warning("--plugin %s: %s", path.name, problem)
        _list_broken(path.stem, problem)


def _list_broken(name: str, problem: str) -> None:
    """A plugin that fails to import is listed as unavailable, and why."""
    listed = f"{name} (plugin)" if name in _cards else name  # hide neither behind the other
    _cards[listed] = Card(name=listed, title=listed, family="?", problem=problem)


def cards() -> dict[str, Card]:
    """All known methods by name, ours in alphabetical order of their files, controls first."""
    _load_installed()
    return dict(sorted(_cards.items(), key=lambda item: (item[1].family != "control", item[0])))


def select(expressions: Iterable[str]) -> list[Method]:
    """The methods that expressions name, in the order given, each once.

    An expression is ``all``, a name, a glob over names, or a name with parameters,
    ``nlm-skimage[h=0.7,patch_size=7]``.

    Raises:
        UsageError: an unknown name (near matches are listed), parameter or value.
    """
    chosen: dict[str, Method] = {}
    for expression in expressions:
        for method in _resolve(expression.strip()):
            chosen.setdefault(method.spec, method)
    return list(chosen.values())


def split_expressions(text: str) -> list[str]:
    """Split ``a,b[x=1,y=2],c`` at the commas outside brackets."""
    return [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]


def is_pattern(expression: str) -> bool:
    """True if an expression asks for whatever there is, not for a method by its name."""
    name = expression.partition("[")[0]
    return name == "all" or bool(re.search(r"[*?]", name))


def _resolve(expression: str) -> list[Method]:
    known = cards()
    if is_pattern(expression):
        if "[" in expression:
            raise UsageError(f"{expression}: only a single method takes parameters; name it")
        names = matching(expression, known)
        if not names:
            raise UsageError(f"no method matches {expression!r}; `bench list` shows all")
        return [Method(known[name]) for name in names]
    name, arguments = parameters.split_name("method", expression)
    if name not in known:
        raise UsageError(unknown("method", name, known) + "; `bench list` shows all")
    return [Method(known[name], parameters.overrides(name, known[name].factory, arguments))]


def source_file(card: Card) -> Path | None:
    """The file that defines a method."""
    if card.factory is None:
        return None
    found = inspect.getsourcefile(card.factory)
    return Path(found) if found else None


def source_digest(card: Card) -> str | None:
    """Digest of the code behind a method: its file, and the modules of its package that it imports.

    It is part of the identity of the method's results: a change there makes them stale.
    """
    path = source_file(card)
    if path is None or card.factory is None:
        return None
    return code_digest(card.factory.__module__, path)
