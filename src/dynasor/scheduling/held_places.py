"""Places that are kept for programs which look at what came back. Pure: no waiting, no clock."""

from __future__ import annotations

from collections import deque

from dynasor.scheduling.line import Line
from dynasor.scheduling.replicas import Replica

HOLD_S = 0.05
"""How long a place is kept for a program that looks at what came back. Reading an answer takes a millisecond or so; one
that takes longer gives the place away."""


class HeldPlaces:
    """Which programs have a place kept for them, on which replicas, and until when."""

    def __init__(self) -> None:
        self._releases: deque[tuple[float, Line]] = deque()
        """When each place is given away, earliest first; those of lines that hold nothing any more are dropped late."""

    def hold(self, line: Line, replica: Replica, now: float) -> None:
        """Keep the place that a request of the program had."""
        line.holds.append(replica)
        replica.num_held += 1
        self._releases.append((now + HOLD_S, line))

    def let_go(self, line: Line) -> None:
        """The program takes its places now, or loses them."""
        for replica in line.holds:
            replica.num_held -= 1
        line.holds.clear()

    def release_due(self, now: float) -> None:
        """Give away what was kept for too long."""
        while (release := self.next_release) is not None and release <= now:
            self.let_go(self._releases[0][1])

    @property
    def next_release(self) -> float | None:
        """When the next place is given away, unless it is taken before; None: none is kept."""
        while self._releases and not self._releases[0][1].holds:
            self._releases.popleft()
        return self._releases[0][0] if self._releases else None
