"""The example of docs/write-a-program.md: a tree of thoughts of the user's own, with a player who knows the rules."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction

import pytest

from dynasor import AnswerReader, Fixed, Options, Question, Runtime
from dynasor.programs import load_program
from dynasor.vocabulary import Answer, Request, RequestKind, StopReason
from examples.game_of_24 import computed
from tests.in_process_engine import InProcessEngine, Reply

Numbers = tuple[Fraction, ...]


def thoughts(left: Numbers) -> list[tuple[str, Numbers]]:
    found = []
    for i, j in itertools.permutations(range(len(left)), 2):
        rest = [left[k] for k in range(len(left)) if k not in (i, j)]
        for operator in "+-*/":
            result = computed(left[i], operator, left[j])
            if result is not None:
                found.append((f"{left[i]} {operator} {left[j]} = {result}", (*rest, result)))
    return found


def can_be_solved(left: Numbers) -> bool:
    return left == (Fraction(24),) or any(can_be_solved(following) for _, following in thoughts(left))


def player(request: Request) -> Reply:
    """Proposes every thought and some nonsense, and judges by solving."""
    assert not isinstance(request.prompt, str)
    text = request.prompt[-1].content
    match = re.search(r"Numbers left: ([^.]*)\.", text)
    assert match is not None
    left = tuple(Fraction(number) for number in match[1].split())
    if request.kind is RequestKind.SCORE:
        return Reply("Sure." if can_be_solved(left) else "impossible")
    lines = ["7 * 7 = 50", "99 + 1 = 100", *(line for line, _ in thoughts(left))]
    return Reply("\n".join(lines))


async def play(numbers: str, most: int = 20) -> tuple[Answer, InProcessEngine]:
    program = load_program("examples.game_of_24:GameOf24")()
    async with InProcessEngine(player) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader)
        answer = await runtime.run(Question.of_text(numbers), program, Fixed(), Options(max_samples=most))
        return answer, engine


@pytest.mark.parametrize("numbers", ["4 9 10 13", "1 5 5 5", "3 3 8 8"])
async def test_a_way_is_found_and_every_step_holds(numbers: str) -> None:
    answer, engine = await play(numbers)
    assert (answer.text, answer.certaindex.value) == ("24", 1.0)
    steps = answer.solution.splitlines()
    assert len(steps) == 3
    left = sorted(Fraction(number) for number in numbers.split())
    for step in steps:
        first, operator, second, _, result = step.split()
        for number in (Fraction(first), Fraction(second)):
            left.remove(number)
        assert computed(Fraction(first), operator, Fraction(second)) == Fraction(result)
        left.append(Fraction(result))
    assert left == [24]
    assert answer.num_samples == 3, "the judge leads straight to it"
    assert answer.usage.produced == engine.produced
    assert answer.usage.score > 0


async def test_what_cannot_be_made_ends_without_an_answer() -> None:
    answer, _ = await play("1 1 1 1", most=5)
    assert (answer.text, answer.stop_reason, answer.num_samples) == (None, StopReason.CAP, 5)
