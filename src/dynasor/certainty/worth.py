"""Worth: how much surer of the right answer one more sample is expected to make a vote.

The full budget's answer is not the goal here but the answer that endless sampling would settle on. How sure
the vote is of it can be computed, and so can what that will be, on average, after more samples: the
knowledge-gradient (Frazier and others, 2008), at the number of further samples where it is largest per sample.
"""

from __future__ import annotations

import math
from functools import lru_cache

from dynasor.certainty.agreement import UNIFORM, dirichlet_multinomial
from dynasor.certainty.hope import hope
from dynasor.vocabulary import VoteCounts

FAIR_SHARE = 0.4
"""The share of votes that an answer should gather for finding it to be worth anything; see ``hope``."""


def worth(votes: VoteCounts, cap: int) -> float:
    """Expected gain, per further sample, in the probability of leading with the lastingly most frequent answer.

    Times the hope that this answer gathers a fair share of the votes at all, for where it does not it is
    seldom right. 0.0 with no sample left; the chance of a coin where nothing is known yet.
    """
    remaining = max(0, cap - votes.total)
    if not remaining:
        return 0.0
    rest = votes.total - votes.leader - votes.runner_up
    return gain_per_sample(votes.leader, votes.runner_up, rest, remaining) * hope(votes, cap, FAIR_SHARE)


@lru_cache(maxsize=65536)
def gain_per_sample(leader: int, runner_up: int, rest: int, remaining: int) -> float:
    """Largest over looks 1, 2, 4, ... and ``remaining`` samples ahead, per sample."""
    looks = {min(remaining, 1 << power) for power in range(remaining.bit_length() + 1)}
    return max(gain(leader, runner_up, rest, look) / look for look in looks)


def gain(leader: int, runner_up: int, rest: int, samples: int) -> float:
    """Expected rise, after ``samples`` more, of the probability that the then leading one of two answers is the
    more frequent one; uniform priors."""
    weights = (leader + UNIFORM[0], runner_up + UNIFORM[1], rest + UNIFORM[2])
    expected = sum(
        probability * max(is_ahead(leader + more, runner_up + others), is_ahead(runner_up + others, leader + more))
        for more, others, probability in dirichlet_multinomial(weights, samples)
    )
    return max(0.0, expected - is_ahead(leader, runner_up))


@lru_cache(maxsize=65536)
def is_ahead(first: int, second: int) -> float:
    """Probability that the first of two answers with so many votes is the more frequent one, from a uniform prior:
    that a Beta(first + 1, second + 1) lies above one half."""
    trials = first + second + 1
    return math.ldexp(math.fsum(math.comb(trials, k) for k in range(first + 1)), -trials)
