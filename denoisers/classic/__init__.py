"""Cores of the classical methods: what several plugins share, and what numba compiles.

A plugin imports these modules inside its call: they import numba, or torch, at their top.
"""

COMPILING = "denoisebench.compiling"
"""Name of the logger to which a method says that it compiles its code, before it begins to."""
