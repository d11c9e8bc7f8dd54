"""Text that others wrote cannot steer a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.chat.harmless import harmless, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [bold]text[/bold]\n\tgoes on", "plain [bold]text[/bold]\n\tgoes on"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("over\rwritten\b\x7f", "over␍written␈␡"),
        ("\x9b2J", "<U+009B>2J"),
        ("abc\u202egnp.exe", "abc<U+202E>gnp.exe"),
        ("half \ud800", "half <U+D800>"),
        ("lines\r\nas\u2028usual", "lines\nas\nusual"),
        ("größer 数 👩\u200d🔬", "größer 数 👩\u200d🔬"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text(st.characters(codec=None)))
def test_nothing_steers(text: str) -> None:
    shown = harmless(text)
    assert not {unicodedata.category(each) for each in shown} & {"Cs"}
    assert {each for each in shown if unicodedata.category(each) == "Cc"} <= {"\n", "\t"}
    assert harmless(shown) == shown
    assert "\n" not in one_line(text)
