"""Replicas: running copies of an engine, and which of them a request goes to.

Each replica that a request may go to has a price, in seconds, and the cheapest is chosen:

    waiting there   0 where it has room; else its mean time between two requests that end, which is the mean time of a
                    request over its capacity, for everyone ahead in this decision and for this request
    reading there   0 where the program has run before, for its prompt is in the prefix cache; else the tokens of the
                    prompt over ``READ_TOKENS_PER_S``

So a program stays where it was while there is room, waits for a place there if that takes less time than to read
its prompt again elsewhere, and moves otherwise. Among equals the least loaded, relative to its capacity, is chosen.
That a cached prefix may have been evicted, or shared by programs with a common start, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dynasor.errors import InputError
from dynasor.scheduling.ticket import Ticket

READ_TOKENS_PER_S = 5_000.0
"""Prompt tokens that an engine reads a second: between a model of 7 billion parameters on one large GPU (about
10,000) and one of 30 (about 2,000). It only decides how long a program waits for its prefix cache."""
FIRST_RUN_S = 1.0
"""How long a request takes on a replica where none has ended yet."""
NEW_SHARE = 1 / 16
"""The weight of the latest request in the running means."""


@dataclass(slots=True, eq=False)
class Replica:
    """A running copy of an engine. A replica that was removed and came back is another one, with nothing cached."""

    name: str
    capacity: int
    num_running: int = 0
    """Requests that take a place; those beside others do not."""
    num_held: int = 0
    """Places kept free for programs that look at what came back."""
    num_tokens: int = 0
    """Produced since it was added, as far as it was told."""
    run_s: float = FIRST_RUN_S
    """Running mean of the time that a request takes."""

    def __post_init__(self) -> None:
        check_capacity(self.capacity)

    @property
    def room(self) -> int:
        """Requests that could start now; 0 where more run than its capacity is by now."""
        room = self.capacity - self.num_running - self.num_held
        return room if room > 0 else 0  # asked for more often than anything else, so without a call

    @property
    def num_taken(self) -> int:
        return self.num_running + self.num_held

    @property
    def load(self) -> float:
        return self.num_taken / self.capacity

    def wait_s(self, num_ahead: int) -> float:
        """Expected time until a place is free, with so many others waiting for one before."""
        if self.room:
            return 0.0
        return (num_ahead + 1) * self.run_s / self.capacity

    def learn(self, run_s: float) -> None:
        """A request that took a place ended after so many seconds."""
        self.run_s += NEW_SHARE * (run_s - self.run_s)


def choose(
    replicas: Mapping[str, Replica], ticket: Ticket, cached_on: Collection[Replica], ahead: Mapping[Replica, int]
) -> Replica:
    """The cheapest replica for a request; where that has no room, it is worth waiting for.

    ``cached_on`` is where its program has run, ``ahead`` how many others this decision left waiting for a replica.
    """
    read_s = ticket.prompt_tokens / READ_TOKENS_PER_S
    cheapest, lowest, load = None, math.inf, math.inf
    for replica in allowed(replicas, ticket.avoid):
        price = 0.0 if replica in cached_on else read_s
        if not replica.room:
            if price >= lowest:
                continue
            price += replica.wait_s(ahead.get(replica, 0))
        if price < lowest or (price == lowest and replica.load < load):
            cheapest, lowest, load = replica, price, replica.load
    assert cheapest is not None, "a request is placed only where there are replicas"
    return cheapest


def least_loaded(replicas: Mapping[str, Replica], avoid: frozenset[str]) -> Replica:
    return min(allowed(replicas, avoid), key=lambda replica: replica.load)


def allowed(replicas: Mapping[str, Replica], avoid: frozenset[str]) -> Iterable[Replica]:
    """All replicas but those to avoid, unless that leaves none."""
    if not avoid:
        return replicas.values()
    return [replica for name, replica in replicas.items() if name not in avoid] or replicas.values()


def check_capacity(capacity: int) -> None:
    if capacity < 1:
        raise InputError(f"the capacity is {capacity} requests; at least 1 was expected")
