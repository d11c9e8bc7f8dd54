"""The runtime's side of ``Branches``: units of a program's knob, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from dynasor.errors import BadProgram, first_cause
from dynasor.programs.protocol import Session
from dynasor.vocabulary import Branch, Certaindex, StopReason

if TYPE_CHECKING:
    from dynasor.runtime.session import ProgramSession

Result = TypeVar("Result")


class Unit:
    """One unit of a program's knob at work.

    Its first request waits for the allocator's word; later ones belong to what was granted already.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.is_new = True
        self._requests: set[str] = set()
        self._changed = changed

    @property
    def is_deciding(self) -> bool:
        """It has done something and runs nothing now: it may be about to end, with news for the allocator."""
        return not self.is_new and not self._requests

    def request_begins(self, request_id: str) -> None:
        self._requests.add(request_id)
        self._changed()

    def request_ends(self, request_id: str) -> None:
        self._requests.discard(request_id)
        self._changed()


class ProgramBranches(Generic[Result]):
    """The runtime's side of ``Branches``: a task group that the allocator feeds.

    While a finished unit lies unread, or one is between its requests, the program is paused at the
    scheduler: units that wait start only after the program, and with it the allocator, has seen what came
    back.
    """

    def __init__(self, session: ProgramSession, work: Callable[[Session], Awaitable[Result]]) -> None:
        self._session = session
        self._knob = session.knob
        self._work = work
        self._finished: asyncio.Queue[tuple[Result] | None] = asyncio.Queue()
        self._unread = 0
        self._units: set[Unit] = set()
        self._tasks: list[asyncio.Task[None]] = []
        """In the order in which they began, in which they are cancelled, too: the same in every run."""
        self._group = asyncio.TaskGroup()

    @property
    def cap(self) -> int:
        return self._knob.cap

    def observe(
        self,
        certaindex: Certaindex,
        answer: str | None = None,
        solution: str = "",
        branches: Sequence[Branch] = (),
    ) -> None:
        self._session.observe(certaindex, answer, solution, branches)
        self._finished.put_nowait(None)

    async def __aenter__(self) -> Self:
        if self._knob.in_branches:
            raise BadProgram("a program can have one branches block open at a time; leave it before the next")
        self._knob.in_branches = True
        self._knob.stop_reason = StopReason.PROGRAM
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise asyncio.CancelledError from group
            raise first_cause(group) from (group if len(group.exceptions) > 1 else None)
        finally:
            self._knob.open = 0
            self._knob.in_branches = False
            self._unread = 0
            self._units.clear()
            self._session.dispatcher.resume(self._session.place, self)

    def __aiter__(self) -> AsyncIterator[Result]:
        return self

    async def __anext__(self) -> Result:
        while True:
            self._ask_allocator()
            finished = await self._finished.get()
            if finished is not None:
                self._unread -= 1
                self._knob.finished += 1
                self._knob.open -= 1
                return finished[0]

    def _ask_allocator(self) -> None:
        allocation = self._session.decide()
        if allocation.stop_reason is not None:
            self._knob.stop_reason = allocation.stop_reason
            raise StopAsyncIteration
        for _ in range(allocation.units):
            unit = Unit(self._pause_or_resume)
            self._knob.open += 1
            self._units.add(unit)
            self._tasks.append(self._group.create_task(self._run(unit, self._session.in_unit(unit))))
        self._pause_or_resume()

    async def _run(self, unit: Unit, session: Session) -> None:
        try:
            result = await self._work(session)
        finally:
            self._units.discard(unit)
        self._unread += 1
        self._finished.put_nowait((result,))
        self._pause_or_resume()

    def _pause_or_resume(self) -> None:
        dispatcher, place = self._session.dispatcher, self._session.place
        if self._unread or any(unit.is_deciding for unit in self._units):
            dispatcher.pause(place, self)
        else:
            dispatcher.resume(place, self)
