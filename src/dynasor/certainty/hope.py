"""Hope: the chance that a vote still comes to something.

When hardly two samples agree, the answer of the full budget is a draw of the lot: more samples change it, but
rarely for the better. What would make it better is an answer that gathers a fair share of the votes.
"""

from __future__ import annotations

import math
from functools import lru_cache

from dynasor.vocabulary import VoteCounts


def hope(votes: VoteCounts, cap: int, min_share: float) -> float:
    """Probability that some answer ends with at least ``min_share`` of the votes given by the time of ``cap`` samples.

    Each answer's share has a uniform prior of its own, and so has an answer not seen yet; the chances are
    added up (a union bound), at most to 1. Samples without an answer give no vote: of those that remain, as
    many are expected to vote as did so far.
    """
    given = votes.total - votes.unanswered
    remaining = max(0, cap - votes.total)
    to_come = round(remaining * (given + 1) / (votes.total + 1))
    wanted = max(1, math.ceil(min_share * (given + to_come)))
    chances = (reaches(size, given, to_come, wanted) for size in (*votes.groups, 0))
    return min(1.0, sum(chances))


@lru_cache(maxsize=65536)
def reaches(size: int, given: int, to_come: int, wanted: int) -> float:
    """Probability that an answer with ``size`` of ``given`` votes has ``wanted`` after ``to_come`` more:
    beta-binomial, from a uniform prior on its share."""
    missing = wanted - size
    if missing <= 0:
        return 1.0
    return math.fsum(_gains(size + 1, given - size + 1, to_come, gained) for gained in range(missing, to_come + 1))


def _gains(successes: int, failures: int, trials: int, gained: int) -> float:
    log_probability = (
        math.lgamma(trials + 1)
        - math.lgamma(gained + 1)
        - math.lgamma(trials - gained + 1)
        + _log_rising(successes, gained)
        + _log_rising(failures, trials - gained)
        - _log_rising(successes + failures, trials)
    )
    return math.exp(log_probability)


def _log_rising(start: int, steps: int) -> float:
    return math.lgamma(start + steps) - math.lgamma(start)
