"""Import of matplotlib for figures that are files, which need no backend that shows windows."""

from __future__ import annotations

import contextlib
import os
import sys

__all__ = ["load_matplotlib"]


def load_matplotlib() -> None:
    """Import matplotlib, whatever the variable MPLBACKEND asks for.

    Notebooks set it for all processes that they start. If it names a backend of a package that is
    not installed here, the plain import fails. A backend that is here is kept, since a notebook
    may draw with it afterwards.

    Examples:
        >>> load_matplotlib()
        >>> from matplotlib.figure import Figure
    """
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
