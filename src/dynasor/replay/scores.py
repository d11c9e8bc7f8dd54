"""What allocators come to on a trace: accuracy, samples, and how often they answer as the full cap would.

Every allocator sees the same shuffles: of each question's samples, in an order drawn from the seed, the first
``max_samples`` are its cap. A question with fewer recorded samples has them all as its cap.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev

from dynasor.errors import InputError
from dynasor.replay.contenders import Contender
from dynasor.replay.replay import Standing, replay, standings
from dynasor.replay.traces import CHARS_PER_TOKEN, RecordedQuestion, RecordedSample, Trace
from dynasor.scheduling import Allocator
from dynasor.scheduling.known_rules import Length
from dynasor.vocabulary import JSON

Calibrate = Callable[[Sequence[RecordedQuestion], int, float], Sequence[Contender]]
"""(questions without marks, cap, target agreement) -> the allocators learned from them, with the votes' prior."""

CALIBRATED = "agreement"
"""The allocator that is always calibrated, and what its result is called; with its defaults it stands beside that."""
UNCALIBRATED = "agreement:uncalibrated"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a trace is replayed. With ``calibrate_on`` a fresh random part of the questions, that share of them, is
    learned from in every shuffle, and all allocators are scored on the rest."""

    max_samples: int = 16
    shuffles: int = 3
    seed: int = 0
    calibrate_on: float | None = None
    target_agreement: float = 0.99

    def __post_init__(self) -> None:
        for name in ("max_samples", "shuffles"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; at least 1 was expected")
        if self.calibrate_on is not None and not 0 < self.calibrate_on < 1:
            raise InputError(f"calibrate_on is {self.calibrate_on}; a number between 0 and 1 was expected")
        if not 0 < self.target_agreement < 1:
            raise InputError(f"target_agreement is {self.target_agreement}; a number between 0 and 1 was expected")

    def num_scored(self, questions: int) -> int:
        """How many of so many questions are scored in each shuffle."""
        if self.calibrate_on is None:
            return questions
        return questions - min(questions - 1, max(1, round(questions * self.calibrate_on)))


@dataclass(slots=True)
class Tally:
    """One allocator's counts over the questions of one shuffle."""

    questions: int = 0
    cap: int = 0
    drawn: int = 0
    started: int = 0
    same: int = 0
    right: int = 0


@dataclass(slots=True)
class Baseline:
    """What even allocations get right in one shuffle: ``right[k - 1]`` questions with ``k`` samples each."""

    right: list[int]
    marked: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """One allocator on one trace, shuffle by shuffle."""

    trace: Trace
    contender: Contender
    plan: Plan
    is_calibrated: bool = False
    tallies: list[Tally] = field(default_factory=list)
    baselines: list[Baseline] = field(default_factory=list)

    def to_json(self) -> JSON:
        """Plain values, means over the shuffles; ``_std`` is their spread, null for a single shuffle.

        Accuracies, ``saved`` (samples, against the cap) and ``agreement`` are fractions. Accuracy is over the
        questions whose answers are all marked, and null if there are none. ``judged_tokens`` tells, for an
        allocator that judges tokens, whether they are ``recorded`` or estimated from ``chars``.
        """
        sizes = [len(question.samples) for question in self.trace.questions]
        return {
            "trace": self.trace.name,
            "allocator": self.contender.name,
            "calibrated": self.is_calibrated,
            "questions": self.tallies[0].questions,
            "marked_questions": self.baselines[0].marked,
            "max_samples": self.plan.max_samples,
            "questions_below_max_samples": sum(size < self.plan.max_samples for size in sizes),
            **_spread("fixed_accuracy", [_share(each.right[-1], each.marked) for each in self.baselines]),
            **_spread("accuracy", self._accuracies()),
            **_spread("samples_per_question", [each.drawn / each.questions for each in self.tallies]),
            **_spread("samples_started_per_question", [each.started / each.questions for each in self.tallies]),
            **_spread("saved", [1 - each.drawn / each.cap for each in self.tallies]),
            **_spread("agreement", [each.same / each.questions for each in self.tallies]),
            "even_samples_at_equal_accuracy": self._even_samples(),
            "judged_tokens": self.trace.token_counts if judges_tokens(self.contender) else None,
            "shuffles": self.plan.shuffles,
            "seed": self.plan.seed,
        }

    def _accuracies(self) -> list[float | None]:
        return [_share(tally.right, base.marked) for tally, base in zip(self.tallies, self.baselines, strict=True)]

    def _even_samples(self) -> int | None:
        """The fewest samples that, given to each question alike, are right as often; None if no number is."""
        if not any(baseline.marked for baseline in self.baselines):
            return None
        right = sum(tally.right for tally in self.tallies)
        even = (sum(column) for column in zip(*(baseline.right for baseline in self.baselines), strict=True))
        return next((k for k, reached in enumerate(even, 1) if reached >= right), None)


