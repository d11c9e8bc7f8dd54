r"""Finding the brace that closes a brace, in one pass over the text.

A backslash takes the character after it along, so ``\{`` and ``\}`` are letters here, as they are in LaTeX.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"(?P<box>\\{1,2}(?:boxed|fbox)\s*\{)|\\.|(?P<open>\{)|(?P<close>\})", re.DOTALL)


def last_boxed(text: str) -> str | None:
    r"""What the last ``\boxed{...}`` or ``\fbox{...}`` holds; None if none is closed and filled.

    Of two boxes the one that opens later counts, also when it is inside the other. A model that was cut off
    leaves a box open; such a box holds nothing, and an earlier complete one still counts.
    """
    opened: list[tuple[int, bool]] = []
    start, content = -1, None
    for token in _TOKEN.finditer(text):
        if token["box"] or token["open"]:
            opened.append((token.end(), token["box"] is not None))
        elif token["close"] and opened:
            begin, is_box = opened.pop()
            inside = text[begin : token.start()].strip() if is_box and begin > start else ""
            if inside:
                start, content = begin, inside
    return content


def read_prefix(text: str) -> str | None:
    r"""The text up to the first unpaired ``}``, or None if there is none.

    A probe ends its prompt with ``\boxed{`` and lets the model go on: this reads what it put into the box,
    and only that. What follows the brace is another thought and must not count.
    """
    depth = 0
    for token in _TOKEN.finditer(text):
        if token["box"] or token["open"]:
            depth += 1
        elif token["close"]:
            if depth == 0:
                return text[: token.start()].strip()
            depth -= 1
    return None


def closes_at_end(text: str, opening: int) -> bool:
    """Whether the brace at index ``opening`` is closed by the last character of the text."""
    depth = 0
    for token in _TOKEN.finditer(text, opening):
        if token["box"] or token["open"]:
            depth += 1
        elif token["close"]:
            depth -= 1
            if depth == 0:
                return token.end() == len(text)
    return False


def nesting_depth(text: str) -> int:
    """How deep brackets of all kinds nest at most, counting unclosed ones."""
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}" and depth:
            depth -= 1
    return deepest
