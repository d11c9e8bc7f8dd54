"""Allocators as literal scenarios: what is granted, when it stops, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.certainty import certaindex_of_votes
from dynasor.errors import InputError
from dynasor.scheduling import Agreement, Allocator, Fixed, Threshold, as_served
from dynasor.scheduling.allocators import SERVED_AHEAD
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason, VoteCounts

CERTAIN = Allocation.stop(StopReason.CERTAIN)
CAP = Allocation.stop(StopReason.CAP)


def votes(*groups: int, cap: int = 16, unanswered: int = 0) -> Certaindex:
    return certaindex_of_votes(VoteCounts(groups, unanswered), cap)


def test_agreement_may_go_ahead_of_what_could_settle_an_open_question() -> None:
    plain, ahead = Agreement(0.02), Agreement(0.02, ahead=2.0)
    first = plain.decide(Spending(0, 0, 16), None)
    assert ahead.decide(Spending(0, 0, 16), None) == first, "the first wave is the same"
    spending, split = Spending(6, 0, 16), votes(3, 3)
    assert ahead.decide(spending, split).units == min(10, 2 * plain.decide(spending, split).units)
    assert ahead.decide(Spending(6, 10, 16), split) == Allocation.wait(), "never beyond the cap"
    assert ahead.decide(Spending(8, 4, 16), votes(8)) == CERTAIN, "what stops it is the same"
    assert as_served(plain) == Agreement(0.02, ahead=SERVED_AHEAD)
    assert as_served(Fixed()) == Fixed()
    with pytest.raises(InputError, match=r"ahead is 0\.5; a number of at least 1 was expected"):
        Agreement(ahead=0.5)


def test_fixed_grants_everything_at_once() -> None:
    assert Fixed().decide(Spending(0, 0, 16), None) == Allocation.grant(16)
    assert Fixed().decide(Spending(5, 11, 16), votes(5)) == Allocation.wait()
    assert Fixed().decide(Spending(16, 0, 16), votes(16)) == CAP


def test_threshold_looks_once_after_five_and_then_goes_to_the_cap() -> None:
    rule = Threshold()
    assert rule.decide(Spending(0, 0, 16), None) == Allocation.grant(5)
    assert rule.decide(Spending(4, 1, 16), votes(4)) == Allocation.wait(), "four agreeing are not five"
    assert rule.decide(Spending(5, 0, 16), votes(5)) == CERTAIN
    assert rule.decide(Spending(5, 0, 16), votes(4, 1)) == Allocation.grant(11), "0.689 is under 0.7"
    assert rule.decide(Spending(12, 4, 16), votes(11, 1)) == Allocation.wait(), "it does not look again"
    assert rule.decide(Spending(16, 0, 16), votes(15, 1)) == CAP


def test_threshold_with_a_cap_under_its_detection_step() -> None:
    rule = Threshold()
    assert rule.decide(Spending(0, 0, 3), None) == Allocation.grant(3)
    assert rule.decide(Spending(3, 0, 3), votes(3, cap=3)) == CAP


def test_thresholds_combine_by_and() -> None:
    rule = Threshold({"entropy": 0.5, "agreement": 0.999}, detect_at=5)
    assert rule.decide(Spending(5, 0, 16), votes(4, 1)) == Allocation.grant(11)
    assert Threshold({"entropy": 0.5}).decide(Spending(5, 0, 16), votes(4, 1)) == CERTAIN


def test_threshold_exactly_reached_passes() -> None:
    rule = Threshold({"entropy": votes(8, 8).signals["entropy"]}, detect_at=16)
    assert rule.decide(Spending(16, 0, 32), votes(8, 8, cap=32)) == CERTAIN


def test_agreement_first_wave_then_stop() -> None:
    rule = Agreement(0.02)
    assert rule.decide(Spending(0, 0, 16), None) == Allocation.grant(4)
    assert rule.decide(Spending(3, 1, 16), votes(3)) == Allocation.wait()
    assert rule.decide(Spending(4, 0, 16), votes(4)) == CERTAIN


def test_agreement_second_wave_is_what_could_settle_it() -> None:
    rule = Agreement(0.02)
    assert rule.decide(Spending(3, 1, 16), votes(2, 1)) == Allocation.grant(3)
    assert rule.decide(Spending(4, 3, 16), votes(3, 1)) == Allocation.wait()
    assert rule.decide(Spending(16, 0, 16), votes(8, 8)) == CAP


def test_agreement_zero_stops_only_when_nothing_can_change() -> None:
    rule = Agreement(0.0)
    assert rule.decide(Spending(8, 0, 16), votes(8)) == Allocation.grant(1), "eight to come could still tie"
    assert rule.decide(Spending(9, 0, 16), votes(9)) == CERTAIN


def test_samples_that_never_answer_run_to_the_cap() -> None:
    rule = Agreement()
    silent = certaindex_of_votes(VoteCounts((), unanswered=15), 16)
    assert rule.decide(Spending(15, 0, 16), silent) == Allocation.grant(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Agreement(1.0), "max_change is 1.0; a number from 0 up to, not including, 1 was expected"),
        (lambda: Threshold(detect_at=0), "detect_at is 0; at least 1 was expected"),
        (lambda: Threshold({"entropy": 1.5}), "the threshold of entropy is 1.5; a number from 0 to 1 was expected"),
    ],
)
def test_bad_parameters(make: type[Allocator], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


def test_a_signal_that_the_program_lacks_is_named() -> None:
    with pytest.raises(InputError, match="no signal 'reward'; it has agreement, entropy"):
        Threshold({"reward": 0.4}).decide(Spending(5, 0, 16), votes(5))


@st.composite
def progress(draw: st.DrawFn) -> tuple[Spending, Certaindex]:
    groups = sorted(draw(st.lists(st.integers(1, 10), max_size=5)), reverse=True)
    counts = VoteCounts(tuple(groups), draw(st.integers(0, 5)))
    cap = counts.total + draw(st.integers(1, 12))
    running = draw(st.integers(0, cap - counts.total))
    return Spending(counts.total, running, cap), certaindex_of_votes(counts, cap)


@given(
    progress(),
    st.sampled_from([Fixed(), Threshold(), Threshold(detect_at=16), Agreement(), Agreement(0.2), Agreement(ahead=2.0)]),
)
def test_never_past_the_cap_and_never_stuck(state: tuple[Spending, Certaindex], rule: Allocator) -> None:
    spending, certaindex = state
    allocation = rule.decide(spending, certaindex)
    assert allocation.units + spending.granted <= spending.cap
    assert allocation.stop_reason or allocation.units or spending.open


@given(st.integers(1, 15), st.lists(st.integers(0, 15), min_size=4, max_size=4))
def test_a_higher_certaindex_never_goes_on_where_a_lower_one_stops(finished: int, cuts: list[int]) -> None:
    def split(first: int, second: int) -> Certaindex:
        leader = max(first, finished - first)
        runner_up = min(second, finished - leader, leader)
        rest = finished - leader - runner_up
        return certaindex_of_votes(VoteCounts(tuple(n for n in (leader, runner_up) if n), rest), 16)

    low, high = sorted(
        (split(cuts[0] % (finished + 1), cuts[1]), split(cuts[2] % (finished + 1), cuts[3])), key=lambda c: c.value
    )
    spending = Spending(finished, 0, 16)
    if Agreement().decide(spending, low).stop_reason is StopReason.CERTAIN:
        assert Agreement().decide(spending, high).stop_reason is StopReason.CERTAIN
