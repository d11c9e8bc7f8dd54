"""A crowd of real clients on real engines: many leave, an engine is killed, and afterwards nothing is left.

Moments are not seconds but steps of the work, the requests that have ended so far, so that a slow machine tests the
same as a fast one.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest

from dynasor.engines.counters import engine_counters
from dynasor.engines.embedded import EmbeddedEngine
from dynasor.events import Event, Relayed, RequestEnded, RequestMoved, RequestStarted
from dynasor.models.question_sets import Split, question_lines
from dynasor.rewards.likelihood import Likelihood
from dynasor.runtime import Recovery
from dynasor.serving.requests import PASS_THROUGH
from dynasor.vocabulary import ReplicaState
from tests.engines.contract import is_idle_within
from tests.serving.running import Served, serving, until

PROGRAMS = ("self-consistency", "chain-of-thought", "best-of-n", PASS_THROUGH)
MAX_TOKENS = 120
EASIEST = 1
"""The level whose questions the model always answers rightly, in 33 tokens."""
CROWD = 64
PATIENT_S = 100.0
"""For a machine that has other things to do; a core of its own takes a tenth of it."""


@dataclass(frozen=True, slots=True)
class Client:
    """What one client asks, and after how many ended requests of the whole crowd it leaves, if it does."""

    number: int
    text: str
    reference: str
    program: str
    is_streamed: bool
    leaves_at: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        return {
            "messages": [{"role": "user", "content": self.text}],
            "max_tokens": MAX_TOKENS,
            "seed": self.number,
            "stream": self.is_streamed,
            "dynasor": {"program": self.program},
            **({"stream_options": {"include_usage": True}} if self.is_streamed else {}),
        }

    def check(self, response: Response) -> None:
        """It is an answer, the right one, and its accounts add up."""
        assert response.status == 200 and response.is_whole, (self, response)
        assert f"\\boxed{{{self.reference}}}" in response.content, (self, response)
        assert response.finish_reason == "stop", (self, response)
        if self.program == PASS_THROUGH:
            return
        block = response.block
        assert block["program"] == self.program
        assert block["answer"] == self.reference, (self, response)
        kinds = ("main", "probe", "score", "cancelled")
        assert response.usage["completion_tokens"] == sum(block["tokens"][kind] for kind in kinds)


@dataclass(slots=True)
class Response:
    """What a client got, in one piece or put together. A stream that was cut has no ``is_whole``."""

    status: int
    content: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    block: dict[str, Any] = field(default_factory=dict)
    is_whole: bool = False


def crowd(size: int, rng: random.Random, *, leaving_by: int | None) -> list[Client]:
    """All programs, streamed and not. With ``leaving_by`` one third leaves, somewhen until so many requests ended."""
    questions = [line for line in map(json.loads, question_lines(Split.TEST)) if line["level"] == EASIEST]
    leavers = frozenset(rng.sample(range(size), size // 3) if leaving_by is not None else ())
    return [
        Client(
            number,
            questions[number % len(questions)]["question"],
            questions[number % len(questions)]["reference"],
            PROGRAMS[number % len(PROGRAMS)],
            is_streamed=number // len(PROGRAMS) % 2 == 0,
            leaves_at=rng.randrange(leaving_by) if leaving_by is not None and number in leavers else None,
        )
        for number in range(size)
    ]


class Books:
    """Hears what the server does: what runs, how far the work is, and what was produced."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.num_ended = 0
        self.num_cut = 0
        """Requests that were cancelled or lost their engine: of these it may have produced more than it told."""
        self.num_moved = 0
        self.num_tokens = 0
        self._changed = asyncio.Event()

    def hear(self, event: Event) -> None:
        if isinstance(event, RequestStarted):
            self.running.add(event.request_id)
        elif isinstance(event, RequestMoved):
            self.running.remove(event.request_id)
            self.num_moved += 1
            self.num_cut += 1
        elif isinstance(event, Relayed):
            self.num_tokens += event.num_tokens
        elif isinstance(event, RequestEnded):
            self.running.discard(event.request_id)  # one that was to go elsewhere may end before it does
            self.num_ended += 1
            self.num_cut += event.cancelled
            self.num_tokens += event.num_tokens
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def reach(self, num_ended: int) -> None:
        while self.num_ended < num_ended:
            await self._changed.wait()


async def ask(served: Served, client: Client) -> Response:
    async with served.client.post(served.url + "/v1/chat/completions", json=client.body) as answer:
        if not client.is_streamed or answer.status != 200:
            return whole(answer.status, await answer.json())
        response = Response(answer.status)
        try:
            async for line in answer.content:
                read(line.strip(), response)
        except aiohttp.ClientPayloadError:
            assert not response.is_whole
        return response


def whole(status: int, body: dict[str, Any]) -> Response:
    if status != 200:
        return Response(status, content=str(body))
    (choice,) = body["choices"]
    return Response(
        status, choice["message"]["content"], choice["finish_reason"], body["usage"], body.get("dynasor", {}), True
    )


