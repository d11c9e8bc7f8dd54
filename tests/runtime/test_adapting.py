"""Adaptive capacity at work: how many requests a replica runs follows its throughput and its KV cache."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, SelfConsistency
from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import EngineUnreachable
from dynasor.programs.single import Single
from dynasor.runtime import Recovery
from dynasor.scheduling import AdaptiveCapacity
from dynasor.vocabulary import Delta, FinishReason, Request
from tests.engines.scripted import DONE, ScriptedServer, chat, status, stream, usage
from tests.in_process_engine import InProcessEngine, Reply, says
from tests.serving.running import serving, until

LOOK_S = 0.02
KNEE = 8


@dataclass(slots=True)
class SaturatingEngine(InProcessEngine):
    """Its throughput grows in proportion up to ``KNEE`` requests, and not beyond: then each takes longer."""

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.live.add(request.id)
        self.most_live = max(self.most_live, len(self.live))
        try:
            await asyncio.sleep(self.step_s * max(1.0, len(self.live) / KNEE))
            yield Delta(text="The answer is 1.", num_tokens=10, finish_reason=FinishReason.STOP, prompt_tokens=7)
        finally:
            self.live.discard(request.id)


@dataclass(slots=True)
class CrowdedEngine(InProcessEngine):
    """Its KV cache is full as it is told."""

    told: float | Exception | None = None

    async def cache_usage(self) -> float | None:
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


async def keep_busy(runtime: Runtime, num_programs: int) -> None:
    async def ask(number: int) -> None:
        await runtime.run(Question.of_text("?", f"q{number}"), SelfConsistency(), Fixed(), Options(max_samples=4))

    async with asyncio.TaskGroup() as group:
        for number in range(num_programs):
            group.create_task(ask(number))


async def test_it_settles_about_the_knee_of_an_engine_that_saturates() -> None:
    async with SaturatingEngine(says("1"), step_s=0.01) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=AdaptiveCapacity(2, period_s=0.1))
        capacities = set()

        async def note() -> None:
            while True:
                capacities.add(runtime.dispatcher.capacity_of("replica-0"))
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            noting = group.create_task(note())
            await keep_busy(runtime, 600)
            noting.cancel()
        assert min(capacities) <= 2
        assert KNEE / 2 < runtime.dispatcher.capacity_of("replica-0") < 2 * KNEE
        assert engine.most_live == max(capacities) < 3 * KNEE


async def test_a_cache_that_is_nearly_full_lowers_it_and_replicas_are_on_their_own() -> None:
    crowded = CrowdedEngine(says("1", num_tokens=60), step_s=0.01, told=0.95)
    roomy = CrowdedEngine(says("1", num_tokens=60), step_s=0.01, told=0.1)
    async with crowded, roomy, AnswerReader() as reader:
        runtime = Runtime({"crowded": crowded, "roomy": roomy}, reader, concurrency=AdaptiveCapacity(8))
        async with runtime.watching_caches(LOOK_S), asyncio.TaskGroup() as group:
            group.create_task(keep_busy(runtime, 5))
            await until(lambda: runtime.dispatcher.capacity_of("crowded") < 8)
            assert runtime.dispatcher.capacity_of("roomy") == 8


@pytest.mark.parametrize("told", [EngineUnreachable("gone for a moment"), None])
async def test_an_engine_that_does_not_tell_is_asked_again_and_mentioned_once(
    told: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    engine = CrowdedEngine(says("1", num_tokens=200), step_s=0.01, told=told)
    async with engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=AdaptiveCapacity(8))
        with caplog.at_level(logging.INFO, "dynasor.runtime.cache_watch"):
            async with runtime.watching_caches(LOOK_S), asyncio.TaskGroup() as group:
                group.create_task(keep_busy(runtime, 2))
                await asyncio.sleep(4 * LOOK_S)
                assert runtime.dispatcher.capacity_of("replica-0") == 8
                engine.told = 0.95
                await until(lambda: runtime.dispatcher.capacity_of("replica-0") < 8)
    assert len(caplog.messages) == (told is None)


async def test_a_fixed_capacity_is_not_looked_after() -> None:
    engine = CrowdedEngine(says("1"), told=AssertionError("it was asked"))
    async with engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=8)
        async with runtime.watching_caches(LOOK_S):
            await asyncio.sleep(2 * LOOK_S)


async def test_a_replica_that_is_in_again_goes_on_finding_its_capacity() -> None:
    failing = [True]

    def script(request: Request) -> Reply:
        error = EngineUnreachable("down") if failing.pop() else None
        failing.append(False)
        return Reply("The answer is \\boxed{1}.", error=error)

    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=AdaptiveCapacity(8), recovery=Recovery(first_pause_s=0.01))
        await runtime.run(Question.of_text("?", "q"), Single(), Fixed(), Options(max_samples=1))
        assert runtime.dispatcher.capacity_of("replica-0") == 8
        assert runtime.replicas["replica-0"].capacity is runtime.dispatcher._adapting["replica-0"]


async def test_a_server_heeds_what_its_engine_says_of_its_cache() -> None:
    """Over HTTP, from the engine's metrics to the server's own."""
    async with ScriptedServer() as engine:
        engine.pages = status(200, 'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.95\n')
        engine.replies = [stream(chat("The answer "), 4.0, chat("is 2.", "stop"), usage(5), DONE)]
        async with serving(OpenAIEngine(engine.url), concurrency=AdaptiveCapacity(8)) as served:

            def capacity() -> int:
                return served.service.runtime.dispatcher.capacity_of("replica-0")

            async with asyncio.TaskGroup() as group:
                asking = [group.create_task(served.chat(dynasor={"allocator": "fixed"})) for _ in range(2)]
                await until(lambda: capacity() < 8)
                _, page = await served.get("/metrics")
                assert 'dynasor:replica_capacity{replica="replica-0"} 7.0' in page
                for each in asking:
                    each.cancel()
