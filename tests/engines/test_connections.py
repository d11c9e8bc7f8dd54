"""Which connection a request takes: a kept one where the engine keeps it, never one that somebody left early."""

from __future__ import annotations

import pytest

from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import EngineUnreachable
from tests.engines.scripted import OK, ScriptedServer, chat, hang_up, stream


async def forwarded(engine: OpenAIEngine) -> bytes:
    async with engine.forward("chat/completions", b"{}") as answer:
        pieces = []
        while data := await answer.receive():
            pieces.append(data)
    return b"".join(pieces)


@pytest.mark.parametrize(("kind", "num_connections"), [("vllm", 1), ("sglang", 1), ("llamacpp", 3), ("unknown", 3)])
async def test_connections_are_kept_where_the_engine_keeps_them(
    server: ScriptedServer, kind: str, num_connections: int
) -> None:
    server.models = [{"id": "m", "owned_by": kind}]
    server.replies = [OK]
    async with OpenAIEngine(server.url) as engine:
        for _ in range(3):
            assert b"yes" in await forwarded(engine)
        assert server.num_connections == int(num_connections == 1)
    assert len(set(server.client_ports)) == num_connections


async def test_a_kept_connection_that_was_just_closed_is_replaced(server: ScriptedServer) -> None:
    server.replies = [OK, hang_up(), OK]
    async with OpenAIEngine(server.url, max_attempts=1) as engine:
        assert await forwarded(engine) == await forwarded(engine)
    first, closed, second = server.client_ports
    assert first == closed != second


async def test_a_new_connection_that_is_closed_is_not_replaced(server: ScriptedServer) -> None:
    server.models = [{"id": "m", "owned_by": "llamacpp"}]
    server.replies = [hang_up(), OK]
    async with OpenAIEngine(server.url) as engine:
        with pytest.raises(EngineUnreachable, match="the server closed the connection"):
            await forwarded(engine)
    assert len(server.bodies) == 1


async def test_a_connection_left_early_is_not_taken_again(server: ScriptedServer) -> None:
    server.replies = [stream(chat("a"), 60.0), OK]
    async with OpenAIEngine(server.url) as engine:
        async with engine.forward("chat/completions", b"{}") as answer:
            assert await answer.receive() == chat("a")
        assert b"yes" in await forwarded(engine)
    assert len(set(server.client_ports)) == 2
