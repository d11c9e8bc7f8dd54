"""Demand learned from bids: the life table by hand, and the price that just uses up what there is."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor.scheduling.demand import PRICES, DemandCurve

MANY = 800
"""So many programs that the guess before them weighs nothing."""


def curve_of(*bids: tuple[float, ...], cap: int = 6) -> DemandCurve:
    """Programs that made these bids from their second sample on, each ``MANY`` times."""
    curve = DemandCurve(2, cap)
    for each in bids:
        for _ in range(MANY):
            for place, bid in enumerate(each):
                curve.observe(2 + place, bid, min(each[:place], default=math.inf), 1.0)
    return curve


def demand_at(curve: DemandCurve, price: float, samples: int = 2) -> float:
    rung = next(rung for rung, each in enumerate(PRICES) if each <= price * 1.0001)
    return curve.demand(rung, {samples: 1}, 1.0)


def test_by_hand() -> None:
    """At 0.01 half of the programs go on to a third sample, and half of those to a fourth, which ends all."""
    curve = curve_of((0.001,), (0.001,), (0.1, 0.001), (0.1, 0.1, 0.001))
    assert demand_at(curve, 0.01) == pytest.approx(0.5 + 0.25, abs=0.03)
    assert demand_at(curve, 0.01, samples=3) == pytest.approx(0.5, abs=0.03)
    assert demand_at(curve, 0.2) == pytest.approx(0.0, abs=0.03)


def test_programs_under_way_count_as_far_as_they_have_come() -> None:
    """Of four programs two ended after their second sample and one after its fourth. The last draws its third: that
    it has no bid there yet must not look as if it had ended."""
    curve = curve_of((0.001,), (0.001,), (0.1, 0.1, 0.001), (0.1,))
    assert demand_at(curve, 0.01) == pytest.approx(0.5 * 2, abs=0.03)


def test_a_bid_below_the_price_ends_a_program_whatever_it_would_bid_later() -> None:
    curve = curve_of((0.001, 0.1, 0.0001))
    assert demand_at(curve, 0.01) == pytest.approx(0.0, abs=0.03)
    assert demand_at(curve, 0.0005) == pytest.approx(2.0, abs=0.03)


def test_nothing_is_demanded_at_the_cap() -> None:
    curve = DemandCurve(2, 3)
    curve.observe(3, 0.5, 0.5, 1.0)
    assert curve.demand(len(PRICES) - 1, {3: 5}, 1.0) == 0.0
    assert curve.demand(len(PRICES) - 1, {2: 5}, 7.0) <= 5 * 7.0


def test_without_bids_a_price_half_as_high_buys_a_sample_more() -> None:
    curve = DemandCurve(2, 64)
    prices = [curve.price(room * 100, {2: 100}, 1.0) for room in (1.0, 2.0, 3.0)]
    assert prices[0] == pytest.approx(0.015, rel=0.15)
    for dear, cheap in pairwise(prices):
        assert dear / cheap == pytest.approx(2.0, rel=0.15)


def test_price_per_token_falls_with_the_length_of_samples() -> None:
    curve = DemandCurve(2, 16)
    assert curve.price(300, {2: 100}, 1.0) == pytest.approx(50 * curve.price(15_000, {2: 100}, 50.0), rel=0.1)


@settings(deadline=None)
@given(
    bids=st.lists(st.lists(st.floats(1e-6, 0.5), min_size=1, max_size=4), max_size=30),
    room=st.floats(0, 100),
    deciding=st.dictionaries(st.integers(2, 6), st.integers(1, 20), min_size=1),
)
def test_the_price_spends_the_room(bids: list[list[float]], room: float, deciding: dict[int, int]) -> None:
    """On the ladder's next rung up no more than the room is expected to be spent, on the next one down more."""
    curve = DemandCurve(2, 6)
    for each in bids:
        for place, bid in enumerate(each):
            curve.observe(2 + place, bid, min(each[:place], default=math.inf), 1.0)
    price = curve.price(room, deciding, 1.0)
    if price == 0.0:
        assert curve.demand(len(PRICES) - 1, deciding, 1.0) <= room
        return
    above = max(rung for rung, each in enumerate(PRICES) if each >= price * (1 - 1e-12))
    assert price == PRICES[0] or curve.demand(above, deciding, 1.0) <= room + 1e-9
    if price > PRICES[-1]:
        below = above + 1
        assert curve.demand(below, deciding, 1.0) >= room - 1e-9
