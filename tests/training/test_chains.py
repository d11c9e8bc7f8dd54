"""Chains of thought add up, except where they are meant to slip."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from training.chains import long_chain, short_chain
from training.curriculum import SIZES
from training.problems import LEVELS, SPLITS, Problem, draw_problem

EQUATION = re.compile(r"(\d+[*+-]\d+)=(\d+)")


def calculate(term: str) -> int:
    first, sign, second = re.fullmatch(r"(\d+)([*+-])(\d+)", term).groups()  # type: ignore[union-attr]  # it matched
    return {"*": int(first) * int(second), "+": int(first) + int(second), "-": int(first) - int(second)}[sign]


def problem(seed: int) -> tuple[Problem, random.Random]:
    rng = random.Random(seed)
    return draw_problem(rng.choice([*SIZES, *LEVELS.values()]), rng.choice(SPLITS), rng), rng


@given(st.integers(0, 1_000_000))
def test_every_step_that_is_called_right_adds_up_until_the_first_slip(seed: int) -> None:
    drawn, rng = problem(seed)
    chain = short_chain(drawn, rng)
    start, verdicts = 0, []
    for end, right in chain.steps:
        step, start = chain.text[start:end], end
        verdicts.append(right)
        slipped = any(start > slip_end for _, slip_end in chain.slips)
        assert right == (not slipped), step
        if right:
            assert all(calculate(left) == int(result) for left, result in EQUATION.findall(step)), step
    assert verdicts == sorted(verdicts, reverse=True), "what was wrong once stays wrong"


@given(st.integers(0, 1_000_000))
def test_a_chain_without_slips_ends_in_the_answer(seed: int) -> None:
    drawn, rng = problem(seed)
    chain = short_chain(drawn, rng)
    assert chain.right == (not chain.slips)
    if chain.right:
        assert chain.text.endswith(f"\\boxed{{{drawn.answer}}}.")


@given(st.integers(0, 1_000_000))
def test_long_chains_check_themselves_by_another_route(seed: int) -> None:
    drawn, rng = problem(seed)
    chain = long_chain(drawn, rng)
    if chain is None:
        return
    assert "So the answer is" in chain.text
    assert any(word in chain.text for word in (" again.\n", "Now I get"))
    assert chain.text.count(f" {drawn.answer}") >= 1


def test_the_split_depends_on_the_computation_only() -> None:
    drawn, _ = problem(1)
    turned = tuple((b, a) for a, b in reversed(drawn.products))
    other = Problem(turned, drawn.change, drawn.containers, "books", "Other words?")
    assert (other.key, other.split) == (drawn.key, drawn.split)
