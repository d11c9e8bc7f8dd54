"""A server of ours on a free port, in this process, over any engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from dynasor import AnswerReader, Options, Runtime, Sampling
from dynasor.engines.protocol import Engine
from dynasor.events import Listener
from dynasor.parameters import parameters_of
from dynasor.programs import PROGRAMS, Program, load_program, make_program
from dynasor.rewards import Reward
from dynasor.runtime import DriftWatch, Recovery
from dynasor.scheduling import AdaptiveCapacity, Agreement
from dynasor.serving import KeyRing, Limits, Offer, Service
from dynasor.serving.server import Listening, open_site

NEEDS_NO_REWARD = ("self-consistency", "chain-of-thought", "self-consistency-chains")
NEEDS_A_REWARD = ("best-of-n",)
assert {*NEEDS_NO_REWARD, *NEEDS_A_REWARD} < set(PROGRAMS)


@dataclass(frozen=True, slots=True)
class Served:
    """A running server, its insides, and a client to it."""

    url: str
    service: Service
    client: aiohttp.ClientSession

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    async def chat(self, text: str = "What is 1+1?", **fields: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer in one piece."""
        return await self.post("/v1/chat/completions", {"messages": [{"role": "user", "content": text}], **fields})

    async def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else None
        as_json = None if isinstance(body, bytes) else body
        async with self.client.post(self.url + path, data=data, json=as_json, headers=headers) as response:
            return response.status, await response.json()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        async with self.client.get(self.url + path, headers=headers) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    def assert_nothing_left(self) -> None:
        """No table of the server, the runtime or the scheduler knows of a program any more."""
        service = self.service
        assert (service.admission.num_programs, service.num_open) == (0, 0)
        assert repr(service.admission) == "Admission(programs=0, waiting=0)"
        assert not service.log.running
        assert not service._over
        assert not service.runtime._runs


async def until(condition: Callable[[], bool], most_s: float = 10.0) -> None:
    """Wait for what the outside tells in no other way."""
    async with asyncio.timeout(most_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    *engines: Engine,
    program: str = "self-consistency",
    max_samples: int = 4,
    limits: Limits | None = None,
    keys: KeyRing | None = None,
    concurrency: int | AdaptiveCapacity = 32,
    max_tokens: int | None = 1024,
    settings: Mapping[str, str] | None = None,
    cors_origins: Sequence[str] = (),
    listener: Listener | None = None,
    reward: Reward | None = None,
    recovery: Recovery | None = None,
    watch: DriftWatch | None = None,
) -> AsyncIterator[Served]:
    def made(name: str, given: Mapping[str, str]) -> Program:
        return make_program(name, reward if "reward" in parameters_of(load_program(name)) else None, given)

    async with AsyncExitStack() as stack:
        for engine in engines:
            await stack.enter_async_context(engine)
        reader = await stack.enter_async_context(AnswerReader())
        offer = Offer(
            model=engines[0].info.model,
            programs=NEEDS_NO_REWARD if reward is None else NEEDS_NO_REWARD + NEEDS_A_REWARD,
            default_program=program,
            make_program=made,
            allocator=Agreement() if watch is None else watch.profile.allocator,
            options=Options(max_samples=max_samples, sampling=Sampling(temperature=1.0, max_tokens=max_tokens)),
            default_settings=settings or {},
        )
        service = Service(
            lambda listener: Runtime(
                engines,
                reader,
                concurrency=concurrency,
                recovery=recovery or Recovery(),
                listener=listener,
                watch=watch,
            ),
            offer,
            limits=limits,
            keys=keys,
            listener=listener,
        )
        listening = Listening(port=0, cors_origins=cors_origins)
        site = await stack.enter_async_context(open_site(service, listening))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Served(site.name, service, client)
