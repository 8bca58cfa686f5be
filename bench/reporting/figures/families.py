"""Looks of the methods' families: one colour and one marker each, in all figures of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisebench.reporting.figures.drawing import SERIES

if TYPE_CHECKING:
    from denoisebench.reporting.summary import Summary

FamilyLook = tuple[str, str]
"""Colour and marker."""

_COLORS = [SERIES[number] for number in (0, 4, 6, 2, 7, 3, 5, 1)]
"""Those first that keep furthest apart in the eyes of the colour-blind (Machado et al. 2009)."""
_MARKERS = "os^Dvp*h"


def family_looks(run: Summary) -> dict[str, FamilyLook]:
    """Return the look of each family that competes, in the order of the families' names."""
    families = sorted({method.family for method in run.methods if not method.is_control})
    return {
        family: (_COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)])
        for number, family in enumerate(families)
    }


def method_looks(run: Summary) -> dict[str, FamilyLook]:
    """Return the look of each competing method: that of its family."""
    looks = family_looks(run)
    return {m.method: looks[m.family] for m in run.methods if m.family in looks}
