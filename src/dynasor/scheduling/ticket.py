"""What the scheduler is told: who came, what for, and in reply what starts where.

Times are seconds on the scheduler's clock, numbers count arrivals.
"""

from __future__ import annotations

from dataclasses import dataclass

USUAL_PROMPT_TOKENS = 500
"""Of a prompt whose length nobody told."""


@dataclass(frozen=True, slots=True)
class ProgramEntry:
    """A program's place in the order of arrival, and what it may claim."""

    program_id: str
    number: int
    arrival_time: float
    priority: int = 0
    """Its class, the smallest first: while anything of a smaller one can start, nothing of a larger one does."""
    tenant: str = ""
    """Whose program it is; where fairness is on, tenants share by their weights."""
    deadline: float | None = None
    """When its answer is due; None: it can wait."""
    expected_tokens: float | None = None
    """Tokens that it will take, if a profile knows; None: as many as programs took on average so far."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request's place in line."""

    request_id: str
    program_id: str
    number: int
    is_granted: bool = False
    """A sample that the allocator granted, and might not grant again after the program's next look."""
    is_beside: bool = False
    """It accompanies a running request of its program: it starts at once and takes no place of its own."""
    accompanies: str | None = None
    """The request that it is beside, to run on the same replica; None: the latest that its program started."""
    avoid: frozenset[str] = frozenset()
    """Replicas on which it just failed. It starts on another, unless there is none."""
    prompt_tokens: int = USUAL_PROMPT_TOKENS
    """What a replica has to read that has not seen the program yet."""


@dataclass(frozen=True, slots=True)
class Start:
    """The scheduler's word: start this request now, on the replica of this name."""

    ticket: Ticket
    replica: str
