"""The process that does algebra on answers: JSON lines in, JSON lines out, expendable. See algebraist.py.

It first writes ``{"ready": true}``, then for each ``{"text": ..., "budget_s": ...}`` one ``{"key": ...}``,
null where it cannot tell. It ends when its input ends, so it does not outlive its parent. It may not grow
past its memory limit, and once it is ready it cannot write files.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TextIO

from dynasor.answers import algebra

MAX_MEMORY_BYTES = 2 * 1024**3
RECURSION_LIMIT = 2000


class OutOfTime(BaseException):
    """Raised by the timer; not an Exception, so that the algebra library does not take it for its own."""


def serve(questions: TextIO, replies: TextIO, solve: Callable[[str], str | None]) -> None:
    """Answer questions until there are no more."""
    _write(replies, {"ready": True})
    for line in questions:
        question = json.loads(line)
        _write(replies, {"key": _within(question["budget_s"], solve, question["text"])})


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


def _write(replies: TextIO, message: dict[str, object]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(RECURSION_LIMIT)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> None:
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever the library prints is no reply
    algebra.warm_up()
    _confine()
    serve(sys.stdin, replies, algebra.canonical_key)


if __name__ == "__main__":
    main()
