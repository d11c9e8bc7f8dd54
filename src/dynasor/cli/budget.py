"""The options of budgets, and what they do not go with."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from dynasor.cli.options import RunOptions
from dynasor.errors import InputError
from dynasor.scheduling import Budget
from dynasor.vocabulary import JSON

TokenBudgetOption = Annotated[
    int | None,
    typer.Option(min=1, help="A total of tokens for the whole file, spent where the next one changes most."),
]
SamplesPerQuestionOption = Annotated[
    float | None,
    typer.Option(help="The same with a total of samples: so many on average. Easy questions give to hard ones."),
]

BUDGET = "budget"
"""What the results under a budget are called."""
STOP_OPTIONS = ("allocator", "max_change", "threshold", "detect_at", "preset", "profile")
"""Those of a run that say when a question is given no more; under a budget its price does."""


def check_budget_options(token_budget: int | None, samples_per_question: float | None, run: RunOptions) -> None:
    """InputError if a budget is given twice, or beside another way to stop."""
    given = [
        name
        for name, value in (("--token-budget", token_budget), ("--samples-per-question", samples_per_question))
        if value is not None
    ]
    if not given:
        return
    given += [
        f"--{each.name.replace('_', '-')}"
        for each in dataclasses.fields(run)
        if each.name in STOP_OPTIONS and getattr(run, each.name) != each.default
    ]
    if len(given) > 1:
        raise InputError(f"{given[0]} excludes {given[1]}; a budget alone decides how much each question gets")


def budget_fingerprint(token_budget: int | None, samples_per_question: float | None) -> JSON:
    """What of it changes results: nothing without a budget, under one also that the run has no other allocator."""
    allocator = {} if token_budget is None and samples_per_question is None else {"--allocator": BUDGET}
    return {"--token-budget": token_budget, "--samples-per-question": samples_per_question, **allocator}


def points(difference: JSON) -> str:
    """A paired difference of accuracies in words."""
    low, high = (100 * bound for bound in difference["interval"])
    mean = 100 * difference["mean"]
    return (
        f"{abs(mean):.1f} points {'below' if mean < 0 else 'above'} that (95 % interval {low:+.1f} to {high:+.1f}, "
        f"p = {difference['p_value']:.2g})"
    )


def make_budget(
    token_budget: int | None, samples_per_question: float | None, num_questions: int, max_samples: int
) -> Budget | None:
    """The budget that the options ask for, if any. InputError if it is too small, or more than can be spent."""
    if samples_per_question is not None:
        return Budget.of_samples(samples_per_question, num_questions, max_samples)
    if token_budget is None:
        return None
    budget = Budget.of_tokens(token_budget)
    budget.check(num_questions, max_samples)
    return budget
