"""The skyline as literal scenarios: what a curve grants, when it is consulted, and why it stops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.certainty import certaindex_of_votes
from dynasor.errors import InputError
from dynasor.scheduling import Curve, Skyline, make_allocator
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason, VoteCounts

CERTAIN = Allocation.stop(StopReason.CERTAIN)
CAP = Allocation.stop(StopReason.CAP)
CURVE = Curve(((0.3, 8), (0.6, 4), (0.9, 0)))


def sure(level: float) -> Certaindex:
    return Certaindex(level, {"agreement": level, "entropy": 1 - level})


def test_a_curve_is_read_from_its_knots() -> None:
    readings = [CURVE.units(level) for level in (0.0, 0.29, 0.3, 0.59, 0.6, 0.89, 0.9, 1.0)]
    assert readings == [None, None, 8, 8, 4, 4, 0, 0]
    assert Curve().units(1.0) is None


def test_with_one_curve_the_further_budget_is_fixed_at_its_step() -> None:
    rule = Skyline({5: CURVE})
    assert rule.decide(Spending(0, 0, 16), None) == Allocation.grant(5)
    assert rule.decide(Spending(4, 1, 16), sure(1.0)) == Allocation.wait(), "it is not consulted before its step"
    assert rule.decide(Spending(5, 0, 16), sure(0.95)) == CERTAIN
    assert rule.decide(Spending(5, 0, 16), sure(0.7)) == Allocation.grant(4)
    assert rule.decide(Spending(7, 2, 16), sure(1.0)) == Allocation.wait(), "nor after it"
    assert rule.decide(Spending(9, 0, 16), sure(0.1)) == CERTAIN, "four more were worth spending, and are spent"


def test_the_unsure_run_to_the_cap() -> None:
    rule = Skyline({5: CURVE})
    assert rule.decide(Spending(5, 0, 16), sure(0.1)) == Allocation.grant(11)
    assert rule.decide(Spending(16, 0, 16), sure(0.1)) == CAP
    assert rule.decide(Spending(5, 0, 7), sure(0.4)) == Allocation.grant(2), "never past the cap"
    assert rule.decide(Spending(0, 0, 3), None) == Allocation.grant(3), "a cap before its step"


def test_with_a_curve_for_every_step_each_sample_is_looked_at() -> None:
    rule = Skyline({1: Curve(), 2: CURVE, 3: Curve(((0.5, 0),))})
    assert rule.decide(Spending(0, 0, 4), None) == Allocation.grant(1)
    assert rule.decide(Spending(1, 0, 4), sure(0.99)) == Allocation.grant(1), "this step's curve stops nobody"
    assert rule.decide(Spending(2, 0, 4), sure(0.6)) == Allocation.grant(1), "four are worth it, and one is granted"
    assert rule.decide(Spending(2, 0, 4), sure(0.9)) == CERTAIN
    assert rule.decide(Spending(3, 0, 4), sure(0.5)) == CERTAIN
    assert rule.decide(Spending(3, 0, 4), sure(0.4)) == Allocation.grant(1)


def test_without_curves_it_is_the_whole_cap() -> None:
    assert Skyline().decide(Spending(0, 0, 16), None) == Allocation.grant(16)
    assert Skyline().decide(Spending(9, 7, 16), sure(1.0)) == Allocation.wait()
    assert Skyline().decide(Spending(16, 0, 16), sure(1.0)) == CAP


def test_the_signal_that_curves_are_over_can_be_entropy() -> None:
    rule = Skyline({5: Curve(((0.7, 0),))}, signal="entropy")
    assert rule.decide(Spending(5, 0, 16), certaindex_of_votes(VoteCounts((5,)), 16)) == CERTAIN
    assert rule.decide(Spending(5, 0, 16), certaindex_of_votes(VoteCounts((4, 1)), 16)) == Allocation.grant(11)
    with pytest.raises(InputError, match="no signal 'entropy'"):
        rule.decide(Spending(5, 0, 16), Certaindex(1.0, {"agreement": 1.0}))


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        (((1.5, 2),), "a knot at certaindex 1.5; a number from 0 to 1"),
        (((float("nan"), 2),), "a knot at certaindex nan"),
        (((0.5, -1),), "a knot of -1 units; at least 0"),
        (((0.5, 2), (0.7, 3)), r"from \(0.5, 2\) to \(0.7, 3\)"),
        (((0.5, 2), (0.7, 2)), "less of the second was expected"),
        (((0.7, 3), (0.5, 2)), "more of the first"),
    ],
)
def test_a_curve_that_rises_or_lies_outside_is_refused(knots: tuple[tuple[float, int], ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Curve(knots)


def test_a_curve_before_the_first_step_is_refused() -> None:
    with pytest.raises(InputError, match="a curve is for step 0; at least 1 was expected"):
        Skyline({0: CURVE})


def test_it_cannot_be_named_without_a_profile() -> None:
    with pytest.raises(InputError, match="skyline is learned from recorded samples"):
        make_allocator("skyline")


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    levels = sorted(draw(st.sets(st.floats(0, 1), max_size=5)))
    heights = sorted(draw(st.sets(st.integers(0, 20), max_size=len(levels))), reverse=True)
    return Curve(tuple(zip(levels, heights, strict=False)))


SKYLINES = st.builds(Skyline, st.dictionaries(st.integers(1, 16), curves(), max_size=6))


@given(SKYLINES, st.integers(0, 16), st.floats(0, 1), st.floats(0, 1))
def test_the_surer_never_get_more_at_the_same_step(rule: Skyline, finished: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    granted = [rule.decide(Spending(finished, 0, 16), sure(level)).units for level in (low, high)]
    assert granted[0] >= granted[1]


@given(SKYLINES, st.integers(0, 16), st.integers(0, 16), st.floats(0, 1))
def test_never_past_the_cap_and_never_stuck(rule: Skyline, finished: int, running: int, level: float) -> None:
    spending = Spending(finished, min(running, 16 - finished), 16)
    allocation = rule.decide(spending, sure(level))
    assert allocation.units + spending.granted <= spending.cap
    assert allocation.stop_reason or allocation.units or spending.open
