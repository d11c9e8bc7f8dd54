"""The word problems: levels of difficulty, wording, and three splits that cannot overlap.

A problem is a sum of products and an optional change: ``47 boxes of 56 pens and 22 bags of 84 pens;
315 pens are sold``. Its *key* is what has to be computed, whatever the wording or the order of the
operands. The split is a function of the key alone, so two splits share no computation, by construction.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

SPLITS = ("train", "calibration", "test")

CONTAINERS = ("boxes", "bags", "crates", "trays", "jars", "packs", "carts", "bins")
ITEMS = ("pens", "coins", "apples", "books", "cards", "stamps", "shells", "rolls")
OWNERS = ("A shop", "A school", "A farm", "A market", "A museum", "A bakery", "A club", "A library")
LOSSES = ("are sold", "are given away", "are lost")
GAINS = ("more arrive", "more are bought")


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a problem: digits of the two operands of each product, digits of the change (0: none)."""

    products: tuple[tuple[int, int], ...]
    change_digits: int = 0


LEVELS: dict[int, Size] = {
    1: Size(((2, 1),)),
    2: Size(((2, 2), (2, 1))),
    3: Size(((3, 2),), 3),
    4: Size(((3, 1), (2, 1))),
    5: Size(((3, 1),)),
    6: Size(((4, 3),)),
    7: Size(((4, 2),)),
    8: Size(((4, 2),), 3),
    9: Size(((3, 3),), 3),
    10: Size(((6, 1),)),
}
"""The levels of the shipped question sets, ordered by the accuracy of a single sample. They were chosen after the
model was trained, by samples of the calibration split, so that its accuracy spreads from nearly 1 to nearly 0. Only
the sizes of levels 1, 3 and 6 were in training documents."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One question, what has to be computed for it, and the words it is told in."""

    products: tuple[tuple[int, int], ...]
    change: int
    containers: tuple[str, ...]
    item: str
    question: str

    @property
    def answer(self) -> int:
        return sum(a * b for a, b in self.products) + self.change

    @property
    def key(self) -> str:
        """What is computed, with operands and products in a fixed order."""
        products = sorted(tuple(sorted(pair)) for pair in self.products)
        return "+".join(f"{a}*{b}" for a, b in products) + f"{self.change:+d}"

    @property
    def split(self) -> str:
        """Which split the problem belongs to; a function of ``key`` only (12 % calibration, 12 % test)."""
        bucket = hashlib.sha256(self.key.encode()).digest()[0]
        return "test" if bucket < 31 else "calibration" if bucket < 62 else "train"


def draw_problem(size: Size, split: str, rng: random.Random) -> Problem:
    """A random problem of ``size`` from ``split``."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; one of {', '.join(SPLITS)} was expected")
    while True:
        problem = _draw(size, rng)
        if problem.split == split:
            return problem


def distinct_problems(split: str, per_level: int, seed: int) -> Iterator[tuple[int, Problem]]:
    """``per_level`` problems of every level, with it; no two have the same key, and levels take turns."""
    rng = random.Random(f"{split}-{seed}")
    seen: set[str] = set()
    for _ in range(per_level):
        for level, size in LEVELS.items():
            problem = draw_problem(size, split, rng)
            while problem.key in seen:
                problem = draw_problem(size, split, rng)
            seen.add(problem.key)
            yield level, problem


def _draw(size: Size, rng: random.Random) -> Problem:
    products = tuple(_draw_product(digits, rng) for digits in size.products)
    total = sum(a * b for a, b in products)
    change = 0
    if size.change_digits:
        change = _number(size.change_digits, rng) * rng.choice((-1, 1))
        change = change if total + change > 0 else -change
    containers = tuple(rng.sample(CONTAINERS, len(products)))
    item = rng.choice(ITEMS)
    question = _tell(products, change, containers, item, rng)
    return Problem(products, change, containers, item, question)


def _draw_product(digits: tuple[int, int], rng: random.Random) -> tuple[int, int]:
    first, second = _number(digits[0], rng), _number(digits[1], rng)
    return (second, first) if rng.random() < 0.5 else (first, second)


def _number(digits: int, rng: random.Random) -> int:
    return rng.randint(max(2, 10 ** (digits - 1)), 10**digits - 1)


def _tell(
    products: tuple[tuple[int, int], ...], change: int, containers: tuple[str, ...], item: str, rng: random.Random
) -> str:
    groups = [f"{a} {box} of {b} {item}" for (a, b), box in zip(products, containers, strict=True)]
    text = f"{rng.choice(OWNERS)} has {' and '.join(groups)}."
    if change < 0:
        text += f" {-change} {item} {rng.choice(LOSSES)}."
    elif change > 0:
        text += f" {change} {rng.choice(GAINS)}."
    return f"{text} How many {item} are there{' now' if change else ''}?"
