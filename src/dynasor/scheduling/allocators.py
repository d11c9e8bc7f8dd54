"""Allocators: the intra-program schedulers. Each answers, from where a program stands, what it may spend next.

An allocator is a value without state, asked again after every finished unit, so its word is always about
now. Adding one is a class here and a line in ``ALLOCATORS``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dynasor.certainty import AGREEMENT, ENTROPY, samples_to_settle
from dynasor.errors import InputError
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason, VoteCounts


class Allocator(Protocol):
    """Decides what a program may spend."""

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        """``certaindex`` is None until the program has measured one."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The baseline: the whole cap at once, to the end."""

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        return _up_to_cap(spending)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The paper's static rule (section 3.2): measure once, after ``detect_at`` units; stop if every signal
    reaches its threshold (AND, B.1), else run to the cap. Defaults are those of its Table 3 for
    self-consistency on MATH and GSM8K, where 0.7 at 5 samples means that all five agree.

    With ``check_every`` it measures again after every so many further units, granting those between two looks
    at once (the frequent checks of its Table 4: fewer tokens, more latency).
    """

    thresholds: Mapping[str, float] = field(default_factory=lambda: {ENTROPY: 0.7})
    detect_at: int = 5
    check_every: int | None = None

    def __post_init__(self) -> None:
        for name, units in (("detect_at", self.detect_at), ("check_every", self.check_every)):
            if units is not None and units < 1:
                raise InputError(f"{name} is {units}; at least 1 was expected")
        for name, threshold in self.thresholds.items():
            if not 0 <= threshold <= 1:
                raise InputError(f"the threshold of {name} is {threshold}; a number from 0 to 1 was expected")

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if spending.finished >= spending.cap:
            return Allocation.stop(StopReason.CAP)
        look_at = min(self._next_look(spending.finished), spending.cap)
        if spending.finished == self._last_look(spending.finished) and self._passes(certaindex):
            return Allocation.stop(StopReason.CERTAIN)
        return Allocation.grant(max(0, look_at - spending.granted))

    def _last_look(self, finished: int) -> int | None:
        """The latest number of units at which this rule measures, if ``finished`` has come to it."""
        if finished < self.detect_at:
            return None
        if self.check_every is None:
            return self.detect_at
        return finished - (finished - self.detect_at) % self.check_every

    def _next_look(self, finished: int) -> int:
        """The number of units to have before anything is decided again."""
        last = self._last_look(finished)
        if last is None:
            return self.detect_at
        return sys.maxsize if self.check_every is None else last + self.check_every

    def _passes(self, certaindex: Certaindex | None) -> bool:
        return certaindex is not None and all(
            signal(certaindex, name) >= threshold for name, threshold in self.thresholds.items()
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """Stops once the chance that the rest of the budget changes the answer is at most ``max_change``.

    Grants come in waves: first what would settle the question if all samples agreed, then what could
    settle it from here. So an easy question costs one wave of latency, and nothing is sent that could
    not matter.
    """

    max_change: float = 0.02

    def __post_init__(self) -> None:
        if not 0 <= self.max_change < 1:
            raise InputError(f"max_change is {self.max_change}; a number from 0 up to, not including, 1 was expected")

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if spending.finished >= spending.cap:
            return Allocation.stop(StopReason.CAP)
        if certaindex is not None and signal(certaindex, AGREEMENT) >= 1 - self.max_change:
            return Allocation.stop(StopReason.CERTAIN)
        votes = (certaindex.votes if certaindex else None) or VoteCounts()
        wanted = samples_to_settle(votes, spending.cap, self.max_change)
        return Allocation.grant(max(0, min(wanted, spending.cap - spending.finished) - spending.open))


def signal(certaindex: Certaindex, name: str) -> float:
    """The signal called ``name``; InputError if the program does not measure it."""
    if name not in certaindex.signals:
        raise InputError(
            f"this program's certaindex has no signal {name!r}; it has {', '.join(sorted(certaindex.signals))}"
        )
    return certaindex.signals[name]


def _up_to_cap(spending: Spending) -> Allocation:
    if spending.finished >= spending.cap:
        return Allocation.stop(StopReason.CAP)
    return Allocation.grant(spending.cap - spending.granted)


def entropy_threshold(threshold: float = 0.7, detect_at: int = 5, check_every: int | None = None) -> Threshold:
    """The paper's rule on normalised entropy alone."""
    return Threshold({ENTROPY: threshold}, detect_at, check_every)


ALLOCATORS: Mapping[str, Callable[..., Allocator]] = {
    "agreement": Agreement,
    "threshold": entropy_threshold,
    "fixed": Fixed,
}
"""What ``--allocator`` may name; the parameters are its options."""


def make_allocator(name: str, **options: float | int | None) -> Allocator:
    """The allocator called ``name`` with those ``options`` that are not None.

    InputError for an allocator that does not exist or an option it does not have.
    """
    if name not in ALLOCATORS:
        raise InputError(f"there is no allocator {name!r}; choose {', '.join(ALLOCATORS)}")
    known = list(inspect.signature(ALLOCATORS[name]).parameters)
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in known:
            takes = ", ".join(known) or "no options"
            raise InputError(f"{option} means nothing to the allocator {name}; it takes {takes}")
    return ALLOCATORS[name](**given)
