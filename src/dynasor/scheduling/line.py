"""A program in the scheduler: its place, what it is expected to need, and its requests that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from dynasor.scheduling.replicas import Replica
from dynasor.scheduling.ticket import ProgramEntry, Ticket

Waiting = list[tuple[int, str]]
"""A heap of (number, request id). Requests that were taken out meanwhile stay in it until they come up."""


@dataclass(slots=True, eq=False)
class Line:
    """The requests of one program that wait. ``tickets`` is the scheduler's table of all that do.

    Grants stand apart from other requests, for a paused program holds only those back.
    """

    entry: ProgramEntry
    tickets: Mapping[str, Ticket]
    served_before: float
    """Tokens that the scheduler had served to all programs when this one came: what it ages by."""
    remaining: float
    """Tokens that it is expected to take from here on."""
    rank: float | None = None
    """By the policy, as it is in the order of programs that can start something; None: it is not in it."""
    latest_start: float | None = None
    """When it has to go on to meet its deadline, if the policy minds that and it has one."""
    is_paused: bool = False
    num_waiting: int = 0
    num_running: int = 0
    num_tokens: float = 0.0
    """Taken so far, by requests that are over."""
    home: Replica | None = None
    """Where its latest request started."""
    cached_on: set[Replica] = field(default_factory=set)
    holds: list[Replica] = field(default_factory=list)
    """Places that are kept for it while it is paused."""
    _grants: Waiting = field(default_factory=list)
    _others: Waiting = field(default_factory=list)

    def add(self, ticket: Ticket) -> None:
        heappush(self._grants if ticket.is_granted else self._others, (ticket.number, ticket.request_id))
        self.num_waiting += 1

    def next(self) -> Ticket | None:
        """The earliest request that may start; None if none may."""
        others = self._first(self._others)
        grants = None if self.is_paused else self._first(self._grants)
        if others is None or (grants is not None and grants.number < others.number):
            return grants
        return others

    def take(self, ticket: Ticket) -> None:
        """Take out what ``next`` gave."""
        heappop(self._grants if ticket.is_granted else self._others)
        self.num_waiting -= 1

    def waiting(self) -> list[Ticket]:
        """All its requests that wait, in no order."""
        found = [(number, self.tickets.get(request_id)) for number, request_id in (*self._grants, *self._others)]
        return [ticket for number, ticket in found if ticket is not None and ticket.number == number]

    def _first(self, waiting: Waiting) -> Ticket | None:
        while waiting:
            number, request_id = waiting[0]
            ticket = self.tickets.get(request_id)
            if ticket is not None and ticket.number == number:
                return ticket
            heappop(waiting)  # it was taken out; it may have come again, under another number
        return None
