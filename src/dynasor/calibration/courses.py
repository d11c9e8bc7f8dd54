"""Courses: how settled questions were, place by place, as a program went through its whole budget.

What samples that may come in any order show is known from shuffling them (``walks``). A tree or a chain has one
order only: it was run to its cap once, and looked at on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dynasor.replay import RecordedRun

Marks = tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """One way through a question's budget. All sequences have an entry for every place where an allocator may look,
    the last at the end of the budget."""

    question: int
    risks: tuple[float, ...]
    """The chance, as foretold there, that the answer at the end is another one."""
    costs: tuple[int, ...]
    """Units of the knob spent by then."""
    kept: tuple[bool, ...]
    """Whether the answer then is the answer at the end."""
    right: Marks
    """Whether the answer then is right; None where nobody marked it."""
    gives_up_at: int
    """The place where it is stopped as hopeless, else the last."""

    @property
    def last(self) -> int:
        return len(self.risks) - 1

    def stops(self) -> Iterable[tuple[float, int]]:
        """(risk, place) of every place, before it is given up, that is surer than all before it."""
        least = 1.0
        for place, risk in enumerate(self.risks[: self.gives_up_at]):
            if risk < least:
                least = risk
                yield risk, place

    def stop(self, max_change: float) -> int:
        """The place where a rule with this ``max_change`` stops."""
        return next((place for risk, place in self.stops() if risk <= max_change), self.gives_up_at)

    def loss(self, max_change: float) -> int:
        """Accuracy lost by that rule: 1 if only the whole budget's answer is right, -1 if only the rule's is."""
        return (self.right[-1] is True) - (self.right[self.stop(max_change)] is True)

    def predictions(self) -> Iterable[tuple[float, bool]]:
        """(foretold chance that the answer stays, whether it did) of every place before the end with an answer that
        anything was foretold of."""
        for risk, kept in zip(self.risks[:-1], self.kept, strict=False):
            if risk < 1.0:
                yield 1 - risk, kept


def recorded_courses(runs: Sequence[RecordedRun]) -> list[Course]:
    """The courses of questions that were run to their cap under the allocator ``watch``."""
    return [_course(number, run) for number, run in enumerate(runs)]


def _course(number: int, run: RecordedRun) -> Course:
    looks = run.looks
    return Course(
        question=number,
        risks=(*(1 - look.agreement for look in looks[:-1]), 0.0),
        costs=tuple(look.units for look in looks),
        kept=tuple(look.answer == looks[-1].answer for look in looks),
        right=tuple(look.correct for look in looks),
        gives_up_at=len(looks) - 1,
    )
