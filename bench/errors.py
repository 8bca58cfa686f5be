"""Errors that a user can act on: one line that says what is wrong and what to do."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class UsageError(Exception):
    """Error for a request that cannot be carried out as asked.

    Its message is one line. The command line prints the message and ends with exit code 2.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, and list the names that are close to it, or else all names.

    Args:
        kind: a noun for what the name should name, such as ``method``.
        name: the unknown name.
        known: the names that exist.

    Returns:
        One line, for the message of an error.

    Examples:
        >>> unknown("method", "medain", ["median", "bilateral"])
        "unknown method 'medain'; did you mean median?"
        >>> unknown("method", "x", ["median", "bilateral"])
        "unknown method 'x'; known: median, bilateral"
    """
    known = list(known)
    near = difflib.get_close_matches(name, known)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown {kind} {name!r}; {hint}"
