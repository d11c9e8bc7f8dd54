"""A budget against the plainest way to spend it: the same number of samples for every question."""

from __future__ import annotations

import math
from collections.abc import Iterable

from dynasor.batch.disk_index import DiskIndex
from dynasor.batch.summary import EvenAllocation, chances_by_samples
from dynasor.paired import mixed, paired_difference
from dynasor.scheduling import Budget, BudgetUnit
from dynasor.vocabulary import JSON


def samples_of_even_split(budget: Budget, num_questions: int, tokens_per_sample: float) -> float:
    """How many samples for each question the total of ``budget`` comes to, at what they cost in the fixed arm."""
    unit_per_sample = 1.0 if budget.unit is BudgetUnit.SAMPLES else max(1.0, tokens_per_sample)
    return budget.total / num_questions / unit_per_sample


def compare_with_even_split(
    results: Iterable[JSON], fixed: Iterable[JSON], budget: Budget, even: EvenAllocation, seed: int
) -> JSON | None:
    """``results`` of a budget against its even split, question by question; None if no question is scored in both.

    The even split is replayed from the branches of ``fixed``, in random orders drawn from ``seed``. ``mean`` is the
    accuracy of the budget above that of the even split, a fraction.
    """
    with DiskIndex() as right:
        num_questions = 0
        for record in results:
            num_questions += 1
            if "correct" in record:
                right.add(record["id"], "1" if record["correct"] else "0")
        if not num_questions:
            return None
        samples = samples_of_even_split(budget, num_questions, even.tokens_per_sample)
        cap = len(even.accuracy)
        chances: list[float] = []
        differences: list[float] = []
        for record in fixed:
            was_right = right.get(record["id"])
            if was_right is not None and "correct" in record:
                chances.append(mixed(chances_by_samples(record, cap, seed), samples))
                differences.append(int(was_right) - chances[-1])
    if not differences:
        return None
    return {
        "samples_per_question": samples,
        "accuracy": math.fsum(chances) / len(chances),
        "difference": paired_difference(differences, seed).to_json(),
    }
