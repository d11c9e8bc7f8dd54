"""The async shell around the scheduler: requests wait here for their turn."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dynasor.scheduling import Scheduler, Ticket


@dataclass(frozen=True, slots=True)
class Place:
    """A program's place in the order of arrival."""

    program_id: str
    number: int
    arrival_time: float


class Dispatcher:
    """Carries out what the scheduler decides, which it asks again whenever something changed."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._turns: dict[str, asyncio.Future[None]] = {}
        self._numbers = itertools.count()
        self._pausing: dict[str, set[object]] = {}

    def enter(self, program_id: str) -> Place:
        """Line up a program; its requests inherit this place."""
        return Place(program_id, next(self._numbers), self._now())

    def leave(self, place: Place) -> None:
        self._pausing.pop(place.program_id, None)
        self._resume(place)

    @asynccontextmanager
    async def turn(
        self, place: Place, request_id: str, *, is_granted: bool = False, is_beside: bool = False
    ) -> AsyncIterator[None]:
        """Wait until the scheduler starts the request; the block is its run. Safe to cancel anywhere."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[request_id] = started
        self.scheduler.submit(
            Ticket(
                request_id=request_id,
                program_id=place.program_id,
                number=next(self._numbers),
                arrival_time=self._now(),
                program_number=place.number,
                program_arrival_time=place.arrival_time,
                is_granted=is_granted,
                is_beside=is_beside,
            )
        )
        self._start_ready()
        try:
            await started
            yield
        finally:
            self._turns.pop(request_id, None)
            self.scheduler.remove(request_id)
            self._start_ready()

    def pause(self, place: Place, by: object) -> None:
        """Start none of this program's grants until everyone who paused it resumes it: there is something to look
        at first."""
        self._pausing.setdefault(place.program_id, set()).add(by)
        self.scheduler.pause(place.program_id)

    def resume(self, place: Place, by: object) -> None:
        pausing = self._pausing.get(place.program_id)
        if pausing is None:
            return
        pausing.discard(by)
        if not pausing:
            del self._pausing[place.program_id]
            self._resume(place)

    def _resume(self, place: Place) -> None:
        self.scheduler.resume(place.program_id)
        self._start_ready()

    def _start_ready(self) -> None:
        for ticket in self.scheduler.schedule(self._now()):
            started = self._turns.get(ticket.request_id)
            if started is not None and not started.done():
                started.set_result(None)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
