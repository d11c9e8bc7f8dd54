"""A program at work, in a task of its own, so that it can be ended wherever it stands."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dynasor.errors import EngineError
from dynasor.programs import Program
from dynasor.runtime.session import NO_ANSWER, ProgramSession
from dynasor.vocabulary import Answer, Certaindex, StopReason, Usage


class ProgramState(StrEnum):
    WAITING = "waiting"
    """None of its requests runs."""
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """A program that is not over, as it stands: what it has reported, of ``cap`` units how many have ``finished``, what
    its finished requests spent, how many requests run, and how long ago it arrived. ``queue_s`` is None before its
    first request has started."""

    program_id: str
    program: str
    tenant: str
    priority: int
    state: ProgramState
    cap: int = 1
    certaindex: Certaindex | None = None
    answer: str | None = None
    finished: int = 0
    usage: Usage = field(default_factory=Usage)
    num_running: int = 0
    age_s: float = 0.0
    queue_s: float | None = None


class ProgramRun:
    """One program on one question. ``ended_by`` is why it was ended, None if it was not."""

    def __init__(self, session: ProgramSession, program: Program, arrival_time: float, tenant: str) -> None:
        self.session = session
        self.program = type(program).__name__
        self.arrival_time = arrival_time
        self.tenant = tenant
        self.ended_by: StopReason | None = None
        self._work = asyncio.get_running_loop().create_task(as_coroutine(program, session))

    def status(self, now: float) -> ProgramStatus:
        session, account = self.session, self.session.account
        started_time = account.first_start_time
        return ProgramStatus(
            program_id=session.program_id,
            program=self.program,
            tenant=self.tenant,
            priority=session.priority,
            state=ProgramState.RUNNING if account.num_running else ProgramState.WAITING,
            cap=session.cap,
            certaindex=session.knob.certaindex if account.best is NO_ANSWER else account.best.certaindex,
            answer=account.best.text,
            finished=session.knob.done,
            usage=account.usage,
            num_running=account.num_running,
            age_s=now - self.arrival_time,
            queue_s=None if started_time is None else started_time - self.arrival_time,
        )

    def end(self, reason: StopReason) -> bool:
        """Cancel the program at the await it stands at. False if it is over, or being ended, already."""
        if self._work.done() or self.ended_by is not None:
            return False
        self.ended_by = reason
        self._work.cancel()
        return True

    async def answer(self, deadline: float | None) -> Answer:
        """What the program says at its end, or the best it has reported when it was ended, as it is at ``deadline``.

        An engine that fails while the program is being ended is no failure: the answer was there before. Being
        cancelled cancels the program, and waits for that.
        """
        loop = asyncio.get_running_loop()
        timer = None if deadline is None else loop.call_at(deadline, self.end, StopReason.DEADLINE)
        try:
            await over(self._work)
        finally:
            if timer is not None:
                timer.cancel()
        if self._work.cancelled():
            if self.ended_by is None:
                raise asyncio.CancelledError
            return self.session.account.best
        error = self._work.exception()
        if self.ended_by is not None and isinstance(error, Exception) and engine_error_in(error) is not None:
            return self.session.account.best
        return self._work.result()


async def as_coroutine(program: Program, session: ProgramSession) -> Answer:
    return await program.execute(session)


async def over(work: asyncio.Task[Any]) -> None:
    """Wait until ``work`` is over, however that is. Being cancelled cancels it, and still waits for its end."""
    try:
        await asyncio.wait((work,))
    except asyncio.CancelledError:
        while not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait((work,))
        if not work.cancelled():
            work.exception()  # seen, so that nobody is told that it was not
        raise


def engine_error_in(error: Exception) -> EngineError | None:
    """The engine's error that ``error`` is or, for a task group of the program's own, consists of."""
    if isinstance(error, ExceptionGroup):
        ours, others = error.split(EngineError)
        return engine_error_in(ours.exceptions[0]) if ours is not None and others is None else None
    return error if isinstance(error, EngineError) else None
