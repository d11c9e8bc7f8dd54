"""A request that is passed through to an engine as it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dynasor.errors import ProgramStopped
from dynasor.runtime.options import Options, deadline_of
from dynasor.runtime.run import ProgramState, ProgramStatus
from dynasor.runtime.visit import end_at
from dynasor.vocabulary import StopReason

RELAY = "relay"
"""What a request that is passed through is called, where a program's name is expected."""


class Relay:
    """A request that is passed through: it can be ended as a program can."""

    def __init__(self, program_id: str, options: Options, arrival_time: float) -> None:
        self.program_id = program_id
        self.started_time: float | None = None
        self._options = options
        self._arrival_time = arrival_time
        self._limit = asyncio.timeout_at(deadline_of(options, arrival_time))
        self._ended_by: StopReason | None = None
        self._is_open = False

    def status(self, now: float) -> ProgramStatus:
        is_waiting = self.started_time is None
        return ProgramStatus(
            program_id=self.program_id,
            program=RELAY,
            tenant=self._options.tenant,
            priority=self._options.priority,
            state=ProgramState.WAITING if is_waiting else ProgramState.RUNNING,
            num_running=0 if is_waiting else 1,
            age_s=now - self._arrival_time,
            queue_s=None if self.started_time is None else self.started_time - self._arrival_time,
        )

    def end(self, reason: StopReason) -> bool:
        if (
            not self._is_open
            or self._ended_by is not None
            or not end_at(self._limit, asyncio.get_running_loop().time())
        ):
            return False
        self._ended_by = reason
        return True

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        try:
            async with self._limit:
                self._is_open = True
                try:
                    yield
                finally:
                    self._is_open = False
        except TimeoutError as error:
            if not self._limit.expired():
                raise
            raise ProgramStopped(self.program_id, self._ended_by or StopReason.DEADLINE) from error
