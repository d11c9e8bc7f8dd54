"""A reward that is a Python function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynasor.errors import EngineFailed, InputError
from dynasor.rewards.checking import checked
from dynasor.rewards.protocol import Solution

if TYPE_CHECKING:
    from dynasor.programs.protocol import Session


@dataclass(frozen=True, slots=True)
class Function:
    """Calls ``function(text)`` or ``function(question, text)``, with texts, for a number from 0 to 1.

    An ``async def`` is awaited. Any other runs in a thread, so that one that waits holds up nobody; several calls
    may then run at once.
    """

    function: Callable[..., Any]
    name: str = ""
    """What messages call it; its own name if empty."""

    needs_logprobs = False
    needs_prompt = False

    def __post_init__(self) -> None:
        if number_of_texts(self.function) not in (1, 2):
            raise InputError(f"{self.who} takes neither (text) nor (question, text)")

    @property
    def who(self) -> str:
        return f"the reward {self.name or getattr(self.function, '__name__', repr(self.function))}"

    async def score(self, session: Session, solution: Solution) -> float:
        """Raises EngineFailed when the function raises anything, or says no number from 0 to 1."""
        texts = ("\n\n".join(message.content for message in solution.question.messages), solution.text)
        given = texts[2 - number_of_texts(self.function) :]
        try:
            if inspect.iscoroutinefunction(self.function):
                score = await self.function(*given)
            else:
                score = await asyncio.to_thread(self.function, *given)
        except Exception as error:  # the function is the user's, whatever it raises
            raise EngineFailed(f"{self.who} failed: {type(error).__name__}: {error}") from error
        return checked(score, self.who)


def number_of_texts(function: Callable[..., Any]) -> int:
    """How many arguments ``function`` must be called with; 1 where it does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in positional and each.default is inspect.Parameter.empty for each in parameters)
