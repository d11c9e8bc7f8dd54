"""Worth of one more sample: against enumeration, and in the order that common sense has."""

from __future__ import annotations

import pytest

from dynasor.certainty.worth import gain, is_ahead, worth
from dynasor.vocabulary import VoteCounts


def test_is_ahead_is_a_beta_tail() -> None:
    assert is_ahead(0, 0) == 0.5
    assert is_ahead(1, 0) == pytest.approx(0.75)  # 1 - I_1/2(2, 1) = 1 - 1/4
    assert is_ahead(3, 1) + is_ahead(1, 3) == pytest.approx(1.0)


def test_one_sample_ahead_by_hand() -> None:
    """From 1 to 0 with weights (2, 1, 1) of 4: it votes for the leader with 1/2, the runner-up with 1/4. Of the
    outcomes only ties and leads follow, so the better guess is the leader's in each: no gain in one step."""
    assert gain(1, 0, 0, 1) == pytest.approx(0.5 * is_ahead(2, 0) + 0.25 * 0.5 + 0.25 * 0.75 - 0.75, abs=1e-12)
    assert gain(1, 1, 0, 1) == pytest.approx(0.8 * is_ahead(2, 1) + 0.2 * 0.5 - 0.5)


def test_open_votes_are_worth_more_than_settled_and_hopeless_ones() -> None:
    race, settled, hopeless = VoteCounts((3, 2)), VoteCounts((5,)), VoteCounts((1,) * 10)
    assert worth(race, 16) > 5 * worth(settled, 16)
    assert worth(race, 16) > 5 * worth(hopeless, 16)


def test_nothing_is_worth_nothing_at_the_cap() -> None:
    assert worth(VoteCounts((2, 2)), 4) == 0.0
    assert worth(VoteCounts(), 16) > 0.0
