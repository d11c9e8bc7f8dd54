"""The likelihood of a solution, from the log-probabilities of its tokens."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.errors import EngineCannot, InputError
from dynasor.rewards import Likelihood, Solution
from dynasor.vocabulary import Question, TokenLogprob
from tests.rewards.scripted_session import ScriptedSession

SESSION = ScriptedSession().as_session


def solution(*probabilities: float) -> Solution:
    tokens = tuple(TokenLogprob("x", math.log(each) if each else -math.inf) for each in probabilities)
    return Solution(Question.of_text("?"), ("x" * len(tokens),), logprobs=tokens)


async def test_the_three_forms() -> None:
    two = solution(0.5, 0.125)
    assert await Likelihood("product").score(SESSION, two) == pytest.approx(1 / 16)
    assert await Likelihood("mean").score(SESSION, two) == pytest.approx(1 / 4)
    assert await Likelihood("min").score(SESSION, two) == pytest.approx(1 / 8)


async def test_the_mean_does_not_depend_on_the_length() -> None:
    short, long = solution(0.5, 0.5), solution(*[0.5] * 5000)
    assert await Likelihood("mean").score(SESSION, short) == pytest.approx(
        await Likelihood("mean").score(SESSION, long)
    )
    assert await Likelihood("product").score(SESSION, long) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1), st.sampled_from(["product", "mean", "min"]))
async def test_it_is_a_reward_whatever_the_tokens(probabilities: list[float], form: str) -> None:
    score = await Likelihood(form).score(SESSION, solution(*probabilities))  # type: ignore[arg-type]  # one of them
    assert 0 <= score <= 1


async def test_a_log_probability_rounded_above_zero_is_certain() -> None:
    rounded = Solution(Question.of_text("?"), ("x",), logprobs=(TokenLogprob("x", 1e-7),))
    assert await Likelihood().score(SESSION, rounded) == 1.0


async def test_an_engine_without_log_probabilities_is_told() -> None:
    with pytest.raises(EngineCannot, match="reports no log-probabilities"):
        await Likelihood().score(SESSION, Solution(Question.of_text("?"), ("text",)))


async def test_nothing_written_is_worth_nothing() -> None:
    assert await Likelihood().score(SESSION, Solution(Question.of_text("?"), ("",))) == 0.0


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(InputError, match="form is 'median'; one of mean, product, min was expected"):
        Likelihood("median")  # type: ignore[arg-type]  # what a user may write
