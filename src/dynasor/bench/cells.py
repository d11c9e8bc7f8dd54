"""What is measured and kept: a cell is one arm under one workload, at one rate, in one repetition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from dynasor.bench.deadlines import slowness, tightest_scale
from dynasor.bench.driving import LATE_S, Served
from dynasor.bench.knee import Point
from dynasor.scheduling.measures import finish_time_fairness
from dynasor.vocabulary import JSON

MILLISECOND_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """Columns have one entry for each program, in the order of arrival.

    Args:
        rate: programs a second that were meant to come, for ``window_s`` seconds.
        wall_s: from the beginning of the window, which the first gap belongs to, until the last answer.
        cpu_s: processor time of our own process in that time.
        latency_s: since a program was meant to come; None: it failed.
        fairness: the paper's phi, seconds a token of the full cap; None where a program produced nothing to go by.
        tokens: that the engine produced, in sum and by kind in ``kinds``.
    """

    workload: str
    arm: str
    repetition: int
    rate: float
    window_s: float
    wall_s: float
    cpu_s: float
    questions: Sequence[str]
    late_s: Sequence[float]
    latency_s: Sequence[float | None]
    right: Sequence[bool]
    fairness: Sequence[float | None]
    samples: Sequence[int]
    tokens: Sequence[int]
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def num_late(self) -> int:
        """How many programs were sent late."""
        return sum(each > LATE_S for each in self.late_s)

    @property
    def tokens_per_s(self) -> float:
        return sum(self.tokens) / self.wall_s

    def to_json(self) -> JSON:
        return {each.name: rounded(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def of_json(cls, stored: JSON) -> Cell:
        return cls(**{each.name: stored[each.name] for each in fields(cls)})


def rounded(value: Any) -> Any:
    """Seconds to a tenth of a millisecond: files of cells hold many. What is not a column of numbers stays."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [round(each, MILLISECOND_DIGITS) if type(each) is float else each for each in value]
    return value


def cell_of(
    served: Sequence[Served],
    right: Sequence[bool],
    caps: Sequence[int],
    *,
    workload: str,
    arm: str,
    repetition: int,
    rate: float,
    window_s: float,
    wall_s: float,
    cpu_s: float,
) -> Cell:
    """What was served, whose answers were right, and the caps of the programs."""
    answers = [each.answer for each in served]
    usages = [answer.usage for answer in answers if answer is not None]
    return Cell(
        workload=workload,
        arm=arm,
        repetition=repetition,
        rate=rate,
        window_s=window_s,
        wall_s=wall_s,
        cpu_s=cpu_s,
        questions=[each.arrival.question.id for each in served],
        late_s=[each.late_s for each in served],
        latency_s=[None if each.answer is None else each.latency_s for each in served],
        right=list(right),
        fairness=[
            None if answer is None else finish_time_fairness(answer, cap)
            for answer, cap in zip(answers, caps, strict=True)
        ],
        samples=[0 if answer is None else answer.num_samples for answer in answers],
        tokens=[0 if answer is None else answer.usage.produced for answer in answers],
        kinds={kind: sum(getattr(usage, kind) for usage in usages) for kind in ("main", "probe", "score", "cancelled")},
    )


@dataclass(frozen=True, slots=True)
class Judge:
    """Deadlines: the ``base_s`` of each workload, and the difficulty of each question; in a workload of several
    programs, times what a question's program is given of it."""

    base_s: Mapping[str, float]
    difficulties: Mapping[str, float]

    def slownesses(self, cell: Cell) -> list[float]:
        base_s = self.base_s[cell.workload]
        return [
            slowness(latency_s, self.difficulties[question], base_s)
            for latency_s, question in zip(cell.latency_s, cell.questions, strict=True)
        ]

    def point(self, cell: Cell) -> Point:
        """A place on the arm's curve of tightest scale against rate."""
        return Point(cell.rate, tightest_scale(self.slownesses(cell)), len(cell.questions))
