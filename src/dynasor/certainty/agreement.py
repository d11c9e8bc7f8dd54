"""Agreement: the probability that the answer now is the answer the full budget would give.

Each further sample is for the leading answer, for its runner-up or for neither. With a Dirichlet prior
over those three, what the remaining samples will bring follows a Dirichlet-multinomial distribution, and
the chance that the runner-up overtakes the leader is a finite sum. It is a number between programs, too:
0.98 means the same for 5 votes of 16 as for 40 of 64, which no threshold on an entropy does.

The prior is what a question is like before it was sampled. ``UNIFORM`` is cautious; ``dynasor calibrate``
learns one from recorded samples, without labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from dynasor.vocabulary import VoteCounts

VotePrior = tuple[float, float, float]
"""Prior weights of leader, runner-up and the rest."""

UNIFORM: VotePrior = (1.0, 1.0, 1.0)


def agreement(votes: VoteCounts, cap: int, prior: VotePrior = UNIFORM) -> float:
    """Probability that the leading answer of ``votes`` still leads after ``cap`` samples.

    A final tie counts half. Samples without an answer use up budget and vote for nobody. 0.0 when no
    sample has an answer yet; 1.0 when no sample is left, or the lead is larger than what is left.
    """
    if votes.leader == 0:
        return 0.0
    remaining = max(0, cap - votes.total)
    rest = votes.total - votes.leader - votes.runner_up
    return leader_stays(votes.leader, votes.runner_up, rest, remaining, prior)


def weighted_agreement(
    votes: VoteCounts, leader: tuple[int, float], runner_up: tuple[int, float], cap: int, prior: VotePrior = UNIFORM
) -> float:
    """``agreement`` where votes have weights: each of the two answers is given as (its votes, their weight).

    A further vote for either is expected to weigh what its votes weighed on average so far.
    """
    if leader[0] == 0:
        return 0.0
    remaining = max(0, cap - votes.total)
    lead = leader[1] - runner_up[1]
    gain, loss = (weight / count if count else leader[1] / leader[0] for count, weight in (leader, runner_up))
    if remaining == 0 or lead > remaining * loss:
        return 1.0
    weights = (leader[0] + prior[0], runner_up[0] + prior[1], votes.total - leader[0] - runner_up[0] + prior[2])
    stays = 0.0
    for gained, lost, probability in _outcomes(weights, remaining):
        margin = lead + gained * gain - lost * loss
        stays += probability * (1.0 if margin > 0 else 0.5 if margin == 0 else 0.0)
    return min(math.nextafter(1.0, 0.0), stays)


def best_stays(votes: VoteCounts, supporters: int, cap: int) -> float:
    """``agreement`` for best-of-n: probability that the answer of the best sample now is that of the best of ``cap``.

    Samples come in no particular order, so the best of all is among the remaining ones with the chance of
    their share; that one then gives another answer than the present one's with the rule of succession on its
    ``supporters`` among the samples so far. (That good samples agree more often than others is left out, so
    the number is rather low than high.) 0.0 without an answer, 1.0 without samples left.
    """
    if supporters == 0:
        return 0.0
    remaining = max(0, cap - votes.total)
    is_beaten = remaining / (votes.total + remaining)
    differs = 1 - (supporters + 1) / (votes.total + 2)
    return 1 - is_beaten * differs


def samples_to_settle(votes: VoteCounts, cap: int, max_change: float, prior: VotePrior = UNIFORM) -> int:
    """Fewest further samples that could bring ``1 - agreement`` down to ``max_change``: all for the leader.

    At most what is left of ``cap``; 0 when the votes are settled already. With no votes at all this is
    how many unanimous samples settle a question.
    """
    remaining = max(0, cap - votes.total)
    rest = votes.total - votes.leader - votes.runner_up
    for more in range(remaining):
        leader = votes.leader + more
        if leader and leader_stays(leader, votes.runner_up, rest, remaining - more, prior) >= 1 - max_change:
            return more
    return remaining


@lru_cache(maxsize=65536)
def leader_stays(leader: int, runner_up: int, rest: int, remaining: int, prior: VotePrior = UNIFORM) -> float:
    """Posterior probability that ``leader`` votes beat ``runner_up`` votes after ``remaining`` more samples.

    1.0 only if the lead is larger than what remains; rounding never makes it so."""
    lead = leader - runner_up
    if lead > remaining:
        return 1.0
    if remaining == 0:
        return 0.5
    weights = (leader + prior[0], runner_up + prior[1], rest + prior[2])
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
