"""How sure is sure enough: the largest ``max_change`` that still holds a promise on recorded questions.

Without labels the promise is about the answer: it is that of the full budget on a share of questions. With
labels it is about accuracy: with confidence ``1 - delta`` no more than so much of it is lost.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dynasor.calibration.evidence import Evidence
from dynasor.calibration.reliability import Reliability
from dynasor.calibration.sweep import Rule, sweep
from dynasor.certainty import VotePrior
from dynasor.certainty.bounds import betting_p_value, fewest_questions
from dynasor.errors import InputError

LARGEST_MAX_CHANGE = 0.5
"""Without labels no rule goes further."""
MOST_TESTS = 100
"""So many values of ``max_change`` at most are tested for one ``min_share``."""
STARTS = 3
"""A few losses among cautious rules, which gain little, are hard to tell from many. So tests also begin further on."""
QUESTIONS_PER_CHANGE = 0.3
"""Without labels: at least so many questions for each one in which an answer may change. With 0.3 a promise of 99 %
takes 30 questions, of which each, in ten orders, may change in a few."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What calibration found: the rule, its prior, what it did on the questions it was learned from, and how well
    agreement foretells there."""

    prior: VotePrior
    rule: Rule
    questions: int
    reliability: Reliability
    frontier: tuple[Rule, ...] = ()
    """With labels: the rules of which none saves more and harms less than another."""


def without_labels(evidence: Evidence, target_agreement: float = 0.99) -> Learned:
    """Keep the full budget's answer on at least ``target_agreement`` of the questions, and save what that allows.

    Raises InputError when the questions are too few for the promise.
    """
    check_promise(evidence, target_agreement)
    cautious = itertools.takewhile(
        lambda rule: rule.kept >= target_agreement, (_unmarked(rule) for rule in _allowed(sweep(evidence.courses())))
    )
    rule = max(cautious, key=lambda rule: rule.saved, default=_never(0.0))
    return Learned(evidence.prior, rule, evidence.num_questions, evidence.reliability())


def with_labels(evidence: Evidence, max_loss: float, delta: float = 0.1) -> Learned:
    """Lose at most ``max_loss`` of accuracy (0.01: one point), with confidence ``1 - delta``; save what that allows.

    Rules are tested in a fixed order, from a cautious one to bolder ones, and the first that fails ends its sequence
    (fixed-sequence testing with several starts, Learn then Test, arXiv 2110.01052, section 3), each by betting on the
    questions' losses (``betting_p_value``). The sequences, ``STARTS`` for each ``min_share``, share ``delta`` evenly.

    Raises InputError when answers are not marked, or the questions are too few for the promise.
    """
    for name, value in (("max_loss", max_loss), ("delta", delta)):
        if not 0 < value < 1:
            raise InputError(f"{name} is {value}; a number between 0 and 1 was expected")
    families = [Family(evidence, min_share) for min_share in evidence.min_shares]
    share = delta / (len(families) * STARTS)
    promise = f"to lose at most {max_loss:.2%} with confidence {1 - delta:.0%}"
    _check_questions(evidence, fewest_questions(max_loss, share), promise)
    if not evidence.is_marked:
        raise InputError("calibration with labels needs `correct` on every sample that has an answer")
    passed = [
        rule
        for family in families
        for start in range(STARTS)
        for rule in family.passing(start / STARTS, max_loss, share)
    ]
    rule = max(passed, key=lambda rule: rule.saved, default=_never(0.0))
    frontier = _frontier([rule for family in families for rule in family.rules])
    return Learned(evidence.prior, rule, evidence.num_questions, evidence.reliability(), frontier)


class Family:
    """The rules of one ``min_share``, the most cautious first."""

    def __init__(self, evidence: Evidence, min_share: float) -> None:
        self._courses = evidence.courses(min_share)
        self._order = random.Random(0).sample(range(evidence.num_questions), evidence.num_questions)
        self._p_values: dict[Rule, float] = {}
        self.rules = _thinned(list(sweep(self._courses, min_share)))

    def passing(self, start: float, max_loss: float, delta: float) -> Iterator[Rule]:
        """The rules that lose at most ``max_loss``, up to the first that cannot be shown to, beginning with the most
        cautious one that saves a share ``start`` of what the boldest does."""
        least = start * max((rule.saved for rule in self.rules), default=0.0)
        bolder = (rule for rule in self.rules if rule.saved >= least)
        return itertools.takewhile(lambda rule: self._passes(rule, max_loss, delta), bolder)

    def _passes(self, rule: Rule, max_loss: float, delta: float) -> bool:
        if rule not in self._p_values:
            self._p_values[rule] = betting_p_value(self.losses(rule), max_loss, delta)
        return self._p_values[rule] <= delta

    def losses(self, rule: Rule) -> list[float]:
        """What each question loses by ``rule``, in the mean over the ways through it, in random order."""
        losses: list[list[int]] = [[] for _ in self._order]
        for course in self._courses:
            losses[course.question].append(course.loss(rule.max_change))
        return [statistics.fmean(losses[question]) for question in self._order]


def check_promise(evidence: Evidence, target_agreement: float, fewest: int = 1) -> None:
    """InputError if ``target_agreement`` is no share, or the questions are too few to promise it without labels, or
    under ``fewest``."""
    if not 0 < target_agreement < 1:
        raise InputError(f"target_agreement is {target_agreement}; a number between 0 and 1 was expected")
    needed = max(fewest, math.ceil(round(QUESTIONS_PER_CHANGE / (1 - target_agreement), 6)))
    _check_questions(evidence, needed, f"to keep {target_agreement:.2%} of answers")


def _check_questions(evidence: Evidence, needed: int, promise: str) -> None:
    if evidence.num_questions < needed:
        raise InputError(
            f"{evidence.num_questions} questions are too few {promise}: at least {needed} are needed, or a weaker "
            "promise"
        )


def _allowed(rules: Iterable[Rule]) -> Iterable[Rule]:
    return itertools.takewhile(lambda rule: rule.max_change <= LARGEST_MAX_CHANGE, rules)


def _unmarked(rule: Rule) -> Rule:
    """``rule`` without what only labels tell, so that nothing learned without them can depend on them."""
    return replace(rule, harmed=0.0, helped=0.0)


def _never(min_share: float) -> Rule:
    """The rule that stops only what cannot change any more."""
    return Rule(max_change=0.0, min_share=min_share, saved=0.0, kept=1.0, harmed=0.0, helped=0.0)


def _thinned(rules: Sequence[Rule]) -> list[Rule]:
    """At most ``MOST_TESTS`` of ``rules``, evenly spread by what they save, most cautious first."""
    if len(rules) <= MOST_TESTS:
        return list(rules)
    return [rules[round(number * (len(rules) - 1) / (MOST_TESTS - 1))] for number in range(MOST_TESTS)]


def _frontier(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    frontier: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (-rule.saved, rule.harmed)):
        if not frontier or rule.harmed < frontier[-1].harmed:
            frontier.append(rule)
    return tuple(reversed(frontier))
