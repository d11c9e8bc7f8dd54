"""The client against a scripted server: who it finds there, what it reads, and how it lets go."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from aiohttp import web

from dynasor.engines.openai import OpenAIEngine
from dynasor.engines.protocol import EngineInfo
from dynasor.errors import (
    DynasorError,
    EngineFailed,
    InputError,
)
from dynasor.vocabulary import Delta, FinishReason, Sampling
from tests.engines.reading import CHAT, ask, hear, hear_some
from tests.engines.scripted import (
    CUT,
    DONE,
    OK,
    ScriptedServer,
    chat,
    event,
    raw,
    slow_headers,
    status,
    stream,
    usage,
)


class TestReading:
    async def test_a_chat_answer(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(chat(""), chat("He"), chat("llo"), chat(finish="stop"), usage(2), DONE)]
        heard = await hear(engine, ask(CHAT))
        assert server.paths == ["/v1/chat/completions"]
        assert server.headers[0]["Authorization"] == "Bearer sk-secret"
        assert heard.text == "Hello"
        assert heard.deltas[-1] == Delta(num_tokens=2, finish_reason=FinishReason.STOP, prompt_tokens=7)

    async def test_the_last_usage_puts_the_count_right(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a b c"), raw("d"), raw(finish="length"), usage(9), DONE)]
        heard = await hear(engine, ask())
        assert heard.deltas[0].num_tokens == 1
        assert (heard.num_tokens, heard.finish_reason) == (9, FinishReason.LENGTH)

    async def test_without_any_usage_chunks_are_counted(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a"), raw("b"), raw(finish="stop"), DONE)]
        heard = await hear(engine, ask())
        assert (heard.num_tokens, heard.prompt_tokens) == (2, None)

    async def test_one_network_read_gives_one_delta(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a") + raw("b") + raw("c"), 0.05, raw(finish="stop") + usage(3) + DONE)]
        assert [delta.text for delta in (await hear(engine, ask())).deltas] == ["abc", ""]

    async def test_events_and_letters_split_across_reads(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        whole = chat("né🙂") + chat(finish="stop") + usage(3) + DONE
        server.replies = [stream(*(whole[i : i + 1] for i in range(len(whole))))]
        heard = await hear(engine, ask(CHAT))
        assert (heard.text, heard.num_tokens) == ("né🙂", 3)

    async def test_reasoning_of_either_name(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        deltas = [{"reasoning": "a"}, {"reasoning_content": "b"}, {"content": "c"}]
        events = [event({"choices": [{"delta": delta}]}) for delta in deltas]
        server.replies = [stream(*events, chat(finish="stop"), DONE)]
        heard = await hear(engine, ask(CHAT))
        assert (heard.reasoning, heard.text, heard.num_tokens) == ("ab", "c", 3)

    async def test_log_probabilities(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        logprobs = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5, "b": -1.5}]}
        choice = {"text": "a", "logprobs": logprobs, "finish_reason": "stop"}
        server.replies = [stream(event({"choices": [choice]}), DONE)]
        heard = await hear(engine, ask(sampling=Sampling(top_logprobs=2)))
        assert dict(heard.logprobs[0].top) == {"a": -0.5, "b": -1.5}

    async def test_an_unknown_finish_reason_is_other(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a", finish="abort"), DONE)]
        assert (await hear(engine, ask())).finish_reason is FinishReason.OTHER

    async def test_a_cut_after_the_finish_reason_costs_nothing(
        self, server: ScriptedServer, engine: OpenAIEngine
    ) -> None:
        server.replies = [stream(raw("a"), raw(finish="stop"), 0.05, CUT)]
        assert (await hear(engine, ask())).finish_reason is FinishReason.STOP


class TestEntering:
    async def test_the_only_model_is_chosen(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        assert engine.info == EngineInfo("vllm", "m", 2048)

    @pytest.mark.parametrize("owner", ["vllm", "sglang", "llamacpp", "openai"])
    async def test_kinds(self, server: ScriptedServer, owner: str) -> None:
        server.models = [{"id": "m", "owned_by": owner}]
        async with OpenAIEngine(server.url) as engine:
            assert engine.info == EngineInfo(owner, "m")

    async def test_an_unknown_owner_is_treated_as_openai(self, server: ScriptedServer) -> None:
        server.models = [{"id": "m", "owned_by": "someone"}, {"id": "n"}]
        async with OpenAIEngine(server.url, model="n") as engine:
            assert engine.info == EngineInfo("openai", "n")

    async def _entering_fails(self, server: ScriptedServer, model: str | None, expected: type[DynasorError]) -> str:
        with pytest.raises(expected) as raised:
            async with OpenAIEngine(server.url, model=model):
                pass
        return str(raised.value).replace(server.url, "URL")

    async def test_a_model_that_is_not_served(self, server: ScriptedServer) -> None:
        expected = "model 'x' is not served at URL; served: m"
        assert await self._entering_fails(server, "x", InputError) == expected

    async def test_several_models(self, server: ScriptedServer) -> None:
        server.models = [{"id": "b"}, {"id": "a"}]
        assert await self._entering_fails(server, None, InputError) == "name a model: URL serves 2: a, b"

    async def test_a_long_list_is_cut(self, server: ScriptedServer) -> None:
        server.models = [{"id": f"{i:02}"} for i in range(25)]
        assert (await self._entering_fails(server, None, InputError)).endswith("18, 19 and 5 more")

    async def test_no_list_of_models(self, server: ScriptedServer) -> None:
        async def greet(request: web.Request) -> web.StreamResponse:
            return web.Response(text="<h1>hello</h1>")

        server.models = greet
        expected = "URL/models did not answer with a list of models but with '<h1>hello</h1>'"
        assert await self._entering_fails(server, None, EngineFailed) == expected

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"max_attempts": 0}, "max_attempts is 0; expected 1 or more"),
            ({"connect_timeout_s": 0}, "connect_timeout_s is 0; expected a number of seconds above 0"),
            ({"silence_timeout_s": -1}, "silence_timeout_s is -1; expected a number of seconds above 0"),
            ({"api_key": "a\nb"}, "api_key is empty or has characters that no HTTP header can carry"),
        ],
    )
    def test_options_are_checked(self, options: dict[str, Any], told: str) -> None:
        with pytest.raises(InputError) as raised:
            OpenAIEngine("h:1", **options)
        assert str(raised.value) == told

    async def test_before_and_after(self, server: ScriptedServer) -> None:
        engine = OpenAIEngine(server.url, api_key="sk-secret")
        assert repr(engine) == f"OpenAIEngine('{server.url}', model=None)"
        with pytest.raises(InputError, match=r"was not entered; use it as `async with engine:`$"):
            await hear(engine, ask())
        async with engine:
            pass
        with pytest.raises(InputError, match=r"was left; its connections are closed$"):
            await hear(engine, ask())


class TestCancelling:
    async def _all_close(self, server: ScriptedServer) -> bool:
        for _ in range(50):
            if server.num_connections == 0:
                return True
            await asyncio.sleep(0.01)
        return False

    async def test_a_closed_stream_closes_its_connection(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(raw("a"), 60.0)]
        assert await hear_some(engine, ask(), 1) == 1
        assert await self._all_close(server)

    async def test_a_cancelled_task_closes_its_connection_at_whatever_instant(
        self, server: ScriptedServer, engine: OpenAIEngine
    ) -> None:
        rng = random.Random(1)
        server.replies = [slow_headers(0.005, stream(raw("a"), 0.003, raw("b"), 0.003, raw("c"), 60.0))]
        for _ in range(20):
            tasks = [asyncio.create_task(hear(engine, ask())) for _ in range(20)]
            for task in tasks:
                asyncio.get_running_loop().call_later(rng.random() ** 2 * 0.06, task.cancel)
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(outcome) for outcome in done} == {asyncio.CancelledError}
        assert await self._all_close(server)

    async def test_waiting_to_try_again_can_be_cancelled(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [status(429, {}, Retry_After="60")]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await hear(engine, ask())

    async def test_leaving_closes_what_is_open(self, server: ScriptedServer) -> None:
        server.replies = [OK]
        async with OpenAIEngine(server.url) as engine:
            await asyncio.gather(*(hear(engine, ask()) for _ in range(10)))
        assert await self._all_close(server)
