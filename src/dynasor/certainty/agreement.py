"""Agreement: the probability that the answer now is the answer the full budget would give.

Each further sample is for the leading answer, for its runner-up or for neither. With a Dirichlet prior
over those three, what the remaining samples will bring follows a Dirichlet-multinomial distribution, and
the chance that the runner-up overtakes the leader is a finite sum. It is a number between programs, too:
0.98 means the same for 5 votes of 16 as for 40 of 64, which no threshold on an entropy does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from dynasor.vocabulary import VoteCounts

UNIFORM = (1.0, 1.0, 1.0)
"""Prior weights of leader, runner-up and the rest."""


def agreement(votes: VoteCounts, cap: int) -> float:
    """Probability that the leading answer of ``votes`` still leads after ``cap`` samples.

    A final tie counts half. Samples without an answer use up budget and vote for nobody. 0.0 when no
    sample has an answer yet; 1.0 when no sample is left, or the lead is larger than what is left.
    """
    if votes.leader == 0:
        return 0.0
    remaining = max(0, cap - votes.total)
    rest = votes.total - votes.leader - votes.runner_up
    return leader_stays(votes.leader, votes.runner_up, rest, remaining)


def samples_to_settle(votes: VoteCounts, cap: int, max_change: float) -> int:
    """Fewest further samples that could bring ``1 - agreement`` down to ``max_change``: all for the leader.

    At most what is left of ``cap``; 0 when the votes are settled already. With no votes at all this is
    how many unanimous samples settle a question.
    """
    remaining = max(0, cap - votes.total)
    rest = votes.total - votes.leader - votes.runner_up
    for more in range(remaining):
        leader = votes.leader + more
        if leader and leader_stays(leader, votes.runner_up, rest, remaining - more) >= 1 - max_change:
            return more
    return remaining


@lru_cache(maxsize=65536)
def leader_stays(leader: int, runner_up: int, rest: int, remaining: int) -> float:
    """Posterior probability that ``leader`` votes beat ``runner_up`` votes after ``remaining`` more samples.

    1.0 only if the lead is larger than what remains; rounding never makes it so."""
    lead = leader - runner_up
    if lead > remaining:
        return 1.0
    if remaining == 0:
        return 0.5
    weights = (leader + UNIFORM[0], runner_up + UNIFORM[1], rest + UNIFORM[2])
    stays = 0.0
    for gained, lost, probability in _outcomes(weights, remaining):
        margin = lead + gained - lost
        stays += probability * (1.0 if margin > 0 else 0.5 if margin == 0 else 0.0)
    return min(math.nextafter(1.0, 0.0), stays)


def _outcomes(weights: tuple[float, float, float], samples: int) -> Iterator[tuple[int, int, float]]:
    """(leader's, runner-up's, probability) of every split of ``samples``: Dirichlet-multinomial."""
    tables = [_log_rising_over_factorial(weight, samples) for weight in weights]
    norm = _log_rising_over_factorial(sum(weights), samples)[samples]
    for gained in range(samples + 1):
        for lost in range(samples - gained + 1):
            log_probability = tables[0][gained] + tables[1][lost] + tables[2][samples - gained - lost] - norm
            yield gained, lost, math.exp(log_probability)


def _log_rising_over_factorial(weight: float, samples: int) -> list[float]:
    """log(weight (weight+1) ... (weight+k-1) / k!) for k = 0 .. samples."""
    table = [0.0]
    for k in range(samples):
        table.append(table[-1] + math.log((weight + k) / (k + 1)))
    return table
