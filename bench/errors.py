"""Errors that a user can act on: one clear line, saying what is wrong and what to do."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class UsageError(Exception):
    """The request cannot be carried out as asked. The command line ends with exit code 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that there is no such name, and which there are: the near ones, else all."""
    known = list(known)
    near = difflib.get_close_matches(name, known)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown {kind} {name!r}; {hint}"
