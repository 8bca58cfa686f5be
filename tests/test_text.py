"""Texts of plugins, files and errors, as they are shown."""

from __future__ import annotations

import unicodedata

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from denoisebench.cli import main
from denoisebench.text import one_line, plain

ANY_TEXT = st.text(st.characters())  # lone surrogates, too


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r\n\tthree", "two lines three"),
        ("\x1b[31mred\x07\x7f\x9b", r"\x1b[31mred\x07\x7f\x9b"),
        ("a\u202eb\u2066c\u200fd\ufeff", r"a\u202eb\u2066c\u200fd\ufeff"),
        ("caf\udce9 \u2028 \x00", r"caf\udce9 \u2028 \x00"),
        ("Größe σ = 25 – 中文 👩\u200d🚀", "Größe σ = 25 – 中文 👩\u200d🚀"),
        ("1\u202f000\xa0frames", "1 000 frames"),
        ("", ""),
    ],
)
def test_hidden_characters_are_shown_as_escapes_and_white_space_as_one_space(
    text: str, shown: str
) -> None:
    assert one_line(text) == shown


@given(ANY_TEXT)
def test_any_text_becomes_one_line_that_can_be_written_and_printed(text: str) -> None:
    line = one_line(text)
    assert line.encode().decode() == line
    assert line.splitlines() in ([], [line])
    assert {
        unicodedata.category(letter) for letter in line if letter not in "\u200c\u200d"
    }.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


@given(ANY_TEXT, st.integers(30, 60))
def test_a_text_that_was_made_plain_stays_as_it_is(text: str, limit: int) -> None:
    once = plain(text, limit)
    assert len(once) <= limit
    assert plain(once, limit) == once


def test_a_long_text_is_cut_and_says_how_long_it_was() -> None:
    assert plain("A" * 1_000_000).endswith("A… (1000000 characters)")
    assert len(plain("A" * 1_000_000)) == 500


def test_an_error_shows_no_escape_code_to_the_terminal() -> None:
    result = CliRunner().invoke(main, ["report", "run\x1b[31m\u202e"])
    assert result.exit_code == 2
    assert result.stderr.startswith(r"bench: run\x1b[31m\u202e holds no run")
