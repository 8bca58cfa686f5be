"""How users name one thing, or several, of those that there are."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def matching(expression: str, names: Iterable[str]) -> list[str]:
    """The names that ``all``, a name or a glob means, in their order; none if it means none."""
    return list(names) if expression == "all" else fnmatch.filter(names, expression)
