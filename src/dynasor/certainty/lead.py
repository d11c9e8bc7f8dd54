"""A lead: how far the leading answer is ahead, and how likely it is to stay there."""

from __future__ import annotations

from typing import Literal, NamedTuple

from dynasor.certainty.agreement import UNIFORM, VotePrior, best_stays, leader_stays, weighted_stays

ChosenBy = Literal["majority", "weighted", "best"]
"""Who leads: the largest group, the one with the largest sum of rewards, or the one with the best sample."""


class Lead(NamedTuple):
    """The two leading answers among ``total`` samples: how many votes each has, and what these weigh.

    A named tuple, for calibration counts millions of them in dictionaries.
    """

    by: ChosenBy
    leader: int
    leader_weight: float
    runner_up: int
    runner_up_weight: float
    total: int

    def agreement(self, cap: int, prior: VotePrior = UNIFORM) -> float:
        """Probability that the leading answer still leads after ``cap`` samples; see ``certainty.agreement``.

        0.0 when no sample has an answer yet; 1.0 when no sample is left, or the lead cannot be lost. A final
        tie counts half.
        """
        if self.leader == 0:
            return 0.0
        remaining = max(0, cap - self.total)
        rest = self.total - self.leader - self.runner_up
        if self.by == "best":
            return best_stays(self.leader, self.total, remaining)
        if self.by == "majority":
            return leader_stays(self.leader, self.runner_up, rest, remaining, prior)
        weights = (self.leader_weight, self.runner_up_weight)
        return weighted_stays(self.leader, self.runner_up, rest, remaining, weights, prior)
