"""Registry of methods: a dict of cards and one decorator.

Every module beside this one is a plugin. It imports numpy at most; its own library is imported by
the method's call, so that listing all methods takes milliseconds.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
import re
import typing
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from denoisebench import parameters, plugins
from denoisebench.denoisers.nets import public_weights
from denoisebench.digests import code_digest, value_digest
from denoisebench.errors import UsageError, unknown
from denoisebench.parameters import matching
from denoisebench.text import plain

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np

_ENTRY_POINT_GROUP = "denoisebench.denoisers"

_log = logging.getLogger("denoisebench")

# The largest ratio of a sigma and one that a method is made for, either way round.
_REACH = 1.2


class Denoiser(Protocol):
    """Interface of a plugin's class: a dataclass of parameters with this one method.

    The class may also have ``load(device: str) -> str | None``. It is called once, before the first
    frame, and its time is not counted as denoising; there a method also compiles its code. It may
    return a remark for readers of this run: that its torch engine takes the place of another, say.
    """

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        """Estimate the clean frame.

        Args:
            noisy: float32 (H, W, C), C = 3 (RGB) or 1; clean values lie in [0, 1], noisy ones may
                lie outside. Do not write to it. A method registered with ``array="torch"`` gets
                and returns a float32 tensor (1, C, H, W) on its device; one registered with
                ``array="by device"`` does so on CUDA only.
            sigma: standard deviation of the noise on the same scale (25/255, not 25), at least 0.
                A blind method gets nan.

        Returns:
            The estimate, with the shape and dtype of ``noisy``; all values are finite.

        Raises:
            ValueError: the method cannot handle this frame; the message says why (too small, say).
        """
        ...


@dataclass(frozen=True)
class Card:
    """Description of a method, known before it runs.

    Attributes:
        name: its name on the command line.
        title: its name in tables.
        family: ``control``, ``local``, ``patch``, ``transform``, ``variational`` or ``learned``.
        reference: the publication it implements.
        licence: of the code that does the work, where that is not ours.
        blind: True if it ignores sigma; it then gets nan.
        colour: its treatment of RGB: ``joint``, ``opponent`` or ``per channel``.
        devices: the devices it can run on.
        array: type of the frames that ``denoise`` takes: a ``numpy`` array, a ``torch`` tensor on
            the device, or either ``by device``: an array on the CPU, a tensor on CUDA.
        requires: import names of the libraries it needs.
        uses: import names of further libraries that it uses where they are installed; their
            versions, too, are part of the identity of its results.
        deterministic: True if the same input gives the same bits, on one machine.
        sees_clean: True for a control that also gets the clean frame, as ``clean=``.
        note: a remark that readers of its results need.
        weights: the files of its trained weights.
        code: further files of code that it runs, beside its own module.
        published: its name among the public weights (`nets.public_weights`), which are used where
            they are on disk; empty if it has none there.
        verified: False for a network that was never run with its authors' weights: only shapes and
            numbers of parameters are known to be right.
        sigmas: noise levels that it is made for, on the 8-bit scale (see `serves`); empty for a
            method that works at any.
        cost: seconds that it takes for a megapixel of RGB on one core, roughly, of a slow method:
            cheaper ones run before it, and users are told how long it will take.
        omitted: the reason why ``all`` leaves it out; empty for a method that is among them.
        factory: the dataclass; None if the plugin could not be imported.
        problem: the reason why it could not be imported.

    Examples:
        >>> card = cards()["bm3d"]
        >>> card.family, card.blind, card.devices
        ('transform', False, ('cpu',))
    """

    name: str
    title: str
    family: str
    reference: str = ""
    licence: str = "Apache-2.0"
    blind: bool = False
    colour: str = "per channel"
    devices: tuple[str, ...] = ("cpu",)
    array: Literal["numpy", "torch", "by device"] = "numpy"
    requires: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    deterministic: bool = True
    sees_clean: bool = False
    note: str = ""
    weights: tuple[Path, ...] = ()
    code: tuple[Path, ...] = ()
    published: str = ""
    verified: bool = True
    sigmas: tuple[float, ...] = ()
    cost: float = 0.0
    omitted: str = ""
    factory: Callable[..., Denoiser] | None = field(default=None, repr=False)
    problem: str | None = None

    @property
    def unavailable(self) -> str | None:
        """Reason why the method cannot run here; None if it can."""
        if self.problem is not None:
            return self.problem
        if lost := [file.name for file in self.weights if not file.is_file()]:
            return f"its weights are missing: {', '.join(lost)}"
        if self.published and (problem := public_weights.without_weights(self.published)):
            return problem
        return plugins.lacking(self.requires)

    def unfit(self, sigma: float) -> str | None:
        """Give the reason why the method does not serve a sigma, on the 8-bit scale, or None.

        Examples:
            >>> cards()["dcgan"].unfit(100)
            'made for sigma 11.4, 15, 25, 50, not for 100'
            >>> cards()["median"].unfit(100) is None
            True
        """
        if not self.sigmas or serves(self.sigmas, sigma):
            return None
        made_for = ", ".join(f"{one:g}" for one in self.sigmas)
        return f"made for sigma {made_for}, not for {sigma:.3g}"

    def told(self, sigma: float) -> float:
        """Convert a sigma on the 8-bit scale into the one that ``denoise`` gets.

        A blind method gets nan: if it uses sigma all the same, its output is not finite, and the
        cell fails.

        Examples:
            >>> cards()["nlm-skimage"].told(51)
            0.2
        """
        return math.nan if self.blind else sigma / 255

    def takes_tensors(self, device: str) -> bool:
        """Tell whether frames are torch tensors on a device, ``cpu`` or ``cuda``.

        Examples:
            >>> card = Card("x", "X", "patch", array="by device")
            >>> card.takes_tensors("cpu"), card.takes_tensors("cuda")
            (False, True)
        """
        return self.array == "torch" or (self.array == "by device" and device == "cuda")

    @property
    def parameters(self) -> dict[str, Any]:
        """Names and default values of the parameters."""
        return {} if self.factory is None else parameters.defaults(self.factory)


def serves(sigmas: Iterable[float], sigma: float) -> bool:
    """Tell whether weights for some sigmas also serve another: one within a factor of 1.2.

    Args:
        sigmas: the sigmas that the weights are made for.
        sigma: the one asked for, on the same scale.

    Examples:
        >>> serves((15, 25), 30)
        True
        >>> serves((15, 25), 31)
        False
    """
    rounding = 1e-9
    return any(max(sigma, one) <= _REACH * (1 + rounding) * min(sigma, one) for one in sigmas)


@dataclass(frozen=True)
class Method:
    """A method with fixed parameters: one row of a table.

    Attributes:
        card: its description.
        overrides: parameters that differ from their defaults.

    Examples:
        >>> [method] = select(["median[size=3]"])
        >>> method.spec, method.parameters
        ('median[size=3]', {'size': 3})
    """

    card: Card
    overrides: parameters.Overrides = ()

    @property
    def spec(self) -> str:
        """Name on the command line and in stored runs: ``name[param=value,…]``."""
        return parameters.spec(self.card.name, self.overrides)

    @property
    def title(self) -> str:
        """Name in tables: the card's title, with the parameters that differ."""
        return self.card.title + self.spec.removeprefix(self.card.name).replace("[", " [")

    @property
    def parameters(self) -> dict[str, Any]:
        """All parameters by name, those with default values included."""
        return self.card.parameters | dict(self.overrides)

    @property
    def module(self) -> str | None:
        """The module that defines it; None when its plugin could not be imported."""
        return None if self.card.factory is None else self.card.factory.__module__

    @cached_property
    def source(self) -> str | None:
        """See `source_digest`; of the files as they were when this was first asked for."""
        return source_digest(self.card)

    @cached_property
    def trained(self) -> str | None:
        """See `weights_digest`; of the files as they were when this was first asked for."""
        return weights_digest(self.card)

    def build(self) -> Denoiser:
        """Make the denoiser, of a method whose plugin could be imported."""
        assert self.card.factory is not None
        return self.card.factory(**dict(self.overrides))


