"""Questions drawn from a population that is known: what calibration learns can be held against it."""

from __future__ import annotations

import random

from dynasor.replay.traces import RecordedQuestion, RecordedSample


def questions(number: int, samples: int, seed: int, *, hopeless: float = 0.0) -> list[RecordedQuestion]:
    """Each question has a right answer that a sample gives with a chance of its own, and wrong ones; a
    ``hopeless`` share of them never gives one answer twice."""
    rng = random.Random(seed)
    return [_question(str(i), samples, rng, rng.random() < hopeless) for i in range(number)]


def _question(id: str, samples: int, rng: random.Random, is_hopeless: bool) -> RecordedQuestion:
    chance = rng.betavariate(2.0, 0.7)
    drawn = []
    for number in range(samples):
        is_right = not is_hopeless and rng.random() < chance
        wrong = f"odd {number}" if is_hopeless else f"wrong {min(3, int(rng.expovariate(1)))}"
        drawn.append(RecordedSample("right" if is_right else wrong, is_right, tokens=10))
    return RecordedQuestion(id, tuple(drawn))
