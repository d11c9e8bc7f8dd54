"""Finite-sample bounds: how sure can few questions make us?"""

from __future__ import annotations

import math


def hoeffding_bentkus(mean: float, questions: int, level: float) -> float:
    """Valid p-value of "the true mean loss is above ``level``", from ``questions`` independent losses in [0, 1]
    whose average is ``mean``.

    The smaller of Hoeffding's bound in its relative-entropy form and Bentkus's binomial one, as in Bates et
    al. (arXiv 2101.02703, section 3.1.2) and Learn then Test (Angelopoulos et al., arXiv 2110.01052).
    """
    if mean >= level:
        return 1.0
    hoeffding = math.exp(-questions * _relative_entropy(mean, level))
    bentkus = math.e * binomial_at_most(math.ceil(questions * mean), questions, level)
    return min(1.0, hoeffding, bentkus)


def fewest_questions(level: float, delta: float) -> int:
    """So many questions, without any loss among them, are needed to show a mean loss below ``level`` with
    confidence ``1 - delta``."""
    return math.ceil(math.log(1 / delta) / -math.log(1 - level))


def binomial_at_most(successes: int, trials: int, chance: float) -> float:
    """Probability of at most ``successes`` in ``trials``."""
    return min(1.0, math.fsum(_binomial(k, trials, chance) for k in range(min(successes, trials) + 1)))


def _binomial(successes: int, trials: int, chance: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return math.exp(ways + successes * math.log(chance) + (trials - successes) * math.log1p(-chance))


def _relative_entropy(mean: float, level: float) -> float:
    """Of two coins, in nats."""
    entropy = (1 - mean) * math.log((1 - mean) / (1 - level))
    return entropy + (mean * math.log(mean / level) if mean else 0.0)
