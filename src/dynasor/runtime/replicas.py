"""Replicas: running copies of one engine, and which of them are fit to be given requests.

A replica that fails is taken out. After a pause, which doubles with every failure in a row, it is on trial: it gets one
request at a time, and with the first token that comes it is in again. So nothing but the programs' own requests tells
how it is; one that meets a replica still broken goes elsewhere, as the others did before it.

An engine that cannot be reached, or is silent for too long, has failed. One that answers with an error may have met a
question that nobody can answer: it has failed when ``MANY_ERRORS`` programs met one, and none got anything between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from dynasor.engines.protocol import Engine
from dynasor.errors import EngineError, EngineFailed, EngineTimeout, EngineUnreachable, InputError
from dynasor.events import Listener, ReplicaChanged
from dynasor.runtime.dispatcher import Dispatcher
from dynasor.runtime.pace import Pace
from dynasor.runtime.recovery import Recovery
from dynasor.runtime.visit import Replica, Visit, end_at
from dynasor.scheduling import AdaptiveCapacity
from dynasor.vocabulary import Message, ReplicaState

MANY_ERRORS = 3
REPLICA_FAULTS = (EngineUnreachable, EngineTimeout, EngineFailed)
"""Errors that may be the replica's fault. Others are the request's, and would come back on every replica."""


class Replicas:
    """All replicas by name, and their health. Tells the dispatcher which of them may start something."""

    def __init__(
        self,
        engines: Engine | Sequence[Engine] | Mapping[str, Engine],
        dispatcher: Dispatcher,
        *,
        capacity: int | AdaptiveCapacity,
        recovery: Recovery,
        listener: Listener,
    ) -> None:
        named = by_name(engines)
        if not named:
            raise InputError("there is no engine; at least one was expected")
        self.recovery = recovery
        self._replicas = {name: Replica(name, engine, own(capacity)) for name, engine in named.items()}
        self._dispatcher = dispatcher
        self._listener = listener
        self._waits: dict[asyncio.Timeout, None] = {}
        self._none_in_since: float | None = None
        self._pace = Pace()
        self._next_look: asyncio.TimerHandle | None = None
        for replica in self:
            dispatcher.add_replica(replica.name, replica.capacity)

    def __getitem__(self, name: str) -> Replica:
        return self._replicas[name]

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._replicas.values())

    def __len__(self) -> int:
        return len(self._replicas)

    @property
    def has_one_in(self) -> bool:
        return any(replica.state is ReplicaState.IN for replica in self)

    def has_other_than(self, names: frozenset[str]) -> bool:
        """Whether a replica is in that is not one of these."""
        return any(replica.state is ReplicaState.IN and replica.name not in names for replica in self)

    def begin(
        self,
        name: str,
        program_id: str,
        *,
        is_beside: bool = False,
        may_leave: Callable[[], bool] = lambda: False,
    ) -> Visit:
        """A request starts on the replica of this name, as the dispatcher said."""
        replica = self._replicas[name]
        now = asyncio.get_running_loop().time()
        visit = Visit(replica, program_id, replica.spell, now, is_beside, may_leave, is_watched=len(self) > 1)
        replica.visits[visit] = None
        if len(self) > 1 and self._next_look is None:
            self._look_later()
        return visit

    def end(self, visit: Visit) -> None:
        visit.replica.visits.pop(visit, None)

    def succeeded(self, visit: Visit, num_tokens: int = 0) -> None:
        """It has brought something, ``num_tokens`` by now: a replica that is on trial is in again."""
        visit.num_tokens = num_tokens
        replica = visit.replica
        replica.errors_met.clear()
        if replica.state is ReplicaState.TRIAL and visit.spell == replica.spell:
            replica.num_failures = 0
            self._change(replica, ReplicaState.IN)
            self._dispatcher.set_capacity(replica.name, replica.capacity)
            self._limit_waits()

    def failed(self, visit: Visit, error: EngineError) -> None:
        """It has failed: its replica is taken out, unless that was done since, or ``error`` is no fault of its."""
        replica = visit.replica
        if visit.spell != replica.spell or replica.state is ReplicaState.OUT or not isinstance(error, REPLICA_FAULTS):
            return
        is_news = visit.program_id not in replica.errors_met
        replica.errors_met.add(visit.program_id)
        if not isinstance(error, EngineFailed) or (is_news and len(replica.errors_met) >= MANY_ERRORS):
            self._take_out(replica, error)

    def _take_out(self, replica: Replica, error: EngineError) -> None:
        replica.spell += 1
        replica.num_failures += 1
        replica.error = error
        had_one_in = self.has_one_in
        self._change(replica, ReplicaState.OUT)
        self._dispatcher.remove_replica(replica.name)
        asyncio.get_running_loop().call_later(self.recovery.pause_s(replica.num_failures), self._try_out, replica)
        if had_one_in:
            self._limit_waits()

    def _try_out(self, replica: Replica) -> None:
        self._change(replica, ReplicaState.TRIAL)
        most = replica.capacity if isinstance(replica.capacity, int) else replica.capacity.capacity
        self._dispatcher.add_replica(replica.name, min(most, replica.num_running + 1))

    def _change(self, replica: Replica, state: ReplicaState) -> None:
        replica.state = state
        self._listener(ReplicaChanged(replica.name, state, str(replica.error or "")))

    def _look_later(self) -> None:
        self._next_look = asyncio.get_running_loop().call_later(self.recovery.look_s, self._look)

    def _look(self) -> None:
        """Take out replicas that have become too slow, and send what runs there elsewhere."""
        self._next_look = None
        for name in self._pace.too_slow(self._rates()):
            replica = self._replicas[name]
            if replica.state is ReplicaState.OUT:
                continue
            error = EngineTimeout(f"replica {name!r} writes far slower than it did, and than the others do")
            self._take_out(replica, error)
            for visit in replica.visits:
                visit.interrupt(error)
        if any(replica.visits for replica in self):
            self._look_later()

    def _rates(self) -> dict[str, float]:
        """Tokens a second for each request, on replicas that have written ever since the last look."""
        rates = {}
        for replica in self:
            writing = [visit for visit in replica.visits if visit.looked_at is not None]
            if writing:
                tokens = sum(visit.num_tokens - (visit.looked_at or 0) for visit in writing)
                rates[replica.name] = tokens / len(writing) / self.recovery.look_s
            for visit in replica.visits:
                visit.looked_at = visit.num_tokens or None
        return rates

    @asynccontextmanager
    async def patience(self, since: float) -> AsyncIterator[None]:
        """Wait for a replica in this block, for a request that came at ``since``. Where none is in for ``patience_s``
        from then on, EngineUnreachable ends it."""
        none_since = self._none_in_since
        due = None if none_since is None else max(none_since, since) + self.recovery.patience_s
        limit = asyncio.timeout_at(due)
        self._waits[limit] = None
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._nobody_there() from None
        finally:
            self._waits.pop(limit, None)

    def _limit_waits(self) -> None:
        """None is in any more, or one is again."""
        self._none_in_since = None if self.has_one_in else asyncio.get_running_loop().time()
        due = None if self._none_in_since is None else self._none_in_since + self.recovery.patience_s
        for limit in self._waits:
            end_at(limit, due)

    def _nobody_there(self) -> EngineUnreachable:
        errors = "; ".join(dict.fromkeys(str(replica.error) for replica in self if replica.error is not None))
        return EngineUnreachable(f"no replica answers for {self.recovery.patience_s:g} s: {errors}")

    async def render(self, program_id: str, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        """A conversation as the raw text that the model continues, from whichever replica: all have the same model.

        Raises:
            EngineError: as ``Engine.render``, of the last replica tried.
        """
        error: EngineError | None = None
        for replica in sorted(self, key=lambda replica: list(ReplicaState).index(replica.state)):
            visit = self.begin(replica.name, program_id, is_beside=True)
            try:
                return await replica.engine.render(messages, thinking=thinking)
            except REPLICA_FAULTS as fault:
                self.failed(visit, fault)
                error = fault
            finally:
                self.end(visit)
        assert error is not None, "there is at least one replica"
        raise error


def own(capacity: int | AdaptiveCapacity) -> int | AdaptiveCapacity:
    """For one replica: what finds its capacity learns of no other."""
    return replace(capacity) if isinstance(capacity, AdaptiveCapacity) else capacity


def by_name(engines: Engine | Sequence[Engine] | Mapping[str, Engine]) -> dict[str, Engine]:
    """The engines under the names that were given, or else ``replica-0`` and so on."""
    if isinstance(engines, Mapping):
        return dict(engines)
    several = engines if isinstance(engines, Sequence) else (engines,)
    return {f"replica-{number}": engine for number, engine in enumerate(several)}
