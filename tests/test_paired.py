"""Paired differences: against published values and against all sign flips."""

from __future__ import annotations

import itertools
import random
from statistics import NormalDist, fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor.paired import (
    LARGE,
    bootstrap_interval,
    mcnemar_p_value,
    mixed,
    paired_difference,
    sign_flip_p_value,
)


@pytest.mark.parametrize(
    ("wins", "losses", "p_value"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (5, 0, 2 / 32), (8, 1, 20 / 512), (1, 8, 20 / 512)],
)
def test_mcnemar_by_hand(wins: int, losses: int, p_value: float) -> None:
    assert mcnemar_p_value(wins, losses) == pytest.approx(p_value)


def test_right_and_wrong_are_judged_by_mcnemar() -> None:
    found = paired_difference([1.0] * 8 + [-1.0] + [0.0] * 91)
    assert (found.count, found.mean) == (100, 0.07)
    assert found.p_value == pytest.approx(20 / 512)
    low, high = found.interval
    assert 0.0 < low < 0.03 < 0.11 < high < 0.15


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([-0.75, -0.25, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=9))
def test_chances_are_judged_by_flipping_every_sign(differences: list[float]) -> None:
    reached = abs(sum(differences))
    sums = [
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    exact = sum(each >= reached - 1e-9 for each in sums) / len(sums)
    assert sign_flip_p_value(differences, random.Random(0)) == pytest.approx(exact, abs=0.03)


def test_a_difference_that_is_none_has_an_interval_of_no_width() -> None:
    found = paired_difference([0.0] * 5)
    assert found.to_json() == {"questions": 5, "mean": 0.0, "interval": [0.0, 0.0], "p_value": 1.0}


def test_the_interval_is_nearly_the_normal_one() -> None:
    rng = random.Random(1)
    values = [rng.gauss(0.3, 1.0) for _ in range(400)]
    low, high = bootstrap_interval(values, rng)
    half = 1.96 * stdev(values) / 20
    assert low == pytest.approx(fmean(values) - half, abs=0.01)
    assert high == pytest.approx(fmean(values) + half, abs=0.01)


def test_for_many_questions_the_interval_is_the_normal_one() -> None:
    rng = random.Random(2)
    low, high = bootstrap_interval([rng.gauss(0.0, 1.0) for _ in range(LARGE)], rng)
    assert (high - low) / 2 == pytest.approx(NormalDist().inv_cdf(0.975) / LARGE**0.5, rel=0.05)


def test_the_same_seed_gives_the_same_values() -> None:
    differences = [0.25, -0.5, 1.0, 0.0, 0.125] * 5
    assert paired_difference(differences, 7) == paired_difference(differences, 7)


@pytest.mark.parametrize(
    ("samples", "value"), [(0.5, 0.2), (1, 0.4), (1.25, 0.45), (2, 0.6), (2.5, 0.75), (3, 0.9), (7.5, 0.9)]
)
def test_values_between_whole_numbers_of_samples(samples: float, value: float) -> None:
    assert mixed([0.4, 0.6, 0.9], samples) == pytest.approx(value)
