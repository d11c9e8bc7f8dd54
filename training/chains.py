"""Chains of thought: how they are written, with and without slips, and how a step is checked.

A product is worked out by the place values of one operand with a running total::

    The boxes hold 347*286 pens.
    347*200=69400.
    347*80=27760, 69400+27760=97160.
    347*6=2082, 97160+2082=99242.

Which operand is split and in which order is random, so chains of one question differ. The long mode
(``<think>``) solves the problem again by another route until two attempts agree. Attempts really are
computed, with independent slips; what the writer does next depends only on what stands in the text.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from training.problems import Problem

MAX_ATTEMPTS = 4
STOP_WHEN_AGREED = 0.5
"""Chance that the long mode stops once two attempts agree. This number, not the model, sets how much of
a long chain is redundant: say so beside every saving measured on it."""

CHECKS = ("Wait, let me check again.\n", "Hmm, let me verify this.\n", "Let me go over it once more.\n")


@dataclass(slots=True)
class Chain:
    """Text, the spans of slipped digits in it, and where each step ends with whether all was right so far."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    slips: list[tuple[int, int]] = field(default_factory=list)
    steps: list[tuple[int, bool]] = field(default_factory=list)
    right: bool = True

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def write_number(self, value: int, slipped: int) -> int:
        """Write ``slipped``, which is ``value`` unless a slip happened; returns what was written."""
        start = self.length
        self.write(str(slipped))
        if slipped != value:
            self.slips.append((start, self.length))
            self.right = False
        return slipped

    def end_step(self) -> None:
        self.write(".\n")
        self.steps.append((self.length, self.right))

    @property
    def text(self) -> str:
        return "".join(self.parts)


Slip = Callable[[int], int]


def slips_at(rate: float, rng: random.Random) -> Slip:
    """A function that changes a number by a small multiple of a power of ten, with probability ``rate``."""

    def slip(value: int) -> int:
        if rng.random() >= rate:
            return value
        wrong = value + rng.choice((-3, -2, -1, -1, 1, 1, 2, 3)) * 10 ** rng.randrange(len(str(value)))
        return wrong if wrong > 0 else value + 1

    return slip


def place_values(number: int) -> list[int]:
    """286 -> [200, 80, 6]; zero digits give nothing."""
    digits = str(number)
    return [int(d) * 10 ** (len(digits) - 1 - i) for i, d in enumerate(digits) if d != "0"]


@dataclass(frozen=True, slots=True)
class Route:
    """How one product is worked out: ``factor`` times each of ``parts``, in that order."""

    factor: int
    parts: tuple[int, ...]


def draw_route(a: int, b: int, rng: random.Random, avoid: Route | None = None) -> Route:
    """Split the operand with fewer digits most of the time; a route other than ``avoid`` if there is one."""
    shorter_is_b = len(place_values(b)) < len(place_values(a)) or (
        len(place_values(b)) == len(place_values(a)) and rng.random() < 0.5
    )
    factor, split = (a, b) if shorter_is_b else (b, a)
    if rng.random() < 0.15 or (avoid is not None and avoid.factor == factor and rng.random() < 0.5):
        factor, split = split, factor
    parts = place_values(split)
    order = rng.random()
    if order < 0.35:
        parts.reverse()
    elif order < 0.5:
        rng.shuffle(parts)
    if avoid == Route(factor, tuple(parts)):
        parts.reverse()
    return Route(factor, tuple(parts))


def write_product(chain: Chain, route: Route, slip: Slip) -> int:
    total: int | None = None
    for part in route.parts:
        chain.write(f"{route.factor}*{part}=")
        product = chain.write_number(route.factor * part, slip(route.factor * part))
        if total is not None:
            chain.write(f", {total}+{product}=")
            product = chain.write_number(total + product, slip(total + product))
        total = product
        chain.end_step()
    assert total is not None
    return total


def write_attempt(chain: Chain, problem: Problem, routes: list[Route], slip: Slip) -> int:
    """Solve the problem once in ``chain``; returns the answer that was reached."""
    totals = []
    for (a, b), box, route in zip(problem.products, problem.containers, routes, strict=True):
        chain.write(f"The {box} hold {a}*{b} {problem.item}.\n")
        totals.append(write_product(chain, route, slip))
    result = totals[0]
    for total in totals[1:]:
        chain.write(f"Together {result}+{total}=")
        result = chain.write_number(result + total, slip(result + total))
        chain.end_step()
    if problem.change:
        chain.write(f"Then {result}{problem.change:+d}=")
        result = chain.write_number(result + problem.change, slip(result + problem.change))
        chain.end_step()
    return result


def draw_routes(problem: Problem, rng: random.Random, avoid: list[Route] | None = None) -> list[Route]:
    previous: list[Route | None] = list(avoid) if avoid else [None] * len(problem.products)
    return [draw_route(a, b, rng, other) for (a, b), other in zip(problem.products, previous, strict=True)]


def boxed(answer: int) -> str:
    return f"The answer is \\boxed{{{answer}}}."


def short_chain(problem: Problem, rng: random.Random) -> Chain:
    """A chain in short mode; three in ten are written with slips (they teach the judge what wrong looks like)."""
    chain = Chain()
    slip = slips_at(rng.choice((0.05, 0.1, 0.2)) if rng.random() < 0.3 else 0.0, rng)
    answer = write_attempt(chain, problem, draw_routes(problem, rng), slip)
    chain.write(boxed(answer))
    chain.steps.append((chain.length, chain.right))
    return chain


def long_chain(problem: Problem, rng: random.Random) -> Chain | None:
    """A chain in long mode, without the closing tag, or None when the attempts settled on a wrong answer."""
    chain = Chain()
    slip = slips_at(rng.choice((0.0, 0.0, 0.03, 0.08)), rng)
    routes: list[Route] | None = None
    answers: list[int] = []
    while len(answers) < MAX_ATTEMPTS:
        routes = draw_routes(problem, rng, routes)
        answer = write_attempt(chain, problem, routes, slip)
        chain.write(_remark(answer, answers))
        agreed = answer in answers
        answers.append(answer)
        if agreed and rng.random() < STOP_WHEN_AGREED:
            break
        if len(answers) < MAX_ATTEMPTS:
            chain.write(rng.choice(CHECKS))
    settled = max(answers, key=lambda a: (answers.count(a), answers.index(a)))
    return chain if settled == problem.answer else None


def _remark(answer: int, before: list[int]) -> str:
    if not before:
        return f"So the answer is {answer}.\n"
    if answer in before:
        return f"I get {answer} again.\n"
    return f"Now I get {answer}, but before it was {before[-1]}.\n"
