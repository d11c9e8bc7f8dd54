"""Deadlines as the paper's (appendix F): scale x difficulty x base. They judge; no program is told of them.

Everything is in units of a program's deadline at scale 1, its *slowness*: latency over difficulty times base. A program
is in time at an SLO scale s if its slowness is at most s, so one number for each program answers for every scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

SHARE = 0.9
"""Of programs, that must be in time: the paper's P90 attainment."""
ALWAYS_RIGHT, VARIABLE, ALWAYS_WRONG = 1, 2, 3


def difficulty(num_right: int, num_trials: int) -> int:
    """1 for a question that all its trials answered right, 3 for one that none did, 2 for others."""
    assert 0 <= num_right <= num_trials and num_trials, "trials of a question, some of them right"
    if num_right == num_trials:
        return ALWAYS_RIGHT
    return VARIABLE if num_right else ALWAYS_WRONG


def slowness(latency_s: float | None, difficulty: float, base_s: float) -> float:
    """Latency over the deadline at scale 1; infinite for a program that never answered (None)."""
    return math.inf if latency_s is None else latency_s / (difficulty * base_s)


def attainment(slownesses: Sequence[float], scale: float) -> float:
    """The share that is in time at ``scale``."""
    return sum(each <= scale for each in slownesses) / len(slownesses)


def tightest_scale(slownesses: Sequence[float], share: float = SHARE) -> float:
    """The smallest SLO scale at which at least ``share`` are in time."""
    return quantile(slownesses, share)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]
