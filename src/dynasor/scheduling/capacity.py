"""How many requests a replica should run at once, found by trying: the concurrency beyond which it produces no more.

An engine's throughput grows with the requests that it batches, nearly in proportion at first and hardly at all once
its compute is full; from there each further request only makes all others slower. That knee depends on the model, the
machine and the length of the texts, and it moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dynasor.errors import InputError

STEP = 1.25
"""A trial goes to so many times the present capacity, or to one part in so many of it."""
WORTH = 1 / 3
"""Of a step's change in capacity, the change in throughput that it must bring to be worth it. A step up by 25 % has to
bring 8.3 %, one down by 20 % may cost 6.7 %. It settles between 0.93 and 1.17 times the knee where throughput grows in
proportion up to it; and between a step up and the same step down lies a gap, so that noise does not move it to and
fro."""
MAX_REST = 8
"""Periods between two trials at most, when the last ones all failed. Trials cost some throughput; a knee that moves is
found again within two of these rests."""
KV_LIMIT = 0.9
"""Share of the KV cache that may be in use. Beyond, engines begin to evict running requests, which costs all that they
have produced."""
FULL = 0.9
"""Share of its capacity that a replica must run throughout a period, for the period to tell anything."""


@dataclass(slots=True)
class AdaptiveCapacity:
    """Climbs the curve of throughput by trial: a period as it is, a period a step up or down, and it stays there if
    that was worth it. It tries the other direction next, and rests longer after every trial that was not.

    Only periods in which the replica was full count, and none in which it still runs more than its capacity, after a
    step down. The first period after a step lets requests fill up and is left out. What the cache holds counts likewise
    when the replica is full, for a few requests tell little of what many would take; beyond ``KV_LIMIT`` always.

    Args:
        most: it never goes above.
        period_s: long enough for some tens of requests to end, so that tokens told at their end come evenly.
    """

    capacity: int = 8
    most: int = 512
    period_s: float = 5.0
    _held: int = field(init=False)
    """The capacity that trials start from, and return to."""
    _fits: int = field(init=False)
    """How many fit the cache, by its latest usage, and may be tried."""
    _held_rate: float | None = None
    """Tokens a second with it; None: to be measured."""
    _is_up: bool = True
    """The direction of the next trial, or of the present one."""
    _rest: int = 0
    """Periods until the next trial."""
    _next_rest: int = 1
    _is_settling: bool = True
    _began: tuple[float, int] | None = None
    """Time and tokens at the beginning of the period."""

    def __post_init__(self) -> None:
        if not 1 <= self.capacity <= self.most:
            raise InputError(f"the capacity is {self.capacity} requests; from 1 to {self.most} was expected")
        if not self.period_s > 0:
            raise InputError(f"period_s is {self.period_s}; a number of seconds above 0 was expected")
        self._held = self.capacity
        self._fits = self.most

    def observe(
        self, now: float, running: int, num_tokens: int, kv_usage: float | None = None, *, held: int = 0
    ) -> int:
        """The capacity from now on.

        Args:
            now: seconds.
            running: requests that run now.
            num_tokens: produced by the replica since it began; when it falls, the replica began anew.
            kv_usage: the share of the KV cache in use, 0 to 1; None: the engine does not tell.
            held: places that are kept for a moment for programs that look at what came back. They count as full, or
                there would hardly ever be a whole period to judge by.
        """
        taken = running + held
        if kv_usage and running and (kv_usage > KV_LIMIT or taken >= FULL * self.capacity):
            self._obey_cache(min(self.most, int(running * KV_LIMIT / kv_usage)))
        if not FULL * self.capacity <= taken <= self.capacity:
            self._began = None
        elif self._began is None or num_tokens < self._began[1]:
            self._began = (now, num_tokens)
        elif now - self._began[0] >= self.period_s:
            rate = (num_tokens - self._began[1]) / (now - self._began[0])
            self._began = (now, num_tokens)
            self._end_period(rate)
        return self.capacity

    def _obey_cache(self, fits: int) -> None:
        """So many requests like the present ones fit; more are neither run nor tried."""
        self._fits = max(1, fits)
        if self._fits < self.capacity:
            self._held = min(self._held, self._fits)
            self._is_up = False
            self._return()

    def _end_period(self, rate: float) -> None:
        if self._is_settling:
            self._is_settling = False
        elif self.capacity != self._held and self._held_rate is not None:
            self._judge(rate, self._held_rate)
        else:
            self._held_rate = rate
            self._rest -= 1
            if self._rest <= 0:
                self._try()

    def _judge(self, rate: float, held_rate: float) -> None:
        """A trial is over: is it worth it?"""
        if rate / held_rate - 1 >= WORTH * (self.capacity / self._held - 1):
            self._held, self._held_rate = self.capacity, rate
            self._next_rest = 1
            self._try()
        else:
            self._is_up = not self._is_up
            self._rest, self._next_rest = self._next_rest, min(MAX_REST, 2 * self._next_rest)
            self._return()

    def _try(self) -> None:
        """A step from what is held; in the other direction where there is none in this."""
        up = min(self._fits, max(self._held + 1, round(self._held * STEP)))
        down = max(1, min(self._held - 1, round(self._held / STEP)))
        trial = up if self._is_up else down
        if trial == self._held:
            self._is_up = not self._is_up
            trial = up if self._is_up else down
        self._move(trial)

    def _return(self) -> None:
        self._held_rate = None
        self._move(self._held)

    def _move(self, capacity: int) -> None:
        self.capacity = capacity
        self._is_settling = True
        self._began = None
