"""A replica, and the requests that visit it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from dynasor.engines.protocol import Engine
from dynasor.errors import EngineError
from dynasor.scheduling import AdaptiveCapacity
from dynasor.vocabulary import Delta, ReplicaState


@dataclass(slots=True, eq=False)
class Replica:
    """One running copy of the engine, under a ``name``."""

    name: str
    engine: Engine
    capacity: int | AdaptiveCapacity
    """Requests that it may run at once while it is in."""
    state: ReplicaState = ReplicaState.IN
    spell: int = 0
    """How often it was taken out: what began in an earlier spell tells nothing about how it is now."""
    error: EngineError | None = None
    """Why it was taken out last."""
    num_failures: int = 0
    """How often it was taken out since it last brought something."""
    errors_met: set[str] = field(default_factory=set)
    """Programs that met an error of its since it last brought something."""
    visits: dict[Visit, None] = field(default_factory=dict, repr=False)
    """What runs there now, in the order in which it began."""

    @property
    def num_running(self) -> int:
        """Requests that take a place there."""
        return sum(not visit.is_beside for visit in self.visits)


@dataclass(slots=True, eq=False)
class Visit:
    """A request on a replica, from the start of its turn there to its end, wherever it goes then."""

    replica: Replica
    program_id: str
    spell: int
    started_time: float
    is_beside: bool = False
    may_leave: Callable[[], bool] = lambda: False
    """Whether the request can go on elsewhere without loss."""
    is_watched: bool = False
    """Whether it may be interrupted."""
    num_tokens: int = 0
    """Written there so far."""
    looked_at: int | None = None
    """How many those were at the last look; None if it had not begun to write."""
    error: EngineError | None = None
    """Why it shall go elsewhere, though its stream has not failed."""
    limit: asyncio.Timeout | None = None
    """What ends its waiting for more."""

    def interrupt(self, error: EngineError) -> None:
        """Have the request go elsewhere, if it may."""
        if not self.may_leave():
            return
        self.error = error
        if self.limit is not None:
            end_at(self.limit, asyncio.get_running_loop().time())

    async def next(self, deltas: AsyncGenerator[Delta, None]) -> Delta:
        """The next delta of its stream.

        Raises:
            EngineError: it shall go elsewhere.
            StopAsyncIteration: there is none.
        """
        if self.error is not None:
            raise self.error
        if not self.is_watched:
            return await anext(deltas)
        self.limit = asyncio.timeout(None)
        try:
            async with self.limit:
                return await anext(deltas)
        except TimeoutError:
            if self.error is None:
                raise
            raise self.error from None
        finally:
            self.limit = None


def end_at(limit: asyncio.Timeout, due: float | None) -> bool:
    """Have ``limit`` end its block at ``due``; False if it is ending it already, which nothing changes any more."""
    if limit.expired():
        return False
    limit.reschedule(due)
    return True
