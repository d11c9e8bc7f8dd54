"""What a reasoning program is, and what it is given to work with. docs/write-a-program.md shows how."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from dynasor.vocabulary import Answer, Certaindex, Completion, Message, Question, RequestKind, Sampling


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer as it stands in a text, and the key that equal answers share."""

    text: str
    key: str


class Branches(Protocol):
    """Parallel samples of one prompt, granted by the allocator as the program goes.

    An async context manager and an async iterator over completions in the order they finish. The
    allocator is asked before every wait; when it says stop the iteration ends. Leaving the block cancels
    what still runs, in the engine too.
    """

    @property
    def cap(self) -> int:
        """The most samples this program may have in all."""
        ...

    def observe(self, certaindex: Certaindex, answer: str | None = None) -> None:
        """Report how settled the program is now; the allocator's next word builds on it."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[Completion]: ...

    async def __anext__(self) -> Completion: ...


class Session(Protocol):
    """A program's view of the world: its question, its requests, its random numbers."""

    @property
    def question(self) -> Question: ...

    @property
    def rng(self) -> random.Random:
        """Seeded by the run and the question: the same run draws the same numbers."""
        ...

    def branches(self, prompt: tuple[Message, ...] | str | None = None) -> Branches:
        """Samples of ``prompt`` (the question, if None), one unit of the knob each."""
        ...

    async def generate(
        self,
        prompt: tuple[Message, ...] | str,
        *,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
    ) -> Completion:
        """One request outside the allocator's count, waiting its turn with the scheduler."""
        ...

    async def read_answer(self, completion: Completion) -> ReadAnswer | None:
        """The answer in ``completion``; None if it has none or was cut off before it could give one."""
        ...


class Program(Protocol):
    """One reasoning algorithm. ``execute`` reads like it; everything else is the runtime's work."""

    async def execute(self, session: Session) -> Answer:
        """Work on ``session.question``; what was spent is filled into the answer afterwards."""
        ...
