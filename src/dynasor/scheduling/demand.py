"""Demand: how much programs would spend at any price, learned from what they bid.

After every sample a program bids: what one more is worth to it, by the token. At a price it goes on until its first
bid below that price. So its bids tell what it would have spent at every price that it was ever asked, or a
higher one.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections.abc import Mapping, Sequence

STEPS_PER_DECADE = 8
PRICES: Sequence[float] = tuple(10 ** (-step / STEPS_PER_DECADE) for step in range(12 * STEPS_PER_DECADE + 1))
"""The ladder of prices at which demand is counted, falling. No bid is above its top."""

STOPS_AT_ONCE = 0.03
"""Until bids are known: at this price a sample, programs stop at their first bid; each halving of it buys every
program one sample more. About so on recorded samples of models (docs/design/budget.md)."""
PRIOR_PROGRAMS = 8.0
"""How many programs' bids that guess weighs."""


class DemandCurve:
    """A life table for each price: of the programs that would have come to their n-th sample, how many would have
    gone on (Kaplan and Meier, 1958).

    Programs under way count as far as they have come. Counting only those that have ended would mistake the easy
    questions, which end first, for all of them. Below the prices that were asked, a program that ended is taken
    to be like those that came as far as it did.
    """

    def __init__(self, first: int, cap: int) -> None:
        self.first = first
        self.cap = cap
        self._came = self._zeros()
        self._went_on = self._zeros()
        self._costs = self._zeros()

    def _zeros(self) -> list[list[float]]:
        """By the number of samples, and by the price."""
        return [[0.0] * len(PRICES) for _ in range(self.cap + 1)]

    def observe(self, samples: int, bid: float, lowest_before: float, cost: float) -> None:
        """A program bids ``bid`` after ``samples`` ones, ``lowest_before`` at least before that, and expects its next
        sample to cost ``cost``."""
        if samples >= self.cap:
            return
        came, went_on, costs = self._came[samples], self._went_on[samples], self._costs[samples]
        for rung in range(_rung(lowest_before), len(PRICES)):
            came[rung] += 1
        for rung in range(_rung(min(bid, lowest_before)), len(PRICES)):
            went_on[rung] += 1
            costs[rung] += cost

    def price(self, room: float, deciding: Mapping[int, int], mean_cost: float) -> float:
        """The price at which programs are expected to spend ``room`` from here: ``deciding[n]`` of them whose next
        decision comes after their n-th sample. 0.0 if they spend less at any price; ``mean_cost`` is a sample's."""
        low, high = -1, len(PRICES)  # demand is within room at low, above it at high
        spent = {low: 0.0}
        while high - low > 1:
            rung = (low + high) // 2
            spent[rung] = self.demand(rung, deciding, mean_cost)
            low, high = (rung, high) if spent[rung] <= room else (low, rung)
        if high == len(PRICES):
            return 0.0
        if low < 0:
            return PRICES[0]
        share = (room - spent[low]) / (spent[high] - spent[low])
        return PRICES[low] * math.pow(PRICES[high] / PRICES[low], share)

    def demand(self, rung: int, deciding: Mapping[int, int], mean_cost: float) -> float:
        """What those ``deciding`` are expected to spend at the price ``PRICES[rung]``."""
        further = self._further(rung, mean_cost)
        return math.fsum(count * further[min(samples, self.cap)] for samples, count in deciding.items())

    def _further(self, rung: int, mean_cost: float) -> list[float]:
        """What a program spends from its decision after its n-th sample on, for every n up to the cap."""
        guess = PRIOR_PROGRAMS * self._guessed_share(PRICES[rung] * mean_cost)
        further = [0.0] * (self.cap + 1)
        for samples in range(self.cap - 1, -1, -1):
            went_on = self._went_on[samples][rung]
            share = (went_on + guess) / (self._came[samples][rung] + PRIOR_PROGRAMS)
            cost = (self._costs[samples][rung] + mean_cost) / (went_on + 1)
            further[samples] = share * (cost + further[samples + 1])
        return further

    def _guessed_share(self, price_per_sample: float) -> float:
        """The share of programs that go on, for as many samples as ``STOPS_AT_ONCE`` tells, each with equal chance."""
        samples = min(math.log2(STOPS_AT_ONCE / price_per_sample), self.cap - self.first)
        return samples / (1 + samples) if samples > 0 else 0.0


def _rung(price: float) -> int:
    """The highest price of the ladder that is at most ``price``."""
    return bisect_left(PRICES, -price, key=operator.neg)
