"""The canonical key of an answer, as far as the text alone can tell it.

Two answers are the same if and only if their keys are equal strings. That makes sameness reflexive, symmetric
and transitive by construction, which a comparison of two answers with tolerances and fallbacks never is.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from dynasor.answers.braces import nesting_depth
from dynasor.answers.extraction import AnswerStyle, extract
from dynasor.answers.numbers import is_date_or_time, rational
from dynasor.answers.spelling import (
    MAX_LENGTH,
    bare,
    exact_key,
    formula_key,
    without_text_commands,
    word_key,
)

SHORT = 40
"""Characters of an answer whose key is remembered."""
MAX_DEPTH = 40
"""Formulas nested deeper are compared as text only: the parser recurses."""

_FORMULA_SIGN = re.compile(r"[\\^_{}\[\]<>=≤≥≠+*|√∞\u222a∩±∈²³]|\s-\s|^-")
_WORD = re.compile(r"[^\W\d_]{3,}")
_ONE_WORD = re.compile(r"[^\W\d_]+")
_FUNCTIONS = """
and or pi inf infinity sqrt sin cos tan cot sec csc log ln exp arcsin arccos arctan sinh cosh tanh max min gcd lcm
mod floor ceil abs det binom choose alpha beta gamma delta epsilon theta lambda mu sigma omega phi rho tau
"""
_MATH_WORDS = frozenset(_FUNCTIONS.split())


def quick_key(answer: str, style: AnswerStyle = AnswerStyle.MATH) -> str | None:
    """The key of ``answer``, or None if it takes algebra to tell. Pure, microseconds, never computes a power
    with an exponent above a thousand. A free text has no other key than its spelling."""
    match style:
        case AnswerStyle.CHOICE:
            letter = extract(answer[:MAX_LENGTH], AnswerStyle.CHOICE)
            return f"choice:{letter}" if letter else word_key(answer)
        case AnswerStyle.EXACT | AnswerStyle.SEMANTIC:
            return exact_key(answer)
        case AnswerStyle.MATH:
            return _quick_math_key(answer)


def number_key(value: Fraction) -> str:
    return f"number:{value}"


def written_key(answer: str) -> str:
    """The key of an answer that algebra could not read: its spelling."""
    text = bare(answer) if len(answer) <= MAX_LENGTH else answer
    return word_key(without_text_commands(text)) if _is_words(without_text_commands(text)) else formula_key(text)


def _quick_math_key(answer: str) -> str | None:
    return _remembered_math_key(answer) if len(answer) <= SHORT else _math_key(answer)


@lru_cache(maxsize=4096)
def _remembered_math_key(answer: str) -> str | None:
    """Most answers are short, and many come again and again: as votes of one question."""
    return _math_key(answer)


def _math_key(answer: str) -> str | None:
    if len(answer) > MAX_LENGTH:
        return written_key(answer)
    text = bare(answer)
    value = rational(text)
    if value is not None:
        return number_key(value)
    plain = without_text_commands(text)
    if not plain or is_date_or_time(plain) or _is_words(plain):
        return word_key(plain)
    if nesting_depth(text) > MAX_DEPTH:
        return written_key(answer)
    return None


def _is_words(text: str) -> bool:
    """Whether a text is language and not a formula: it has a word that is no function, and no sign of algebra."""
    if _FORMULA_SIGN.search(text):
        return False
    if _ONE_WORD.fullmatch(text):
        return text.casefold() not in _MATH_WORDS
    return any(word.casefold() not in _MATH_WORDS for word in _WORD.findall(text))
