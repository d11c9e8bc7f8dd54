"""Where answers come from: what a source is asked, what it tells meanwhile, and what it reports at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dynasor.chat.conversation import Choice
from dynasor.vocabulary import Message


@dataclass(frozen=True, slots=True)
class Asked:
    """A conversation that ends in a question."""

    messages: tuple[Message, ...]
    choice: Choice


@dataclass(frozen=True, slots=True)
class Written:
    """More of the answer, or of the thinking before it. A piece has one token at least."""

    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How settled the answer is by now."""

    certaindex: float
    answer: str | None
    num_samples: int


News = Written | Progress
Tell = Callable[[News], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of an answer that is complete; None: not told."""

    certaindex: float | None = None
    stop_reason: str | None = None
    num_samples: int | None = None
    num_tokens: int | None = None
    num_saved: int | None = None
    """An estimate of the tokens that all samples, or the longest chain, would have taken beyond these."""


class Source(Protocol):
    """Answers one question at a time. Entered and left as an async context manager by its owner."""

    @property
    def greeting(self) -> str:
        """Who answers, in a line."""
        ...

    def check(self, choice: Choice) -> None:
        """Raises InputError if it is known beforehand that nothing can be answered so."""
        ...

    async def answer(self, asked: Asked, tell: Tell) -> Report:
        """Answer; ``tell`` hears all of it as it comes.

        Cancelling ends the work on it, in the engine too, before this returns. Raises DynasorError.
        """
        ...

    async def stop(self) -> bool:
        """Have the answer that is in the making end now, with what there is. False if that cannot be had, then it is
        to be cancelled. Never raises."""
        ...
