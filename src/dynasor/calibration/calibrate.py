"""How sure is sure enough: the largest ``max_change`` that still holds a promise on recorded questions.

Without labels the promise is about the answer: it is that of the full budget on a share of questions. With
labels it is about accuracy: with confidence ``1 - delta`` no more than so much of it is lost.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dynasor.calibration.prior import fit_prior
from dynasor.calibration.reliability import Reliability, predictions, reliability
from dynasor.calibration.sweep import Rule, sweep
from dynasor.calibration.walks import Walk, shuffled_walks
from dynasor.certainty import ChosenBy, VotePrior
from dynasor.certainty.bounds import fewest_questions, hoeffding_bentkus
from dynasor.errors import InputError
from dynasor.replay.traces import RecordedQuestion

SHUFFLES = 10
SHARES = (0.0, 0.25, 0.33, 0.4, 0.5)
"""``min_share`` that calibration with labels chooses from; 0: never give up."""
LARGEST_MAX_CHANGE = 0.5
MOST_TESTS = 100
"""So many values of ``max_change`` at most are tested for one ``min_share``."""
QUESTIONS_PER_CHANGE = 0.3
"""Without labels: at least so many questions for each one in which an answer may change. With 0.3 a promise of 99 %
takes 30 questions, of which each, in ten orders, may change in a few."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What calibration found: the rule, its prior, what it did on the questions it was learned from, and how well
    agreement predicts there (by cross-validation: each half predicted with the prior of the other)."""

    prior: VotePrior
    rule: Rule
    questions: int
    max_samples: int
    shuffles: int
    reliability: Reliability
    frontier: tuple[Rule, ...] = ()
    """With labels: the rules of which none saves more and harms less than another."""


def without_labels(
    questions: Sequence[RecordedQuestion],
    cap: int,
    target_agreement: float = 0.99,
    *,
    by: ChosenBy = "majority",
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> Learned:
    """Keep the full budget's answer on at least ``target_agreement`` of the questions, and save what that allows.

    Raises InputError when the questions are too few for the promise.
    """
    if not 0 < target_agreement < 1:
        raise InputError(f"target_agreement is {target_agreement}; a number between 0 and 1 was expected")
    needed = math.ceil(round(QUESTIONS_PER_CHANGE / (1 - target_agreement), 6))
    _check_questions(questions, needed, f"to keep {target_agreement:.2%} of answers")
    questions = [question.without_marks() for question in questions]
    walks = shuffled_walks(questions, cap, by, shuffles, seed)
    prior = fit_prior(walks)
    cautious = itertools.takewhile(lambda rule: rule.kept >= target_agreement, _allowed(sweep(walks, prior)))
    rule = max(cautious, key=lambda rule: rule.saved, default=_never(0.0))
    return Learned(prior, rule, len(questions), cap, shuffles, cross_validated(walks, len(questions)))


def with_labels(
    questions: Sequence[RecordedQuestion],
    cap: int,
    max_loss: float,
    delta: float = 0.1,
    *,
    by: ChosenBy = "majority",
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> Learned:
    """Lose at most ``max_loss`` of accuracy (0.01: one point), with confidence ``1 - delta``; save what that allows.

    What is bounded is the share of questions that the full budget gets right and the rule does not; questions
    that stopping early gets right by luck are not counted against it, so accuracy itself loses less. Rules are
    tested from the most cautious on and the first that fails ends its family (fixed-sequence testing, Learn then
    Test, arXiv 2110.01052), each with the p-value of Hoeffding and Bentkus; the families, one for each
    ``min_share``, share ``delta`` evenly.

    Raises InputError when samples are not marked, or the questions are too few for the promise.
    """
    for name, value in (("max_loss", max_loss), ("delta", delta)):
        if not 0 < value < 1:
            raise InputError(f"{name} is {value}; a number between 0 and 1 was expected")
    share = delta / len(SHARES)
    _check_questions(
        questions, fewest_questions(max_loss, share), f"to lose at most {max_loss:.2%} with confidence {1 - delta:.0%}"
    )
    if any(question.marks is None for question in questions):
        raise InputError("calibration with labels needs `correct` on every sample that has an answer")
    walks = shuffled_walks(questions, cap, by, shuffles, seed)
    prior = fit_prior(walks)
    families = {min_share: _thinned(list(_allowed(sweep(walks, prior, min_share)))) for min_share in SHARES}
    passed = [
        rule
        for family in families.values()
        for rule in itertools.takewhile(
            lambda rule: hoeffding_bentkus(rule.harmed, len(questions), max_loss) <= share, family
        )
    ]
    rule = max(passed, key=lambda rule: rule.saved, default=_never(0.0))
    frontier = _frontier([rule for family in families.values() for rule in family])
    return Learned(prior, rule, len(questions), cap, shuffles, cross_validated(walks, len(questions)), frontier)


def cross_validated(walks: Sequence[Walk], questions: int) -> Reliability:
    """How well agreement predicts, each half of the questions with the prior of the other half."""
    halves = [walk for walk in walks if walk.question % 2], [walk for walk in walks if not walk.question % 2]
    if questions < 2:
        return reliability(())
    first, second = fit_prior(halves[0]), fit_prior(halves[1])
    return reliability(itertools.chain(predictions(halves[0], second), predictions(halves[1], first)))


def _check_questions(questions: Sequence[RecordedQuestion], needed: int, promise: str) -> None:
    if len(questions) < needed:
        raise InputError(
            f"{len(questions)} questions are too few {promise}: at least {needed} are needed, or a weaker promise"
        )


def _allowed(rules: Iterable[Rule]) -> Iterable[Rule]:
    return itertools.takewhile(lambda rule: rule.max_change <= LARGEST_MAX_CHANGE, rules)


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
