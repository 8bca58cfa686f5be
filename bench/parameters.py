"""``name[param=value,…]``: how the command line names a dataclass with fixed parameters.

Methods and noises are named alike; the dataclass's fields are the parameters.
"""

from __future__ import annotations

import ast
import fnmatch
import math
import re
import typing
from dataclasses import MISSING, fields
from typing import Any, Literal

from denoisebench.errors import UsageError, unknown

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Overrides = tuple[tuple[str, Any], ...]
"""Parameters that differ from their defaults, by name in alphabetical order."""


def matching(expression: str, names: Iterable[str]) -> list[str]:
    """The names that ``all``, a name or a glob means, in their order; none if it means none."""
    return list(names) if expression == "all" else fnmatch.filter(names, expression)


def split_name(kind: str, expression: str) -> tuple[str, str]:
    """The name in an expression, and what stands in its brackets.

    Args:
        kind: what the expression names, for the message.

    Raises:
        UsageError: it has another form.
    """
    match = re.fullmatch(r"([^\[\]]+)(?:\[(.*)\])?", expression)
    if match is None:
        raise UsageError(f"cannot read {kind} {expression!r}; write name or name[param=value,…]")
    name, arguments = match.groups()
    return name, arguments or ""


def spec(name: str, overrides: Overrides) -> str:
    """The expression that names these parameters; there is only one."""
    return f"{name}[{','.join(f'{k}={v}' for k, v in overrides)}]" if overrides else name


def defaults(factory: Callable[..., Any]) -> dict[str, Any]:
    """A dataclass's parameters with their default values."""
    return {
        f.name: f.default_factory() if f.default_factory is not MISSING else f.default
        for f in fields(factory)  # type: ignore[arg-type]
    }


def overrides(name: str, factory: Callable[..., Any] | None, arguments: str) -> Overrides:
    """Read ``param=value,…``; values equal to the default are dropped, so that specs are unique.

    Args:
        name: of what has the parameters, for messages.
        factory: the dataclass; None, where it could not be imported, has no parameters.

    Raises:
        UsageError: an unknown parameter, or a value that its type or the dataclass refuses.
    """
    known = {} if factory is None else defaults(factory)
    given = {}
    for argument in filter(None, (part.strip() for part in arguments.split(","))):
        key, equals, text = (part.strip() for part in argument.partition("="))
        if not equals:
            raise UsageError(f"{name}: cannot read {argument!r}; write param=value")
        if key not in known:
            raise UsageError(f"{name}: {unknown('parameter', key, known)}")
        given[key] = _value(name, key, text, typing.get_type_hints(factory)[key])
    chosen = tuple(sorted((k, v) for k, v in given.items() if v != known[k]))
    if factory is not None and chosen:
        _check(name, factory, chosen)
    return chosen


def _check(name: str, factory: Callable[..., Any], chosen: Overrides) -> None:
    """Let the dataclass itself judge its parameters."""
    try:
        factory(**dict(chosen))
    except ValueError as error:
        raise UsageError(f"{spec(name, chosen)}: {error}") from error


def _value(name: str, key: str, text: str, wanted: Any) -> Any:
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
