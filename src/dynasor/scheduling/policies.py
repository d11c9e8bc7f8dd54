"""Policies: in which order waiting requests start. Each maps a ticket to a sort key, smallest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dynasor.scheduling.ticket import Ticket

Policy = Callable[[Ticket, float], tuple[float, ...]]
"""(ticket, now) -> sort key. ``now`` is in seconds on the scheduler's clock."""


def fcfs(ticket: Ticket, now: float) -> tuple[float, ...]:
    """Requests as they came, whatever program they belong to: what engines do by themselves."""
    return (ticket.arrival_time, ticket.number)


def gang(ticket: Ticket, now: float) -> tuple[float, ...]:
    """All requests of the program that came first, then the next program's (paper, D.3.1)."""
    return (ticket.program_arrival_time, ticket.program_number, ticket.number)


POLICIES: Mapping[str, Policy] = {"fcfs": fcfs, "gang": gang}
