"""Allocators: the intra-program schedulers. Each answers, from where a program stands, what it may spend next.

An allocator is a value without state, asked again after every finished unit, so its word is always about
now. Adding one is a class here and a line in ``ALLOCATORS``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from dynasor.certainty import AGREEMENT, ENTROPY, STABILITY, UNIFORM, VotePrior, hope, samples_to_settle, worth
from dynasor.errors import InputError
from dynasor.parameters import parameters_of, read_parameters, split_settings
from dynasor.scheduling.known_rules import AdaptiveConsistency, EarlyStopping, Length, Supermajority
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

    def expected_units(self, spending: Spending, certaindex: Certaindex | None) -> float:
        return spending.cap - spending.finished


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

    def expected_units(self, spending: Spending, certaindex: Certaindex | None) -> float:
        """To its next look surely, and beyond as far as the program is unsettled."""
        look_at = min(self._next_look(spending.finished), spending.cap)
        unsettled = 1.0 - certaindex.value if certaindex else 1.0
        return look_at - spending.finished + (spending.cap - look_at) * unsettled

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

    Where the evidence is not votes, as along one chain, units are granted one by one, and ``max_chain_change``
    is what counts: a chain's answer is one draw, which another draw would change more often than a vote's.

    With a ``min_share`` it stops the hopeless too: where the chance that any answer ends with that share of
    the votes is at most ``max_hope``. That is off by default, for it gives up answers that the full budget
    would sometimes have found; a calibration with labels turns it on where that costs less than it saves.

    Args:
        ahead: after the first wave, so many times what could settle it is granted. Above 1 an open question takes
            fewer waves, one after the other, for some samples that turn out not to matter: what a server wants, whose
            users wait, and a batch does not. What stops it is the same.
        prior: what the waves are sized by; of the agreement posterior, as the profile learned it.
        wave: so many units are granted at once instead, for programs that grow a tree with each grant.
    """

    max_change: float = 0.02
    min_share: float = 0.0
    max_hope: float = 0.2
    prior: VotePrior = UNIFORM
    max_chain_change: float = 0.1
    wave: int | None = None
    ahead: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.ahead < math.inf:
            raise InputError(f"ahead is {self.ahead}; a number of at least 1 was expected")
        if self.wave is not None and self.wave < 1:
            raise InputError(f"wave is {self.wave}; at least 1 was expected")
        for name in ("max_change", "min_share", "max_hope", "max_chain_change"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InputError(f"{name} is {value}; a number from 0 up to, not including, 1 was expected")

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if spending.finished >= spending.cap:
            return Allocation.stop(StopReason.CAP)
        is_chain = certaindex is not None and certaindex.votes is None
        max_change = self.max_chain_change if is_chain else self.max_change
        if certaindex is not None and signal(certaindex, AGREEMENT) >= 1 - max_change:
            return Allocation.stop(StopReason.CERTAIN)
        if is_chain:
            return Allocation.grant(0 if spending.open else 1)
        votes = certaindex.votes if certaindex and certaindex.votes else VoteCounts()
        if self.min_share and votes.total and hope(votes, spending.cap, self.min_share) <= self.max_hope:
            return Allocation.stop(StopReason.HOPELESS)
        if self.wave is not None:
            return Allocation.grant(0 if spending.open else min(self.wave, spending.cap - spending.granted))
        wanted = samples_to_settle(votes, spending.cap, self.max_change, self.prior)
        wanted = max(1, wanted)  # a weighted vote may be open where a plain one would be settled
        if votes.total:
            wanted = round(self.ahead * wanted)
        to_vote = min(spending.open, max(0, spending.granted - votes.total))  # a unit may vote before it is finished
        return Allocation.grant(max(0, min(wanted - to_vote, spending.cap - spending.granted)))

    def expected_units(self, spending: Spending, certaindex: Certaindex | None) -> float:
        """The fewest samples that could settle the question, all for the leader, over the chance that a sample is for
        it: so many samples bring that many votes. The chance is the mean of the posterior that agreement is computed
        from. Along a chain, what is left times what is unsettled.

        ``benchmarks.expectation`` holds it against recorded samples: it ranks programs as well as the exact mean over
        all ways in which the votes may go on, which takes a sum over all of these.
        """
        left = spending.cap - spending.finished
        if certaindex is not None and certaindex.votes is None:
            return left * (1.0 - certaindex.value)
        votes = (certaindex.votes if certaindex else None) or VoteCounts()
        wanted = max(1, samples_to_settle(votes, spending.cap, self.max_change, self.prior))
        share = (votes.leader + self.prior[0]) / (votes.total + sum(self.prior))
        return min(left, wanted / share)


@dataclass(frozen=True, slots=True)
class Worth:
    """Stops once one more token is expected to bring less than ``price``, a gain in the probability of leading with
    the right answer (see ``certainty.worth``). Neither the certain nor the hopeless are worth it.

    The first ``first`` samples are free. From there one at a time: what is worth it depends on each. A token
    costs the program's own mean a sample.
    """

    price: float = 2e-5
    first: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.price < math.inf:
            raise InputError(f"price is {self.price}; a number of at least 0 was expected")
        if self.first < 1:
            raise InputError(f"first is {self.first}; at least 1 was expected")

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if spending.finished >= spending.cap:
            return Allocation.stop(StopReason.CAP)
        first = min(self.first, spending.cap)
        if spending.finished < first:
            return Allocation.grant(max(0, first - spending.granted))
        votes = (certaindex.votes if certaindex else None) or VoteCounts()
        tokens_per_unit = max(1.0, spending.tokens / spending.finished)
        if worth(votes, spending.cap) / tokens_per_unit < self.price:
            return Allocation.stop(StopReason.PRICE)
        return Allocation.grant(max(0, 1 - spending.open))


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


def stability_threshold(threshold: float = 1.0, detect_at: int = 2) -> Threshold:
    """The paper's rule for chains (section 2.1): after every probe, stop once so large a share of the latest ones
    gave the present answer."""
    return Threshold({STABILITY: threshold}, detect_at, check_every=1)


def watch(wave: int = 1) -> Agreement:
    """To the cap in steps of ``wave`` units, never stopping what may still change: what ``dynasor calibrate`` learns
    from."""
    return Agreement(max_change=0.0, max_chain_change=0.0, wave=wave)


ALLOCATORS: Mapping[str, Callable[..., Allocator]] = {
    "agreement": Agreement,
    "worth": Worth,
    "threshold": entropy_threshold,
    "stability": stability_threshold,
    "fixed": Fixed,
    "watch": watch,
    "length": Length,
    "adaptive-consistency": AdaptiveConsistency,
    "esc": EarlyStopping,
    "supermajority": Supermajority,
}
"""What ``--allocator`` may name; the parameters are its options."""

SERVED_AHEAD = 2.0
"""``Agreement.ahead`` where people wait for answers and nobody said otherwise."""


def as_served(allocator: Allocator) -> Allocator:
    """The same rule, for people who wait: agreement goes ``SERVED_AHEAD`` times ahead. Others are as they are."""
    return replace(allocator, ahead=SERVED_AHEAD) if isinstance(allocator, Agreement) else allocator


LEARNED = "skyline"
"""The allocator that a profile alone can hold (see ``scheduling.skyline``)."""


def make_allocator(text: str, **options: float | int | None) -> Allocator:
    """The allocator that ``text`` names, ``agreement`` or with options inline ``agreement:max_change=0.05``, with
    those ``options`` that are not None; inline ones come first.

    InputError for an allocator that does not exist, an option it does not have, and one that is missing.
    """
    name, _, inline = text.partition(":")
    if name == LEARNED:
        raise InputError(
            f"the allocator {name} is learned from recorded samples: run `dynasor calibrate --rule {name}`, then use "
            "--profile; `dynasor replay` learns it with --calibrate-on"
        )
    if name not in ALLOCATORS:
        raise InputError(f"there is no allocator {name!r}; choose {', '.join(ALLOCATORS)}")
    known = parameters_of(ALLOCATORS[name])
    given: dict[str, Any] = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in known:
            takes = ", ".join(known) or "no options"
            raise InputError(f"{option} means nothing to the allocator {name}; it takes {takes}")
    settings = split_settings(inline.split(",") if inline else (), f"an option in {text!r}")
    given |= read_parameters(ALLOCATORS[name], settings, f"the allocator {name}")
    for parameter in known.values():
        if parameter.is_required and parameter.name not in given:
            raise InputError(f"the allocator {name} needs {parameter}; give it as {name}:{parameter}=...")
    return ALLOCATORS[name](**given)


def options_of(text: str) -> list[str]:
    """The names of the options that the allocator named in ``text`` takes."""
    name = text.partition(":")[0]
    return list(parameters_of(ALLOCATORS[name])) if name in ALLOCATORS else []
