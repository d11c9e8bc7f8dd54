"""Programs sent when they are due, whether or not earlier ones are done (open loop).

Time is the event loop's and nothing else's, so this runs on a real clock and on a virtual one alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dynasor.bench.arrivals import Arrival
from dynasor.errors import ProgramFailed
from dynasor.vocabulary import Answer

LATE_S = 0.01
"""A program that was sent later than this was sent late."""


@dataclass(frozen=True, slots=True)
class Served:
    """What became of one program. ``late_s`` is how late it was sent; ``latency_s`` counts from the moment at which it
    was meant to come. ``answer`` is None if it failed."""

    arrival: Arrival
    late_s: float
    latency_s: float
    answer: Answer | None


async def serve(coming: Sequence[Arrival], run: Callable[[Arrival], Awaitable[Answer]]) -> list[Served]:
    """Send every program to ``run`` when it is due, and wait for the last; in the order of arrival."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def one(arrival: Arrival) -> Served:
        due = began + arrival.due_s
        late_s = loop.time() - due
        try:
            answer = await run(arrival)
        except ProgramFailed:
            answer = None
        return Served(arrival, late_s, loop.time() - due, answer)

    async with asyncio.TaskGroup() as group:
        tasks = []
        for arrival in coming:
            await asyncio.sleep(began + arrival.due_s - loop.time())
            tasks.append(group.create_task(one(arrival)))
    return [task.result() for task in tasks]
