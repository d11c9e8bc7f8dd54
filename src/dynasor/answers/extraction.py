r"""Reading the answer out of a text that a model wrote. Pure functions, linear in the length of the text.

Every style looks for the most deliberate mark first: a ``\boxed{}``, then a phrase such as "the answer is",
then whatever stands at the end. Within one kind of mark the last one counts, since models correct themselves.
"""

from __future__ import annotations

import re
from collections import deque
from enum import StrEnum

from dynasor.answers.braces import last_boxed, read_prefix

__all__ = ["AnswerStyle", "extract", "read_prefix"]


class AnswerStyle(StrEnum):
    """What kind of answer a question has, hence how it is read and when two are the same."""

    MATH = "math"
    """A number, a formula, a set, or a few words."""
    CHOICE = "choice"
    """One of the letters A to J."""
    EXACT = "exact"
    """A text that must match letter by letter, but for white space."""
    SEMANTIC = "semantic"
    """A free text, such as a short explanation: the same when it means the same. Needs the extra ``semantic``."""


_WINDOW = 2000
"""How many characters after "the answer is" are looked at. Longer answers are boxed or not answers."""

_MAX_PROSE = 1000
"""How many characters of an answer in free text count: the first after "the answer is", else the last ones."""

_MAX_STATEMENTS = 50
"""How many of the last such phrases are looked at, so that a text made of nothing else stays cheap."""

_PHRASE = re.compile(r"\banswer(?:\s{1,9}choice)?(?:\s{1,9}is\b[ \t]{0,9}:?|[ \t]{0,9}\*{0,2}:)|####", re.IGNORECASE)
_MATH_OPENING = {"$$": "$$", "$": "$", r"\(": r"\)", r"\[": r"\]"}
_MORE_MATH = re.compile(r"\s*(?:,|and|or)\s*(?:,|and|or)?\s*(?:\$|\\\()")
_PROSE = re.compile(r"(?<![\\\w])[A-Za-z]{2,20} +[A-Za-z]{2,20}(?!\w)")
_SENTENCE_END = re.compile(r"\.\**(?=\s|$)")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")
_FENCE = "```"
_FENCED = re.compile(r"```[^\n`]*\n[^`]*```")
_AFTERTHOUGHT = re.compile(r"[,;]?\s(?:because|since|so|which|where|therefore|thus)\s", re.IGNORECASE)

_DECIMAL = r"(?:(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?|\.\d++)"
_NUMBER = re.compile(
    r"(?:(?<![\w)\]}])[-\u2212])?(?:\\?\$|[€£¥])?(?<![\w.])"
    rf"(?:\\[dt]?frac\{{-?\d+\}}\{{\d+\}}|{_DECIMAL}(?: ?/ ?\d++)?)(?!(?:st|nd|rd|th)\b)(?: ?\\?%)?"
)

_CHOICE_LEAD = r"[\s*_$`\"'(\[{:]{0,12}(?:\\(?:text|textbf|mathrm|mathbf)\s?\{)?[\s(*]{0,4}"
_CHOICE_AFTER = re.compile(
    rf"{_CHOICE_LEAD}(?:(?:option|choice)\s{{1,3}}{_CHOICE_LEAD})?(?P<letter>[A-J])(?![A-Z0-9'\u2019])", re.IGNORECASE
)
_CHOICE_LINE = re.compile(r"[\s*_$`\"'(\[{:]{0,12}(?P<letter>[A-Ja-j])[\s*_$`\"')\]}.:]{0,12}")
_CHOICE_BRACKETED = re.compile(r"\((?P<letter>[A-J])\)")


def extract(text: str, style: AnswerStyle = AnswerStyle.MATH) -> str | None:
    """The answer in ``text``, as it is written there, or None if there is none."""
    match style:
        case AnswerStyle.MATH:
            return last_boxed(text) or _stated(text, shorten=True) or _last_number(text)
        case AnswerStyle.CHOICE:
            return _choice(text)
        case AnswerStyle.EXACT:
            answer = last_boxed(text) or _stated(text, shorten=False) or _last_line(text)
            return " ".join(answer.split()) if answer else None
        case AnswerStyle.SEMANTIC:
            return last_boxed(text) or _stated_at_length(text) or _last_paragraph(text)


