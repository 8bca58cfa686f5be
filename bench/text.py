"""Texts of plugins, files and errors, made fit to be shown: on one line, visible, bounded."""

from __future__ import annotations

import json
import os
import re
import shlex
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["as_cell", "as_json", "command_line", "first_of", "one_line", "plain", "shell_word"]

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # the wide forms, too
_UNUSUAL = re.compile("[^ -~\u200c\u200d]")  # the joiners of letters hide and turn nothing


def plain(text: str, limit: int = 500) -> str:
    r"""Write a text on one line, with hidden characters made visible, and cut it to a length.

    Args:
        text: any text that somebody else wrote, such as a reason.
        limit: most characters of the result; a cut text ends with the number that it had.

    Examples:
        >>> print(plain("two\nlines, \x1b[31mred"))
        two lines, \x1b[31mred
        >>> plain("A" * 1000, limit=30)
        'AAAAAAAAAAA… (1000 characters)'
    """
    line = one_line(text)
    if len(line) <= limit:
        return line
    end = f"… ({len(line)} characters)"
    return line[: max(0, limit - len(end))] + end


def one_line(text: str) -> str:
    r"""Write a text on one line, with hidden characters made visible.

    White space becomes single spaces. Control characters, marks that turn the direction of
    writing, lone surrogates and other letters that cannot be printed become escapes, as Python
    writes them: a terminal would obey some of them, and XML forbids others.

    Examples:
        >>> print(one_line("\x07 bell, \u202e right to left"))
        \x07 bell, \u202e right to left
    """
    return " ".join(_UNUSUAL.sub(_visible, text).split())


def as_cell(text: str) -> str:
    """Write a text on one line that a spreadsheet takes for text, not for a formula.

    Examples:
        >>> as_cell("=1+1"), as_cell("a - b")
        ("'=1+1", 'a - b')
    """
    line = one_line(text)
    return f"'{line}" if line.startswith(_FORMULA) else line


def as_json(content: object) -> str:
    r"""Write JSON in which all that is hidden is an escape; a reader gets it back as it was.

    Args:
        content: dictionaries, lists, texts and finite numbers.

    Raises:
        ValueError: a number is not finite.

    Examples:
        >>> print(as_json({"σ": "\x9b"}))
        {
         "σ": "\u009b"
        }
    """
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return _UNUSUAL.sub(
        lambda found: found[0] if _stays(found[0]) else json.dumps(found[0])[1:-1], text
    )


def _stays(letter: str) -> bool:
    """Return True for a printable letter, and for the line breaks that JSON is laid out with."""
    return letter.isprintable() or letter == "\n"


def _visible(found: re.Match[str]) -> str:
    """Return a printable letter, a space for white space, or an escape."""
    letter = found[0]
    if letter.isprintable():
        return letter
    if letter in "\t\n\r" or unicodedata.category(letter) == "Zs":
        return " "
    return letter.encode("unicode_escape").decode()


def first_of(texts: Sequence[str], most: int = 8, between: str = ", ", last: str = " and ") -> str:
    """Join texts; of many, the first ones, with the number of the others.

    Args:
        texts: names, or problems.
        most: number of texts that are given.
        between: what stands between two of them.
        last: what stands before the number of the others.

    Examples:
        >>> first_of(["a", "b", "c"]), first_of(["a", "b", "c"], most=1)
        ('a, b, c', 'a and 2 more')
    """
    further = f"{last}{len(texts) - most} more" if len(texts) > most else ""
    return between.join(texts[:most]) + further


def command_line(words: Iterable[str]) -> str:
    r"""Join words into a line that a shell splits into the same words.

    Examples:
        >>> print(command_line(["bench", "report", "my run"]))
        bench report 'my run'
    """
    return " ".join(map(shell_word, words))


def shell_word(word: str) -> str:
    r"""Quote a word for a shell; hidden characters and bytes that are no UTF-8 become escapes.

    Examples:
        >>> print(shell_word("a b"), shell_word(os.fsdecode(b"r-\xff")))
        'a b' $'r-\xff'
    """
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_shell_escape, os.fsencode(word)))}'"


def _shell_escape(byte: int) -> str:
    """Write a byte inside of ``$'…'``, as bash, zsh and ksh read it."""
    if chr(byte) in "'\\":
        return f"\\{chr(byte)}"
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
