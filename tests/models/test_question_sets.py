"""The shipped question sets, read from their text alone: references are right, splits share no computation."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations

from dynasor.models.question_sets import Split, question_lines
from dynasor.vocabulary import JSON

PRODUCT = re.compile(r"(\d+) \w+ of (\d+) \w+")
LOSS = re.compile(r"\. (\d+) \w+ are (?:sold|given away|lost)\.")
GAIN = re.compile(r"\. (\d+) more (?:arrive|are bought)\.")


def rows(split: Split) -> list[JSON]:
    return [json.loads(line) for line in question_lines(split)]


def computation(question: str) -> tuple[tuple[tuple[int, ...], ...], int]:
    """The products, in a fixed order, and the change."""
    products = tuple(sorted(tuple(sorted((int(a), int(b)))) for a, b in PRODUCT.findall(question)))
    change = sum(map(int, GAIN.findall(question))) - sum(map(int, LOSS.findall(question)))
    return products, change


def test_sizes_and_levels() -> None:
    for split, per_level in ((Split.TRAIN, 200), (Split.CALIBRATION, 64), (Split.TEST, 64)):
        assert Counter(row["level"] for row in rows(split)) == dict.fromkeys(range(1, 11), per_level)


def test_references_are_right() -> None:
    for split in Split:
        for row in rows(split):
            products, change = computation(row["question"])
            assert str(sum(a * b for a, b in products) + change) == row["reference"], row


def test_no_computation_is_in_two_splits_or_twice_in_one() -> None:
    seen = {split: [computation(row["question"]) for row in rows(split)] for split in Split}
    for split, computations in seen.items():
        assert len(set(computations)) == len(computations), split
    for first, second in combinations(Split, 2):
        assert not set(seen[first]) & set(seen[second])
