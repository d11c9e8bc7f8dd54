"""What a batch came to: per arm in constant memory, and two arms side by side."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dynasor.vocabulary import JSON, StopReason

PERMUTATIONS = 64
"""Random orders of each question's samples in which smaller even allocations are replayed."""


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if trials == 0:
        return (0.0, 1.0)
    rate, square = successes / trials, z * z
    centre = (rate + square / (2 * trials)) / (1 + square / trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials)) / (1 + square / trials)
    return (max(0.0, centre - half), min(1.0, centre + half))


@dataclass(slots=True)
class ArmSummary:
    """Running totals over the result lines of one arm."""

    questions: int = 0
    answered: int = 0
    failed: int = 0
    scored: int = 0
    correct: int = 0
    samples: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    stop_reasons: Counter[str] = field(default_factory=Counter)

    def add(self, record: JSON) -> None:
        self.questions += 1
        self.answered += record["answer"] is not None
        self.failed += record["stop_reason"] == StopReason.FAILED
        self.samples += record["samples"]
        self.tokens.update(record["usage"])
        self.stop_reasons[record["stop_reason"]] += 1
        if "correct" in record:
            self.scored += 1
            self.correct += record["correct"]

    @property
    def accuracy(self) -> float | None:
        return self.correct / self.scored if self.scored else None

    @property
    def tokens_per_question(self) -> float:
        return self.tokens.total() / self.questions if self.questions else 0.0

    def to_json(self, elapsed_s: float) -> JSON:
        """Plain values; accuracies are fractions, tokens and samples are means over questions."""
        per_question = max(1, self.questions)
        tokens = {kind: count / per_question for kind, count in self.tokens.items()}
        summary: JSON = {
            "questions": self.questions,
            "answered": self.answered,
            "failed": self.failed,
            "samples_per_question": self.samples / per_question,
            "tokens_per_question": {**tokens, "total": self.tokens_per_question},
            "stop_reasons": dict(self.stop_reasons),
            "wall_clock_s": elapsed_s,
        }
        if self.scored:
            summary["accuracy"] = self.accuracy
            summary["accuracy_interval"] = list(wilson_interval(self.correct, self.scored))
        return summary


@dataclass(slots=True)
class EvenAllocation:
    """What smaller even allocations would have reached, replayed from the samples of the fixed arm.

    ``accuracy[k-1]`` is the mean accuracy of the majority among ``k`` samples, over questions and random
    orders of their samples; ``tokens_per_sample`` what one of them costs on average.
    """

    accuracy: list[float]
    tokens_per_sample: float

    def fewest_samples(self, accuracy: float) -> int | None:
        """The smallest even allocation that reaches ``accuracy``; None if the largest does not."""
        return next((k for k, reached in enumerate(self.accuracy, 1) if reached >= accuracy), None)


def replay_even_allocations(records: Iterable[JSON], cap: int, seed: int) -> EvenAllocation | None:
    """Replays ``records`` (of a fixed arm, with their branches); None if none of them is scored."""
    correct = [0.0] * cap
    questions = samples = tokens = 0
    for record in records:
        if "correct" not in record:
            continue
        questions += 1
        branches = record.get("branches", [])
        samples += len(branches)
        tokens += sum(branch["tokens"] for branch in branches)
        correct = [sum(pair) for pair in zip(correct, chances_by_samples(record, cap, seed), strict=True)]
    if not questions:
        return None
    return EvenAllocation([c / questions for c in correct], tokens / max(1, samples))


def chances_by_samples(record: JSON, cap: int, seed: int) -> list[float]:
    """How often the majority of 1, 2, ... ``cap`` of its branches is right, over random orders of them.

    A failed question has no branches, and is wrong with any number.
    """
    correct = [0.0] * cap
    # Sorted, so that the order in which samples happened to finish does not matter.
    branches = sorted(record.get("branches", []), key=lambda b: (b["answer"] or "", b["tokens"]))
    rng = random.Random(f"{seed}-{record['id']}")
    for _ in range(PERMUTATIONS):
        _replay(rng.sample(branches, len(branches)), correct)
    return [c / PERMUTATIONS for c in correct]


def _replay(branches: list[JSON], correct: list[float]) -> None:
    """Add to ``correct[k]`` whether the majority of the first ``k + 1`` branches is right."""
    counts: Counter[str] = Counter()
    right: dict[str, bool] = {}
    leader: str | None = None
    for k in range(len(correct)):
        if k < len(branches) and branches[k]["answer"] is not None:
            answer = branches[k]["answer"]
            counts[answer] += 1
            right[answer] = branches[k]["correct"]
            leader = max(counts, key=counts.__getitem__)
        correct[k] += leader is not None and right[leader]


def compare(arm: ArmSummary, baseline: ArmSummary, even: EvenAllocation | None) -> JSON:
    """How ``arm`` differs from ``baseline``: fractions of tokens saved, accuracy in fractions.

    A saving against a fixed cap flatters any early stop, so ``even_allocation`` states the fewest samples
    that, given evenly, reach the arm's accuracy, and the saving against that.
    """
    comparison: JSON = {"token_saving": _saving(arm.tokens_per_question, baseline.tokens_per_question)}
    if arm.accuracy is None or baseline.accuracy is None:
        return comparison
    comparison["accuracy_difference"] = arm.accuracy - baseline.accuracy
    if even is not None:
        samples = even.fewest_samples(arm.accuracy)
        tokens = (samples or len(even.accuracy)) * even.tokens_per_sample
        comparison["even_allocation"] = {
            "samples": samples,
            "accuracy": even.accuracy[(samples or len(even.accuracy)) - 1],
            "tokens_per_question": tokens,
            "token_saving": _saving(arm.tokens_per_question, tokens),
            "accuracy_by_samples": even.accuracy,
        }
    return comparison


def _saving(tokens: float, of: float) -> float:
    return 1 - tokens / of if of else 0.0
