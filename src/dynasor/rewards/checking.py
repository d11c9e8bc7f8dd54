"""What is believed of a reward."""

from __future__ import annotations

from dynasor.errors import EngineFailed


def checked(score: object, who: str = "the reward") -> float:
    """``score`` as a float, if it is a number from 0 to 1; EngineFailed, naming ``who`` said it, if not.

    NaN is none, and neither are True and False.
    """
    if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
        return float(score)
    raise EngineFailed(f"{who} says {brief(score)}; a number from 0 to 1 was expected")


def brief(value: object) -> str:
    """``value`` as it may stand in a message."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


LONGEST = 120
