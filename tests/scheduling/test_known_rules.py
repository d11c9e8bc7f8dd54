"""The rules of others as literal scenarios, and their probabilities against exact values and simulation."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.certainty import certaindex_of_votes
from dynasor.errors import InputError
from dynasor.scheduling import Allocator
from dynasor.scheduling.known_rules import (
    AdaptiveConsistency,
    EarlyStopping,
    Length,
    Supermajority,
    _largest_share,
    beta_confidence,
    dirichlet_confidence,
)
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason, VoteCounts

CERTAIN = Allocation.stop(StopReason.CERTAIN)
CAP = Allocation.stop(StopReason.CAP)
ONE = Allocation.grant(1)


def votes(*groups: int, unanswered: int = 0, streak: int = 0) -> Certaindex:
    return certaindex_of_votes(VoteCounts(groups, unanswered, streak), 16)


def test_adaptive_consistency_takes_one_sample_at_a_time_until_four_agree() -> None:
    rule = AdaptiveConsistency()
    assert rule.decide(Spending(0, 0, 16), None) == ONE
    assert rule.decide(Spending(0, 1, 16), None) == Allocation.wait()
    assert rule.decide(Spending(3, 0, 16), votes(3)) == ONE, "15/16 is under 0.95"
    assert rule.decide(Spending(4, 0, 16), votes(4)) == CERTAIN, "31/32 is above"
    assert rule.decide(Spending(6, 0, 16), votes(5, 1)) == ONE, "120/128 is under"
    assert rule.decide(Spending(7, 0, 16), votes(6, 1)) == CERTAIN, "247/256 is above"
    assert rule.decide(Spending(16, 0, 16), votes(8, 8)) == CAP


def test_adaptive_consistency_leaves_samples_without_an_answer_out() -> None:
    rule = AdaptiveConsistency()
    assert rule.decide(Spending(5, 0, 16), votes(unanswered=5)) == ONE
    assert rule.decide(Spending(9, 0, 16), votes(4, unanswered=5)) == CERTAIN


def test_adaptive_consistency_dirichlet_minds_every_rival() -> None:
    state = Spending(8, 0, 16)
    assert AdaptiveConsistency(0.9).decide(state, votes(5, 1, 1, 1)) == CERTAIN
    assert AdaptiveConsistency(0.9, "dirichlet").decide(state, votes(5, 1, 1, 1)) == ONE
    assert AdaptiveConsistency(0.9, "dirichlet").decide(state, votes(7, 1)) == CERTAIN


@pytest.mark.parametrize(
    ("groups", "confidence"),
    [((1,), 3 / 4), ((2, 1), 11 / 16), ((3, 3), 1 / 2), ((4,), 31 / 32), ((6, 1), 247 / 256)],
)
def test_beta_confidence_is_the_area_right_of_a_half(groups: tuple[int, ...], confidence: float) -> None:
    assert beta_confidence(VoteCounts(groups)) == confidence


@given(st.integers(0, 40), st.integers(0, 40))
def test_two_answers_alone_are_the_beta_case_of_the_dirichlet_one(first: int, second: int) -> None:
    leader, runner_up = max(first, second), min(first, second)
    exact = beta_confidence(VoteCounts((leader, runner_up)))
    assert _largest_share(leader, (runner_up,)) == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("size", [1, 4, 30])
@pytest.mark.parametrize("rivals", [2, 5])
def test_among_equals_each_is_as_likely_the_largest(size: int, rivals: int) -> None:
    assert dirichlet_confidence(VoteCounts((size,) * (rivals + 1))) == pytest.approx(1 / (rivals + 1), abs=1e-7)


def test_dirichlet_confidence_matches_simulation() -> None:
    groups, rng, trials = (4, 2, 2, 1), random.Random(1), 40_000
    wins = 0
    for _ in range(trials):
        shares = [rng.gammavariate(size + 1, 1) for size in groups]
        wins += shares[0] == max(shares)
    assert dirichlet_confidence(VoteCounts(groups)) == pytest.approx(wins / trials, abs=0.01)


def test_dirichlet_confidence_of_one_answer_has_an_imaginary_rival() -> None:
    assert dirichlet_confidence(VoteCounts((3,))) == 15 / 16


def test_early_stopping_goes_window_by_window() -> None:
    rule = EarlyStopping(window=5)
    assert rule.decide(Spending(0, 0, 12), None) == Allocation.grant(5)
    assert rule.decide(Spending(3, 2, 12), votes(3, streak=3)) == Allocation.wait()
    assert rule.decide(Spending(5, 0, 12), votes(5, streak=5)) == CERTAIN
    assert rule.decide(Spending(5, 0, 12), votes(4, 1, streak=4)) == Allocation.grant(5)
    assert rule.decide(Spending(6, 4, 12), votes(5, 1, streak=5)) == Allocation.wait(), "windows do not slide"
    assert rule.decide(Spending(10, 0, 12), votes(9, 1, streak=9)) == CERTAIN, "the second window agrees"
    assert rule.decide(Spending(10, 0, 12), votes(8, 2, streak=4)) == Allocation.grant(2), "what the cap leaves"
    assert rule.decide(Spending(12, 0, 12), votes(10, 2, streak=6)) == CAP


def test_early_stopping_does_not_take_silence_for_agreement() -> None:
    assert EarlyStopping().decide(Spending(5, 0, 16), votes(unanswered=5)) == Allocation.grant(5)


def test_supermajority_looks_after_every_sample_from_the_first_few_on() -> None:
    rule = Supermajority(share=0.8, first=3)
    assert rule.decide(Spending(0, 0, 16), None) == Allocation.grant(3)
    assert rule.decide(Spending(2, 1, 16), votes(2)) == Allocation.wait()
    assert rule.decide(Spending(3, 0, 16), votes(3)) == CERTAIN
    assert rule.decide(Spending(3, 0, 16), votes(2, 1)) == ONE
    assert rule.decide(Spending(5, 0, 16), votes(4, 1)) == CERTAIN, "the share exactly"
    assert rule.decide(Spending(5, 0, 16), votes(3, 1, unanswered=1)) == ONE
    assert rule.decide(Spending(3, 0, 16), votes(unanswered=3)) == ONE
    assert rule.decide(Spending(16, 0, 16), votes(8, 8)) == CAP
    assert rule.decide(Spending(0, 0, 2), None) == Allocation.grant(2)


def test_length_stops_the_short_ones_and_looks_once() -> None:
    rule = Length(max_tokens=1000, detect_at=5)
    assert rule.decide(Spending(0, 0, 16), None) == Allocation.grant(5)
    assert rule.decide(Spending(4, 1, 16, tokens=10), votes(4)) == Allocation.wait()
    assert rule.decide(Spending(5, 0, 16, tokens=1000), votes(1, 1, 1, 1, 1)) == CERTAIN
    assert rule.decide(Spending(5, 0, 16, tokens=1001), votes(5)) == Allocation.grant(11)
    assert rule.decide(Spending(6, 10, 16, tokens=999), votes(6)) == Allocation.wait()
    assert rule.decide(Spending(16, 0, 16, tokens=999), votes(16)) == CAP
    assert rule.decide(Spending(3, 0, 3, tokens=1), votes(3)) == CAP


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdaptiveConsistency(0), "confidence is 0; a number above 0 and up to 1 was expected"),
        (lambda: AdaptiveConsistency(prior="gamma"), "prior is 'gamma'; choose beta, dirichlet"),
        (lambda: EarlyStopping(0), "window is 0; at least 1 was expected"),
        (lambda: Supermajority(1.2), "share is 1.2; a number above 0 and up to 1 was expected"),
        (lambda: Supermajority(first=0), "first is 0; at least 1 was expected"),
        (lambda: Length(0), "max_tokens is 0; at least 1 was expected"),
        (lambda: Length(9, detect_at=0), "detect_at is 0; at least 1 was expected"),
    ],
)
def test_bad_parameters(make: Callable[[], Allocator], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("rule", [AdaptiveConsistency(), EarlyStopping(), Supermajority()])
def test_a_program_that_does_not_vote_is_refused(rule: Allocator) -> None:
    with pytest.raises(InputError, match="this allocator judges votes"):
        rule.decide(Spending(5, 0, 16), Certaindex(1.0, {"reward": 1.0}))


RULES = [
    AdaptiveConsistency(),
    AdaptiveConsistency(0.8, "dirichlet"),
    EarlyStopping(),
    EarlyStopping(3),
    Supermajority(),
    Length(500),
]


@st.composite
def progress(draw: st.DrawFn) -> tuple[Spending, Certaindex]:
    groups = tuple(sorted(draw(st.lists(st.integers(1, 10), max_size=5)), reverse=True))
    unanswered = draw(st.integers(0, 5))
    total = sum(groups) + unanswered
    cap = total + draw(st.integers(1, 12))
    streak = draw(st.integers(0, max(groups, default=0)))
    spending = Spending(total, draw(st.integers(0, cap - total)), cap, draw(st.integers(0, 1000)))
    return spending, certaindex_of_votes(VoteCounts(groups, unanswered, streak), cap)


@given(progress(), st.sampled_from(RULES))
def test_never_past_the_cap_and_never_stuck(state: tuple[Spending, Certaindex], rule: Allocator) -> None:
    spending, certaindex = state
    allocation = rule.decide(spending, certaindex)
    assert allocation.units + spending.granted <= spending.cap
    assert allocation.stop_reason or allocation.units or spending.open
