"""Free-text answers as they are compared: what they say besides their general meaning.

An embedding places "12 apples are left" beside "13 apples are left", and "it terminates" beside "it does not
terminate". So some things are read from the words, and decide before any embedding is asked: see ``GUARDS``.
Pure functions, linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from dynasor.answers.numbers import rational
from dynasor.answers.spelling import MAX_LENGTH, bare, bounded, without_text_commands

MIN_SHARE_OF_WORDS = 0.4
"""A text in which fewer of the parts between spaces are words is code or a formula. Measured: docs/design."""

_FENCE = "```"
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}|>|[-*+\u2022]|\d{1,3}[.)])[ \t]+(?=\S)", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]\n]{1,200})\]\([^()\s]{0,500}[/.#][^()\s]{0,500}\)")
_EMPHASIS = re.compile(r"\*\*|`|\$|\\[()\[\]]|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)")
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2014": "-"})
_SPACE_IN_CODE = re.compile(r"""(?P<quoted>'[^'\n]*'|"[^"\n]*")|(?P<dividing>(?<=\w)\s+(?=\w))|\s+""")

_OPENING, _CLOSING = ("[", "{", "("), ("]", "}", ")")
_PLAIN_WORD = re.compile(r"\(?[^\W\d_]{2,}(?:[-'/][^\W\d_]+)*\)?[.,;:!?]*")
_LETTER = re.compile(r"(?<!\\)\b[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+")

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_UNITS += " seventeen eighteen nineteen"
_TENS = "ten twenty thirty forty fifty sixty seventy eighty ninety"
_VALUES = {word: value for value, word in enumerate(_UNITS.split())}
_VALUES |= {word: 10 * value for value, word in enumerate(_TENS.split(), start=1)}
_SPELT = rf"(?:{_TENS.replace(' ', '|')})(?:[- ](?:{'|'.join(_UNITS.split()[1:10])}))?|{_UNITS.replace(' ', '|')}"
_NUMBER = re.compile(
    rf"(?P<digits>(?<![\w.)])-?(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?|\d+)(?P<percent>\s?(?:%|percent\b))?"
    rf"|\b(?P<spelt>{_SPELT})\b"
)

_NAME = re.compile(
    r"(?P<code>\b\w+\([^()\n]{0,80}\)|`[^`\n]{1,80}`|(?<!\w)'[^'\n]{1,80}'(?!\w)|\"[^\"\n]{1,80}\")"
    r"|(?P<opens>(?:^|[.!?:;\n])[\s\"'(*_]*)?(?P<name>\b[^\W\d_][\w-]*)"
)
MAX_WORDS_OF_A_NAME = 2
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|nothing|nobody|nowhere|neither|nor|without|cannot|false)\b|n't\b"
    r"|\b(?:in|un|im)(?:valid|correct|able|true|safe|possible|supported)\b"
)
_OPPOSITES = """
increase rise grow gain raise up higher more larger bigger greater longer faster wider older
  / decrease fall shrink lose reduce down lower less fewer smaller shorter slower narrower younger drop decline
maximum max most highest largest / minimum min least lowest smallest
before first earlier early start begin / after last later late end
ascending / descending
yes / no
true correct right / false wrong
always all / never none
with / without
above / below
left / right
buy / sell
win / lose
nearer / farther
hot / cold
open / closed
odd / even
positive / negative
enable / disable
success pass / failure fail
accept agree support / reject disagree contradict
"""
_ENDING = re.compile(r"(?:ing|es|ed|e|s)$")


class Wording(StrEnum):
    """What an answer is made of, hence how it is compared."""

    PROSE = "prose"
    """Words: by meaning."""
    NUMBER = "number"
    """Nothing but a number: by its value, and equal to prose that states this number and no other."""
    SYMBOLS = "symbols"
    """Code or a formula: by its text, for an embedding cannot tell ``x * y`` from ``x + y``."""


@dataclass(frozen=True, slots=True)
class Statement:
    """An answer as it is compared. ``text`` is it without dress: equal texts are equal answers."""

    text: str
    wording: Wording
    numbers: tuple[Fraction, ...] = ()
    names: frozenset[str] = frozenset()
    is_negated: bool = False
    words: frozenset[str] = field(default=frozenset(), repr=False)


Guard = Callable[[Statement, Statement], bool | None]
"""Whether two answers are the same, as far as one rule can tell; None if it cannot. Symmetric."""


def read_statement(answer: str) -> Statement:
    """What an answer says. Of prose only the first thousand characters count, of code all."""
    if (code := _fenced(answer)) is not None:
        return Statement(bounded("code", _squeezed(code)), Wording.SYMBOLS)
    undressed = bare(answer[:MAX_LENGTH]).translate(_QUOTES)
    value = rational(undressed)
    if value is not None and not _LETTER.search(without_text_commands(undressed)):
        return Statement(str(value), Wording.NUMBER, numbers=_numbers(undressed))
    if not _is_prose(undressed):
        return Statement(bounded("code", _squeezed(answer.strip().strip("`$"))), Wording.SYMBOLS)
    plain = _EMPHASIS.sub("", _LINK.sub(r"\1", _LINE_MARK.sub("", answer[:MAX_LENGTH].translate(_QUOTES))))
    text = " ".join(without_text_commands(bare(plain)).split()).rstrip(" .!")
    folded = text.casefold()
    return Statement(
        text,
        Wording.PROSE,
        numbers=_numbers(text),
        names=_names(undressed),
        is_negated=_NEGATION.search(folded) is not None,
        words=frozenset(map(_stem, _WORD.findall(folded))),
    )


