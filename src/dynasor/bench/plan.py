"""What the online benchmark is to measure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dynasor.bench.workloads import ARMS, ENGINE, Workload
from dynasor.errors import InputError
from dynasor.vocabulary import JSON, Question, Sampling


@dataclass(frozen=True, slots=True)
class Plan:
    """How a benchmark is run.

    Args:
        questions: with references.
        window_s: programs come for so long in every cell, at least.
        window_deadlines: and for so many base deadlines at least: in a shorter time a rate that cannot be borne does
            little harm yet.
        repetitions: of every knee.
        trials: samples of each question, by which its difficulty is told.
        deadline_factor: the base deadline is so many times what a program takes alone, with the fixed cap; None: as
            each workload says.
        deadline_s: base deadlines in seconds, by workload, in place of that.
        alone: programs that are run one after the other for that, of each workload.
        concurrency: requests at once on the engine, for the arms that limit them; None: what it does best.
        budget_s: no cell is begun that would end later than this; None: until all is measured.
    """

    questions: Sequence[Question]
    workloads: Mapping[str, Workload]
    arms: Sequence[str] = tuple(ARMS)
    sampling: Sampling = field(default_factory=Sampling)
    window_s: float = 40.0
    window_deadlines: float = 4.0
    repetitions: int = 3
    trials: int = 20
    deadline_factor: float | None = None
    deadline_s: Mapping[str, float] = field(default_factory=dict)
    alone: int = 10
    concurrency: int | None = None
    seed: int = 0
    budget_s: float | None = None

    def __post_init__(self) -> None:
        for question in self.questions:
            if question.reference is None:
                raise InputError(f"the question {question.id!r} has no reference; a benchmark has to know who is right")
        for name in self.arms:
            if name not in ARMS:
                raise InputError(f"there is no arm {name!r}; choose {', '.join(ARMS)}")
        if ENGINE not in self.arms:
            raise InputError(f"the arm {ENGINE} is the baseline and has to be among the arms")
        for name in ("window_s", "window_deadlines", "deadline_factor"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value}; a number above 0 was expected")
        for name, seconds in self.deadline_s.items():
            if name not in self.workloads:
                raise InputError(f"deadline_s is of {name}, none of {', '.join(self.workloads)}")
            if not 0 < seconds < math.inf:
                raise InputError(f"deadline_s of {name} is {seconds}; a number above 0 was expected")

    def settings(self) -> JSON:
        """What results depend on, but for the engine."""
        return {
            "questions": [question.id for question in self.questions],
            "workloads": {name: each.to_json() for name, each in self.workloads.items()},
            "arms": list(self.arms),
            "temperature": self.sampling.temperature,
            "max_tokens": self.sampling.max_tokens,
            **({} if self.sampling.top_p is None else {"top_p": self.sampling.top_p}),
            "window_s": self.window_s,
            "window_deadlines": self.window_deadlines,
            "trials": self.trials,
            "deadline_factor": self.deadline_factor,
            **({"deadline_s": dict(self.deadline_s)} if self.deadline_s else {}),
            "alone": self.alone,
            "concurrency": self.concurrency,
            "seed": self.seed,
        }
