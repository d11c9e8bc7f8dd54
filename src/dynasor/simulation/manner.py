"""How simulated solutions are written where no recorded sample tells: their steps, their scores, their thinking."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from statistics import NormalDist

from dynasor.errors import InputError


@dataclass(frozen=True, slots=True)
class Manner:
    """A parametric model of what programs ask for besides whole samples. Whether a solution comes out right, what it
    answers, and how long it is are the question's own; this says what happens on the way there.

    Args:
        step_tokens: of a step of a solution, on average.
        step_spread: standard deviation of its logarithm.
        score_auc: how likely a reward scores a right solution of a question above a wrong one of the same; of a half-
            written one, one that is still right above one that went wrong.
        chain_stretch: how many times as long as a sample a chain of thought is.
        settles_at: the share of a chain after which its probes give its final answer, on average.
        settles_spread: standard deviation of that, between chains.
        unsure_share: of the probes before that, how many are not sure of what they answer. The others answer as a
            sample of the question does.
        probe_tokens: that a probe writes.
    """

    step_tokens: float = 24.0
    step_spread: float = 0.3
    score_auc: float = 0.75
    chain_stretch: float = 4.0
    settles_at: float = 0.6
    settles_spread: float = 0.2
    unsure_share: float = 0.5
    probe_tokens: int = 6

    def __post_init__(self) -> None:
        for name, least, most in (
            ("step_tokens", 1.0, math.inf),
            ("step_spread", 0.0, 3.0),
            ("score_auc", 0.5, 0.9999),
            ("chain_stretch", 0.01, math.inf),
            ("settles_at", 0.0, 1.0),
            ("settles_spread", 0.0, 1.0),
            ("unsure_share", 0.0, 1.0),
            ("probe_tokens", 1, math.inf),
        ):
            if not least <= getattr(self, name) <= most or math.isinf(getattr(self, name)):
                raise InputError(f"{name} is {getattr(self, name)}; a number from {least:g} to {most:g} was expected")

    @property
    def separation(self) -> float:
        """How far apart scores of right and wrong solutions lie, in their standard deviations: that of two normal laws
        with this AUC."""
        return math.sqrt(2) * NormalDist().inv_cdf(self.score_auc)

    def __str__(self) -> str:
        return ", ".join(f"{each.name}={getattr(self, each.name):g}" for each in fields(self))
