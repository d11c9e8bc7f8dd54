r"""Spelling a bare answer the way the LaTeX parser reads it: ``√3 + 1`` as ``\sqrt{3} + 1``, ``x**2`` as ``x^2``."""

from __future__ import annotations

import re

_SYMBOLS = {
    "$": "",
    "**": "^",
    "<=": r"\le ",
    ">=": r"\ge ",
    "!=": r"\ne ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "π": r"\pi ",
    "∞": r"\infty ",
    "\N{MULTIPLICATION SIGN}": r"\times ",
    "·": r"\cdot ",
    "÷": "/",
    "±": r"\pm ",
    "\N{UNION}": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "²": "^{2}",
    "³": "^{3}",
    "°": "",
    "√": r"\sqrt ",
    "\N{DOUBLE-STRUCK CAPITAL R}": r"\mathbb{R}",
    "\N{DOUBLE-STRUCK CAPITAL Z}": r"\mathbb{Z}",
    "∅": r"\emptyset ",
    r"\dfrac": r"\frac",
    r"\neq": r"\ne",
    r"\leq": r"\le",
    r"\geq": r"\ge",
    r"\degree": "",
    r"\colon": ":",
}
_SYMBOL = re.compile("|".join(re.escape(old) for old in sorted(_SYMBOLS, key=len, reverse=True)))
_FUNCTION = re.compile(r"(?<![\\A-Za-z])(pi|sqrt|arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|ln|log|exp)(?![A-Za-z])")
_DEGREES = re.compile(r"\^\s*(?:\\circ(?![A-Za-z])|\{\s*\\circ\s*\})")
_ROOT_OF = re.compile(r"\\sqrt\s*(?:(?P<bracket>\()|(?P<number>\d+))")
_TRAILING_UNIT = re.compile(
    r"(?<=[\w})])\s*\\(?:text|mathrm|mbox|textrm)\s*\{(?!\s*(?:or|and)\s*\})[^{}]*\}(?:\s*\^\s*\{?\d\}?)?$"
    r"|(?<=[\w})])(?:\s+(?!and\b|or\b|pi\b)[A-Za-z]{3,20})+$"
)


def as_latex(text: str) -> str:
    """A bare answer as LaTeX, without a unit that follows it."""
    text = _SYMBOL.sub(lambda found: _SYMBOLS[found.group()], text)
    text = _DEGREES.sub("", _FUNCTION.sub(r"\\\1 ", text))
    return _with_braced_roots(_TRAILING_UNIT.sub("", text)).strip()


def _with_braced_roots(text: str) -> str:
    r"""``\sqrt(x+(1))`` and ``\sqrt 51`` as ``\sqrt{...}``; LaTeX itself would take only the first character."""
    pieces, position = [], 0
    while found := _ROOT_OF.search(text, position):
        end = found.end() if found["number"] else _closing(text, found.start("bracket"))
        if end is None:
            break
        inside = found["number"] or _with_braced_roots(text[found.end() : end - 1])
        pieces += [text[position : found.start()], r"\sqrt{", inside, "}"]
        position = end
    return "".join(pieces) + text[position:]


def _closing(text: str, opening: int) -> int | None:
    """The index after the parenthesis that closes the one at ``opening``."""
    depth = 0
    for index in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    return None
