"""What programs are expected to spend: by allocator, and in tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.certainty import certaindex_of_chain, certaindex_of_votes
from dynasor.scheduling import (
    Agreement,
    Allocator,
    Fixed,
    Threshold,
    UnitTokens,
    Worth,
    expected_tokens,
    expected_units,
)
from dynasor.vocabulary import Certaindex, Spending, VoteCounts


def votes(*groups: int, unanswered: int = 0) -> Certaindex:
    return certaindex_of_votes(VoteCounts(groups, unanswered), 16)


def test_fixed_runs_to_the_cap_and_what_runs_is_still_to_come() -> None:
    assert expected_units(Fixed(), Spending(5, 11, 16), votes(5)) == 11


def test_threshold_goes_to_its_look_and_on_as_far_as_the_program_is_unsettled() -> None:
    rule = Threshold()
    assert expected_units(rule, Spending(0, 0, 16), None) == 16
    assert expected_units(rule, Spending(3, 2, 16), Certaindex(1.0, {})) == 2
    assert expected_units(rule, Spending(3, 2, 16), Certaindex(0.5, {})) == 2 + 11 / 2
    assert expected_units(rule, Spending(6, 10, 16), Certaindex(1.0, {})) == 10, "it does not look again"
    assert expected_units(rule, Spending(3, 0, 3), None) == 0


def test_agreement_expects_what_settles_it_over_the_leaders_share() -> None:
    rule = Agreement(0.02)
    assert expected_units(rule, Spending(0, 0, 16), None) == 4 / (1 / 3)
    assert expected_units(rule, Spending(3, 1, 16), votes(3)) == 1 / (4 / 6)
    assert expected_units(rule, Spending(3, 1, 16), votes(2, 1)) == 4 / (3 / 6)
    assert expected_units(rule, Spending(14, 0, 16), votes(7, 7)) == 2, "never more than is left"


def test_along_a_chain_and_without_an_estimate_of_its_own() -> None:
    chain = certaindex_of_chain(["4", "4"], window=3, to_come=10)
    assert expected_units(Agreement(), Spending(6, 0, 16), chain) == 10 * (1 - chain.value)
    assert expected_units(Worth(), Spending(6, 0, 16), Certaindex(0.25, {})) == 10 * 0.75
    assert expected_units(Worth(), Spending(0, 2, 16), None) == 16


def test_a_programs_own_mean_counts_as_soon_as_it_has_one() -> None:
    usual = UnitTokens(mean=300.0)
    assert expected_tokens(Fixed(), Spending(0, 4, 4), None, usual) == 4 * 300
    assert expected_tokens(Fixed(), Spending(2, 2, 4, tokens=100), votes(2), usual) == 2 * 50


def test_the_usual_unit_is_the_mean_over_units_of_programs_that_are_over() -> None:
    usual = UnitTokens(mean=300.0)
    usual.learn(0, 0)
    assert usual.mean == 300.0
    usual.learn(1000, 10)
    usual.learn(2000, 5)
    assert usual.mean == pytest.approx(3000 / 15)


@given(
    st.sampled_from([Fixed(), Threshold(), Threshold(check_every=5), Agreement(), Agreement(0.2), Worth()]),
    st.lists(st.integers(1, 8), max_size=4),
    st.integers(0, 3),
    st.integers(0, 20),
)
def test_between_nothing_and_what_is_left(rule: Allocator, groups: list[int], unanswered: int, left: int) -> None:
    counts = VoteCounts(tuple(sorted(groups, reverse=True)), unanswered)
    spending = Spending(counts.total, 0, counts.total + left)
    certaindex = certaindex_of_votes(counts, spending.cap) if counts.total else None
    assert 0 <= expected_units(rule, spending, certaindex) <= left


@given(st.integers(1, 12), st.integers(0, 12))
def test_agreement_expects_less_of_who_agrees_more(leader: int, runner_up: int) -> None:
    """Of two programs as far along, the one with the larger lead."""
    low, high = sorted((leader, runner_up))
    spending = Spending(low + high, 0, 32)
    closer, clearer = ((high, low), (high + low, 0))
    expected = [
        expected_units(Agreement(), spending, certaindex_of_votes(VoteCounts(tuple(n for n in split if n)), 32))
        for split in (clearer, closer)
    ]
    assert expected[0] <= expected[1]
