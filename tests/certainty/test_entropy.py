"""The paper's numbers for five samples (normalised entropy by how the votes split)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.certainty import normalised_entropy
from dynasor.vocabulary import VoteCounts


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((5,), 1.000),
        ((4, 1), 0.689),
        ((3, 2), 0.582),
        ((3, 1, 1), 0.410),
        ((2, 2, 1), 0.345),
        ((2, 1, 1, 1), 0.172),
        ((1, 1, 1, 1, 1), 0.0),
    ],
)
def test_five_samples(groups: tuple[int, ...], expected: float) -> None:
    assert normalised_entropy(VoteCounts(groups)) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("groups", "passes"), [((16,), True), ((15, 1), True), ((14, 2), True), ((14, 1, 1), False), ((13, 3), False)]
)
def test_sixteen_samples_at_the_threshold_of_rebase(groups: tuple[int, ...], passes: bool) -> None:
    assert (normalised_entropy(VoteCounts(groups)) >= 0.85) is passes


def test_no_sample_and_one_sample_are_not_certain() -> None:
    assert normalised_entropy(VoteCounts()) == 0.0
    assert normalised_entropy(VoteCounts((1,))) == 0.0


def test_samples_without_an_answer_are_left_out() -> None:
    assert normalised_entropy(VoteCounts((4, 1), unanswered=3)) == normalised_entropy(VoteCounts((4, 1)))
    assert normalised_entropy(VoteCounts((1,), unanswered=5)) == 0.0
    assert normalised_entropy(VoteCounts((), unanswered=5)) == 0.0


@given(st.lists(st.integers(1, 20), max_size=8), st.integers(0, 10))
def test_between_zero_and_one_whatever_the_order(sizes: list[int], unanswered: int) -> None:
    value = normalised_entropy(VoteCounts(tuple(sizes), unanswered))
    assert 0.0 <= value <= 1.0
    assert value == pytest.approx(normalised_entropy(VoteCounts(tuple(sorted(sizes)), unanswered)))
