"""Text that others wrote, made safe to print: nothing in it can steer the terminal or deceive about its order."""

from __future__ import annotations

import re

NEW_LINE = re.compile("\r\n|[\u2028\u2029]")
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed, marks that turn the direction of writing, and halves of characters."""
CONTROL_PICTURES = 0x2400
DELETE, DELETE_PICTURE = 0x7F, "\u2421"


def harmless(text: str) -> str:
    """``text`` with everything that is no plain text made visible instead of obeyed: an escape becomes ``␛``."""
    return STEERING.sub(lambda found: visible(ord(found.group())), NEW_LINE.sub("\n", text))


def one_line(text: str) -> str:
    """The same on a single line."""
    return " ".join(harmless(text).split())


def visible(code: int) -> str:
    if code < 0x20:
        return chr(CONTROL_PICTURES + code)
    return DELETE_PICTURE if code == DELETE else f"<U+{code:04X}>"
