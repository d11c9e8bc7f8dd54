"""Every token is counted once, whatever programs do and whenever they are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor import AnswerReader, Options, Question, Runtime, Votes
from dynasor.errors import EngineFailed, ProgramFailed
from dynasor.events import Event, RequestEnded
from dynasor.programs import Session
from dynasor.runtime import Recovery
from dynasor.scheduling import ALLOCATORS, Allocator, make_allocator
from dynasor.vocabulary import Answer, Request, RequestKind
from tests.in_process_engine import InProcessEngine, Reply


class RandomProgram:
    """Does what programs do, in random order: samples, probes, scores, leaving early, raising."""

    async def execute(self, session: Session) -> Answer:
        rng = session.rng
        votes = Votes(1)
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.4:
                kind = rng.choice(list(RequestKind))
                await session.generate("prefix", kind=kind)
                continue
            async with session.branches() as branches:
                votes = Votes(branches.cap)
                async for completion in branches:
                    votes.add(await session.read_answer(completion), completion)
                    if rng.random() < 0.3:
                        await session.generate(completion.text, kind=RequestKind.SCORE)
                    branches.observe(votes.certaindex)
                    if rng.random() < 0.1:
                        break
        return votes.answer()


def random_script(seed: int, failure_rate: float) -> InProcessEngine:
    def script(request: Request) -> Reply:
        rng = random.Random(f"{seed}-{request.id}")
        tokens = rng.randint(1, 12)
        if rng.random() < failure_rate:
            return Reply("", tokens, fails_after=rng.randrange(tokens), error=EngineFailed("broke"))
        return Reply(f"\\boxed{{{rng.randint(1, 3)}}}", tokens)

    return InProcessEngine(script)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    failure_rate=st.sampled_from([0.0, 0.05, 0.3]),
    allocator=st.sampled_from([make_allocator(name) for name in ALLOCATORS if name not in ("length", "stability")]),
    concurrency=st.integers(1, 6),
    cancel_after=st.lists(st.one_of(st.none(), st.integers(0, 60)), min_size=1, max_size=4),
)
def test_our_count_is_the_engines_count(
    seed: int, failure_rate: float, allocator: Allocator, concurrency: int, cancel_after: list[int | None]
) -> None:
    """Programs run side by side, each cancelled after some steps of the event loop, or never."""

    async def scenario() -> None:
        counted = 0
        spent: dict[str, int] = {}

        def listen(event: Event) -> None:
            nonlocal counted
            if isinstance(event, RequestEnded):
                counted += event.num_tokens
                spent[event.program_id] = spent.get(event.program_id, 0) + event.num_tokens

        async with random_script(seed, failure_rate) as engine, AnswerReader() as reader:
            recovery = Recovery(max_tries=2, first_pause_s=0.0)
            runtime = Runtime(engine, reader, concurrency=concurrency, listener=listen, recovery=recovery)

            async def one(number: int, steps: int | None) -> None:
                question = Question.of_text("?", f"q{number}")
                run = asyncio.ensure_future(
                    runtime.run(question, RandomProgram(), allocator, Options(max_samples=6, seed=seed))
                )
                if steps is not None:
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    run.cancel()
                with contextlib.suppress(asyncio.CancelledError, ProgramFailed):
                    answer = await run
                    assert answer.usage.produced == sum(
                        tokens for id, tokens in spent.items() if id.startswith(question.id)
                    )

            async with asyncio.TaskGroup() as group:
                for number, steps in enumerate(cancel_after):
                    group.create_task(one(number, steps))
            assert counted == engine.produced
            assert not engine.live
            assert not runtime.dispatcher.scheduler.running
            assert not runtime.dispatcher.scheduler.waiting
            assert not runtime.dispatcher.scheduler.programs
            assert engine.most_live <= concurrency

    asyncio.run(asyncio.wait_for(scenario(), 30))
