"""Agreement against exact small cases, against simulation, and as an order of certainty."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.certainty import agreement, certaindex_of_votes, samples_to_settle
from dynasor.certainty.agreement import leader_stays
from dynasor.vocabulary import VoteCounts


def test_defined_at_the_edges() -> None:
    assert agreement(VoteCounts(), cap=16) == 0.0
    assert agreement(VoteCounts((), unanswered=3), cap=16) == 0.0
    assert agreement(VoteCounts((1,)), cap=1) == 1.0
    assert agreement(VoteCounts((9, 7)), cap=16) == 1.0
    assert agreement(VoteCounts((8, 8)), cap=16) == 0.5
    assert agreement(VoteCounts((5,)), cap=8) == 1.0, "three more cannot catch up with five"


def test_one_vote_and_one_to_come_by_hand() -> None:
    """Leader 1, weights (2, 1, 1) of 4: the next sample is for a rival with chance 1/4, which ties (half)."""
    assert agreement(VoteCounts((1,)), cap=2) == pytest.approx(1 - 0.25 / 2)


def test_matches_simulation_of_the_same_posterior() -> None:
    rng = random.Random(3)
    leader, runner_up, rest, remaining = 4, 2, 1, 9
    stays = 0.0
    trials = 20_000
    for _ in range(trials):
        urn = [leader + 1, runner_up + 1, rest + 1]
        lead = leader - runner_up
        for _ in range(remaining):
            drawn = rng.choices(range(3), urn)[0]
            urn[drawn] += 1
            lead += (1, -1, 0)[drawn]
        stays += 1.0 if lead > 0 else 0.5 if lead == 0 else 0.0
    assert leader_stays(leader, runner_up, rest, remaining) == pytest.approx(stays / trials, abs=0.012)


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 10), st.integers(0, 30))
def test_more_votes_for_the_leader_never_hurt(leader: int, runner_up: int, rest: int, remaining: int) -> None:
    runner_up = min(runner_up, leader)
    here = leader_stays(leader, runner_up, rest, remaining)
    assert 0.0 <= here <= 1.0
    assert leader_stays(leader + 1, runner_up, rest, remaining) >= here - 1e-12
    if remaining:
        assert leader_stays(leader + 1, runner_up, rest, remaining - 1) >= here - 1e-12


@given(st.integers(0, 16), st.integers(0, 16))
def test_silent_samples_count_against_certainty(leader: int, unanswered: int) -> None:
    leader = max(1, leader)
    cap = leader + unanswered + 8
    assert agreement(VoteCounts((leader,), unanswered), cap) <= agreement(VoteCounts((leader + unanswered,)), cap)


def test_first_wave_is_what_unanimity_needs() -> None:
    waves = [samples_to_settle(VoteCounts(), cap, 0.02) for cap in (1, 2, 8, 16, 32, 64)]
    assert waves == [1, 2, 3, 4, 5, 5]


@given(st.lists(st.integers(1, 8), min_size=1, max_size=5), st.integers(0, 4), st.integers(0, 20))
def test_samples_to_settle_settles_if_all_agree_and_not_one_sooner(
    sizes: list[int], unanswered: int, further: int
) -> None:
    votes = VoteCounts(tuple(sorted(sizes, reverse=True)), unanswered)
    cap = votes.total + further
    needed = samples_to_settle(votes, cap, 0.02)
    assert 0 <= needed <= further
    for more in (needed, needed - 1):
        groups = (votes.groups[0] + max(0, more), *votes.groups[1:])
        settled = agreement(VoteCounts(groups, unanswered), cap) >= 0.98
        assert settled or more < needed or needed == further
        assert not settled or more >= needed or more < 0


def test_headline_is_agreement_and_signals_have_the_papers_names() -> None:
    certaindex = certaindex_of_votes(VoteCounts((4, 1)), cap=16)
    assert set(certaindex.signals) == {"agreement", "entropy"}
    assert certaindex.value == certaindex.signals["agreement"]
    assert certaindex.signals["entropy"] == pytest.approx(0.689, abs=5e-4)


@pytest.mark.parametrize("votes", [20, 250, 300])
def test_a_cap_of_thousands_is_as_good_as_any(votes: int) -> None:
    """Four answers that are as frequent as each other."""
    assert leader_stays(votes, votes, 2 * votes, 2000 - 4 * votes) == pytest.approx(0.5)
    assert 0.5 < leader_stays(votes + 9, votes, 2 * votes, 1991 - 4 * votes) < 1
