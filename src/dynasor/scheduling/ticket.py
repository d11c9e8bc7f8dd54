"""What the scheduler knows about a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request's place in line. Times are seconds on the scheduler's clock, numbers count arrivals."""

    request_id: str
    program_id: str
    number: int
    arrival_time: float
    program_number: int
    program_arrival_time: float
    is_granted: bool = False
    """A sample that the allocator granted, and might not grant again after the program's next look."""
    is_beside: bool = False
    """It accompanies a running request of its program: it starts at once and takes no place of its own."""
