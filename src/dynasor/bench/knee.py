"""The highest rate that an arm bears, from a few measured rates, and which rate to measure next.

A point is a rate and the tightest SLO scale there (see ``deadlines``). The knee at scale s is the rate at which the
tightest scale becomes s: below it at least 90 % are in time at s, above it fewer. Between two measured rates the
logarithm of the scale is taken for linear in the logarithm of the rate. Load makes nothing faster, so where noise has
a scale fall with the rate, neighbours are averaged first (isotonic regression on the logarithms, weighted by programs).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

FINE = 1.3
"""Two measured rates around a knee are close enough if one is so many times the other."""
STEPS = ((4.0, 2.2), (2.0, 1.6), (1.0, 1.25))
"""From a rate whose scale is off by so many times or more, how many times as high or low a rate is measured next."""
MOST_POINTS = 6
"""Of one search."""
LARGEST_SCALE = 1e6
"""What a scale counts as where programs never answered."""


@dataclass(frozen=True, slots=True)
class Point:
    """A measured rate in programs a second, the tightest scale there, and by how many programs it is known."""

    rate: float
    scale: float
    weight: float = 1.0


class Bound(StrEnum):
    """What a knee is known by."""

    MEASURED = "measured"
    AT_LEAST = "at least"
    """All measured rates are below it."""
    AT_MOST = "at most"
    """All are above it."""


@dataclass(frozen=True, slots=True)
class Knee:
    rate: float
    bound: Bound = Bound.MEASURED


def knee(points: Sequence[Point], scale: float = 1.0) -> Knee:
    """The highest rate at which ``scale`` is kept; the highest or lowest measured one, and so said, if all or none
    keep it."""
    assert points, "a knee without a measured rate"
    curve = monotone(points)
    if curve[-1].scale <= scale:
        return Knee(curve[-1].rate, Bound.AT_LEAST)
    if curve[0].scale > scale:
        return Knee(curve[0].rate, Bound.AT_MOST)
    above = next(number for number, point in enumerate(curve) if point.scale > scale)
    low, high = curve[above - 1], curve[above]
    part = math.log(scale / low.scale) / math.log(high.scale / low.scale)
    return Knee(low.rate * math.pow(high.rate / low.rate, part))


def scale_at(points: Sequence[Point], rate: float, reach: float = FINE) -> float | None:
    """The tightest scale at ``rate``, between the measured rates; that of the nearest one up to ``reach`` times off the
    lowest or the highest; None further off."""
    curve = monotone(points)
    for end, factor in ((curve[0], curve[0].rate / rate), (curve[-1], rate / curve[-1].rate)):
        if factor >= 1:
            return end.scale if factor <= reach else None
    above = next(number for number, point in enumerate(curve) if point.rate >= rate)
    low, high = curve[above - 1], curve[above]
    part = math.log(rate / low.rate) / math.log(high.rate / low.rate)
    return low.scale * math.pow(high.scale / low.scale, part)


def next_rate(points: Sequence[Point], guess: float) -> float | None:
    """Where to measure next to find the knee at scale 1, beginning at ``guess``; None: it is known well enough, or
    ``MOST_POINTS`` were spent on it."""
    if not points:
        return guess
    if len(points) >= MOST_POINTS:
        return None
    curve = monotone(points)
    below = [point for point in curve if point.scale <= 1]
    above = [point for point in curve if point.scale > 1]
    if not above:
        return below[-1].rate * step(1 / below[-1].scale)
    if not below:
        return above[0].rate / step(above[0].scale)
    low, high = below[-1].rate, above[0].rate
    return None if high / low <= FINE else math.sqrt(low * high)


def step(off: float) -> float:
    """How many times as high, or low, the next rate is where a scale is ``off`` by so many times."""
    return next(factor for least, factor in STEPS if off >= least)


def monotone(points: Sequence[Point]) -> list[Point]:
    """One point for each rate, in order, with scales that never fall (pool adjacent violators, on logarithms)."""
    blocks: list[list[Point]] = []
    for point in _merged(points):
        blocks.append([point])
        while len(blocks) > 1 and _level(blocks[-2]) > _level(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    return [Point(point.rate, math.exp(_level(block)), point.weight) for block in blocks for point in block]


def _merged(points: Sequence[Point]) -> list[Point]:
    """Those of one rate as one point."""
    rates = sorted({point.rate for point in points})
    same = [[point for point in points if point.rate == rate] for rate in rates]
    return [Point(each[0].rate, math.exp(_level(each)), math.fsum(point.weight for point in each)) for each in same]


def _level(block: Sequence[Point]) -> float:
    """The mean logarithm of the scale."""
    total = math.fsum(point.weight for point in block)
    return math.fsum(math.log(min(LARGEST_SCALE, point.scale)) * point.weight for point in block) / total
