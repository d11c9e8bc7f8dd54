"""Run a workload through the production runtime on simulated replicas, once for each arm."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dynasor.answers import AnswerReader
from dynasor.events import Event, Listener, RequestStarted, both, ignore
from dynasor.programs import Program
from dynasor.runtime import Recovery, Runtime
from dynasor.scheduling import AdaptiveCapacity, Allocator
from dynasor.simulation.clock import run_virtually
from dynasor.simulation.cost import EngineProfile
from dynasor.simulation.engine import SimulatedEngine
from dynasor.simulation.report import Outcome, Tally
from dynasor.simulation.workloads import Arrival, Stream
from dynasor.simulation.writing import QuestionAuthor, Style

COLLECT_AFTER = 100_000
"""Objects made and not yet dropped, where Python takes 700."""
LAST_ITERATION_S = 3600.0
"""Virtual time in which the iteration ends that runs when the last program does."""
NEVER_SLOW = Recovery(look_s=1e12)
"""Simulated replicas do not fail and do not get slow, so nobody looks whether they do."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to serve a workload."""

    policy: str
    allocator: Allocator
    allocator_name: str

    @property
    def name(self) -> str:
        return f"{self.policy} {self.allocator_name}"


@dataclass(frozen=True, slots=True)
class Site:
    """What all arms have: replicas of one engine, at most ``capacity`` requests on each (None: as many as the runtime
    finds best), and tenants' weights (None: tenants play no part)."""

    profile: EngineProfile
    num_replicas: int = 1
    capacity: int | None = 64
    weights: Mapping[str, float] | None = None


def simulate(
    site: Site,
    arm: Arm,
    arrivals: Iterable[Arrival],
    *,
    listener: Callable[[float, Event], None] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Outcome:
    """Serve all ``arrivals`` and wait for the last.

    Args:
        listener: is told every event with the virtual time at which it happened.
        advance: is called when a program ends.
    """
    with collecting_rarely():
        return run_virtually(_Service(site, arm, listener, advance).serve(arrivals))


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for garbage in cycles less often than Python does by itself: a simulation makes and drops more objects than
    anything else, nearly all of them without cycles, and a fifth of its time went into looking at them."""
    thresholds = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


class _Service:
    """A runtime with its simulated replicas, and the count of what it did."""

    def __init__(
        self, site: Site, arm: Arm, listener: Callable[[float, Event], None] | None, advance: Callable[[], None]
    ) -> None:
        self._site = site
        self._arm = arm
        self._listener = listener
        self._advance = advance
        self._author = QuestionAuthor()
        self._whole = Tally()
        self._by_stream: dict[str, Tally] = {}
        self._num_requests = 0
        self._programs: dict[str, tuple[Program, Style]] = {}

    async def serve(self, arrivals: Iterable[Arrival]) -> Outcome:
        site, loop = self._site, asyncio.get_running_loop()
        engines = {
            f"replica-{number}": SimulatedEngine(site.profile, self._author) for number in range(site.num_replicas)
        }
        async with AnswerReader() as reader:
            runtime = Runtime(
                engines,
                reader,
                concurrency=AdaptiveCapacity() if site.capacity is None else site.capacity,
                policy=self._arm.policy,
                weights=site.weights,
                recovery=NEVER_SLOW,
                listener=self._hears(),
            )
            began = loop.time()
            async with runtime.watching_caches(), asyncio.TaskGroup() as group:
                for arrival in arrivals:
                    await asyncio.sleep(began + arrival.due_s - loop.time())
                    group.create_task(self._run(runtime, arrival))
            duration_s = loop.time() - began
            await asyncio.sleep(LAST_ITERATION_S)
        left_over = {name: engine.batch.left_over for name, engine in engines.items()}
        counters = {name: engine.batch.counters for name, engine in engines.items()}
        return Outcome(
            self._arm.name, duration_s, self._whole, self._by_stream, counters, self._num_requests, left_over
        )

    async def _run(self, runtime: Runtime, arrival: Arrival) -> None:
        stream = arrival.stream
        program, style = self._program_of(stream)
        question = self._author.begins(arrival.program_id, arrival.question, stream.manner, style)
        answer = await runtime.run(
            question, program, self._arm.allocator, arrival.options, program_id=arrival.program_id
        )
        self._author.ends(arrival.program_id)
        for tally in (self._whole, self._by_stream.setdefault(stream.name, Tally())):
            tally.add(arrival, answer)
        self._advance()

    def _program_of(self, stream: Stream) -> tuple[Program, Style]:
        known = self._programs.get(stream.name)
        if known is None:
            known = self._programs[stream.name] = (stream.make_program(), stream.style())
        return known

    def _hears(self) -> Listener:
        return both(self._count, ignore if self._listener is None else self._tell)

    def _count(self, event: Event) -> None:
        self._num_requests += isinstance(event, RequestStarted)

    def _tell(self, event: Event) -> None:
        assert self._listener is not None
        self._listener(asyncio.get_running_loop().time(), event)
