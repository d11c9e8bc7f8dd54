"""Whatever programs do, and whoever ends them whenever while replicas fail: nothing is left, and every token is counted
once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor import AnswerReader, Fixed, Options, Question, Runtime
from dynasor.errors import EngineFailed, EngineUnreachable, ProgramFailed
from dynasor.events import Event, ProgramEnded, ProgramStarted, RequestEnded, RequestMoved, RequestStarted
from dynasor.programs import Session, Votes
from dynasor.runtime import Recovery
from dynasor.vocabulary import Answer, Certaindex, Request, RequestKind, Sampling, StopReason
from tests.in_process_engine import InProcessEngine, Reply


class Anything:
    """Samples, streams with probes beside them, programs inside units, in random order; kept and left at random."""

    async def execute(self, session: Session) -> Answer:
        votes = session.votes()
        for _ in range(session.rng.randint(1, 3)):
            act = session.rng.choice([self.sample, self.read, self.nest])
            await act(session, votes)
            votes.report(session)
        return votes.answer()

    async def sample(self, session: Session, votes: Votes) -> None:
        async with session.branches() as branches:
            async for completion in branches:
                votes.add(await session.read_answer(completion), completion)
                votes.report(branches)
                if session.rng.random() < 0.2:
                    break

    async def read(self, session: Session, votes: Votes) -> None:
        async with session.stream("Once", sampling=Sampling(max_tokens=20)) as stream:
            async for _ in stream:
                if session.rng.random() < 0.2:
                    async with session.stream(stream.text, kind=RequestKind.PROBE, is_beside=True) as probe:
                        async for _ in probe:
                            if session.rng.random() < 0.3:
                                probe.keep(probe.num_tokens)
                                break
                    stream.keep(stream.num_tokens)
                    session.show(reasoning=stream.text)
                if session.rng.random() < 0.05:
                    break

    async def nest(self, session: Session, votes: Votes) -> None:
        async def work(unit: Session) -> None:
            inner = unit.inner(Fixed(), 2)
            while inner.grant(most=1):
                await inner.generate("inside")
                inner.observe(Certaindex(0.5, {}))

        async with session.parallel(work) as units:
            async for _ in units:
                pass


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to a program, after so many steps of the event loop."""

    kind: str
    steps: int


FATES = st.builds(Fate, st.sampled_from(["left alone", "stopped", "cancelled", "out of time"]), st.integers(0, 80))


def failing(seed: int, rate: float) -> InProcessEngine:
    rng = random.Random(seed)

    def script(request: Request) -> Reply:
        num_tokens = rng.randint(1, 12)
        if rng.random() < rate:
            error = rng.choice([EngineFailed, EngineUnreachable])("broke")
            return Reply(pieces=("x",) * num_tokens, fails_after=rng.randrange(num_tokens), error=error)
        return Reply(f"\\boxed{{{rng.randint(1, 3)}}}", num_tokens)

    return InProcessEngine(script)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rates=st.lists(st.sampled_from([0.0, 0.1, 0.5]), min_size=1, max_size=3),
    concurrency=st.integers(1, 4),
    fates=st.lists(FATES, min_size=1, max_size=4),
)
def test_nothing_is_left_and_every_token_is_counted_once(
    seed: int, rates: list[float], concurrency: int, fates: list[Fate]
) -> None:
    asyncio.run(asyncio.wait_for(upheaval(seed, rates, concurrency, fates), 60))


async def upheaval(seed: int, rates: list[float], concurrency: int, fates: list[Fate]) -> None:
    events: list[Event] = []
    engines = [failing(seed + number, rate) for number, rate in enumerate(rates)]
    recovery = Recovery(max_tries=4, first_pause_s=0.001, longest_pause_s=0.004)
    async with AnswerReader() as reader:
        runtime = Runtime(engines, reader, concurrency=concurrency, recovery=recovery, listener=events.append)
        async with asyncio.TaskGroup() as group:
            for number, fate in enumerate(fates):
                group.create_task(live_through(runtime, f"p{number}", fate, seed))
    scheduler = runtime.dispatcher.scheduler
    assert not scheduler.running and not scheduler.waiting and not scheduler.programs
    assert not any(engine.live for engine in engines)
    assert not any(replica.visits for replica in runtime.replicas)
    assert runtime.programs() == []
    assert sum(each.num_tokens for each in events if isinstance(each, RequestEnded)) == sum(e.produced for e in engines)
    starts = sum(isinstance(each, RequestStarted) for each in events)
    assert starts == sum(isinstance(each, RequestEnded | RequestMoved) for each in events) - never_restarted(events)
    began = [each.program_id for each in events if isinstance(each, ProgramStarted)]
    assert sorted(began) == sorted(each.program_id for each in events if isinstance(each, ProgramEnded))
    for ended in (each for each in events if isinstance(each, ProgramEnded) and each.answer is not None):
        of_program = [each for each in events if isinstance(each, RequestEnded) and each.program_id == ended.program_id]
        assert ended.answer is not None
        assert ended.answer.usage.produced == sum(each.num_tokens for each in of_program)


def never_restarted(events: list[Event]) -> int:
    """Requests that left a replica and were ended before they had their turn on another."""
    last: dict[str, Event] = {}
    count = 0
    for event in events:
        if isinstance(event, RequestStarted | RequestMoved):
            last[event.request_id] = event
        elif isinstance(event, RequestEnded):
            count += isinstance(last[event.request_id], RequestMoved)
    return count


async def live_through(runtime: Runtime, program_id: str, fate: Fate, seed: int) -> None:
    deadline_s = 0.0001 * (fate.steps + 1) if fate.kind == "out of time" else None
    options = Options(max_samples=4, seed=seed, deadline_s=deadline_s)
    question = Question.of_text("?", program_id)
    running = asyncio.create_task(runtime.run(question, Anything(), Fixed(), options, program_id=program_id))
    for _ in range(fate.steps):
        await asyncio.sleep(0)
    if fate.kind == "cancelled":
        running.cancel()
    was_stopped = fate.kind == "stopped" and runtime.stop(program_id)
    await asyncio.wait((running,))
    if running.cancelled():
        assert fate.kind == "cancelled"
    elif isinstance(running.exception(), ProgramFailed):
        assert not was_stopped
    else:
        assert (running.result().stop_reason is StopReason.STOPPED) == was_stopped