_cards: dict[str, Card] = {}
_loaded_files: dict[Path, str] = {}  # digests of their code
_broken_files: dict[Path, str] = {}  # names that they are listed under


def register(name: str, **card: Any) -> Callable[[type], type]:
    """Enter a dataclass with a ``denoise`` method into the registry; a class decorator.

    Args:
        name: the method's name on the command line.
        card: the other attributes of `Card`, but ``factory`` and ``problem``.

    Returns:
        The decorator, which returns the class as it is.

    Raises:
        TypeError: raised by the decorator: the class is no dataclass, or has no ``denoise``.
        ValueError: raised by the decorator: another method has the name, or an attribute of the
            card is not as `Card` says.

    Examples:
        >>> from dataclasses import dataclass
        >>> @register("half", title="Half as bright", family="local")
        ... @dataclass(frozen=True)
        ... class Half:
        ...     factor: float = 0.5
        ...     def denoise(self, noisy, sigma):
        ...         return self.factor * noisy
        >>> select(["half[factor=0.25]"])[0].parameters
        {'factor': 0.25}
        >>> del _cards["half"]  # so that the example leaves no trace
    """

    def enter(factory: type) -> type:
        if not (is_dataclass(factory) and callable(getattr(factory, "denoise", None))):
            raise TypeError(f"{factory.__name__} must be a dataclass with a denoise method")
        entered = Card(name=name, factory=typing.cast("Callable[..., Denoiser]", factory), **card)
        if (wrong := _mistake(entered)) is not None:
            raise ValueError(f"the method {name!r} is registered with {wrong}")
        known = _cards.get(name)
        if known is not None and known.factory is not None and not _is_same(known.factory, factory):
            raise ValueError(f"two methods are called {name!r}: {known.factory} and {factory}")
        _cards[name] = entered
        return factory

    return enter


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")

