"""Requests that are passed through reach the engine, and its answers the client, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from dynasor.engines.openai import OpenAIEngine
from dynasor.serving.relaying import Meter
from tests.engines.scripted import CUT, DONE, ScriptedServer, chat, status, stream, usage
from tests.serving.running import Served, serving, until

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function"}], "n": 2}


@pytest.fixture
async def served(server: ScriptedServer) -> AsyncIterator[Served]:
    async with serving(OpenAIEngine(server.url, api_key="sk-engine-secret"), program="pass-through") as served:
        yield served
        served.assert_nothing_left()


async def test_the_body_goes_as_it_came_and_the_answer_comes_as_it_was(served: Served, server: ScriptedServer) -> None:
    whole = {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}
    server.replies = [status(200, whole)]
    got, answer = await served.post("/v1/chat/completions", orjson.dumps(BODY))
    assert (got, answer) == (200, whole)
    assert server.bodies == [BODY]
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == "Bearer sk-engine-secret"
    page = (await served.get("/v1/programs"))[1]["data"][0]
    assert (page["program"], page["status"]) == ("pass-through", "finished")
    tokens = (await served.get(f"/v1/programs/{page['id']}"))[1]["tokens"]
    assert tokens == {"produced": 3, "prompt": 5}


async def test_a_stream_comes_as_it_was(served: Served, server: ScriptedServer) -> None:
    pieces = [chat("a"), chat("b"), chat(finish="stop"), usage(2), DONE]
    server.replies = [stream(*pieces)]
    async with served.client.post(served.url + "/v1/chat/completions", json={**BODY, "stream": True}) as response:
        assert await response.read() == b"".join(pieces)
        assert response.headers["Content-Type"] == "text/event-stream"
    _, text = await served.get("/metrics")
    assert 'dynasor:tokens_total{kind="main",program="pass-through"} 2.0' in text


async def test_our_own_object_is_taken_out(served: Served, server: ScriptedServer) -> None:
    server.replies = [status(200, {})]
    await served.post("/v1/completions", {"prompt": [1, 2], "dynasor": {"program": "pass-through", "priority": 1}})
    assert server.bodies == [{"prompt": [1, 2]}]
    assert server.paths == ["/v1/completions"]


async def test_the_engines_own_refusals_are_passed_on(served: Served, server: ScriptedServer) -> None:
    server.replies = [status(422, {"error": {"message": "no such tool"}})]
    for is_streamed in (False, True):
        got, answer = await served.post("/v1/chat/completions", {**BODY, "stream": is_streamed})
        assert (got, answer) == (422, {"error": {"message": "no such tool"}})


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(served: Served, server: ScriptedServer) -> None:
    server.replies = [stream(chat("a"), 0.05, CUT)]
    async with served.client.post(served.url + "/v1/chat/completions", json={**BODY, "stream": True}) as response:
        with pytest.raises(Exception, match=r"(?i)payload|reset|closed|disconnected"):
            await response.read()


async def test_leaving_closes_the_connection_to_the_engine(served: Served, server: ScriptedServer) -> None:
    server.replies = [stream(chat("a"), 60.0)]
    before = server.num_connections
    response = await served.client.post(served.url + "/v1/chat/completions", json={**BODY, "stream": True})
    assert await response.content.readany() == chat("a")
    assert server.num_connections > before
    response.close()
    await until(lambda: served.service.num_open == 0 and server.num_connections <= before, 3.0)


async def test_a_deadline_holds_for_what_is_passed_through(served: Served, server: ScriptedServer) -> None:
    server.replies = [stream(60.0)]
    body = {**BODY, "dynasor": {"program": "pass-through", "deadline_s": 0.2}}
    async with asyncio.timeout(5):
        got, answer = await served.post("/v1/chat/completions", body)
    assert (got, answer["error"]["code"]) == (504, "deadline")


async def test_a_replica_that_is_gone_is_passed_by(server: ScriptedServer) -> None:
    server.replies = [stream(chat("a"), DONE)]
    async with ScriptedServer() as gone, serving(OpenAIEngine(gone.url), OpenAIEngine(server.url)) as served:
        await gone.stop_listening()
        body = {**BODY, "stream": True, "dynasor": {"program": "pass-through"}}
        for _ in range(4):
            async with served.client.post(served.url + "/v1/chat/completions", json=body) as response:
                assert await response.read() == chat("a") + DONE
        assert (await served.get("/health/ready"))[0] == 200
        await server.stop_listening()
        got, answer = await served.post("/v1/chat/completions", body)
        assert (got, answer["error"]["code"]) == (503, "engine_unreachable")
        served.assert_nothing_left()


def test_the_meter_reads_usage_however_it_is_cut() -> None:
    whole = b"".join([chat("a"), chat('"completion_tokens": 99'), usage(7, 5), DONE])
    for cut in range(len(whole)):
        meter = Meter()
        meter.feed(whole[:cut])
        meter.feed(whole[cut:])
        assert (meter.num_tokens, meter.prompt_tokens) == (7, 5)


def test_the_meter_counts_events_where_the_engine_says_nothing() -> None:
    meter = Meter()
    for piece in (chat("a"), chat("b") + chat("c"), DONE):
        meter.feed(piece)
    assert meter.num_tokens == 3
