"""Records: frozen dataclasses built from stored values, which their annotations check."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

__all__ = ["build", "checked"]

_T = TypeVar("_T")

_PLAIN: dict[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (float, int)}
"""Types of JSON by the annotation that takes them."""


def build(kind: type[_T], content: Any, where: str = "") -> _T:
    """Build a dataclass from stored entries; those that it does not know are left out.

    Args:
        kind: the dataclass. Its fields are plain types, other dataclasses, enumerations of text,
            literals, tuples and mappings of these, or None beside one of them.
        content: the entries by name, as JSON holds them.
        where: name of the entry that holds them, for the message.

    Raises:
        ValueError: an entry is missing, or not of its type; the message names it.

    Examples:
        >>> from denoisebench.cells import Level
        >>> build(Level, {"sigma": 25.0, "unknown": True})
        Level(sigma=25.0, told=None)
        >>> build(Level, {"sigma": "25"})
        Traceback (most recent call last):
        ValueError: sigma is '25', not float
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{where or 'it'} is {_shown(content)}, not entries by name")
    prefix = f"{where}." if where else ""
    forms, required = _fields(kind)  # type: ignore[arg-type]
    if missing := sorted(required - content.keys()):
        raise ValueError(f"{prefix}{missing[0]} is missing")
    known = {name: content[name] for name in forms if name in content}
    return kind(**{n: checked(forms[n], value, prefix + n) for n, value in known.items()})


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], set[str]]:
    """Return a dataclass's types by field, and the fields without a default."""
    # Dataclasses import the name for type checkers only.
    hints = get_type_hints(kind, localns={"Mapping": Mapping})
    free = {f.name for f in fields(kind) if f.default is f.default_factory is MISSING}
    return {f.name: hints[f.name] for f in fields(kind)}, free


def checked(form: Any, value: Any, where: str) -> Any:
    """Return a stored value as its type has it: lists as tuples, entries as dataclasses.

    Args:
        form: the type, see `build`.
        value: the value, as JSON holds it.
        where: its name, for the message.

    Raises:
        ValueError: it is of another type.

    Examples:
        >>> checked(tuple[int, ...], [3, 4], "shape")
        (3, 4)
    """
    form, optional = _without_none(form)
    if type(value) is form:
        return value
    if form is Any or (optional and value is None):
        return value
    if is_dataclass(form):
        return build(form, value, where)  # type: ignore[arg-type]
    origin, inner = get_origin(form), get_args(form)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(checked(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping and isinstance(value, Mapping):
        return {name: checked(inner[1], item, f"{where}.{name}") for name, item in value.items()}
    if origin is Literal and value in inner:
        return value
    if origin is None and _is_of(form, value):
        with contextlib.suppress(OverflowError):  # a whole number may be too large for a float
            return form(value)
    raise ValueError(f"{where} is {_shown(value)}, not {_name(form)}")


@cache
def _without_none(form: Any) -> tuple[Any, bool]:
    """Return the type without None beside it, and True if None was there."""
    return (get_args(form)[0], True) if isinstance(form, UnionType) else (form, False)


def _is_of(form: type, value: object) -> bool:
    """Return True if a value is of a plain type, or among an enumeration's."""
    if issubclass(form, StrEnum):
        return value in list(form)
    # For Python a truth value is a whole number, too.
    return isinstance(value, _PLAIN[form]) and isinstance(value, bool) == (form is bool)


def _name(form: Any) -> str:
    """Name a type for a message."""
    if get_origin(form) is Literal:
        return " or ".join(map(repr, get_args(form)))
    if get_origin(form) is not None:
        return "a list" if get_origin(form) is tuple else "entries by name"
    return " or ".join(form) if issubclass(form, StrEnum) else str(form.__name__)


def _shown(value: object) -> str:
    """Write a value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
