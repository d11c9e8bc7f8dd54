"""Every rule of a family at once: what stopping at each ``max_change`` would have saved and changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dynasor.calibration.courses import Course

DIGITS = 10**6
"""``max_change`` is rounded up to so much, so that the allocator's comparison holds for the state it is from."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One stop rule on the courses: means over them."""

    max_change: float
    min_share: float
    saved: float
    """Share of the units not spent."""
    kept: float
    """How often the answer is that of the cap."""
    harmed: float
    """How often the cap's answer is right and this one is not."""
    helped: float
    """The reverse."""


def sweep(courses: Sequence[Course], min_share: float = 0.0) -> Iterator[Rule]:
    """The rules of one ``min_share``, from the most cautious ``max_change`` up; each differs from the one before.

    A course stops at its first place where the chance of change is at most ``max_change``, or where it is
    hopeless. So as ``max_change`` grows, its stop moves from place to place, back to its start.
    """
    total = max(1, len(courses))
    units = max(1, sum(course.costs[-1] for course in courses))
    sums = _Sums()
    for course in courses:
        sums.add(course, course.gives_up_at, 1)
    events = sorted(
        ((risk, number, place) for number, course in enumerate(courses) for risk, place in course.stops()),
        key=lambda event: (event[0], -event[2]),
    )
    places = [course.gives_up_at for course in courses]
    for position, (risk, number, place) in enumerate(events):
        if place < places[number]:
            sums.add(courses[number], places[number], -1)
            sums.add(courses[number], place, 1)
            places[number] = place
        if position + 1 == len(events) or events[position + 1][0] > risk:
            yield Rule(
                max_change=math.ceil(risk * DIGITS) / DIGITS,
                min_share=min_share,
                saved=1 - sums.spent / units,
                kept=sums.kept / total,
                harmed=sums.harmed / total,
                helped=sums.helped / total,
            )


@dataclass(slots=True)
class _Sums:
    spent: int = 0
    kept: int = 0
    harmed: int = 0
    helped: int = 0

    def add(self, course: Course, place: int, sign: int) -> None:
        """Count (or with -1 take back) that ``course`` stops at ``place``."""
        self.spent += sign * course.costs[place]
        self.kept += sign * course.kept[place]
        self.harmed += sign * (course.right[-1] is True and course.right[place] is False)
        self.helped += sign * (course.right[-1] is False and course.right[place] is True)