_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("letters, digits, '-', '_', '.' and '+'", lambda v: bool(_NAME.fullmatch(v))),
    **dict.fromkeys(("title", "family"), ("a text", lambda v: isinstance(v, str) and v != "")),
    **dict.fromkeys(
        ("reference", "licence", "colour", "note", "omitted", "published"),
        ("a text", lambda v: isinstance(v, str)),
    ),
    **dict.fromkeys(
        ("blind", "deterministic", "sees_clean", "verified"),
        ("True or False", lambda v: isinstance(v, bool)),
    ),
    "devices": ("('cpu',), ('cuda',) or both", lambda v: v != () and _holds(v, _is_device)),
    "array": ("'numpy', 'torch' or 'by device'", lambda v: v in ("numpy", "torch", "by device")),
    **dict.fromkeys(
        ("requires", "uses"),
        ("a tuple of import names", lambda v: _holds(v, lambda one: isinstance(one, str))),
    ),
    **dict.fromkeys(
        ("weights", "code"),
        ("a tuple of paths", lambda v: _holds(v, lambda one: isinstance(one, Path))),
    ),
    "sigmas": ("a tuple of numbers from 0 to 255", lambda v: _holds(v, _is_sigma)),
    "cost": ("seconds", lambda v: isinstance(v, int | float) and 0 <= v < math.inf),
}
"""Conditions on a card's attributes: in words, and as a test."""


def _holds(value: Any, condition: Callable[[Any], bool]) -> bool:
    """Return True for a tuple of which each item meets a condition."""
    return isinstance(value, tuple) and all(map(condition, value))


def _is_device(value: Any) -> bool:
    return value in ("cpu", "cuda")


