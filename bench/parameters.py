"""Expressions of the command line: names, globs, and ``name[param=value,…]`` for a dataclass.

Methods and noises are written alike: a name, and the fields of a dataclass as parameters.
"""

from __future__ import annotations

import ast
import fnmatch
import inspect
import math
import re
import typing
from dataclasses import MISSING, fields
from typing import Any, Literal

from denoisebench.errors import UsageError, unknown

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Overrides = tuple[tuple[str, Any], ...]
"""Parameters that differ from their defaults: pairs of name and value, sorted by name."""


def matching(expression: str, names: Iterable[str]) -> list[str]:
    """List the names that an expression matches, in their order.

    Args:
        expression: ``all``, a name or a glob.
        names: the names that exist.

    Returns:
        The matching names; empty if there are none.

    Examples:
        >>> matching("nlm-*", ["median", "nlm-native", "nlm-opencv"])
        ['nlm-native', 'nlm-opencv']
        >>> matching("all", ["median", "nlm-opencv"])
        ['median', 'nlm-opencv']
    """
    return list(names) if expression == "all" else fnmatch.filter(names, expression)


def split_name(kind: str, expression: str) -> tuple[str, str]:
    """Split ``name[param=value,…]`` into the name and the text in its brackets.

    Args:
        kind: a noun for what the expression names, such as ``noise``, for the message.
        expression: the text to split.

    Returns:
        The name and the arguments; the arguments are empty where there are no brackets.

    Raises:
        UsageError: the expression has another form.

    Examples:
        >>> split_name("noise", "jpeg[quality=50]")
        ('jpeg', 'quality=50')
        >>> split_name("noise", "jpeg")
        ('jpeg', '')
    """
    match = re.fullmatch(r"([^\[\]]+)(?:\[(.*)\])?", expression)
    if match is None:
        raise UsageError(f"cannot read {kind} {expression!r}; write name or name[param=value,…]")
    name, arguments = match.groups()
    return name, arguments or ""


def spec(name: str, overrides: Overrides) -> str:
    """Write the one expression that stands for a name with these parameters.

    Examples:
        >>> spec("jpeg", (("quality", 50),))
        'jpeg[quality=50]'
        >>> spec("jpeg", ())
        'jpeg'
    """
    return f"{name}[{','.join(f'{k}={v}' for k, v in overrides)}]" if overrides else name


def defaults(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return a dataclass's parameters with their default values, in the order of its fields.

    Examples:
        >>> from dataclasses import make_dataclass
        >>> defaults(make_dataclass("Box", [("width", float, 3.0), ("passes", int, 1)]))
        {'width': 3.0, 'passes': 1}
    """
    return {
        f.name: f.default_factory() if f.default_factory is not MISSING else f.default
        for f in fields(factory)  # type: ignore[arg-type]
    }


def overrides(name: str, factory: Callable[..., Any] | None, arguments: str) -> Overrides:
    """Read ``param=value,…`` as the parameters that differ from a dataclass's defaults.

    Values that equal the default are dropped, so that `spec` is unique.

    Args:
        name: the name of what has the parameters, for messages.
        factory: the dataclass; None, where it could not be imported, has no parameters.
        arguments: the text between the brackets; may be empty.

    Raises:
        UsageError: a parameter is unknown, or its type or the dataclass refuses the value.

    Examples:
        >>> from dataclasses import make_dataclass
        >>> Box = make_dataclass("Box", [("width", float, 3.0), ("passes", int, 1)])
        >>> overrides("box", Box, "width=5, passes=1")
        (('width', 5.0),)
    """
    known = {} if factory is None else defaults(factory)
    given = {}
    for argument in filter(None, (part.strip() for part in arguments.split(","))):
        key, equals, text = (part.strip() for part in argument.partition("="))
        if not equals:
            raise UsageError(f"{name}: cannot read {argument!r}; write param=value")
        if key not in known:
            raise UsageError(f"{name}: {unknown('parameter', key, known)}")
        given[key] = _value(name, key, text, _type_of(factory, key))
    chosen = tuple(sorted((k, v) for k, v in given.items() if v != known[k]))
    if factory is not None and chosen:
        _check(name, factory, chosen)
    return chosen


def _type_of(factory: Callable[..., Any] | None, key: str) -> Any:
    """Return the type of a dataclass's field; those of its other annotations need not resolve."""
    owner = next(c for c in inspect.getmro(factory) if key in inspect.get_annotations(c))  # type: ignore[arg-type]
    text = inspect.get_annotations(owner)[key]
    alone = type(
        owner.__name__, (), {"__annotations__": {key: text}, "__module__": owner.__module__}
    )
    return typing.get_type_hints(alone)[key]


def _check(name: str, factory: Callable[..., Any], chosen: Overrides) -> None:
    """Let the dataclass check its parameters.

    Raises:
        UsageError: the dataclass refuses them.
    """
    try:
        factory(**dict(chosen))
    except ValueError as error:
        raise UsageError(f"{spec(name, chosen)}: {error}") from error


def _value(name: str, key: str, text: str, wanted: Any) -> Any:
    """Read a parameter's value as the type that is wanted.

    Raises:
        UsageError: the text is no value of that type, or is infinite.
    """
    try:
        value = ast.literal_eval(text)
        if wanted is float and type(value) is int:
            value = float(value)
    except (ValueError, SyntaxError, TypeError, OverflowError):
        value = {"true": True, "false": False}.get(text, text)  # as in TOML
    allowed: Sequence[Any] = typing.get_args(wanted) or (wanted,)
    if typing.get_origin(wanted) is Literal:
        if value not in allowed:
            raise UsageError(f"{name}: {key} is one of {', '.join(map(str, allowed))}")
    elif type(value) not in allowed or value in (math.inf, -math.inf):
        kind = getattr(wanted, "__name__", str(wanted))
        raise UsageError(f"{name}: {key} takes {kind}, not {text!r}")
    return value
