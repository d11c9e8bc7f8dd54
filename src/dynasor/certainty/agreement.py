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


def weighted_stays(
    leader: int,
    runner_up: int,
    rest: int,
    remaining: int,
    weights: tuple[float, float],
    prior: VotePrior = UNIFORM,
) -> float:
    """``leader_stays`` where votes weigh differently: ``weights`` is what the votes of leader and runner-up weigh
    together. A further vote for either is expected to weigh what its votes did on average so far."""
    lead = weights[0] - weights[1]
    gain = weights[0] / leader
    loss = weights[1] / runner_up if runner_up else gain
    if remaining == 0 or lead > remaining * loss:
        return 1.0
    return _stays(lead, (gain, loss), (leader + prior[0], runner_up + prior[1], rest + prior[2]), remaining)


def best_stays(supporters: int, total: int, remaining: int) -> float:
    """Probability that the answer of the best sample now is the answer of the best after ``remaining`` more.

    Samples come in no particular order, so the best of all is among the remaining ones with the chance of
    their share; that one then gives another answer than the present one's by the rule of succession on its
    ``supporters`` among the ``total`` samples so far. (That good samples agree more often than others is left
    out, so the number is rather low than high.)
    """
    is_beaten = remaining / (total + remaining)
    differs = 1 - (supporters + 1) / (total + 2)
    return 1 - is_beaten * differs


def samples_to_settle(votes: VoteCounts, cap: int, max_change: float, prior: VotePrior = UNIFORM) -> int:
    """Fewest further samples that could bring ``1 - agreement`` down to ``max_change``: all for the leader.

    At most what is left of ``cap``; 0 when the votes are settled already. With no votes at all this is
    how many unanimous samples settle a question.
    """
    rest = votes.total - votes.leader - votes.runner_up
    return _to_settle(votes.leader, votes.runner_up, rest, max(0, cap - votes.total), max_change, prior)


@lru_cache(maxsize=65536)
def _to_settle(
    leader: int, runner_up: int, rest: int, remaining: int, max_change: float, prior: VotePrior = UNIFORM
) -> int:
    for more in range(remaining):
        ahead = leader + more
        if ahead and leader_stays(ahead, runner_up, rest, remaining - more, prior) >= 1 - max_change:
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
    return _stays(lead, (1, 1), (leader + prior[0], runner_up + prior[1], rest + prior[2]), remaining)


def _stays(lead: float, steps: tuple[float, float], weights: VotePrior, remaining: int) -> float:
    """Probability that a ``lead`` is kept when each vote for the leader adds ``steps[0]`` to it and each for the
    runner-up takes ``steps[1]`` away; a tie counts half.

    The votes to come are Dirichlet-multinomial with ``weights``. So those for either of the two are beta-binomial, and
    among these the leader's are again. Each further one of these is the leader's by Polya's urn, so the chance that
    the leader gets enough of them follows from that of one fewer, and all takes time in proportion to ``remaining``.
    """
    for_leader, for_runner_up, for_rest = (_log_ways(weight, remaining) for weight in weights)
    of_both = weights[0] + weights[1]
    for_both, for_all = _log_ways(of_both, remaining), _log_ways(sum(weights), remaining)[remaining]

    def bearable(gained: int) -> float:
        """With so many votes gained: fewer than this for the runner-up leave a lead, as many a tie."""
        return (lead + gained * steps[0]) / steps[1] if steps[1] else math.inf

    def chance(gained: int, votes: int) -> float:
        """That of so many votes for either, exactly so many are for the leader."""
        return math.exp(for_leader[gained] + for_runner_up[votes - gained] - for_both[votes])

    stays, kept, least = 0.0, 1.0, 0  # kept: the chance that at least so many of the votes are for the leader
    for votes in range(remaining + 1):
        while bearable(least) <= votes - least:
            kept -= chance(least, votes)
            least += 1
        below = chance(least - 1, votes) if least else 0.0
        is_tie = least > 0 and bearable(least - 1) == votes - least + 1
        share = math.exp(for_both[votes] + for_rest[remaining - votes] - for_all)
        stays += share * (kept + (0.5 * below if is_tie else 0.0))
        kept += below * (weights[0] + least - 1) / (of_both + votes)
    return min(math.nextafter(1.0, 0.0), stays)


def dirichlet_multinomial(weights: VotePrior, samples: int) -> Iterator[tuple[int, int, float]]:
    """(votes for the first, votes for the second, probability) of every split of ``samples`` in three."""
    tables = [_log_ways(weight, samples) for weight in weights]
    norm = _log_ways(sum(weights), samples)[samples]
    for first in range(samples + 1):
        for second in range(samples - first + 1):
            log_probability = tables[0][first] + tables[1][second] + tables[2][samples - first - second] - norm
            yield first, second, math.exp(log_probability)


def _log_ways(weight: float, samples: int) -> list[float]:
    """log(weight (weight+1) ... (weight+k-1) / k!) for k = 0 .. samples."""
    table = [0.0]
    for k in range(samples):
        table.append(table[-1] + math.log((weight + k) / (k + 1)))
    return table
