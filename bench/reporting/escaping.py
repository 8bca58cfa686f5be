"""Text from elsewhere, made safe for Markdown."""

from __future__ import annotations

import re

from denoisebench.reporting.formatting import one_line


def escape_markdown(text: str) -> str:
    """Escape a name for Markdown: names come from plugins, and must break no table.

    Within words underscores are only underscores to GitHub, and brackets are a link only before a
    parenthesis; left as they are, they keep the source readable.
    """
    return _escape_line(one_line(text))


def _escape_line(text: str) -> str:
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    return re.sub(r"[\\`*|$~]|(?<!\w)_|_(?!\w)|(?<=\])\(", r"\\\g<0>", text)


def escape_remark(text: str) -> str:
    """Escape a remark for Markdown; text between backticks is code, and stays as it is."""
    parts = re.split(r"(`[^`]*`)", one_line(text))
    return "".join(part if part.startswith("`") else _escape_line(part) for part in parts)
