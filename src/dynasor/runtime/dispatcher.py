"""The async shell around the scheduler: requests wait here for their turn."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dynasor.scheduling import AdaptiveCapacity, ProgramEntry, Scheduler, Ticket, WaitingProgram
from dynasor.scheduling.ticket import USUAL_PROMPT_TOKENS


@dataclass(frozen=True, slots=True)
class Place:
    """A program's place with the dispatcher."""

    program_id: str


@dataclass(slots=True)
class Decisions:
    """What deciding has cost so far: how often the scheduler was asked, how many requests it started, and how long
    all of that took, in seconds."""

    num_asked: int = 0
    num_started: int = 0
    spent_s: float = 0.0


class Dispatcher:
    """Carries out what the scheduler decides, which it asks again whenever something changed. It runs nothing before it
    has a replica."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.decisions = Decisions()
        self._turns: dict[str, asyncio.Future[str]] = {}
        self._numbers = itertools.count()
        self._pausing: dict[str, set[object]] = {}
        self._adapting: dict[str, AdaptiveCapacity] = {}
        self._waking: asyncio.TimerHandle | None = None

    def add_replica(self, name: str, capacity: int | AdaptiveCapacity) -> None:
        """A replica that may run ``capacity`` requests at once, or as many as that finds best; also one that was
        removed and is healthy again."""
        self.scheduler.add_replica(name, capacity if isinstance(capacity, int) else capacity.capacity)
        self._adapt(name, capacity)
        self._start_ready()

    def remove_replica(self, name: str) -> None:
        """Start nothing there any more. Whoever has a turn there keeps it, and may fail and ask for another."""
        self.scheduler.remove_replica(name)
        self._adapting.pop(name, None)

    def set_capacity(self, name: str, capacity: int | AdaptiveCapacity) -> None:
        self.scheduler.set_capacity(name, capacity if isinstance(capacity, int) else capacity.capacity)
        self._adapt(name, capacity)
        self._start_ready()

    def _adapt(self, name: str, capacity: int | AdaptiveCapacity) -> None:
        if isinstance(capacity, AdaptiveCapacity):
            self._adapting[name] = capacity
        else:
            self._adapting.pop(name, None)

    def capacity_of(self, name: str) -> int:
        """Requests that the replica may run at once now; 0 if it was removed."""
        replica = self.scheduler.replicas.get(name)
        return 0 if replica is None else replica.capacity

    def observe(self, name: str, *, kv_usage: float | None = None) -> None:
        """Let a replica with an adaptive capacity have another look at how it does. Turns that end see to that; whoever
        reads the engine's metrics tells ``kv_usage``, the share of its KV cache in use."""
        adapting, replica = self._adapting.get(name), self.scheduler.replicas.get(name)
        if adapting is None or replica is None:
            return
        capacity = adapting.observe(_now(), replica.num_running, replica.num_tokens, kv_usage, held=replica.num_held)
        if capacity != replica.capacity:
            self.scheduler.set_capacity(name, capacity)
            self._start_ready()

    def enter(
        self,
        program_id: str,
        *,
        priority: int = 0,
        tenant: str = "",
        deadline: float | None = None,
        expected_tokens: float | None = None,
    ) -> Place:
        """Line up a program; its requests inherit this place. It must ``leave``.

        Args:
            priority: its class, strictly the smallest first.
            tenant: whose it is, for fairness.
            deadline: when its answer is due, on the event loop's clock.
            expected_tokens: what it will take, if a profile knows.
        """
        number = next(self._numbers)
        self.scheduler.enter(
            ProgramEntry(program_id, number, _now(), priority, tenant, deadline, expected_tokens=expected_tokens)
        )
        return Place(program_id)

    def leave(self, place: Place) -> None:
        """The program is over; nothing of it waits or runs any more."""
        self._pausing.pop(place.program_id, None)
        self.scheduler.leave(place.program_id)
        self._start_ready()

    def expect(self, place: Place, remaining: float) -> None:
        """The program is expected to take so many tokens from here on."""
        self.scheduler.expect(place.program_id, remaining)

    @asynccontextmanager
    async def turn(
        self,
        place: Place,
        request_id: str,
        *,
        is_granted: bool = False,
        is_beside: bool = False,
        accompanies: str | None = None,
        avoid: frozenset[str] = frozenset(),
        prompt_tokens: int = USUAL_PROMPT_TOKENS,
    ) -> AsyncIterator[str]:
        """Wait until the scheduler starts the request; the block is its run, on the replica of the name that this
        yields. Safe to cancel anywhere. The arguments are those of ``Ticket``."""
        started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.scheduler.submit(
            Ticket(
                request_id=request_id,
                program_id=place.program_id,
                number=next(self._numbers),
                is_granted=is_granted,
                is_beside=is_beside,
                accompanies=accompanies,
                avoid=avoid,
                prompt_tokens=prompt_tokens,
            )
        )
        self._turns[request_id] = started
        replica = ""
        try:
            self._start_ready()
            replica = await started
            yield replica
        finally:
            del self._turns[request_id]
            self.scheduler.remove(request_id, _now())
            self._start_ready()
            self.observe(replica)

    def produced(self, request_id: str, num_tokens: int) -> None:
        """The request, which has its turn, has produced so many tokens. Tell it before the turn ends, so that the
        scheduler knows what was served to whom; telling it earlier, too, does no harm."""
        self.scheduler.produced(request_id, num_tokens)

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
            self.scheduler.resume(place.program_id)
            self._start_ready()
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._let_go, place.program_id)  # what it was granted asks in the next round

    def _let_go(self, program_id: str) -> None:
        if self.scheduler.let_go(program_id):
            self._start_ready()

    def waiting_order(self) -> list[WaitingProgram]:
        """Who waits, in the scheduler's own order, and why there. It sorts, so ask for people, not at every event."""
        return self.scheduler.waiting_order(_now())

    def _start_ready(self) -> None:
        if not self._turns:
            return
        began = time.perf_counter()
        starts = self.scheduler.schedule(_now())
        self.decisions.num_asked += 1
        self.decisions.num_started += len(starts)
        self.decisions.spent_s += time.perf_counter() - began
        for start in starts:
            started = self._turns[start.ticket.request_id]
            if not started.done():
                started.set_result(start.replica)
        self._wake_for_release()

    def _wake_for_release(self) -> None:
        """Ask again when a place that is kept for a program is given away."""
        release = self.scheduler.next_release
        if release is not None and self._waking is None:
            self._waking = asyncio.get_running_loop().call_at(release, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._start_ready()


def _now() -> float:
    return asyncio.get_running_loop().time()
