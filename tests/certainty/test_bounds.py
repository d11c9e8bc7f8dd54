"""Bounds, against simulation."""

from __future__ import annotations

import random
from math import comb

import pytest

from dynasor.certainty.bounds import betting_p_value, binomial_at_most, fewest_questions

DELTA = 0.1


def p_value(losses: int, gains: int, questions: int, level: float, seed: int = 0) -> float:
    values = [1.0] * losses + [-1.0] * gains + [0.0] * (questions - losses - gains)
    random.Random(seed).shuffle(values)
    return betting_p_value(values, level, DELTA)


def test_binomial_tail_is_exact() -> None:
    exact = sum(comb(20, k) * 0.3**k * 0.7 ** (20 - k) for k in range(5))
    assert binomial_at_most(4, 20, 0.3) == pytest.approx(exact)
    assert binomial_at_most(20, 20, 0.3) == pytest.approx(1.0)
    assert binomial_at_most(-1, 20, 0.3) == 0.0


def test_a_mean_above_the_level_shows_nothing() -> None:
    assert p_value(10, 0, 100, 0.05) > DELTA
    assert betting_p_value([1.0] * 50, 0.05, DELTA) == 1.0


def test_more_questions_and_smaller_losses_show_more() -> None:
    assert p_value(4, 0, 400, 0.05) < p_value(2, 0, 200, 0.05) < p_value(6, 0, 200, 0.05)


def test_gains_make_up_for_losses() -> None:
    assert p_value(8, 16, 200, 0.02) < DELTA < p_value(8, 0, 200, 0.02)


@pytest.mark.parametrize(("level", "loss", "gain"), [(0.02, 0.02, 0.0), (0.1, 0.1, 0.0), (0.02, 0.08, 0.06)])
def test_the_p_value_is_valid(level: float, loss: float, gain: float) -> None:
    """Where the true mean is the level, a p-value below 0.1 comes up in at most one of ten cases."""
    rng = random.Random(3)
    trials, questions = 2000, 150
    weights = (loss, gain, 1 - loss - gain)
    runs = (rng.choices((1.0, -1.0, 0.0), weights, k=questions) for _ in range(trials))
    assert sum(betting_p_value(run, level, DELTA) < DELTA for run in runs) / trials < 0.115


def test_fewest_questions_is_what_no_loss_at_all_takes() -> None:
    needed = fewest_questions(0.02, 0.05)
    assert betting_p_value([0.0] * needed, 0.02, 0.05) <= 0.05 < betting_p_value([0.0] * (needed - 1), 0.02, 0.05)
