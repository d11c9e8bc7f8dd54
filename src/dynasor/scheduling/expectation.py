"""What a program is expected to spend from here on: units of its knob, times the tokens that a unit of it takes.

That is the paper's approximate length of a job (D.3.1): compute still required, which certaindex decides, times the
program's own mean per unit so far. Before it has finished a unit, what its profile says stands in, else the mean of
all units so far, and before there is any, ``FIRST_UNIT_TOKENS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast, runtime_checkable

from dynasor.scheduling.allocators import Allocator
from dynasor.vocabulary import Certaindex, Spending

FIRST_UNIT_TOKENS = 256.0


@runtime_checkable
class Expecting(Protocol):
    """An allocator that can tell what it expects to spend."""

    def expected_units(self, spending: Spending, certaindex: Certaindex | None) -> float:
        """Units from here to where it stops, those that run now among them."""
        ...


@dataclass(slots=True)
class UnitTokens:
    """Tokens that a unit takes on average, over all programs that are over; ``mean`` is the guess until then."""

    mean: float = FIRST_UNIT_TOKENS
    num_units: int = 0

    def learn(self, tokens: int, num_units: int) -> None:
        """A program is over that finished so many units with so many tokens."""
        if num_units:
            self.num_units += num_units
            self.mean += (tokens / num_units - self.mean) * num_units / self.num_units


def expected_tokens(
    allocator: Allocator, spending: Spending, certaindex: Certaindex | None, usual: UnitTokens
) -> float:
    """Tokens that the program is expected to take from here on."""
    per_unit = spending.tokens / spending.finished if spending.finished else usual.mean
    return expected_units(allocator, spending, certaindex) * per_unit


def expected_units(allocator: Allocator, spending: Spending, certaindex: Certaindex | None) -> float:
    """The allocator's own estimate; where it has none, what is left to the cap times what is open of the question."""
    if _has_estimates(type(allocator)):
        return cast(Expecting, allocator).expected_units(spending, certaindex)
    return open_share(spending, certaindex)


@cache
def _has_estimates(kind: type) -> bool:
    """Looking through a protocol takes longer than the rest of a decision."""
    return issubclass(kind, Expecting)


def open_share(spending: Spending, certaindex: Certaindex | None) -> float:
    """Units left to the cap, times how unsettled the program is; all of them before its first certaindex."""
    return (spending.cap - spending.finished) * (1.0 - certaindex.value if certaindex else 1.0)
