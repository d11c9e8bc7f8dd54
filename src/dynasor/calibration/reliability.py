"""Reliability: of the times when agreement said 0.9, was the answer kept in nine of ten?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from dynasor.vocabulary import JSON

DECILES = 10


@dataclass(frozen=True, slots=True)
class Decile:
    """Predictions that fall into one tenth of [0, 1]: their mean, how often they came true, how many they are."""

    predicted: float
    observed: float
    times: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """``deciles`` with any prediction in them, from low to high; ``error`` is the mean distance of predicted from
    observed, weighted by how often it was predicted (expected calibration error)."""

    deciles: tuple[Decile, ...]
    error: float

    def to_json(self) -> JSON:
        return {"error": self.error, "deciles": [asdict(decile) for decile in self.deciles]}


def reliability(predictions: Iterable[tuple[float, bool]]) -> Reliability:
    """Of pairs (predicted probability, whether it came true)."""
    sums = [[0.0, 0.0, 0.0] for _ in range(DECILES)]
    for predicted, came_true in predictions:
        decile = sums[min(DECILES - 1, int(predicted * DECILES))]
        decile[0] += predicted
        decile[1] += came_true
        decile[2] += 1
    deciles = tuple(Decile(p / n, o / n, int(n)) for p, o, n in sums if n)
    total = sum(decile.times for decile in deciles)
    error = sum(abs(each.predicted - each.observed) * each.times for each in deciles) / max(1, total)
    return Reliability(deciles, error)
