"""The options of budgets, and what they do not go with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import typer

from dynasor.cli.run_options import RunOptions
from dynasor.errors import InputError
from dynasor.scheduling import Budget
from dynasor.vocabulary import JSON

BUDGET = "budget"
"""What the results under a budget are called."""
STOP_OPTIONS = ("allocator", "max_change", "threshold", "detect_at", "preset", "profile")
"""Those of a run that say when a question is given no more; under a budget its price does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOptions:
    """A total that all questions of a file share."""

    token_budget: Annotated[
        int | None,
        typer.Option(min=1, help="A total of tokens for the whole file, spent where the next one changes most."),
    ] = None
    samples_per_question: Annotated[
        float | None,
        typer.Option(help="The same with a total of samples: so many on average. Easy questions give to hard ones."),
    ] = None

    @property
    def given(self) -> list[str]:
        """The flags of those that are given."""
        return [flag_of(each.name) for each in dataclasses.fields(self) if getattr(self, each.name) is not None]

    def check(self, run: RunOptions) -> None:
        """InputError if a budget is given twice, or beside another way to stop."""
        others = [each for each in dataclasses.fields(run) if each.name in STOP_OPTIONS]
        given = self.given + [flag_of(each.name) for each in others if getattr(run, each.name) != each.default]
        if self.given and len(given) > 1:
            raise InputError(f"{given[0]} excludes {given[1]}; a budget alone decides how much each question gets")

    def fingerprint(self) -> JSON:
        """What of it changes results: nothing without a budget, under one also that the run has no other allocator."""
        allocator = {"--allocator": BUDGET} if self.given else {}
        return {
            "--token-budget": self.token_budget,
            "--samples-per-question": self.samples_per_question,
            **allocator,
        }

    def make(self, num_questions: int, max_samples: int) -> Budget | None:
        """The budget, if any. InputError if it is too small, or more than can be spent."""
        if self.samples_per_question is not None:
            return Budget.of_samples(self.samples_per_question, num_questions, max_samples)
        if self.token_budget is None:
            return None
        budget = Budget.of_tokens(self.token_budget)
        budget.check(num_questions, max_samples)
        return budget


def flag_of(name: str) -> str:
    """A parameter as a user writes it."""
    return f"--{name.replace('_', '-')}"


def points(difference: JSON) -> str:
    """A paired difference of accuracies in words."""
    low, high = (100 * bound for bound in difference["interval"])
    mean = 100 * difference["mean"]
    return (
        f"{abs(mean):.1f} points {'below' if mean < 0 else 'above'} that (95 % interval {low:+.1f} to {high:+.1f}, "
        f"p = {difference['p_value']:.2g})"
    )
