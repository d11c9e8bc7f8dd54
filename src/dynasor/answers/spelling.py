r"""How an answer is written, as opposed to what it is: taking wrappers off, and keys made of the text alone."""

from __future__ import annotations

import re
from hashlib import blake2b

from dynasor.answers.braces import closes_at_end

MAX_LENGTH = 1000
"""Longer answers are compared as text only; no exact number or formula of use is longer."""

_REPLACEMENTS = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{NO-BREAK SPACE}": " ",
    "~": " ",
    r"\\": r"\\",  # a line break, not the start of what follows
    r"\,": "",
    r"\!": "",
    r"\;": " ",
    r"\:": " ",
    r"\ ": " ",
    r"\quad": " ",
    "{,}": ",",
    r"\%": "%",
    r"\$": "$",
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    r"\cfrac": r"\frac",
    r"\displaystyle": "",
}
_REPLACED = re.compile("|".join(re.escape(old) for old in sorted(_REPLACEMENTS, key=len, reverse=True)))
_SIZING = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])")
_PAIRS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))
_BRACED = re.compile(r"(?:\\(?:boxed|fbox|text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|bf|rm)\s*)?(?=\{)")
_TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_MAX_WRAPPERS = 12


def bare(answer: str) -> str:
    r"""The answer without what only dresses it: ``$..$``, ``\boxed{}``, ``\text{}``, bold, spacing, a last period."""
    text = _SIZING.sub("", _REPLACED.sub(lambda found: _REPLACEMENTS[found.group()], answer))
    text = " ".join(text.split())
    for _ in range(_MAX_WRAPPERS):
        inside = _unwrapped(text)
        if inside == text:
            break
        text = inside
    return text


def _unwrapped(text: str) -> str:
    text = text.strip().rstrip(",;").rstrip()
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    for opening, closing in _PAIRS:
        inside = text[len(opening) : -len(closing)]
        if len(inside) + len(opening) + len(closing) == len(text) and text == f"{opening}{inside}{closing}":
            return inside if closing not in inside else text
    braced = _BRACED.match(text)
    if braced and closes_at_end(text, braced.end()):
        return text[braced.end() + 1 : -1]
    if re.fullmatch(r"\([^(),]*\)", text):
        return text[1:-1]
    return text


def without_text_commands(text: str) -> str:
    r"""``5\text{ cm}`` as ``5  cm``."""
    return " ".join(_TEXT_COMMAND.sub(r" \1 ", text).split())


def word_key(text: str) -> str:
    """The key of plain words: case and white space do not matter."""
    return bounded("word", " ".join(text.casefold().split()))


def formula_key(text: str) -> str:
    r"""The key of a formula that nobody could read: only white space does not matter (``\Delta`` is not ``\delta``)."""
    return bounded("text", "".join(text.split()))


def exact_key(text: str) -> str:
    return bounded("exact", " ".join(text.split()))


def bounded(kind: str, text: str) -> str:
    """A key that stays short: the kind and the text, or of a long text its digest."""
    if len(text) > MAX_LENGTH:
        text = blake2b(text.encode(errors="surrogatepass"), digest_size=24).hexdigest()
        kind = f"{kind}-digest"
    return f"{kind}:{text}"
