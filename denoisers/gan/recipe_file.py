"""Recipes from files that other people wrote; results depend on the bytes of ``recipe.py``."""

from __future__ import annotations

import codecs
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.denoisers.gan import recipe
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from denoisebench.denoisers.gan.recipe import Recipe


def load_recipe(name: str, changes: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe as `recipe.load` does; explain what that cannot.

    Args:
        name: a shipped recipe's name, or the path of a TOML file.
        changes: see `recipe.load`.

    Raises:
        UsageError: there is none, or it cannot be used.

    Examples:
        >>> load_recipe("paper", {"data.batch": "8"}).data.batch
        8
    """
    if name.endswith(".toml"):
        _refuse_mark(name)
    try:
        return recipe.load(name, changes)
    except RecursionError as error:
        raise UsageError(f"recipe {name}: its values are nested too deeply") from error


def _refuse_mark(name: str) -> None:
    """Refuse a file with a byte order mark."""
    with suppress(OSError), Path(name).open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:
            raise UsageError(
                f"recipe {name}: begins with a byte order mark; save it as UTF-8 without"
            )
