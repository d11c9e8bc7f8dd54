"""Fitting a cost model to what a live engine was measured to take. Least squares, in plain Python, nothing below zero.

Within one iteration, time is linear in what was done (see ``CostModel``; with ``weights_s`` at 0, for measurements do
not tell reading weights from other fixed time). What comes out is only as good as the measurements are different from
each other: small and large batches, short and long contexts, with prefill and without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynasor.errors import InputError
from dynasor.simulation.cost import CostModel
from dynasor.vocabulary import JSON

TERMS = ("overhead_s", "token_s", "sequence_s", "context_s", "request_s", "delay_s")


@dataclass(frozen=True, slots=True)
class Measured:
    """Iterations of one kind, on average over them: how many sequences wrote, how many tokens they looked back on
    together, how many prompt tokens were read, how long one took, how many requests ``begun`` in one, and how many of
    those each caller waited for (``waited``), with all others at work."""

    running: float
    context: float
    prefill: float
    seconds: float
    begun: float = 0.0
    waited: float = 0.0

    @classmethod
    def of_throughput(cls, running: float, mean_context: float, tokens_per_s: float) -> Measured:
        """From a live engine's steady state: ``running`` sequences that wrote so many tokens a second together, each
        looking back on ``mean_context`` tokens. An iteration writes one token for each."""
        if not tokens_per_s > 0:
            raise InputError(f"tokens_per_s is {tokens_per_s}; a number above 0 was expected")
        return cls(running, running * mean_context, 0.0, running / tokens_per_s)

    @property
    def terms(self) -> tuple[float, ...]:
        """What the seconds are linear in, in the order of ``TERMS``."""
        return (1.0, self.running + self.prefill, self.running, self.context, self.begun, self.waited)


@dataclass(frozen=True, slots=True)
class Fit:
    """A cost model with the delay of a request, and the mean and the largest error on what it was fitted to, as shares
    of what was measured."""

    cost: CostModel
    mean_error: float
    largest_error: float
    num_measured: int
    delay_s: float = 0.0

    def seconds_of(self, measured: Measured) -> float:
        """What an iteration of this kind takes by the fit."""
        weights = (*(getattr(self.cost, name) for name in TERMS[:-1]), self.delay_s)
        return math.fsum(value * weight for value, weight in zip(measured.terms, weights, strict=True))

    def to_json(self) -> JSON:
        return {"measured": self.num_measured, "mean_error": self.mean_error, "largest_error": self.largest_error}


def fit_cost(measured: Sequence[Measured]) -> Fit:
    """The cost model with the least squared relative error. A term that would be negative is left out, first the one
    that takes most away, and so is one that never varies apart from the others: where no prompt was read, one of its
    tokens is taken to cost what a written one does.

    InputError if nothing was measured, or something took no time.
    """
    if not measured:
        raise InputError("nothing was measured; at least one iteration was expected")
    for each in measured:
        if not each.seconds > 0 or not each.running + each.prefill > 0:
            raise InputError(f"{each} cannot be fitted; seconds above 0, and something that was done, were expected")
    rows = [tuple(value / each.seconds for value in each.terms) for each in measured]
    weights = _not_negative(rows)
    *of_iterations, delay_s = weights
    fit = Fit(CostModel(**dict(zip(TERMS[:-1], of_iterations, strict=True))), 0.0, 0.0, len(measured), delay_s)
    errors = [abs(fit.seconds_of(each) / each.seconds - 1) for each in measured]
    return replace(fit, mean_error=sum(errors) / len(errors), largest_error=max(errors))


def _not_negative(rows: Sequence[tuple[float, ...]]) -> list[float]:
    """Weights from 0 up of the columns, whose sum over each row comes closest to 1."""
    used = list(range(len(TERMS)))
    while True:
        used, found = _solved(rows, used)
        lowest = min(range(len(found)), key=lambda number: found[number] * _norm([row[used[number]] for row in rows]))
        if found[lowest] >= 0 or len(used) == 1:
            weights = dict(zip(used, found, strict=True))
            return [max(0.0, weights.get(term, 0.0)) for term in range(len(TERMS))]
        del used[lowest]


def _solved(rows: Sequence[tuple[float, ...]], used: Sequence[int]) -> tuple[list[int], list[float]]:
    """The normal equations of these columns, by Gram-Schmidt in their order; those that depend on the ones before them
    are left out. Which are left, and their weights."""
    kept: list[int] = []
    basis: list[list[float]] = []
    shares: list[list[float]] = []
    for term in used:
        column = [row[term] for row in rows]
        size = _norm(column)
        share = []
        for other in basis:
            along = sum(a * b for a, b in zip(column, other, strict=True))
            column = [a - along * b for a, b in zip(column, other, strict=True)]
            share.append(along)
        left = _norm(column)
        if left <= 1e-9 * size:
            continue
        kept.append(term)
        basis.append([value / left for value in column])
        shares.append([*share, left])
    found = [sum(vector) for vector in basis]
    for number in reversed(range(len(kept))):
        found[number] /= shares[number][number]
        for before in range(number):
            found[before] -= shares[number][before] * found[number]
    return kept, found


def _norm(values: Sequence[float]) -> float:
    return float(sum(value * value for value in values) ** 0.5)