def _fenced(answer: str) -> str | None:
    """The inside of the code block that an answer is; None if it is none."""
    answer = answer.strip()
    opening, _, inside = answer.partition("\n")
    if not opening.startswith(_FENCE) or not inside.endswith(_FENCE) or _FENCE in inside.removesuffix(_FENCE):
        return None
    return inside.removesuffix(_FENCE)


def _is_prose(text: str) -> bool:
    if text[:1] in _OPENING and text[-1:] in _CLOSING:
        return False
    parts = _LINK.sub(r"\1", text).split()
    return sum(_PLAIN_WORD.fullmatch(part) is not None for part in parts) >= max(MIN_SHARE_OF_WORDS * len(parts), 1)


def _squeezed(code: str) -> str:
    """Code without the white space that says nothing: outside quotes, and not between two words."""
    return _SPACE_IN_CODE.sub(lambda found: found["quoted"] or (" " if found["dividing"] else ""), code.strip())


def _numbers(text: str) -> tuple[Fraction, ...]:
    """The numbers in a text in their order. "One" is rarely a number; a percentage is its hundredth part."""
    return tuple(_value(found) for found in _NUMBER.finditer(text.casefold()) if found["spelt"] != "one")


def _value(found: re.Match[str]) -> Fraction:
    if found["spelt"]:
        return Fraction(sum(_VALUES[word] for word in re.split("[- ]", found["spelt"])))
    return Fraction(found["digits"].replace(",", "")) / (100 if found["percent"] else 1)


def _names(text: str) -> frozenset[str]:
    """What is called by its name: words with a capital, save where a sentence opens with one, quotes and code.

    An answer of one or two words is a name even so. Code, quoted or not, is in back quotes here.
    """
    is_short = len(text.split()) <= MAX_WORDS_OF_A_NAME
    return frozenset(
        "`" + found["code"].strip("`'\"").replace(" ", "") + "`" if found["code"] else _stem(found["name"].casefold())
        for found in _NAME.finditer(text)
        if found["code"]
        or (found["name"][0].isupper() and found["name"] != "I" and (is_short or found["opens"] is None))
    )


def symbols_are_the_same_text(first: Statement, second: Statement) -> bool | None:
    """Code is only the same as the same code."""
    if Wording.SYMBOLS in (first.wording, second.wording):
        return first.text == second.text
    return None


def number_is_all_that_is_said(first: Statement, second: Statement) -> bool | None:
    """A bare number is the same as an equal one, and as prose whose only number it is."""
    if Wording.NUMBER not in (first.wording, second.wording):
        return None
    if first.wording is second.wording:
        return first.text == second.text
    return first.numbers == second.numbers and not (first.is_negated or second.is_negated)


def numbers_differ(first: Statement, second: Statement) -> bool | None:
    """Answers are different unless the numbers of one occur in the other, in the same order.

    Not equality: an explanation names numbers that a short answer leaves out.
    """
    fewer, more = sorted((first.numbers, second.numbers), key=len)
    rest = iter(more)
    return None if all(number in rest for number in fewer) else False


def names_differ(first: Statement, second: Statement) -> bool | None:
    """Answers are different if each names something that the other does not mention."""
    missed_by_second = first.names - second.names - second.words
    missed_by_first = second.names - first.names - first.words
    return False if missed_by_first and missed_by_second else None


def negation_differs(first: Statement, second: Statement) -> bool | None:
    return False if first.is_negated != second.is_negated else None


def words_are_opposite(first: Statement, second: Statement) -> bool | None:
    """One says "rises" where the other says "falls", and neither says both."""
    only_first, only_second = first.words - second.words, second.words - first.words
    for pair in _OPPOSITE:
        sides = [[not side.isdisjoint(words) for side in pair] for words in (only_first, only_second)]
        if sides in ([[True, False], [False, True]], [[False, True], [True, False]]):
            return False
    return None


def _stem(word: str) -> str:
    return _ENDING.sub("", word)


_OPPOSITE = [
    [frozenset(map(_stem, side.split())) for side in line.split("/")]
    for line in _OPPOSITES.replace("\n  /", " /").splitlines()
    if line
]

GUARDS: tuple[Guard, ...] = (
    symbols_are_the_same_text,
    number_is_all_that_is_said,
    numbers_differ,
    names_differ,
    negation_differs,
    words_are_opposite,
)
"""Asked in this order; the first that can tell decides. Where none can, the meaning does."""