def score(
    trace: Trace,
    contenders: Sequence[Contender],
    plan: Plan,
    *,
    calibrate: Calibrate | None = None,
    advance: Callable[[], None] = lambda: None,
) -> list[Score]:
    """Replay ``trace`` with every contender and, if the plan says so, before them with what ``calibrate`` learns: where
    that is called ``agreement``, the one with its defaults is ``agreement:uncalibrated``.

    ``advance`` is called after every question of every shuffle. Raises InputError where the plan and the trace
    do not fit.
    """
    for contender in contenders:
        if judges_tokens(contender) and trace.token_counts is None:
            raise InputError(f"{trace.name} has samples without tokens and chars, which {contender.name} judges")
    if plan.calibrate_on is not None:
        contenders = [
            replace(contender, name=UNCALIBRATED) if contender.name == CALIBRATED else contender
            for contender in contenders
        ]
    scores: dict[str, Score] = {}
    for number in range(plan.shuffles):
        questions = shuffled(trace.questions, plan.seed, number)
        learned: Sequence[Contender] = ()
        if plan.calibrate_on is not None:
            questions, learned = _learn(calibrate, trace, questions, plan, number)
        running = [*learned, *contenders]
        for contender in running:
            scores.setdefault(contender.name, Score(trace, contender, plan, contender in learned))
        baseline, tallies = _replay_all(trace, questions, running, plan.max_samples, advance)
        for name, tally in tallies.items():
            scores[name].tallies.append(tally)
            scores[name].baselines.append(baseline)
    return list(scores.values())


def judges_tokens(contender: Contender) -> bool:
    return isinstance(contender.allocator, Length)


def shuffled(questions: Sequence[RecordedQuestion], seed: int, number: int) -> list[RecordedQuestion]:
    """``questions`` with the samples of each in an order of its own, whatever the other questions are."""
    orders = (random.Random(f"{seed}-{number}-{question.id}") for question in questions)
    return [
        RecordedQuestion(question.id, tuple(rng.sample(question.samples, len(question.samples))))
        for question, rng in zip(questions, orders, strict=True)
    ]


def _learn(
    calibrate: Calibrate | None, trace: Trace, questions: Sequence[RecordedQuestion], plan: Plan, number: int
) -> tuple[list[RecordedQuestion], Sequence[Contender]]:
    """A random part of ``questions`` to score, and what was learned from the others without their marks."""
    if calibrate is None:
        raise InputError("calibrate_on is not available here")
    if len(questions) < 2:
        raise InputError(f"{trace.name} has one question; to learn from some and score the others takes two or more")
    order = random.Random(f"{plan.seed}-{number}").sample(questions, len(questions))
    cut = plan.num_scored(len(questions))
    unmarked = [question.without_marks() for question in order[cut:]]
    return order[:cut], calibrate(unmarked, plan.max_samples, plan.target_agreement)


def _replay_all(
    trace: Trace,
    questions: Sequence[RecordedQuestion],
    contenders: Sequence[Contender],
    max_samples: int,
    advance: Callable[[], None],
) -> tuple[Baseline, Mapping[str, Tally]]:
    tokens_of = TOKENS[trace.token_counts]
    baseline = Baseline([0] * max_samples)
    tallies = {contender.name: Tally() for contender in contenders}
    priors = list({contender.prior for contender in contenders})
    for question in questions:
        samples = question.samples[:max_samples]
        tokens = [tokens_of(sample) for sample in samples]
        reached = {prior: standings(samples, tokens, prior) for prior in priors}
        marks = question.marks
        if marks is not None:
            _add_even(baseline, reached[priors[0]], marks)
        for contender in contenders:
            _add(tallies[contender.name], contender.allocator, reached[contender.prior], marks)
        advance()
    return baseline, tallies


def _add_even(baseline: Baseline, reached: Sequence[Standing], marks: Mapping[str | None, bool]) -> None:
    baseline.marked += 1
    for k in range(len(baseline.right)):
        baseline.right[k] += marks[reached[min(k + 1, len(reached) - 1)].answer]


def _add(
    tally: Tally, allocator: Allocator, reached: Sequence[Standing], marks: Mapping[str | None, bool] | None
) -> None:
    outcome = replay(allocator, reached)
    tally.questions += 1
    tally.cap += len(reached) - 1
    tally.drawn += outcome.drawn
    tally.started += outcome.started
    tally.same += outcome.answer == reached[-1].answer
    tally.right += marks is not None and marks[outcome.answer]


TOKENS: Mapping[str | None, Callable[[RecordedSample], int]] = {
    "recorded": lambda sample: sample.tokens or 0,
    "chars": lambda sample: round((sample.chars or 0) / CHARS_PER_TOKEN),
    None: lambda sample: 0,
}
"""How long a sample was, by ``Trace.token_counts``."""


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _spread(name: str, values: Sequence[float | None]) -> JSON:
    known = [value for value in values if value is not None]
    return {
        name: fmean(known) if known else None,
        f"{name}_std": stdev(known) if len(known) > 1 else None,
    }
