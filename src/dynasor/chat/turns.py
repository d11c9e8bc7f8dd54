"""One question and its answer, which Ctrl-C can stop."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Self

from dynasor.chat.sources import Asked, News, Report, Source, Tell, Written
from dynasor.errors import DynasorError


@dataclass(slots=True)
class Turn:
    """How a question was answered: ``text`` and ``reasoning`` as far as they came, and why they came no further."""

    text: str = ""
    reasoning: str = ""
    report: Report | None = None
    error: DynasorError | None = None
    is_stopped: bool = False
    duration_s: float = 0.0


class Interrupts:
    """Ctrl-C, for as long as this is entered: it is told, raised, or where nobody asked for it, passed over."""

    def __init__(self) -> None:
        self._told: Callable[[], None] | None = None
        self._is_raised = False

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *exc_info: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def told(self, listener: Callable[[], None]) -> Iterator[None]:
        """The event loop calls ``listener`` at each."""
        self._told = listener
        try:
            yield
        finally:
            self._told = None

    @contextmanager
    def raised(self) -> Iterator[None]:
        """KeyboardInterrupt, in a block that does not await."""
        self._is_raised = True
        try:
            yield
        finally:
            self._is_raised = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._is_raised:
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._pass_on)

    def _pass_on(self) -> None:
        if self._told is not None:
            self._told()


async def take_turn(source: Source, asked: Asked, tell: Tell, interrupts: Interrupts) -> Turn:
    """Have ``asked`` answered. The first Ctrl-C asks for the answer so far, the second waits for nothing; either way
    nothing works on it any more when this returns."""
    turn, draft, began = Turn(), Draft(tell), time.monotonic()
    async with asyncio.TaskGroup() as group:
        work = group.create_task(answered(source, asked, draft.tell))
        ending = Ending(source, work, group)
        with interrupts.told(ending.hear):
            await asyncio.wait((work,))
        ending.is_over()
    turn.is_stopped, turn.duration_s = ending.num_asked > 0, time.monotonic() - began
    turn.text, turn.reasoning = "".join(draft.text), "".join(draft.reasoning)
    outcome = None if work.cancelled() else work.result()
    if isinstance(outcome, Report):
        turn.report = outcome
    elif not turn.is_stopped:
        turn.error = outcome
    return turn


async def answered(source: Source, asked: Asked, tell: Tell) -> Report | DynasorError:
    try:
        return await source.answer(asked, tell)
    except DynasorError as error:
        return error


@dataclass(slots=True)
class Draft:
    """Keeps what is told on its way to the screen."""

    passed_to: Tell
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)

    def tell(self, news: News) -> None:
        if isinstance(news, Written):
            self.text.append(news.text)
            self.reasoning.append(news.reasoning)
        self.passed_to(news)


@dataclass(slots=True)
class Ending:
    """Ends ``work``, an answer of ``source``, in good order or, asked again, at once."""

    source: Source
    work: asyncio.Task[Report | DynasorError]
    group: asyncio.TaskGroup
    num_asked: int = 0
    stopping: asyncio.Task[None] | None = None

    def hear(self) -> None:
        self.num_asked += 1
        if self.stopping is None:
            self.stopping = self.group.create_task(self._stop())
        else:
            self.is_over()
            self.work.cancel()

    def is_over(self) -> None:
        """Whoever was asked to end it need not answer any more."""
        if self.stopping is not None:
            self.stopping.cancel()

    async def _stop(self) -> None:
        if not await self.source.stop():
            self.work.cancel()
