"""Escaping of names and remarks from plugins for Markdown, and for comments in it and in HTML."""

from __future__ import annotations

import re

from denoisebench.text import one_line


def escape_markdown(text: str) -> str:
    r"""Escape a name for Markdown, so that it breaks no table and makes no links.

    Underscores inside words stay as they are, since GitHub does not interpret them; so do brackets
    that no parenthesis follows. The source stays readable.

    Examples:
        >>> print(escape_markdown("a|b *c* my_method"))
        a\|b \*c\* my_method
    """
    return _escape_line(one_line(text))


def _escape_line(text: str) -> str:
    """Escape one line of text for Markdown."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    return re.sub(r"[\\`*|$~]|(?<!\w)_|_(?!\w)|(?<=\])\(", r"\\\g<0>", text)


def escape_remark(text: str) -> str:
    r"""Escape a remark for Markdown; text between backticks is code, and stays as it is.

    Examples:
        >>> print(escape_remark("`a|b` costs *much*"))
        `a|b` costs \*much\*
    """
    parts = re.split(r"(`[^`]*`)", one_line(text))
    return "".join(part if part.startswith("`") else _escape_line(part) for part in parts)


def escape_comment(text: str) -> str:
    """Escape text for a comment of Markdown or HTML, which it cannot end.

    Examples:
        >>> escape_comment("bench run --> here")
        'bench run --&gt; here'
    """
    return one_line(text).replace(">", "&gt;")
