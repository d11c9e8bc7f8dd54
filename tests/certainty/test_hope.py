"""Hope, checked against counting and against what must hold of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.certainty import hope
from dynasor.certainty.hope import reaches
from dynasor.vocabulary import VoteCounts


@given(st.integers(0, 6), st.integers(0, 10), st.integers(0, 12), st.integers(1, 20))
def test_reaching_is_a_probability_that_grows_with_what_is_to_come(
    size: int, others: int, to_come: int, wanted: int
) -> None:
    chance = reaches(size, size + others, to_come, wanted)
    assert 0.0 <= chance <= 1.0 + 1e-12
    assert reaches(size, size + others, to_come + 1, wanted) >= chance - 1e-12
    assert reaches(size, size + others, to_come, wanted + 1) <= chance + 1e-12


def test_reaching_agrees_with_drawing_from_the_posterior() -> None:
    rng = random.Random(1)
    trials, hits = 20000, 0
    for _ in range(trials):
        share = rng.betavariate(2 + 1, 6 - 2 + 1)
        hits += 2 + sum(rng.random() < share for _ in range(10)) >= 6
    assert reaches(2, 6, 10, 6) == pytest.approx(hits / trials, abs=0.012)


def test_all_different_answers_leave_little_hope() -> None:
    assert hope(VoteCounts((1,)), 16, 0.4) == 1.0
    assert hope(VoteCounts((1,) * 4), 16, 0.4) > 0.5
    assert hope(VoteCounts((1,) * 9), 16, 0.4) < 0.2
    assert hope(VoteCounts((5, 1, 1)), 16, 0.4) > 0.9


def test_samples_without_an_answer_give_no_vote() -> None:
    """Half of the samples had no answer: of the ten to come about five will vote, and three votes are 0.4 of eight."""
    assert hope(VoteCounts((3,), unanswered=3), 16, 0.4) > hope(VoteCounts((3, 1, 1, 1)), 16, 0.4)


def test_at_the_cap_hope_is_what_is_there() -> None:
    assert hope(VoteCounts((8, 8)), 16, 0.5) == 1.0
    assert hope(VoteCounts((4,) * 4), 16, 0.5) == 0.0
