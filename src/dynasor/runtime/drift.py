"""Drift: does what the profile promises still hold on the questions that come in now?

A small random share of programs runs to its cap. For each it is noted what the answer was where the profile's
rule would have stopped. When these differ from the final ones more often than the profile allows, by more than
chance, a warning says so.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from dynasor.certainty.bounds import binomial_at_most
from dynasor.errors import InputError
from dynasor.events import CertaindexMeasured, DriftSuspected, Event, Listener
from dynasor.profile import Profile
from dynasor.programs import is_exchangeable
from dynasor.scheduling import Agreement, Allocator, Fixed, watch
from dynasor.vocabulary import Allocation, Answer, Certaindex, Spending

SURPRISE = 0.01
"""It is drift if so many changed answers, or more, would come about with less than this probability."""


@dataclass(slots=True)
class DriftWatch:
    """Counts audited programs of one profile, and those whose answer stopping early would have changed."""

    profile: Profile
    share: float = 0.02
    audited: int = 0
    changed: int = 0
    warned: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InputError(f"the share of audited programs is {self.share}; a number from 0 to 1 was expected")

    @property
    def allowed(self) -> float:
        """The rate of changed answers that the profile allows."""
        promise = self.profile.promise
        return 1 - (promise.value if promise.kind == "agreement" else self.profile.expected.kept)

    @property
    def allocator(self) -> Allocator:
        """What audited programs run under: to the cap, and where the way there matters, as they were calibrated."""
        if is_exchangeable(self.profile.program):
            return Fixed()
        rule = self.profile.allocator
        return watch(rule.wave or 1 if isinstance(rule, Agreement) else 1)

    def audits(self, rng: random.Random) -> bool:
        return rng.random() < self.share

    def count(self, audit: Audit, answer: Answer, listener: Listener) -> None:
        """Book an audited program that ended, and warn once if there are too many changes."""
        self.audited += 1
        self.changed += audit.answer != answer.text
        if not self.warned and self.is_surprising:
            self.warned = True
            listener(DriftSuspected(self.audited, self.changed, self.allowed))

    @property
    def is_surprising(self) -> bool:
        """So many changes or more have less than ``SURPRISE`` probability at the allowed rate."""
        if self.changed == 0:
            return False
        return 1 - binomial_at_most(self.changed - 1, self.audited, max(1e-6, self.allowed)) < SURPRISE


class Audit:
    """A listener to one program that runs to its cap: what would the rule have answered?

    It keeps the rule's own count of units granted, for what a rule says may depend on what it granted before.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._granted = self._decide(Spending(0, 0, profile.max_samples), None).units
        self._has_stopped = False
        self.answer: str | None = None

    def hear(self, event: Event) -> None:
        if isinstance(event, CertaindexMeasured) and not self._has_stopped:
            open_units = max(0, self._granted - event.finished)
            cap = max(self._profile.max_samples, event.finished + 1)  # of one chain nobody knows the cap in probes
            spending = Spending(event.finished, min(open_units, cap - event.finished), cap)
            self.answer = event.answer
            allocation = self._decide(spending, event.certaindex)
            self._granted = spending.granted + allocation.units
            self._has_stopped = allocation.stop_reason is not None

    def _decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        return self._profile.allocator.decide(spending, certaindex)
