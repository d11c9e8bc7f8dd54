"""A budget replayed: what one total for all questions of a trace comes to, beside the same total split evenly.

A budget's keeper learns from every question for those that come later, so here questions are replayed side by side
and in random order, as a run has them: ``IN_FLIGHT`` at a time, where a sample lasts as long as it has tokens.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from dynasor.paired import mixed, paired_difference
from dynasor.replay.contenders import Contender
from dynasor.replay.replay import Standing, standings
from dynasor.replay.scores import TOKENS, Baseline, Plan, Score, Tally, shuffled
from dynasor.replay.traces import RecordedQuestion, RecordedSample, Trace
from dynasor.scheduling import Budget, BudgetedProgram, BudgetKeeper, Worth
from dynasor.vocabulary import JSON, Spending

IN_FLIGHT = 32


@dataclass(frozen=True, slots=True)
class Walk:
    """A question on its way through its samples: where it stands after each, and which answers are right (None: it
    is not marked)."""

    id: str
    standings: Sequence[Standing]
    marks: Mapping[str | None, bool] | None

    @property
    def cap(self) -> int:
        return len(self.standings) - 1

    def duration(self, sample: int) -> int:
        """Of a sample, the first of which is 1."""
        return max(1, self.standings[sample].tokens - self.standings[sample - 1].tokens)

    def is_right(self, samples: int) -> bool:
        return self.marks is not None and self.marks[self.standings[min(samples, self.cap)].answer]


@dataclass(slots=True)
class UnderWay:
    walk: Walk
    program: BudgetedProgram
    started: int = 0
    finished: int = 0

    def decide(self) -> tuple[int, bool]:
        """How many samples start now, and whether it ends here."""
        standing = self.walk.standings[self.finished]
        spending = Spending(self.finished, self.started - self.finished, self.walk.cap, standing.tokens)
        allocation = self.program.decide(spending, standing.certaindex)
        self.started += allocation.units
        return allocation.units, allocation.stop_reason is not None


def spend(keeper: BudgetKeeper, walks: Sequence[Walk], in_flight: int = IN_FLIGHT) -> list[int]:
    """How many samples ``keeper`` gives each of ``walks``, which begin in this order, ``in_flight`` at a time."""
    drawn = {walk.id: 0 for walk in walks}
    to_come = iter(walks)
    serials = itertools.count()
    running: list[tuple[float, int, UnderWay]] = []

    def ask(now: float, each: UnderWay) -> bool:
        """Whether it goes on."""
        units, has_ended = each.decide()
        for sample in range(each.started - units + 1, each.started + 1):
            heapq.heappush(running, (now + each.walk.duration(sample), next(serials), each))
        if has_ended:
            drawn[each.walk.id] = each.finished
            each.program.close(each.walk.standings[each.finished].tokens, each.finished)
        return not has_ended

    def begin_next(now: float) -> None:
        for walk in to_come:
            if ask(now, UnderWay(walk, keeper.allocator())):
                return

    for _ in range(in_flight):
        begin_next(0.0)
    while running:
        now, _, each = heapq.heappop(running)
        each.finished += 1
        if not ask(now, each):
            begin_next(now)
    return [drawn[walk.id] for walk in walks]


@dataclass(frozen=True, slots=True)
class BudgetScore:
    """A budget of so many samples a question, on one trace, shuffle by shuffle."""

    samples_per_question: float
    score: Score
    differences: dict[str, list[float]] = field(default_factory=dict)
    """For each marked question, shuffle by shuffle: 1 if the budget was right and the even split wrong, and so on."""
    even: list[float] = field(default_factory=list)

    def to_json(self) -> JSON:
        """As ``Score.to_json``, with the ``even_accuracy`` of the same total split evenly, and the ``difference`` to
        it: the mean, its 95 % interval and the p-value over questions. Null if no question is marked."""
        row = self.score.to_json()
        by_question = [fmean(each) for each in self.differences.values()]
        return row | {
            "even_accuracy": fmean(self.even) if self.even else None,
            "difference": paired_difference(by_question, self.score.plan.seed).to_json() if by_question else None,
            "share_spent": row["samples_per_question"] / self.samples_per_question,
        }

    def add(self, walks: Sequence[Walk], drawn: Sequence[int]) -> None:
        """The questions of one shuffle, and how many samples each got."""
        most = self.score.plan.max_samples
        tally, baseline = Tally(), Baseline([0] * most)
        even = []
        for walk, samples in zip(walks, drawn, strict=True):
            tally.questions += 1
            tally.cap += walk.cap
            tally.drawn += samples
            tally.started += samples
            tally.same += walk.standings[samples].answer == walk.standings[-1].answer
            if walk.marks is None:
                continue
            right = [walk.is_right(k) for k in range(1, most + 1)]
            tally.right += walk.is_right(samples)
            baseline.marked += 1
            baseline.right = [before + now for before, now in zip(baseline.right, right, strict=True)]
            even.append(mixed(right, self.samples_per_question))
            self.differences.setdefault(walk.id, []).append(walk.is_right(samples) - even[-1])
        self.score.tallies.append(tally)
        self.score.baselines.append(baseline)
        if even:
            self.even.append(math.fsum(even) / len(even))


def score_budget(
    trace: Trace, samples_per_question: float, plan: Plan, *, advance: Callable[[], None] = lambda: None
) -> BudgetScore:
    """Replay ``trace`` under a total of so many samples a question, in every shuffle of ``plan``.

    ``advance`` is called once a question of every shuffle. Raises InputError if the plan's cap, or what every question
    gets to begin with, does not allow that many.
    """
    budget = Budget.of_samples(samples_per_question, len(trace.questions), plan.max_samples)
    contender = Contender(f"budget:{samples_per_question:g}", Worth())  # which it is, at a price that moves
    found = BudgetScore(samples_per_question, Score(trace, contender, plan))
    tokens_of = TOKENS[trace.token_counts]
    for number in range(plan.shuffles):
        questions = shuffled(trace.questions, plan.seed, number)
        walks = [walk_of(question, tokens_of, plan.max_samples) for question in questions]
        random.Random(f"{plan.seed}-{number}-order").shuffle(walks)
        keeper = BudgetKeeper(budget, len(walks), plan.max_samples)
        found.add(walks, spend(keeper, walks))
        for _ in walks:
            advance()
    return found


def walk_of(question: RecordedQuestion, tokens_of: Callable[[RecordedSample], int], max_samples: int) -> Walk:
    samples = question.samples[:max_samples]
    return Walk(question.id, standings(samples, [tokens_of(sample) for sample in samples]), question.marks)
