"""Thinking ended in flight: llama.cpp's control call on the wire, and on the models that run here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dynasor.engines import EndsThinking
from dynasor.engines.embedded import EmbeddedEngine
from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import EngineFailed
from dynasor.vocabulary import Message, Request, Sampling
from tests.engines.reading import CHAT, ask, hear
from tests.engines.scripted import DONE, Reply, ScriptedServer, chat, status, stream

THINKING = Sampling(temperature=0.0, max_tokens=600, thinking=True)
CONTROL = "/v1/chat/completions/control"
LLAMA_CPP = [{"id": "m", "owned_by": "llamacpp"}]


async def end_after(engine: EmbeddedEngine | OpenAIEngine, request: Request, num_tokens: int) -> tuple[str, str]:
    """Text before thinking was ended, as soon as ``num_tokens`` had come, and text after that."""
    before, after, ended = "", "", False
    async with aclosing(engine.stream(request)) as deltas:
        async for delta in deltas:
            before, after = (before, after + delta.text) if ended else (before + delta.text, after)
            if not ended and delta.num_tokens >= num_tokens:
                assert await engine.end_thinking(request.id)
                ended = True
    return before, after


class TestOnLlamaCpp:
    @pytest.fixture
    async def engine(self) -> AsyncIterator[EmbeddedEngine]:
        async with EmbeddedEngine(slots=4) as engine:
            yield engine

    QUESTION = (Message("user", "A museum has 2051 trays of 617 rolls. How many rolls are there?"),)

    async def test_the_shipped_model_goes_on_to_its_answer(self, engine: EmbeddedEngine) -> None:
        request = ask(self.QUESTION, THINKING)
        await hear(engine, ask(self.QUESTION, Sampling(max_tokens=1, thinking=True)))  # cached, it rounds alike
        undisturbed = await hear(engine, request)
        assert undisturbed.text.count("\n") > 8
        before, after = await end_after(engine, request, 20)
        rest, end, answer = after.partition("</think>\n\nThe answer is \\boxed{")
        assert undisturbed.text.startswith(before + rest)
        assert end and answer.rstrip(".").endswith("}") and len(answer) < 20
        assert len(before + after) < len(undisturbed.text) / 2

    async def test_only_the_request_that_was_named_is_ended(self, engine: EmbeddedEngine) -> None:
        requests = [Request(f"r{i}", "p", self.QUESTION, THINKING) for i in range(3)]
        alone, (before, after), other = await asyncio.gather(
            hear(engine, requests[0]), end_after(engine, requests[1], 20), hear(engine, requests[2])
        )
        assert min(alone.num_tokens, other.num_tokens) > 100
        assert len(before + after) < min(len(alone.text), len(other.text)) / 2

    async def test_a_request_that_is_over_or_thinks_not_cannot_be_ended(self, engine: EmbeddedEngine) -> None:
        assert isinstance(engine, EndsThinking)
        await hear(engine, ask(self.QUESTION, THINKING))
        assert not await engine.end_thinking("r1")
        for prompt in (self.QUESTION, "raw"):
            async with aclosing(engine.stream(ask(prompt, Sampling(max_tokens=400)))) as deltas:
                await anext(deltas)
                assert not await engine.end_thinking("r1")

    async def test_any_other_model_gets_the_plain_end(self, tiny_gguf: Path) -> None:
        async with EmbeddedEngine(tiny_gguf, slots=1) as engine:
            before, after = await end_after(engine, ask(CHAT, Sampling(max_tokens=300, thinking=True)), 20)
            assert "</think>" not in before
            assert after.count("</think>") == 1


@pytest.fixture
async def engine(server: ScriptedServer) -> AsyncIterator[OpenAIEngine]:
    server.models = LLAMA_CPP
    async with OpenAIEngine(server.url, silence_timeout_s=2.0) as engine:
        yield engine


def controlled(answer: Reply) -> Reply:
    """An answer that goes on for a while, beside ``answer`` to the control call."""
    answering = stream(chat(id="chatcmpl-7"), chat("a", id="chatcmpl-7"), 0.2, chat("b"), chat(finish="stop"), DONE)

    async def reply(request: web.Request) -> web.StreamResponse:
        return await (answer if request.path == CONTROL else answering)(request)

    return reply


def says(body: Any) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return reply


class TestOnTheWire:
    async def _ended(self, server: ScriptedServer, engine: OpenAIEngine, answer: Reply) -> bool:
        server.replies = [controlled(answer)]
        async with aclosing(engine.stream(ask(CHAT, Sampling(thinking=True)))) as deltas:
            await anext(deltas)
            return await engine.end_thinking("r1")

    async def test_what_is_asked(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        assert await self._ended(server, engine, says({"success": True}))
        assert server.paths == ["/v1/chat/completions", CONTROL]
        asked, control = server.bodies
        assert control == {"model": "m", "id": "chatcmpl-7", "action": "reasoning_end"}
        assert {name: asked[name] for name in asked if name.startswith("reasoning")} == {
            "reasoning_control": True,
            "reasoning_budget_start_tag": "<think>",
            "reasoning_budget_end_tags": ["</think>"],
            "reasoning_budget_message": "",
        }

    @pytest.mark.parametrize(
        "answer",
        [
            says({"success": False, "message": "no active completion for this id"}),
            says(["success"]),
            status(404, {"error": {"message": "File Not Found"}}),
        ],
        ids=["refused", "another shape", "no such call"],
    )
    async def test_what_was_not_taken(self, server: ScriptedServer, engine: OpenAIEngine, answer: Reply) -> None:
        assert not await self._ended(server, engine, answer)

    async def test_an_engine_that_breaks_is_told(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        with pytest.raises(EngineFailed, match=r"failed \(HTTP 500\): out of memory"):
            await self._ended(server, engine, status(500, {"error": {"message": "out of memory"}}))

    async def test_a_request_that_has_streamed_nothing_yet(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [controlled(says({"success": True}))]
        hearing = asyncio.create_task(hear(engine, ask(CHAT, THINKING)))
        await asyncio.sleep(0)
        assert not await engine.end_thinking("r1")
        assert (await hearing).text == "ab"
        assert server.paths == ["/v1/chat/completions"]

    @pytest.mark.parametrize("kind", ["vllm", "sglang", "openai"])
    async def test_other_engines_cannot_and_are_not_asked(self, server: ScriptedServer, kind: str) -> None:
        server.models = [{"id": "m", "owned_by": kind}]
        async with OpenAIEngine(server.url) as engine:
            assert not await self._ended(server, engine, says({"success": True}))
        assert server.paths == ["/v1/chat/completions"]
        assert not [name for name in server.bodies[0] if name.startswith("reasoning")]

    async def test_two_requests_of_one_name_do_not_forget_each_other(
        self, server: ScriptedServer, engine: OpenAIEngine
    ) -> None:
        server.replies = [controlled(says({"success": True}))]
        async with aclosing(engine.stream(ask(CHAT, THINKING))) as first:
            await anext(first)
            async with aclosing(engine.stream(ask(CHAT, THINKING))) as second:
                await anext(second)
                await first.aclose()
                assert await engine.end_thinking("r1")
        assert not await engine.end_thinking("r1")

    async def test_a_prompt_that_is_raw_is_left_as_it_is(self, server: ScriptedServer, engine: OpenAIEngine) -> None:
        server.replies = [stream(chat(finish="stop"), DONE)]
        await hear(engine, ask("text", THINKING))
        assert not [name for name in server.bodies[0] if name.startswith("reasoning")]