def _statements(text: str) -> list[str]:
    """What follows each "the answer is", "answer:" or "####", the last one first."""
    phrases = deque(_PHRASE.finditer(text), maxlen=_MAX_STATEMENTS)
    return [text[phrase.end() : phrase.end() + _WINDOW] for phrase in reversed(phrases)]


def _stated(text: str, *, shorten: bool) -> str | None:
    """The answer that a phrase announces. ``shorten`` drops a reason given in the same sentence."""
    for following in _statements(text):
        statement = following.lstrip(" \t\r\n*:_")
        answer = _delimited(statement) or _sentence(statement.split("\n", 1)[0], shorten=shorten)
        if answer:
            return answer
    return None


def _stated_at_length(text: str) -> str | None:
    """The paragraph, or block of code, that a phrase announces."""
    for following in _statements(text):
        statement = following.lstrip(" \t\r\n*:_")
        block = _FENCED.match(statement)
        if answer := block.group() if block else _unmarked(_PARAGRAPH_END.split(statement, 1)[0][:_MAX_PROSE]):
            return answer
    return None


def _last_paragraph(text: str) -> str | None:
    """The block of code that ends a text, else its last paragraph, whose end is what counts."""
    text = text.rstrip()
    if text.endswith(_FENCE) and (opening := text.rfind(_FENCE, 0, -len(_FENCE))) >= 0:
        return text[opening:]
    paragraph = _PARAGRAPH_END.split(text[-2 * _MAX_PROSE :])[-1].strip()
    if len(paragraph) > _MAX_PROSE:
        paragraph = paragraph[-_MAX_PROSE:].partition(" ")[2] or paragraph[-_MAX_PROSE:]
    return paragraph or None


def _delimited(statement: str) -> str | None:
    """The inside of the LaTeX math that the statement begins with and that is all of the answer."""
    for opening, closing in _MATH_OPENING.items():
        if not statement.startswith(opening):
            continue
        inside, closed, rest = statement[len(opening) :].partition(closing)
        is_currency = opening == "$" and _PROSE.search(inside)
        if closed and not is_currency and not _MORE_MATH.match(rest):
            return inside.strip()
    return None


def _sentence(line: str, *, shorten: bool) -> str:
    if shorten:
        for ending in (_SENTENCE_END, _AFTERTHOUGHT):
            if found := ending.search(line):
                line = line[: found.start()]
    return _unmarked(line)


def _unmarked(line: str) -> str:
    """The line without the period of its sentence and without bold marks around it."""
    line = line.strip().rstrip("*_ \t")
    if line.endswith(".") and not line.endswith(".."):
        line = line[:-1]
    return line.strip("*` \t")


def _last_number(text: str) -> str | None:
    found = deque(_NUMBER.finditer(text), maxlen=1)
    return found[0].group() if found else None


def _last_line(text: str) -> str | None:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), None)


def _choice(text: str) -> str | None:
    boxed = last_boxed(text)
    candidates = ([boxed] if boxed else []) + _statements(text)
    for candidate in candidates:
        found = _CHOICE_AFTER.match(candidate)
        if found and _is_meant_as_choice(found, candidate):
            return found["letter"].upper()
    line = _last_line(text) or ""
    if alone := _CHOICE_LINE.fullmatch(line):
        return alone["letter"].upper()
    bracketed = deque(_CHOICE_BRACKETED.finditer(line), maxlen=1)
    return bracketed[0]["letter"] if bracketed else None


def _is_meant_as_choice(found: re.Match[str], text: str) -> bool:
    """Tells "the answer is a" and "the answer is A because" from "the answer is a number", "... is I think"."""
    prose_follows = re.match(r"\s[a-z]", text[found.end() :]) is not None
    return not prose_follows or found["letter"] in "ABCDEFGHJ"  # without I
