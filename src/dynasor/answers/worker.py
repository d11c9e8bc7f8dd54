"""The process that does algebra on answers. See algebraist.py, which asks it, and confinement.py.

For each ``{"text": ..., "budget_s": ...}`` it writes one ``{"key": ...}``, null where it cannot tell.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from dynasor.answers import algebra
from dynasor.answers.confinement import serve
from dynasor.vocabulary import JSON

RECURSION_LIMIT = 2000


class OutOfTime(BaseException):
    """Raised by the timer; not an Exception, so that the algebra library does not take it for its own."""


def prepare() -> Callable[[JSON], JSON]:
    algebra.warm_up()
    sys.setrecursionlimit(RECURSION_LIMIT)
    signal.signal(signal.SIGALRM, _out_of_time)
    return lambda question: {"key": _within(question["budget_s"], algebra.canonical_key, question["text"])}


def _within(budget_s: float, solve: Callable[[str], str | None], text: str) -> str | None:
    try:
        with _alarm(budget_s):
            return solve(text)
    except (OutOfTime, Exception):
        return None


@contextlib.contextmanager
def _alarm(budget_s: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, budget_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


if __name__ == "__main__":
    serve(prepare)
