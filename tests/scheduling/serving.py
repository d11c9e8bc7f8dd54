"""Short ways to feed a scheduler, and an event loop that serves what it starts, with exact times."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping

from dynasor.scheduling import POLICIES, ProgramEntry, Scheduler, Ticket

NUMBERS = itertools.count()
"""Of arrivals."""


def scheduler_with(capacity: int, *, policy: str = "gang", weights: Mapping[str, float] | None = None) -> Scheduler:
    """A scheduler with one replica, ``r``."""
    scheduler = Scheduler(POLICIES[policy], weights=weights)
    scheduler.add_replica("r", capacity)
    return scheduler


def enter(
    scheduler: Scheduler,
    *program_ids: str,
    arrival_time: float = 0.0,
    priority: int = 0,
    tenant: str = "",
    deadline: float | None = None,
    expected_tokens: float | None = None,
) -> None:
    for program_id in program_ids:
        entry = ProgramEntry(program_id, next(NUMBERS), arrival_time, priority, tenant, deadline, expected_tokens)
        scheduler.enter(entry)


def submit(
    scheduler: Scheduler,
    *request_ids: str,
    is_granted: bool = True,
    is_beside: bool = False,
    accompanies: str | None = None,
    avoid: frozenset[str] = frozenset(),
    prompt_tokens: int = 500,
) -> None:
    """Request ``a1`` belongs to program ``a``."""
    for request_id in request_ids:
        program_id, number = request_id[0], next(NUMBERS)
        scheduler.submit(
            Ticket(request_id, program_id, number, is_granted, is_beside, accompanies, avoid, prompt_tokens)
        )


def started(scheduler: Scheduler, now: float = 0.0) -> list[str]:
    return [each.ticket.request_id for each in scheduler.schedule(now)]


def serve(scheduler: Scheduler, run_s: Callable[[str], float], now: float = 0.0) -> dict[str, float]:
    """Start and end requests until none is left; when each request ended. ``run_s`` is how long one runs."""
    ends: dict[str, float] = {}
    running: list[tuple[float, int, str]] = []
    while True:
        for start in scheduler.schedule(now):
            request_id = start.ticket.request_id
            heapq.heappush(running, (now + run_s(request_id), start.ticket.number, request_id))
        if not running:
            return ends
        now, _, request_id = heapq.heappop(running)
        ends[request_id] = now
        scheduler.remove(request_id, now)
