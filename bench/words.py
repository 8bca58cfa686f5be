"""Counts in words, in singular and plural."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str, plural: str = "") -> str:
    """Print a count with its noun.

    Args:
        count: the count.
        noun: its noun in the singular.
        plural: the noun in the plural; an s is added to the singular unless given.

    Examples:
        >>> counted(1, "frame"), counted(2, "frame"), counted(2, "entry", "entries")
        ('1 frame', '2 frames', '2 entries')
    """
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"
