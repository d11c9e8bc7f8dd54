"""Every rule of a family at once: what stopping at each ``max_change`` would have saved and changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dynasor.calibration.walks import Walk
from dynasor.certainty import VotePrior, hope
from dynasor.scheduling import Agreement

DIGITS = 10**6
"""``max_change`` is rounded up to so much, so that the allocator's comparison holds for the state it is from."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One stop rule on the walks: means over them."""

    max_change: float
    min_share: float
    saved: float
    """Share of the samples not drawn."""
    kept: float
    """How often the answer is that of the cap."""
    harmed: float
    """How often the cap's answer is right and this one is not."""
    helped: float
    """The reverse."""


def sweep(walks: Sequence[Walk], prior: VotePrior, min_share: float = 0.0) -> Iterator[Rule]:
    """The rules of one ``min_share``, from the most cautious ``max_change`` up; each differs from the one before.

    A walk stops at its first place where the chance of change is at most ``max_change``, or where it is
    hopeless. So as ``max_change`` grows, a walk's stop moves from place to place, back to its start.
    """
    total = max(1, len(walks))
    samples = sum(walk.cap for walk in walks)
    ends = [_hopeless_at(walk, min_share) for walk in walks]
    sums = _Sums()
    for walk, end in zip(walks, ends, strict=True):
        sums.add(walk, end, 1)
    events = sorted(
        (
            (risk, number, place)
            for number, walk in enumerate(walks)
            for risk, place in _stops(walk, prior, ends[number])
        ),
        key=lambda event: (event[0], -event[2]),
    )
    places = list(ends)
    for position, (risk, number, place) in enumerate(events):
        if place < places[number]:
            sums.add(walks[number], places[number], -1)
            sums.add(walks[number], place, 1)
            places[number] = place
        if position + 1 == len(events) or events[position + 1][0] > risk:
            yield Rule(
                max_change=math.ceil(risk * DIGITS) / DIGITS,
                min_share=min_share,
                saved=1 - sums.drawn / samples,
                kept=sums.kept / total,
                harmed=sums.harmed / total,
                helped=sums.helped / total,
            )


@dataclass(slots=True)
class _Sums:
    drawn: int = 0
    kept: int = 0
    harmed: int = 0
    helped: int = 0

    def add(self, walk: Walk, place: int, sign: int) -> None:
        """Count (or with -1 take back) that ``walk`` stops after the sample at ``place``."""
        self.drawn += sign * (place + 1)
        self.kept += sign * walk.kept[place]
        self.harmed += sign * (walk.right[-1] is True and walk.right[place] is False)
        self.helped += sign * (walk.right[-1] is False and walk.right[place] is True)


def _stops(walk: Walk, prior: VotePrior, end: int) -> Iterator[tuple[float, int]]:
    """(chance of change, place) of every place before ``end`` that is surer than all before it."""
    least = 1.0
    for place, lead in enumerate(walk.leads[:end]):
        risk = 1 - lead.agreement(walk.cap, prior)
        if risk < least:
            least = risk
            yield risk, place


def _hopeless_at(walk: Walk, min_share: float) -> int:
    """The place where ``Agreement`` would give up, else the last."""
    if min_share:
        for place, counts in enumerate(walk.counts[:-1]):
            if hope(counts, walk.cap, min_share) <= Agreement().max_hope:
                return place
    return walk.cap - 1
