"""The inter-program scheduler: which waiting request starts next. Pure: no waiting, no clock.

A request is in one of two containers, ``waiting`` or ``running``; that is its whole state. The caller
reports what happened (submit, remove, pause, resume) and then asks ``schedule`` what to start.
"""

from __future__ import annotations

from dynasor.errors import InputError
from dynasor.scheduling.policies import Policy
from dynasor.scheduling.ticket import Ticket


class Scheduler:
    """Keeps at most ``capacity`` requests running, picked from the waiting ones by ``policy``.

    A paused program starts nothing that its allocator granted: it has a completion to look at that may
    end it, so a grant that waits is never spent on a question that has just been settled. Its other
    requests (to look at that completion, say) and other programs go ahead meanwhile.

    A request beside a running one, such as a probe, waits for nobody and does not count: it is short, and while it
    waited, the long one that it may end would go on. So more than ``capacity`` run where programs do that.
    """

    def __init__(self, capacity: int, policy: Policy) -> None:
        if capacity < 1:
            raise InputError(f"the capacity is {capacity} requests; at least 1 was expected")
        self.capacity = capacity
        self.policy = policy
        self.waiting: dict[str, Ticket] = {}
        self.running: dict[str, Ticket] = {}
        self.paused: set[str] = set()

    def submit(self, ticket: Ticket) -> None:
        self.waiting[ticket.request_id] = ticket

    def remove(self, request_id: str) -> None:
        """The request finished or was cancelled, wherever it was."""
        self.waiting.pop(request_id, None)
        self.running.pop(request_id, None)

    def pause(self, program_id: str) -> None:
        self.paused.add(program_id)

    def resume(self, program_id: str) -> None:
        self.paused.discard(program_id)

    def schedule(self, now: float) -> list[Ticket]:
        """Tickets to start now, best first; they are running from here on."""
        if not self.waiting:
            return []
        starting = [ticket for ticket in self.waiting.values() if ticket.is_beside]
        free = self.capacity - sum(not ticket.is_beside for ticket in self.running.values())
        if free > 0:
            ready = [ticket for ticket in self.waiting.values() if self._may_start(ticket)]
            starting += sorted(ready, key=lambda ticket: self.policy(ticket, now))[:free]
        for ticket in starting:
            self.running[ticket.request_id] = self.waiting.pop(ticket.request_id)
        return starting

    def _may_start(self, ticket: Ticket) -> bool:
        return not ticket.is_beside and not (ticket.is_granted and ticket.program_id in self.paused)

    def __repr__(self) -> str:
        return f"<Scheduler {len(self.running)}/{self.capacity} running, {len(self.waiting)} waiting>"