def _is_sigma(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 255


def _mistake(card: Card) -> str | None:
    """Name the first attribute of a card that is not as it must be; None if all are."""
    for name, (words, is_met) in _CHECKS.items():
        if not is_met(getattr(card, name)):
            return f"{name}={getattr(card, name)!r}; give {words}"
    return None


def _is_same(known: Any, factory: type) -> bool:
    """Return True for a class that is defined again.

    A notebook's cell is run twice, or its class was moved into a file.
    """
    before, now = ((f.__module__, f.__qualname__) for f in (known, factory))
    return before == now or known.__module__ == "__main__"


@cache
def _load_installed() -> None:
    """Import the project's own plugins, then those that other packages announce."""
    plugins.import_modules("denoisebench.denoisers")
    for name, problem in plugins.load_announced(_ENTRY_POINT_GROUP).items():
        _list_broken(name, problem)


def load_file(path: Path) -> None:
    """Register the methods and metrics of a plugin file; again only if it has changed.

    A file that fails to import is listed as an unavailable method.

    Raises:
        UsageError: there is no such Python file.

    Examples:
        >>> load_file(Path("absent.py"))
        Traceback (most recent call last):
            ...
        denoisebench.errors.UsageError: --plugin absent.py: no such Python file; give the path of \
a .py file
    """
    path, content = _read_file(path)
    if _loaded_files.get(path) != content:
        _load_installed()
        _forget_file(path)
        _enter_file(path, content, plugins.attempt(lambda: plugins.import_file(path)))


def _read_file(path: Path) -> tuple[Path, str]:
    """Return the resolved path of a plugin file, and the digest of it and of what it imports.

    Raises:
        UsageError: there is no such Python file.
    """
    problem = f"--plugin {plain(path.name)}: no such Python file; give the path of a .py file"
    try:
        path = path.resolve()
        if path.suffix != ".py" or not path.is_file():  # a pipe would block
            raise UsageError(problem)
        return path, code_digest(plugins.file_module(path), path, path.parent)
    except (OSError, ValueError, RuntimeError) as error:  # a link to itself is a RuntimeError
        raise UsageError(problem) from error


def _enter_file(path: Path, content: str, problem: str | None) -> None:
    """Note that a plugin file was imported, or list it as unavailable if it has a problem."""
    _loaded_files[path] = content
    if problem is not None:
        _broken_files[path] = _list_broken(path.stem, problem)


def load_files(paths: Iterable[Path], seconds: float = plugins.IMPORT_S) -> None:
    """Register the methods of plugin files, and forget those of all other files.

    So each run of a long session knows its own plugins alone, as its worker processes do. A file is
    imported in a process of its own first: if it ends or hangs that process, it is listed as
    unavailable, and not imported here.

    Args:
        paths: the files.
        seconds: time limit for the import of each.

    Raises:
        UsageError: one is no Python file.

    Examples:
        >>> load_files([])
    """
    wanted = dict(map(_read_file, paths))
    for path in _loaded_files.keys() - wanted.keys():
        _forget_file(path)
    for path, content in wanted.items():
        if _loaded_files.get(path) != content:
            _rehearse_and_load(path, content, seconds)


def _rehearse_and_load(path: Path, content: str, seconds: float) -> None:
    """Import a plugin file in another process, then in this one."""
    rehearsal = plugins.rehearse("import_file", path, seconds)
    _load_installed()
    _forget_file(path)
    if rehearsal.output:
        _log.warning("--plugin %s prints as it is imported: %s", plain(path.name), rehearsal.output)
    _enter_file(
        path,
        content,
        rehearsal.problem or plugins.attempt_quietly(lambda: plugins.import_file(path)),
    )


def files_behind(method: Method, paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the plugin files that a process needs to load a method.

    A process imports no other plugin, whose import could change what the method does.

    Args:
        method: the method.
        paths: the plugin files of a run; those that could not be imported are left out.

    Examples:
        >>> files_behind(select(["median"])[0], [Path("box.py")])
        ()
    """
    if (method.module or "").startswith(f"{__package__}."):
        return ()
    sound = tuple(path for path in paths if path.resolve() not in _broken_files)
    return tuple(p for p in sound if plugins.file_module(p.resolve()) == method.module) or sound


def broken_file(path: Path) -> Card | None:
    """Return the card under which a plugin file is listed that could not be imported.

    Examples:
        >>> broken_file(Path("box.py")) is None
        True
    """
    listed = _broken_files.get(path.resolve())
    return None if listed is None else _cards[listed]


def _forget_file(path: Path) -> None:
    """Take the methods of a plugin file out of the registry."""
    module = plugins.file_module(path)
    theirs = [
        name for name, card in _cards.items() if getattr(card.factory, "__module__", "") == module
    ]
    for name in (*theirs, _broken_files.pop(path, "")):
        _cards.pop(name, None)
    _loaded_files.pop(path, None)


def forget(base: type) -> None:
    """Take the methods whose classes are of a base class out of the registry.

    Examples:
        >>> forget(type("Mine", (), {}))  # no method is of this class
    """
    for name, card in list(_cards.items()):
        if isinstance(card.factory, type) and issubclass(card.factory, base):
            del _cards[name]


def _list_broken(name: str, problem: str) -> str:
    """List a plugin that failed to import as unavailable, with the reason; return its name."""
    listed = f"{name} (plugin)" if name in _cards else name  # hide neither behind the other
    _cards[listed] = Card(name=listed, title=listed, family="?", problem=problem)
    return listed


_without_given: dict[str, Card] = {}
"""Cards, by name, of the methods whose weights the user gave, as they were before."""


def use_weights(given: Iterable[str]) -> None:
    """Let files of the user's take the place of the public weights of methods.

    The files are read, so that one that does not fit is told before anything runs.

    Args:
        given: ``METHOD=FILE`` each; a method may have a file for grey frames and one for colour.
            Those of an earlier call are forgotten.

    Raises:
        UsageError: there is no such method or file, or the file does not fit the method.

    Examples:
        >>> use_weights(["median=net.pth"])
        Traceback (most recent call last):
            ...
        denoisebench.errors.UsageError: --weights median=net.pth: median takes no weights; those \
that do: dncnn, dncnn-blind, drunet, fdncnn, ffdnet, ircnn, nafnet, restormer, restormer-blind, \
scunet, swinir
    """
    _cards.update(_without_given)
    _without_given.clear()
    public_weights.give(())
    files = [_given_file(text) for text in given]
    for name in dict.fromkeys(file.method for file in files):
        _without_given[name] = card = _cards[name]
        theirs = [file for file in files if file.method == name]
        _cards[name] = replace(
            card,
            title=f"{card.title} ({', '.join(plain(file.name) for file in theirs)})",
            licence=f"{card.licence.partition(';')[0]}; weights not known",
            note="With weights that the user gave; nothing is known of their training.",
            sigmas=(),
            verified=True,
        )
    public_weights.give(files)


def _given_file(text: str) -> public_weights.WeightsFile:
    """Read ``METHOD=FILE``.

    Raises:
        UsageError: it has another form, there is no such method, or the file does not fit it.
    """
    name, _, path = text.partition("=")
    known = cards()
    if not path:
        raise UsageError(f"--weights {text}: write METHOD=FILE")
    if name not in known:
        raise UsageError(f"--weights {text}: {unknown('method', name, known)}")
    if not known[name].published:
        those = ", ".join(card.name for card in known.values() if card.published)
        raise UsageError(f"--weights {text}: {name} takes no weights; those that do: {those}")
    try:
        factory: Any = known[name].factory
        return public_weights.given_file(name, Path(path), factory.channels_of(Path(path)))
    except UsageError as error:
        raise UsageError(f"--weights {plain(text)}: {error}") from error


def cards() -> dict[str, Card]:
    """Give the cards of all known methods by name: controls first, then in alphabetical order.

    Examples:
        >>> list(cards())[:3]
        ['noisy', 'oracle', 'adversarial-cnn']
    """
    _load_installed()
    return dict(sorted(_cards.items(), key=lambda item: (item[1].family != "control", item[0])))


def select(expressions: Iterable[str]) -> list[Method]:
    """Find the methods that expressions name, in the order given, each once.

    Args:
        expressions: each is ``all`` but for the methods whose cards say ``omitted``, a name, a glob
            over names, or a name with parameters, ``nlm-skimage[h=0.7,patch_size=7]``.

    Raises:
        UsageError: an unknown name (the message lists near matches), parameter or value.

    Examples:
        >>> [method.spec for method in select(["nlm-s*", "median", "nlm-skimage[h=0.7]"])]
        ['nlm-skimage', 'median', 'nlm-skimage[h=0.7]']
    """
    chosen: dict[str, Method] = {}
    for expression in expressions:
        for method in _resolve(expression.strip()):
            chosen.setdefault(method.spec, method)
    return list(chosen.values())


def without(methods: Iterable[Method], expressions: Iterable[str]) -> list[Method]:
    """Leave out the methods that expressions name, with their parameters or with any.

    Args:
        methods: the methods to choose from.
        expressions: as for `select`; a name without parameters also names the method with others.

    Raises:
        UsageError: as `select`.

    Examples:
        >>> chosen = select(["nlm-skimage[h=0.7]", "nlm-skimage", "median"])
        >>> [method.spec for method in without(chosen, ["nlm-*"])]
        ['median']
        >>> [method.spec for method in without(chosen, ["nlm-skimage[h=0.7]"])]
        ['nlm-skimage', 'median']
    """
    unwanted = select(expressions)
    names = {method.card.name for method in unwanted if not method.overrides}
    return [m for m in methods if m not in unwanted and m.card.name not in names]


def split_expressions(text: str) -> list[str]:
    """Split a list of expressions at the commas outside brackets and parentheses.

    Examples:
        >>> split_expressions("median, nlm-skimage[h=0.7,patch_size=7]")
        ['median', 'nlm-skimage[h=0.7,patch_size=7]']
    """
    return [part.strip() for part in re.split(r",(?![^\[]*\])(?![^(]*\))", text) if part.strip()]


def is_pattern(expression: str) -> bool:
    """Tell whether an expression is ``all`` or a glob, rather than a method's name.

    Examples:
        >>> is_pattern("nlm-*"), is_pattern("nlm-skimage[h=0.7]")
        (True, False)
    """
    name = expression.partition("[")[0]
    return name == "all" or bool(re.search(r"[*?]", name))


def _resolve(expression: str) -> list[Method]:
    """Find the methods that one expression names."""
    known = cards()
    if is_pattern(expression):
        if "[" in expression:
            raise UsageError(f"{expression}: only a single method takes parameters; name it")
        names = matching(expression, known)
        if expression == "all":
            names = [name for name in names if not known[name].omitted]
        if not names:
            raise UsageError(f"no method matches {expression!r}; `bench list` shows all")
        return [Method(known[name]) for name in names]
    name, arguments = parameters.split_name("method", expression)
    if name not in known:
        raise UsageError(unknown("method", name, known) + "; `bench list` shows all")
    return [Method(known[name], parameters.overrides(name, known[name].factory, arguments))]


def source_file(card: Card) -> Path | None:
    """Find the file that defines a method; None if there is none.

    Examples:
        >>> source_file(cards()["median"]).name
        'median.py'
    """
    if card.factory is None:
        return None
    found = inspect.getsourcefile(card.factory)
    return Path(found) if found else None


def source_digest(card: Card) -> str | None:
    """Digest the code behind a method: its file, and the modules that it imports.

    Those are the modules of its package or, for a plugin file, beside it, and our base class of
    torch networks. It is part of the identity of the method's results: a change there makes them
    stale.

    Returns:
        16 hex digits; None where the method's plugin could not be imported.

    Examples:
        >>> source_digest(cards()["median"]) == source_digest(cards()["gaussian"])
        False
        >>> source_digest(Card("x", "X", "?")) is None
        True
    """
    path = source_file(card)
    if path is None or card.factory is None:
        return None
    module = card.factory.__module__
    own = code_digest(module, path, plugins.folder_of(module, path))
    further = [code_digest(plugins.file_module(file), file, file.parent) for file in card.code]
    further += [code_digest(base.__module__, file) for base, file in _lent(card.factory)]
    return value_digest(own, *further) if further else own


def _lent(factory: Callable[..., Denoiser]) -> Iterator[tuple[type, Path]]:
    """Yield our classes that a method of another package builds on, with their files."""
    for base in inspect.getmro(typing.cast("type", factory))[1:]:
        file = (
            inspect.getsourcefile(base) if base.__module__.startswith(f"{__package__}.") else None
        )
        if file is not None and not factory.__module__.startswith(f"{__package__}."):
            yield base, Path(file)


def weights_digest(card: Card) -> str | None:
    """Digest the files of a method's trained weights.

    Returns:
        The sha256 in hex; None for a method without weights, or one that is not available.

    Examples:
        >>> weights_digest(cards()["median"]) is None
        True
    """
    if not (card.weights or card.published) or card.unavailable is not None:
        return None
    files = list(card.weights)
    if card.published:
        files += [file.path for file in public_weights.in_use(card.published)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
