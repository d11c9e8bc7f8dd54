"""What a calibration learns from: recorded samples in any order, or programs that were watched to their cap."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from dynasor.calibration.courses import Course, recorded_courses
from dynasor.calibration.prior import fit_prior
from dynasor.calibration.reliability import Reliability, reliability
from dynasor.calibration.walks import shuffled_walks
from dynasor.certainty import UNIFORM, ChosenBy, VotePrior
from dynasor.replay import RecordedQuestion, RecordedRun

SHUFFLES = 10


class Evidence(Protocol):
    """Questions, each with at least one way through its whole budget."""

    @property
    def num_questions(self) -> int: ...

    @property
    def is_marked(self) -> bool:
        """Whether it is known which answers are right."""
        ...

    @property
    def mean_tokens_per_unit(self) -> float | None:
        """Tokens that a unit of the knob took on average; None: they were not recorded."""
        ...

    @property
    def prior(self) -> VotePrior:
        """The prior under which the risks of the courses are foretold, learned from them without labels."""
        ...

    @property
    def min_shares(self) -> Sequence[float]:
        """Shares of the votes below which calibration with labels may give up; 0: never."""
        ...

    def courses(self, min_share: float = 0.0) -> list[Course]:
        """All ways through all questions, giving up the hopeless if there is a ``min_share``."""
        ...

    def reliability(self) -> Reliability:
        """How well agreement foretells on questions that its prior was not learned from."""
        ...


class ShuffledSamples:
    """Samples that may come in any order: ``shuffles`` random ones of each question, each through ``cap`` of them."""

    min_shares = (0.0, 0.33, 0.5)

    def __init__(
        self,
        questions: Sequence[RecordedQuestion],
        cap: int,
        *,
        by: ChosenBy = "majority",
        shuffles: int = SHUFFLES,
        seed: int = 0,
    ) -> None:
        self.num_questions = len(questions)
        self.is_marked = all(question.marks is not None for question in questions)
        tokens = [sample.tokens for question in questions for sample in question.samples if sample.tokens is not None]
        self.mean_tokens_per_unit = mean_or_none(sum(tokens), len(tokens))
        self.walks = shuffled_walks(questions, cap, by, shuffles, seed)
        self.prior = fit_prior(self.walks)

    def courses(self, min_share: float = 0.0) -> list[Course]:
        return [walk.course(self.prior, min_share) for walk in self.walks]

    def reliability(self) -> Reliability:
        return self._reliability

    @cached_property
    def _reliability(self) -> Reliability:
        """By cross-validation: each half of the questions with the prior of the other half."""
        if self.num_questions < 2:
            return reliability(())
        halves = [[walk for walk in self.walks if walk.question % 2 == half] for half in (0, 1)]
        priors = [fit_prior(half) for half in reversed(halves)]
        foretold = (
            walk.course(prior).predictions() for half, prior in zip(halves, priors, strict=True) for walk in half
        )
        return reliability(itertools.chain.from_iterable(foretold))


class WatchedRuns:
    """Programs whose units depend on each other, each watched once on its way to its cap. No prior is learned: the
    risks are what the program itself foretold."""

    prior = UNIFORM
    min_shares = (0.0,)

    def __init__(self, runs: Sequence[RecordedRun]) -> None:
        self.num_questions = len(runs)
        self.is_marked = all(look.correct is not None for run in runs for look in run.looks)
        told = [run for run in runs if run.tokens is not None]
        self.mean_tokens_per_unit = mean_or_none(
            sum(run.tokens or 0 for run in told), sum(run.looks[-1].units for run in told)
        )
        self._courses = recorded_courses(runs)

    def courses(self, min_share: float = 0.0) -> list[Course]:
        return self._courses

    def reliability(self) -> Reliability:
        return reliability(itertools.chain.from_iterable(course.predictions() for course in self._courses))


def mean_or_none(tokens: int, units: int) -> float | None:
    return tokens / units if tokens and units else None
