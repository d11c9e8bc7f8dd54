"""Bounds, against exact tails and against simulation."""

from __future__ import annotations

import random
from math import comb

import pytest

from dynasor.certainty.bounds import binomial_at_most, fewest_questions, hoeffding_bentkus


def test_binomial_tail_is_exact() -> None:
    exact = sum(comb(20, k) * 0.3**k * 0.7 ** (20 - k) for k in range(5))
    assert binomial_at_most(4, 20, 0.3) == pytest.approx(exact)
    assert binomial_at_most(20, 20, 0.3) == pytest.approx(1.0)
    assert binomial_at_most(-1, 20, 0.3) == 0.0


def test_a_mean_at_the_level_shows_nothing() -> None:
    assert hoeffding_bentkus(0.05, 100, 0.05) == 1.0
    assert hoeffding_bentkus(0.2, 100, 0.05) == 1.0


def test_more_questions_and_smaller_losses_show_more() -> None:
    assert hoeffding_bentkus(0.01, 400, 0.05) < hoeffding_bentkus(0.01, 200, 0.05) < hoeffding_bentkus(0.02, 200, 0.05)


@pytest.mark.parametrize("level", [0.02, 0.1])
def test_the_p_value_is_valid(level: float) -> None:
    """Where the true mean is the level, a p-value below 0.1 comes up in at most one of ten cases."""
    rng = random.Random(3)
    trials, questions = 2000, 150
    means = (sum(rng.random() < level for _ in range(questions)) / questions for _ in range(trials))
    assert sum(hoeffding_bentkus(mean, questions, level) < 0.1 for mean in means) / trials < 0.115


def test_fewest_questions_is_what_no_loss_at_all_takes() -> None:
    needed = fewest_questions(0.02, 0.05)
    assert (1 - 0.02) ** needed <= 0.05 < (1 - 0.02) ** (needed - 1)