def read(line: bytes, response: Response) -> None:
    """A line of a stream."""
    if not line.startswith(b"data: "):
        assert not line or line.startswith(b":"), line
        return
    assert not response.is_whole, "nothing comes after the end"
    if line == b"data: [DONE]":
        response.is_whole = True
        return
    chunk = orjson.loads(line[6:])
    assert "error" not in chunk, chunk
    response.usage = chunk.get("usage") or response.usage
    response.block = chunk.get("dynasor") or response.block
    for choice in chunk["choices"]:
        response.content += choice["delta"].get("content") or ""
        response.finish_reason = choice["finish_reason"] or response.finish_reason


async def attend(served: Served, client: Client, books: Books) -> Response | None:
    """What the client gets; None if it left before."""
    asking = asyncio.create_task(ask(served, client))
    if client.leaves_at is not None:
        leaving = asyncio.create_task(books.reach(client.leaves_at))
        await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not asking.done():
            asking.cancel()
            await asyncio.wait((asking,))
            return None
    return await asking


async def attend_all(served: Served, clients: Sequence[Client], books: Books) -> list[Response | None]:
    async with asyncio.timeout(PATIENT_S):
        return await asyncio.gather(*(attend(served, client, books) for client in clients))


@asynccontextmanager
async def house(*engines: EmbeddedEngine, concurrency: int = 16) -> AsyncIterator[tuple[Served, Books]]:
    """A server over these engines that offers every program; at its end nothing may be left anywhere."""
    books = Books()
    recovery = Recovery(first_pause_s=0.1, longest_pause_s=1.0, patience_s=PATIENT_S, max_tries=5)
    async with serving(
        *engines,
        max_samples=4,
        max_tokens=MAX_TOKENS,
        concurrency=concurrency,
        listener=books.hear,
        reward=Likelihood(),
        recovery=recovery,
    ) as served:
        yield served, books
        await until(lambda: served.service.num_open == 0, PATIENT_S)
        served.assert_nothing_left()
        assert not books.running
        for engine in engines:
            assert await is_idle_within(engine, PATIENT_S)


@pytest.mark.timeout(300)
async def test_without_anybody_leaving_the_engine_counts_what_we_do() -> None:
    engine = EmbeddedEngine(slots=32)
    async with house(engine) as (served, books):
        clients = crowd(16, random.Random(1), leaving_by=None)
        for client, response in zip(clients, await attend_all(served, clients, books), strict=True):
            assert response is not None
            client.check(response)
        assert await is_idle_within(engine, PATIENT_S)
        unseen = (await engine_counters(engine.base_url)).generated_tokens - books.num_tokens
        assert 0 <= unseen <= books.num_cut * MAX_TOKENS
        assert unseen == 0 or books.num_cut


@pytest.mark.timeout(300)
async def test_a_third_of_a_crowd_leaves_and_nothing_is_left_behind() -> None:
    engine = EmbeddedEngine(slots=32)
    async with house(engine) as (served, books):
        clients = crowd(CROWD, random.Random(2), leaving_by=CROWD)
        responses = await attend_all(served, clients, books)
        assert sum(response is None for response in responses) >= CROWD // 6, "most who meant to leave did"
        for client, response in zip(clients, responses, strict=True):
            if response is not None:
                client.check(response)
        await until(lambda: served.service.num_open == 0, PATIENT_S)
        assert await is_idle_within(engine, PATIENT_S)
        unseen = (await engine_counters(engine.base_url)).generated_tokens - books.num_tokens
        assert 0 <= unseen <= books.num_cut * MAX_TOKENS


@pytest.mark.timeout(300)
async def test_an_engine_is_killed_under_a_crowd_and_comes_back() -> None:
    # One thread each: two that spin on the same cores stand in each other's way.
    killed, spared = EmbeddedEngine(slots=32, threads=1), EmbeddedEngine(slots=32, threads=1)
    async with house(killed, spared, concurrency=8) as (served, books):
        replica = served.service.runtime.replicas["replica-0"]
        clients = crowd(CROWD, random.Random(3), leaving_by=CROWD)
        attending = asyncio.create_task(attend_all(served, clients, books))
        await books.reach(CROWD // 4)
        await until(lambda: bool(replica.visits), PATIENT_S)
        process_id = killed.process_id
        os.kill(process_id, signal.SIGKILL)
        responses = await attending
        for client, response in zip(clients, responses, strict=True):
            if response is None:
                continue
            if not is_cut(client, response):
                client.check(response)
        assert books.num_moved, "requests went on elsewhere"
        await in_again(served, killed, process_id)
        client = crowd(1, random.Random(4), leaving_by=None)[0]
        client.check(await ask(served, client))


def is_cut(client: Client, response: Response) -> bool:
    """A stream that is passed through byte for byte cannot go on elsewhere once it has begun; its client sees that it
    broke off."""
    return client.program == PASS_THROUGH and client.is_streamed and response.status == 200 and not response.is_whole


async def in_again(served: Served, engine: EmbeddedEngine, old_process_id: int) -> None:
    """Wait until the engine that was killed serves again; it is tried when there is something to do."""
    replica = served.service.runtime.replicas["replica-0"]
    async with asyncio.timeout(PATIENT_S):
        while replica.state is not ReplicaState.IN:
            clients = crowd(16, random.Random(5), leaving_by=None)
            await asyncio.gather(*(ask(served, client) for client in clients))
    assert engine.process_id != old_process_id
