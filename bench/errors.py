"""Errors that a user can act on: one clear line, saying what is wrong and what to do."""

from __future__ import annotations


class UsageError(Exception):
    """The request cannot be carried out as asked. The command line ends with exit code 2."""
