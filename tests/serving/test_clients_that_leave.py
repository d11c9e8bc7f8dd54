"""Clients that go away, come slowly, or do not read: on raw sockets, with an engine whose books show what is left."""

from __future__ import annotations

import asyncio
import contextlib
import random

import orjson
import pytest

from dynasor.engines.openai import OpenAIEngine
from dynasor.serving import Limits
from tests.engines.scripted import ScriptedServer, chat, stream
from tests.in_process_engine import InProcessEngine, Reply
from tests.serving.running import Served, serving, until


def posted(served: Served, **members: object) -> bytes:
    body = orjson.dumps({"messages": [{"role": "user", "content": "What is 1+1?"}], **members})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def nothing_left(served: Served) -> None:
    await until(lambda: served.service.num_open == 0)
    served.assert_nothing_left()


def endless(text: str = "") -> InProcessEngine:
    return InProcessEngine(lambda request: Reply(pieces=("",) * 10**5), 0.001)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_leaving_before_the_first_token_stops_the_program_in_the_engine(is_streamed: bool) -> None:
    engine = endless()
    async with serving(engine) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(posted(served, stream=is_streamed))
        await until(lambda: len(engine.live) == 3)
        writer.close()
        await until(lambda: not engine.live, 2.0)
        await nothing_left(served)
        assert (await served.get("/v1/programs"))[1]["data"][0]["status"] == "failed"


async def test_leaving_after_the_first_token_stops_the_program_in_the_engine() -> None:
    engine = InProcessEngine(
        lambda request: Reply("\\boxed{2}", 3) if request.id.endswith("-0") else Reply("", 10**5), 0.001
    )
    async with serving(engine) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(posted(served, stream=True))
        await reader.readuntil(b'"samples":1}')
        assert engine.live
        writer.close()
        await until(lambda: not engine.live, 2.0)
        await nothing_left(served)


async def test_leaving_while_waiting_for_a_turn_leaves_the_queue() -> None:
    engine = endless()
    async with serving(engine, concurrency=1, max_samples=1) as served:
        writers = []
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(posted(served, stream=True))
            writers.append(writer)
        await until(lambda: served.service.admission.num_programs == 3 and len(engine.live) == 1)
        assert repr(served.service.admission) == "Admission(programs=3, waiting=2)"
        for writer in reversed(writers):
            writer.close()
        await nothing_left(served)
        assert len(engine.requests) <= 3


async def test_headers_that_trickle_in_are_not_waited_for() -> None:
    async with serving(endless(), limits=Limits(header_timeout_s=0.3)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\n")
        async with asyncio.timeout(3.0):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                for number in range(100):
                    writer.write(f"X-Slow-{number}: 1\r\n".encode())
                    await writer.drain()
                    await asyncio.sleep(0.05)
                    if reader.at_eof():
                        raise ConnectionResetError
        writer.close()
        assert (await served.get("/health"))[0] == 200


async def test_headers_cut_anywhere_are_read_and_a_kept_connection_may_idle() -> None:
    async with serving(endless(), limits=Limits(header_timeout_s=0.3)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for piece in (b"GET /health/live HTTP/1.1\r\nHost: x\r", b"\n\r", b"\n"):
            writer.write(piece)
            await asyncio.sleep(0.02)
        assert b"200 OK" in await reader.readuntil(b"}")
        await asyncio.sleep(0.5)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"}")
        writer.close()


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with serving(endless(), limits=Limits(body_timeout_s=0.2)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        assert b" 408 " in await reader.readline()
        writer.close()
        await nothing_left(served)


@pytest.mark.parametrize("program", ["chain-of-thought", "pass-through"])
async def test_a_reader_that_stops_reading_is_dropped(program: str, server: ScriptedServer) -> None:
    server.replies = [stream(*[chat("x" * 100_000)] * 1000)]
    limits = Limits(write_timeout_s=0.3)
    if program == "pass-through":
        engine = OpenAIEngine(server.url)
    else:
        engine = InProcessEngine(lambda request: Reply(pieces=("x" * 100_000,) * 1000))  # type: ignore[assignment]
    async with serving(engine, limits=limits, max_tokens=None) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(posted(served, stream=True, dynasor={"program": program}))
        await until(lambda: served.service.num_open == 1)
        await nothing_left(served)
        num_read = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                num_read += len(data)
        assert 100_000 < num_read < 100_000_000
        writer.close()


async def test_a_crowd_of_which_a_third_leaves() -> None:
    rng = random.Random(4)
    engine = InProcessEngine(
        lambda request: Reply("The answer is \\boxed{2}.", random.Random(request.id).randrange(2, 30)), 0.001
    )

    async def client(served: Served, number: int) -> int | None:
        program = ("self-consistency", "chain-of-thought", "self-consistency-chains")[number % 3]
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        try:
            writer.write(posted(served, stream=number % 2 == 0, dynasor={"program": program, "max_samples": 6}))
            if number % 3 == number // 3 % 3:
                await asyncio.sleep(rng.random() * 0.3)
                return None
            head = await reader.readuntil(b"\r\n\r\n")
            end = b"[DONE]" if number % 2 == 0 else b'"dynasor"'
            await reader.readuntil(end)
            return int(head.split()[1])
        finally:
            writer.close()

    async with serving(engine, concurrency=16) as served:
        async with asyncio.timeout(50), asyncio.TaskGroup() as group:
            clients = [group.create_task(client(served, number)) for number in range(64)]
        statuses = [each.result() for each in clients]
        assert statuses.count(200) == len([each for each in statuses if each is not None]) > 40
        await nothing_left(served)
        assert not engine.live
        assert engine.most_live <= 16 + 16  # probes run beside their chains
        records = served.service.log.finished.values()
        assert len(records) == 64
        assert sum(record.num_tokens for record in records) == engine.produced
        answered = [record for record in records if record.answer is not None]
        assert all(record.answer.usage.produced == record.num_tokens for record in answered if record.answer)
