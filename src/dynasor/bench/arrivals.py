"""Who comes when, drawn once: every arm and every rate of a repetition gets the same questions, gaps and seeds."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dynasor.errors import InputError
from dynasor.vocabulary import Question

LARGEST_SEED = 2**31 - 1
FEWEST = 10
"""Programs of a cell, however low its rate: with fewer, nine in ten cannot be told."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A program that is meant to come ``due_s`` seconds after its cell began; ``seed`` is that of its samples."""

    number: int
    due_s: float
    question: Question
    seed: int


def arrivals(
    questions: Sequence[Question], rate: float, window_s: float, seed: str, *, most: int | None = None
) -> list[Arrival]:
    """Programs that come within ``window_s`` seconds, but at least ``FEWEST``, ``rate`` a second on average,
    independent of each other (Poisson); the first ``most`` of them.

    What is drawn from ``seed`` does not depend on the rate: at another rate the same programs come in the same order,
    the gaps between them multiplied, and the window cuts off elsewhere. No question comes twice before all did.

    Raises:
        InputError: there are no questions, or the rate or the window is not above 0.
    """
    for name, value in (("rate", rate), ("window_s", window_s)):
        if not 0 < value < math.inf:
            raise InputError(f"{name} is {value}; a number above 0 was expected")
    if not questions:
        raise InputError("there are no questions to draw programs from")
    found: list[Arrival] = []
    due_s = 0.0
    for number, (gap, question, own_seed) in enumerate(_draws(questions, random.Random(seed))):
        due_s += gap / rate
        if (due_s >= window_s and number >= FEWEST) or number == most:
            break
        found.append(Arrival(number, due_s, question, own_seed))
    return found


def _draws(questions: Sequence[Question], rng: random.Random) -> Iterator[tuple[float, Question, int]]:
    """Gaps of mean 1, questions and seeds, without end."""
    while True:
        for question in rng.sample(questions, len(questions)):
            yield rng.expovariate(1.0), question, rng.randint(0, LARGEST_SEED)
