"""Two ways of answering the same questions: is one better, and how sure is that?"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dynasor.vocabulary import JSON

RESAMPLES = 2000
"""Of the bootstrap."""
SIGN_FLIPS = 9999
LARGE = 5000
"""From so many questions on a mean is normal for all we can tell, and resampling only slow."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The mean difference over ``count`` questions, its 95 % interval, and the two-sided p-value of no difference."""

    count: int
    mean: float
    interval: tuple[float, float]
    p_value: float

    def to_json(self) -> JSON:
        return {
            "questions": self.count,
            "mean": self.mean,
            "interval": list(self.interval),
            "p_value": self.p_value,
        }


def paired_difference(differences: Sequence[float], seed: int = 0) -> PairedDifference:
    """From the difference on each question: of right (1) and wrong (0), or of the chances to be right.

    The interval is by bootstrap over the questions, the p-value by flipping signs (see ``sign_flip_p_value``).
    AssertionError without questions.
    """
    assert differences, "a difference without questions"
    rng = random.Random(seed)
    mean = math.fsum(differences) / len(differences)
    interval = bootstrap_interval(differences, rng)
    return PairedDifference(len(differences), mean, interval, sign_flip_p_value(differences, rng))


def mixed(by_samples: Sequence[float], samples: float) -> float:
    """The value at a fractional number of samples: as many questions get one more as the fraction says.

    ``by_samples[k - 1]`` is that at ``k`` samples; at none it is 0, and above the last that of the last.
    """
    values = [0.0, *by_samples]
    whole = min(math.floor(samples), len(values) - 1)
    following = values[min(whole + 1, len(values) - 1)]
    return values[whole] + (samples - whole) * (following - values[whole])


def bootstrap_interval(values: Sequence[float], rng: random.Random) -> tuple[float, float]:
    """95 % percentile interval of their mean (Efron, 1979); the normal one for ``LARGE`` samples."""
    count = len(values)
    mean = math.fsum(values) / count
    if count >= LARGE:
        half = 1.96 * math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count)
        return (mean - half, mean + half)
    means = sorted(math.fsum(rng.choices(values, k=count)) / count for _ in range(RESAMPLES))
    tail = round(0.025 * RESAMPLES)
    return (means[tail - 1], means[-tail])


def sign_flip_p_value(differences: Sequence[float], rng: random.Random) -> float:
    """How often the sum would be as far from 0, in either direction, if each difference had its sign by a fair coin.

    Where all that are not 0 have one size, as between right and wrong, this is the exact test of McNemar;
    otherwise it is by ``SIGN_FLIPS`` random flips (Fisher's randomisation test).
    """
    sizes = Counter(abs(difference) for difference in differences if difference)
    if not sizes:
        return 1.0
    if len(sizes) == 1:
        above = sum(difference > 0 for difference in differences)
        return mcnemar_p_value(above, sizes.total() - above)
    reached = abs(math.fsum(differences)) * (1 - 1e-12)
    as_far = sum(abs(_flipped(sizes, rng)) >= reached for _ in range(SIGN_FLIPS))
    return (as_far + 1) / (SIGN_FLIPS + 1)


def _flipped(sizes: Counter[float], rng: random.Random) -> float:
    """The sum of so many of each size with random signs; of those of one size, only how many are positive matters."""
    return math.fsum(size * (2 * rng.getrandbits(count).bit_count() - count) for size, count in sizes.items())


def mcnemar_p_value(wins: int, losses: int) -> float:
    """Exact and two-sided (McNemar, 1947): of the questions on which the two differ, half should go either way."""
    trials = wins + losses
    tail = sum(math.comb(trials, k) for k in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / (1 << trials))
