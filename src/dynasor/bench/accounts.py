"""Arms of a batch question by question: what they took, how often they were right, and what an equal accuracy costs.

An arm is set against the even split, where every question gets the same: of the caps that were run, the cheapest one
that is at least as accurate. All of it is done anew on resampled questions, the choice of that cap included, so that
the interval knows how unsure the choice is.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dynasor.batch.summary import chances_by_samples
from dynasor.certainty import UNIFORM, VotePrior
from dynasor.replay.replay import replay, standings
from dynasor.replay.traces import RecordedQuestion, RecordedSample
from dynasor.scheduling import Allocator
from dynasor.vocabulary import JSON

KINDS = ("main", "probe", "score", "cancelled")
RESAMPLES = 2000
SHUFFLES = 16
"""Random orders in which a question's samples are replayed."""


@dataclass(frozen=True, slots=True)
class Account:
    """By question, in one order for all arms: tokens produced, and the chance to be right (0 or 1, where run)."""

    tokens: Sequence[float]
    right: Sequence[float]

    def mean_tokens(self, draw: Sequence[int]) -> float:
        return sum(self.tokens[number] for number in draw) / len(draw)

    def accuracy(self, draw: Sequence[int]) -> float:
        return sum(self.right[number] for number in draw) / len(draw)


def account_of(results: Sequence[JSON]) -> Account:
    """What a batch wrote, all of it with references."""
    return Account([produced(result) for result in results], [float(result["correct"]) for result in results])


def produced(result: JSON) -> int:
    return sum(result["usage"][kind] for kind in KINDS)


def smaller_samples(results: Sequence[JSON], caps: Sequence[int], seed: int = 0) -> dict[int, Account]:
    """Even splits with ``caps`` samples each, replayed from those of a larger one in random orders."""
    most = max(len(result["branches"]) for result in results)
    chances = [chances_by_samples(result, most, seed) for result in results]
    means = [statistics.fmean(branch["tokens"] for branch in result["branches"]) for result in results]
    return {
        cap: Account([cap * mean for mean in means], [each[cap - 1] for each in chances]) for cap in caps if cap <= most
    }


def replayed(
    results: Sequence[JSON], allocator: Allocator, cap: int, *, prior: VotePrior = UNIFORM, seed: int = 0
) -> Account:
    """What ``allocator`` would have made of the samples of a larger run, in random orders, at ``cap``. Its tokens are
    those of all samples started by the time it stops, as if all that is granted started at once."""
    tokens, right = [], []
    for result in results:
        question = RecordedQuestion(result["id"], tuple(_sample(branch) for branch in result["branches"]))
        marks = question.marks or {}
        rng = random.Random(f"{seed}-{question.id}")
        spent, hits = 0, 0
        for _ in range(SHUFFLES):
            samples = rng.sample(question.samples, min(cap, len(question.samples)))
            counts = [sample.tokens or 0 for sample in samples]
            outcome = replay(allocator, standings(samples, counts, prior))
            spent += sum(counts[: outcome.started])
            hits += marks.get(outcome.answer, False)
        tokens.append(spent / SHUFFLES)
        right.append(hits / SHUFFLES)
    return Account(tokens, right)


def _sample(branch: JSON) -> RecordedSample:
    return RecordedSample(branch["answer"], branch["correct"], branch["tokens"])


@dataclass(frozen=True, slots=True)
class EqualAccuracy:
    """``cap`` is of the cheapest even split as accurate; None: none of them is, and the largest is taken. ``saved`` is
    the share of its tokens that the arm did not take, with a 95 % interval by bootstrap over questions."""

    cap: int | None
    tokens: float
    saved: float
    interval: tuple[float, float]

    def to_json(self) -> JSON:
        return {"cap": self.cap, "tokens": self.tokens, "saved": self.saved, "saved_interval": list(self.interval)}


def at_equal_accuracy(arm: Account, even: Mapping[int, Account], seed: int = 0) -> EqualAccuracy:
    """``arm`` against the even splits by cap."""
    everyone = range(len(arm.tokens))
    rng = random.Random(seed)
    cap, tokens = cheapest(arm, even, everyone)
    saved = []
    for _ in range(RESAMPLES):
        draw = rng.choices(everyone, k=len(everyone))
        saved.append(1 - arm.mean_tokens(draw) / cheapest(arm, even, draw)[1])
    saved.sort()
    tail = round(0.025 * RESAMPLES)
    interval = (saved[tail - 1], saved[-tail])
    return EqualAccuracy(cap, tokens, 1 - arm.mean_tokens(everyone) / tokens, interval)


def cheapest(arm: Account, even: Mapping[int, Account], draw: Sequence[int]) -> tuple[int | None, float]:
    """The smallest cap that is as accurate as ``arm`` on these questions, and its tokens a question; else None and
    those of the largest."""
    accuracy = arm.accuracy(draw) - 1e-9
    for cap in sorted(even):
        if even[cap].accuracy(draw) >= accuracy:
            return cap, even[cap].mean_tokens(draw)
    return None, even[max(even)].mean_tokens(draw)


def against(arm: Account, cap: Account, seed: int = 0) -> JSON:
    """``arm`` against the full cap: the difference in accuracy and the share of tokens saved, with 95 % intervals."""
    everyone = range(len(arm.tokens))
    rng = random.Random(seed)
    accuracy, saved = [], []
    for _ in range(RESAMPLES):
        draw = rng.choices(everyone, k=len(everyone))
        accuracy.append(arm.accuracy(draw) - cap.accuracy(draw))
        saved.append(1 - arm.mean_tokens(draw) / cap.mean_tokens(draw))
    tail = round(0.025 * RESAMPLES)
    accuracy.sort()
    saved.sort()
    return {
        "accuracy": arm.accuracy(everyone) - cap.accuracy(everyone),
        "accuracy_interval": [accuracy[tail - 1], accuracy[-tail]],
        "saved": 1 - arm.mean_tokens(everyone) / cap.mean_tokens(everyone),
        "saved_interval": [saved[tail - 1], saved[-tail]],
    }
