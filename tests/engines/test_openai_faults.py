"""The client against a scripted server: what it tries again, and what it says when things go wrong."""

from __future__ import annotations

import asyncio
import time

import pytest

from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import (
    DynasorError,
    EngineFailed,
    EngineRejected,
    EngineTimeout,
    EngineUnreachable,
)
from tests.engines.reading import ask, hear
from tests.engines.scripted import (
    CUT,
    DONE,
    OK,
    ScriptedServer,
    event,
    hang_up,
    raw,
    slow_headers,
    status,
    stream,
)


async def error_of(engine: OpenAIEngine, expected: type[DynasorError]) -> str:
    with pytest.raises(expected) as raised:
        await hear(engine, ask())
    assert type(raised.value) is expected
    return str(raised.value).replace(engine.base_url, "URL")


class TestRetrying:
    async def test_a_server_that_comes_up_late(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        port = server.port
        await server.stop_listening()
        entering = asyncio.create_task(OpenAIEngine(f"127.0.0.1:{port}", max_attempts=12).__aenter__())
        await asyncio.sleep(0.1)
        assert not entering.done()
        await server.listen(port)
        late = await entering
        assert late.info.model == "m"
        await late.__aexit__()

    @pytest.mark.parametrize("code", [408, 429, 502, 503, 504])
    async def test_refusals_that_pass(self, server: ScriptedServer, engine: OpenAIEngine, code: int) -> None:
        server.replies = [status(code, "busy"), status(code, "busy"), OK]
        assert (await hear(engine, ask())).text == "yes"
        assert len(server.bodies) == 3

    async def test_retry_after_is_honoured(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [status(429, {}, Retry_After="0.4"), OK]
        started = time.monotonic()
        assert (await hear(engine, ask())).text == "yes"
        assert 0.4 <= time.monotonic() - started < 1.0

    async def test_a_connection_closed_before_the_answer(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [hang_up(), OK]
        assert (await hear(engine, ask())).text == "yes"

    async def test_attempts_end(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [status(503, {"error": {"message": "queue full"}})]
        assert await error_of(engine, EngineFailed) == "URL is busy or down (HTTP 503): queue full"
        assert len(server.bodies) == 5

    async def test_nothing_is_retried_after_the_first_token(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a"), 0.05, CUT), OK]
        await error_of(engine, EngineFailed)
        assert len(server.bodies) == 1


class TestFaults:
    async def test_no_server(self, server: ScriptedServer) -> None:
        url = server.url
        await server.stop_listening()
        with pytest.raises(EngineUnreachable) as raised:
            await OpenAIEngine(url, max_attempts=2).__aenter__()
        advice = "check that an engine runs there and that the address is right"
        assert str(raised.value) == f"cannot connect to {url}: Connection refused; {advice}"

    async def test_a_server_that_hangs_up_every_time(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [hang_up()]
        assert await error_of(engine, EngineUnreachable) == (
            "cannot connect to URL: the server closed the connection; "
            "check that an engine runs there and that the address is right"
        )

    async def test_a_prompt_that_is_too_long(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [status(400, {"error": {"message": "maximum context length is 2048", "code": 400}})]
        expected = "URL rejects the request (HTTP 400): maximum context length is 2048"
        assert await error_of(engine, EngineRejected) == expected
        assert len(server.bodies) == 1

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({"error": "plain"}, "plain"),
            ({"message": "old vLLM"}, "old vLLM"),
            ({"detail": [{"msg": "FastAPI"}]}, '[{"msg":"FastAPI"}]'),
            ("<html>proxy</html>", "<html>proxy</html>"),
            ("", "no reason given"),
            ({"error": {"message": "your key sk-secret is odd"}}, "your key *** is odd"),
        ],
    )
    async def test_every_shape_of_error(
        self, server: ScriptedServer, engine: OpenAIEngine, body: object, told: str
    ) -> None:
        server.replies = [status(422, body)]
        assert await error_of(engine, EngineRejected) == f"URL rejects the request (HTTP 422): {told}"

    @pytest.mark.parametrize("code", [401, 403])
    async def test_a_refused_key(self, server: ScriptedServer, engine: OpenAIEngine, code: int) -> None:
        server.replies = [status(code, {"error": {"message": "wrong key sk-secret"}})]
        expected = f"URL refused the API key (HTTP {code}); give the right one as api_key (a flag: --api-key)"
        assert await error_of(engine, EngineRejected) == expected

    async def test_a_missing_key(self, server: ScriptedServer) -> None:
        server.replies = [status(401, {})]
        async with OpenAIEngine(server.url) as engine:
            expected = (
                "URL refused a request without an API key (HTTP 401); give the right one as api_key (a flag: --api-key)"
            )
            assert await error_of(engine, EngineRejected) == expected

    async def test_a_broken_engine(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [status(500, {"error": {"message": "CUDA error"}})]
        assert await error_of(engine, EngineFailed) == "URL failed (HTTP 500): CUDA error"
        assert len(server.bodies) == 1

    async def test_a_redirection(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [status(308, "", Location="https://other/v1")]
        assert await error_of(engine, EngineRejected) == "URL redirects to https://other/v1; use that address"

    async def test_a_stream_that_is_cut(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a"), raw("b"), 0.05, CUT)]
        expected = "URL broke off its answer to request 'r1' after 2 tokens: the connection was cut"
        assert await error_of(engine, EngineFailed) == expected

    async def test_a_stream_without_a_finish_reason(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a"), DONE)]
        expected = "URL broke off its answer to request 'r1' after 1 tokens: it ended without a finish reason"
        assert await error_of(engine, EngineFailed) == expected

    async def test_an_error_in_the_stream(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a"), event({"error": {"message": "out of memory", "code": 500}}))]
        expected = "URL reports an error in its answer to request 'r1': out of memory"
        assert await error_of(engine, EngineFailed) == expected

    async def test_a_rejection_in_the_stream(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(event({"error": {"message": "too long", "code": 400}}))]
        assert await error_of(engine, EngineRejected) == "URL rejects the request (HTTP 400): too long"

    async def test_garbage_in_the_stream(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a"), b"data: {garbage\n\n")]
        expected = "URL sent something unreadable in its answer to request 'r1': {garbage"
        assert await error_of(engine, EngineFailed) == expected

    async def test_silence_before_the_answer(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [slow_headers(8.0, OK)]
        assert await error_of(engine, EngineTimeout) == "URL was silent for 2 s"

    async def test_silence_in_the_middle(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a"), 8.0, raw("b"))]
        expected = "URL was silent for 2 s in the middle of its answer to request 'r1', after 1 tokens"
        assert await error_of(engine, EngineTimeout) == expected

    async def test_slowness_is_no_silence(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [slow_headers(0.7, stream(0.7, raw("a"), 0.7, raw("b"), 0.7, raw(finish="stop"), DONE))]
        assert (await hear(engine, ask())).text == "ab"

    async def test_a_server_that_does_not_speak_http(self) -> None:
        async def mumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH\r\n")
            await reader.read(100)
            writer.close()

        mumbler = await asyncio.start_server(mumble, "127.0.0.1", 0)
        async with mumbler:
            port = mumbler.sockets[0].getsockname()[1]
            with pytest.raises(EngineUnreachable, match=r"^cannot connect to http://127.0.0.1:\d+/v1: .*HTTP"):
                async with OpenAIEngine(f"127.0.0.1:{port}", max_attempts=1):
                    pass

    async def test_an_unknown_host(self) -> None:
        with pytest.raises(EngineUnreachable, match=r"^cannot connect to http://no-such-host.invalid:1/v1: \w"):
            async with OpenAIEngine("no-such-host.invalid:1", max_attempts=1):
                pass
