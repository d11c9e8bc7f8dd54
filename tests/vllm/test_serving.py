"""The server in front of real vLLM."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio

from benchmarks.vllm_server import START_TIMEOUT_S
from dynasor.engines.counters import EngineCounters, engine_counters
from dynasor.engines.openai import OpenAIEngine
from tests.engines.contract import comes_true
from tests.serving.openai_contract import MESSAGES, OpenAIContract
from tests.serving.running import Served, serving

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(START_TIMEOUT_S + 120),
    pytest.mark.skipif("DYNASOR_VLLM_PYTHON" not in os.environ, reason="DYNASOR_VLLM_PYTHON is not set"),
    pytest.mark.asyncio(loop_scope="module"),
]

PLACES = 8
"""How many requests the engine works on at once; see conftest."""
ATTEMPTS = 4
LONG = 1900
"""Tokens; the model has a context of 2048."""
RELAYED: dict[str, Any] = {
    "max_tokens": LONG,
    "extra_body": {"ignore_eos": True, "dynasor": {"program": "pass-through"}},
}
SAMPLES: dict[str, Any] = {
    "extra_body": {"dynasor": {"program": "self-consistency", "max_samples": 64, "allocator": "fixed"}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(shipped_url: str) -> AsyncIterator[Served]:
    async with serving(OpenAIEngine(shipped_url), program="chain-of-thought") as served:
        yield served
        served.assert_nothing_left()


@pytest_asyncio.fixture(loop_scope="module")
async def client(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


class TestVllm(OpenAIContract):
    """The same as with the embedded engine."""


@pytest.mark.parametrize("how", [RELAYED, SAMPLES], ids=["pass-through", "program"])
@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "whole"])
async def test_a_client_that_leaves_stops_its_work_in_vllm(
    served: Served, client: openai.AsyncOpenAI, shipped_url: str, how: dict[str, Any], is_streamed: bool
) -> None:
    """On two cores vLLM's threads can keep this process, the server with it, from running until a request is at its
    end; then it is tried again."""
    for _ in range(ATTEMPTS):
        generated = await leaves_early(served, client, shipped_url, how, is_streamed)
        if generated < LONG:
            return
    raise AssertionError(f"{ATTEMPTS} times {generated} tokens were generated: the request ran to its end")


async def leaves_early(
    served: Served, client: openai.AsyncOpenAI, shipped_url: str, how: dict[str, Any], is_streamed: bool
) -> int:
    """How many tokens vLLM has generated for a client that left at the first ones, once nothing is left anywhere."""

    async def ask() -> None:
        answer = await client.chat.completions.create(
            model=served.service.offer.model, messages=MESSAGES, stream=is_streamed, **how
        )
        if isinstance(answer, openai.AsyncStream):
            async for _ in answer:
                pass

    before = await engine_counters(shipped_url)
    asking = asyncio.create_task(ask())
    assert await comes_true(lambda now: now.generated_tokens > before.generated_tokens, shipped_url, 20.0)
    asking.cancel()
    assert await comes_true(is_idle, shipped_url, 30.0)
    async with asyncio.timeout(5.0):
        await served.service.all_over()
    served.assert_nothing_left()
    return (await engine_counters(shipped_url)).generated_tokens - before.generated_tokens


async def test_priorities_reach_vllm(served: Served, shipped_url: str) -> None:
    """With all places taken, two programs wait in vLLM; when a place comes free, the later one goes first."""
    ended: list[int] = []

    async def program(priority: int) -> None:
        body = {"program": "self-consistency", "max_samples": 1, "priority": priority}
        status, _ = await served.chat(max_tokens=4, dynasor=body)
        assert status == 200
        ended.append(priority)

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        streams = [await stack.enter_async_context(await occupy(served, shipped_url)) for _ in range(PLACES)]
        assert await comes_true(lambda now: now.running == PLACES, shipped_url, 20.0)
        for number, priority in enumerate((5, -5)):
            group.create_task(program(priority))
            assert await comes_true(waiting(number + 1), shipped_url, 20.0)
        streams[0].close()
    assert ended == [-5, 5]


async def occupy(served: Served, engine_url: str) -> aiohttp.ClientResponse:
    """A request straight to the engine that takes a place in it until it is closed."""
    body = {"messages": MESSAGES, "max_tokens": LONG, "ignore_eos": True, "stream": True}
    return await served.client.post(f"{engine_url}/v1/chat/completions", json=body)


def waiting(number: int) -> Callable[[EngineCounters], bool]:
    return lambda now: now.waiting == number


def is_idle(now: EngineCounters) -> bool:
    return now.running == now.waiting == 0
