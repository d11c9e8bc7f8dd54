"""Keys that need no algebra: what equals what, and that equality is an equivalence."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.answers.extraction import AnswerStyle
from dynasor.answers.keys import quick_key, written_key

NUMBERS = [
    ("5", ["5.", "5.0", "05", "+5", "$5$", r"\$5", "$5", "5 dollars", "**5**", r"\boxed{5}", r"\text{5}", "(5)"]),
    ("5", ["5 cm", r"5\text{ cm}^2", "5 km/h", "5 apples", "x = 5", "x=5", r"5^\circ", "5°", "500%", "$5.00", "5 m"]),
    ("-5", ["- 5", "-$5", "$-5", "-5.00", "\N{MINUS SIGN}5"]),
    ("1/2", ["0.5", ".5", "50%", r"50\%", "50 percent", r"\frac12", r"\dfrac{1}{2}", r"\frac{1}{2}", "2/4", "1 / 2"]),
    ("5/2", ["2.5", "2 1/2", r"2\frac{1}{2}", "250%"]),
    ("-5/2", ["-2.5", "-2 1/2", r"-2\frac{1}{2}", r"-\frac{5}{2}", r"\frac{-5}{2}"]),
    ("1234", ["1,234", "1{,}234", r"1\,234", "1234.0", r"1.234 \times 10^3", "$1,234 per year"]),
    ("1000", ["1e3", "10^3", "10^{3}", "1 x 10^{3}", "1 thousand"]),
    ("5000000", ["5 million", "$5 million dollars", "5e6"]),
    ("1/3", [r"0.\overline{3}", "2/6"]),
    ("1/6", [r"0.1\overline{6}"]),
]

DIFFERENT = [
    ("5", "500"),
    ("5", "0.05"),
    ("5", "-5"),
    ("50%", "50"),
    ("10000", "10001"),
    ("0.333", "1/3"),
    ("0.3333", "0.333"),
    ("1e3", "1e4"),
    ("3 pm", "3 am"),
    ("3 quarters", "3"),
    ("5 to 3", "5"),
    ("01/02/2007", "02/01/2007"),
    ("10:30", "1:03"),
    ("yes", "no"),
    ("", "0"),
]

WORDS = [("Evelyn", r"\text{evelyn}"), ("No solution.", "no  solution"), ("(C)", "c"), ("**yes**", "Yes")]
NEED_ALGEBRA = ["x+1", "p - q", r"\sqrt{2}", "(1, 2)", "1, 2", r"\pi", "5^2", "5t", "10^{99999}", "9^9^9^9", "x > 5"]


@pytest.mark.parametrize(("number", "spellings"), NUMBERS)
def test_one_number_one_key(number: str, spellings: list[str]) -> None:
    assert {spelling: quick_key(spelling) for spelling in spellings} == dict.fromkeys(spellings, f"number:{number}")


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_answers(first: str, second: str) -> None:
    assert (quick_key(first) or first) != (quick_key(second) or second)


@pytest.mark.parametrize(("first", "second"), WORDS)
def test_words_ignore_case_and_wrapping(first: str, second: str) -> None:
    assert quick_key(first) == quick_key(second) != None  # noqa: E711


@pytest.mark.parametrize("text", NEED_ALGEBRA)
def test_formulas_are_left_to_algebra(text: str) -> None:
    assert quick_key(text) is None


def test_choice_and_exact_never_need_algebra() -> None:
    assert quick_key("(c)", AnswerStyle.CHOICE) == quick_key("C", AnswerStyle.CHOICE) == "choice:C"
    assert quick_key("x+1", AnswerStyle.CHOICE) == "word:x+1"
    assert quick_key("[1,  2]", AnswerStyle.EXACT) == quick_key("[1, 2]", AnswerStyle.EXACT)
    assert quick_key("'UppEr'", AnswerStyle.EXACT) != quick_key("'upper'", AnswerStyle.EXACT)
    assert quick_key("5.0", AnswerStyle.EXACT) != quick_key("5", AnswerStyle.EXACT)


def spellings(value: Fraction) -> list[str]:
    """Ways to write a fraction whose denominator is a power of ten."""
    sign, size = "-" * (value < 0), abs(value)
    top, bottom = size.numerator, size.denominator
    decimal = f"{int(size):,}.{int(size % 1 * 10**6):06d}"
    whole, rest = divmod(top, bottom)
    mixed = [f"{sign}{whole} {rest}/{bottom}", rf"{sign}{whole}\frac{{{rest}}}{{{bottom}}}"] if rest else []
    return [
        f"{value}",
        f"{sign}{decimal}",
        f"{sign}{decimal.replace(',', '')}",
        rf"${sign}\frac{{{top}}}{{{bottom}}}$",
        rf"\boxed{{{sign}{top * 7}/{bottom * 7}}}",
        f"{sign}{int(size * 100)}.{int(size * 100 % 1 * 10**4):04d}%",
        f"{sign}{int(size * 10**6)}e-6",
        *mixed,
    ]


@given(st.fractions(max_denominator=10**6).map(lambda value: Fraction(round(value * 10**6), 10**6)))
def test_a_fraction_has_one_key_however_written(value: Fraction) -> None:
    assert {quick_key(text) for text in spellings(value)} == {f"number:{value}"}


@given(st.integers(), st.integers())
def test_integers_are_the_same_only_if_equal(first: int, second: int) -> None:
    assert (quick_key(str(first)) == quick_key(f"{second:,}")) == (first == second)


NASTY = ["", " ", "{", "}", "$", "$$", "\\", "(", "-", ".", "%", "1/0", "0/0", "1e", "٣", "\x00", "\ud800", "9" * 5000]


@given(st.sampled_from(NASTY) | st.text(max_size=30) | st.text(alphabet="0123456789.,-/%$ e^{}\\x", max_size=12))
def test_any_text_has_a_key_or_needs_algebra(text: str) -> None:
    for style in AnswerStyle:
        assert quick_key(text, style) is None or isinstance(quick_key(text, style), str)
    assert written_key(text)


@pytest.mark.parametrize("text", ["9" * 100_000, "{" * 10_000, "(" * 900, "10^" * 300, "1e" + "9" * 900, "1/" * 400])
def test_hostile_texts_cost_nothing(text: str) -> None:
    started = time.process_time()
    quick_key(text)
    written_key(text)
    assert time.process_time() - started < 0.5
