"""Rewards that are Python functions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dynasor.errors import EngineFailed, InputError
from dynasor.rewards import Function, Solution
from dynasor.vocabulary import Message, Question
from tests.rewards.scripted_session import ScriptedSession

SOLUTION = Solution(Question("q", (Message("system", "Be brief."), Message("user", "1+1?"))), ("is ", "2"))


async def score(function: Callable[..., Any]) -> float:
    return await Function(function, "mine").score(ScriptedSession().as_session, SOLUTION)


async def test_a_function_of_the_text() -> None:
    assert await score(lambda text: 0.25 if text == "is 2" else 0) == 0.25


async def test_a_function_of_question_and_text() -> None:
    assert await score(lambda question, text: (question, text) == ("Be brief.\n\n1+1?", "is 2") and 1) == 1.0


async def test_what_has_a_default_is_left_alone() -> None:
    def graded(text: str, best: float = 0.75, *, worst: float = 0.0) -> float:
        return best

    assert await score(graded) == 0.75


async def test_an_async_function_is_awaited() -> None:
    async def later(text: str) -> float:
        await asyncio.sleep(0)
        return 0.5

    assert await score(later) == 0.5


async def test_a_slow_function_holds_up_nobody() -> None:
    """Two calls that wait for each other can only end if they run side by side."""
    both = threading.Barrier(2, timeout=10)

    def waits(text: str) -> float:
        both.wait()
        return 1.0

    assert sum(await asyncio.gather(score(waits), score(waits))) == 2


@pytest.mark.parametrize("said", [float("nan"), -1, 7, None, "good"])
async def test_what_is_no_reward_is_told(said: object) -> None:
    with pytest.raises(EngineFailed, match=r"the reward mine says .*; a number from 0 to 1 was expected"):
        await score(lambda text: said)


async def test_an_exception_is_told() -> None:
    def breaks(text: str) -> float:
        raise KeyError("grade")

    with pytest.raises(EngineFailed, match="the reward mine failed: KeyError: 'grade'") as raised:
        await score(breaks)
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize("function", [lambda: 1.0, lambda question, text, more: 1.0])
def test_functions_of_something_else_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=r"the reward mine takes neither \(text\) nor \(question, text\)"):
        Function(function, "mine")
