"""The prior of the agreement posterior, learned from walks. No labels: only whether a lead was kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from dynasor.calibration.walks import Walk
from dynasor.certainty import UNIFORM, Lead, VotePrior

MOST_STATES = 150
"""Only the states most often passed through are fitted to; the others hardly weigh."""
STEPS = (4.0, 2.0, 1.25)
"""Factors by which weights are tried larger and smaller, coarse to fine."""
SMALLEST, LARGEST = 0.02, 50.0
SURELY = 0.001
"""No state is taken to be more certain than this, so that one surprise cannot outweigh all else."""

States = Sequence[tuple[Lead, int, int, int]]
"""(lead, cap, times passed through, times kept)."""


def fit_prior(walks: Iterable[Walk]) -> VotePrior:
    """The prior under which the walks' leads were kept with the highest likelihood.

    Coordinate ascent on the logarithm of the three weights, from ``UNIFORM``.
    """
    states = _states(walks)
    prior, best = UNIFORM, log_likelihood(states, UNIFORM)
    for factor in STEPS:
        improved = True
        while improved:
            improved = False
            for candidate in _neighbours(prior, factor):
                value = log_likelihood(states, candidate)
                if value > best + 1e-9:
                    prior, best, improved = candidate, value, True
    return (round(prior[0], 4), round(prior[1], 4), round(prior[2], 4))


def log_likelihood(states: States, prior: VotePrior) -> float:
    total = 0.0
    for lead, cap, passed, kept in states:
        stays = min(1 - SURELY, max(SURELY, lead.agreement(cap, prior)))
        total += kept * math.log(stays) + (passed - kept) * math.log(1 - stays)
    return total


def _states(walks: Iterable[Walk]) -> States:
    passed: Counter[tuple[Lead, int]] = Counter()
    kept: Counter[tuple[Lead, int]] = Counter()
    for walk in walks:
        for lead, is_kept in zip(walk.leads[:-1], walk.kept, strict=False):
            if lead.leader:
                passed[lead, walk.cap] += 1
                kept[lead, walk.cap] += is_kept
    return [(lead, cap, times, kept[lead, cap]) for (lead, cap), times in passed.most_common(MOST_STATES)]


def _neighbours(prior: VotePrior, factor: float) -> Iterable[VotePrior]:
    for position in range(3):
        for change in (factor, 1 / factor):
            weights = list(prior)
            weights[position] = min(LARGEST, max(SMALLEST, weights[position] * change))
            yield (weights[0], weights[1], weights[2])
