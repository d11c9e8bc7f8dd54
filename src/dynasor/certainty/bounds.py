"""Finite-sample bounds: how sure can few questions make us?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count

LARGEST_SHARE = 0.9
"""A bet never puts more of the capital at stake, so that no single loss ends the game."""


def betting_p_value(losses: Sequence[float], level: float, delta: float) -> float:
    """Valid p-value of "the true mean loss is at least ``level``", from independent losses in [-1, 1] in random order.

    One bets against that, on every loss in turn, as much as those before it advise: whoever is as rich as ``1 / p``
    at any time has shown it to be false at that level (Waudby-Smith and Ramdas, arXiv 2010.09686; as in Learn then
    Test, arXiv 2110.01052). Losses and gains make up for each other, and where both are rare few questions suffice.

    Args:
        delta: the level it will be held against; only how much is bet depends on it.
    """
    mean_if_true = (1 + level) / 2  # losses are moved to [0, 1]
    largest_bet = LARGEST_SHARE / (1 - mean_if_true)
    total, squares = 0.5, 0.25
    log_capital = most = 0.0
    for place, loss in enumerate(losses, 1):
        variance = squares / place
        bet = min(largest_bet, math.sqrt(2 * math.log(1 / delta) / (len(losses) * variance)))
        value = (1 + loss) / 2
        log_capital += math.log1p(bet * (mean_if_true - value))
        most = max(most, log_capital)
        total += value
        squares += (value - total / (place + 1)) ** 2
    return math.exp(-most)


def fewest_questions(level: float, delta: float) -> int:
    """So many questions, without any loss among them, are needed to show a mean loss below ``level`` with
    confidence ``1 - delta``."""
    most = next(1 << power for power in count() if _suffice(1 << power, level, delta))
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if _suffice(middle, level, delta) else (middle, most)
    return most


def _suffice(questions: int, level: float, delta: float) -> bool:
    return betting_p_value([0.0] * questions, level, delta) <= delta


def binomial_at_most(successes: int, trials: int, chance: float) -> float:
    """Probability of at most ``successes`` in ``trials``."""
    return min(1.0, math.fsum(_binomial(k, trials, chance) for k in range(min(successes, trials) + 1)))


def _binomial(successes: int, trials: int, chance: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return math.exp(ways + successes * math.log(chance) + (trials - successes) * math.log1p(-chance))
