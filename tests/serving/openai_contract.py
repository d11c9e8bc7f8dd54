"""What OpenAI's own client and curl, unchanged, must get from a server with the shipped model on any engine:
subclass it beside a ``served`` fixture whose default program is chain-of-thought."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import openai
import orjson
import pytest
import pytest_asyncio

from tests.serving.running import Served

QUESTION = "A shop has 7 boxes of 12 pens. How many pens are there?"
MESSAGES: list[Any] = [{"role": "user", "content": QUESTION}]
VOTE = {"dynasor": {"program": "self-consistency", "max_samples": 4}}


@pytest.mark.asyncio(loop_scope="module")
class OpenAIContract:
    @pytest_asyncio.fixture(loop_scope="module")
    async def client(self, served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
            yield client

    async def test_the_default_is_a_chain_that_stops_when_settled(
        self, served: Served, client: openai.AsyncOpenAI
    ) -> None:
        answer = await client.chat.completions.create(
            model=served.service.offer.model, messages=MESSAGES, reasoning_effort="low", seed=1
        )
        message = answer.choices[0].message
        assert "84" in (message.content or "")
        assert message.model_extra and message.model_extra["reasoning"] == message.model_extra["reasoning_content"]
        assert answer.usage and answer.usage.completion_tokens_details
        reasoning_tokens = answer.usage.completion_tokens_details.reasoning_tokens or 0
        assert 0 < reasoning_tokens < answer.usage.completion_tokens
        assert answer.usage.prompt_tokens > 0
        assert answer.model_extra and answer.model_extra["dynasor"]["program"] == "chain-of-thought"

    async def test_a_stream_of_thinking_then_the_answer(self, served: Served, client: openai.AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(
            model=served.service.offer.model,
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
            seed=1,
        )
        content, reasoning, usage = "", "", None
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                content += choice.delta.content or ""
                reasoning += (choice.delta.model_extra or {}).get("reasoning", "")
        assert "84" in content
        assert "boxes" in reasoning
        assert usage and usage.completion_tokens > 0

    async def test_the_clients_own_accumulator_passes_over_progress(
        self, served: Served, client: openai.AsyncOpenAI
    ) -> None:
        async with client.chat.completions.stream(
            model=served.service.offer.model, messages=MESSAGES, extra_body=VOTE
        ) as stream:
            async for _ in stream:
                pass
            final = await stream.get_final_completion()
        assert "84" in (final.choices[0].message.content or "")
        assert final.choices[0].finish_reason == "stop"

    async def test_pass_through_is_the_engines_own_answer(self, served: Served, client: openai.AsyncOpenAI) -> None:
        plain = {"dynasor": {"program": "pass-through"}}
        answer = await client.chat.completions.create(
            model=served.service.offer.model, messages=MESSAGES, n=2, max_tokens=8, extra_body=plain
        )
        assert len(answer.choices) == 2
        assert not (answer.model_extra or {}).get("dynasor")
        raw = await client.completions.create(model=served.service.offer.model, prompt="7*12=", max_tokens=4)
        assert raw.object == "text_completion"
        assert raw.choices[0].text

    async def test_errors_are_those_of_the_client(self, served: Served, client: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.NotFoundError, match=r"'gpt-4' is not served; '.+' is") as missing:
            await client.chat.completions.create(model="gpt-4", messages=MESSAGES)
        assert missing.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model=served.service.offer.model, messages=MESSAGES, n=3)
        assert caught.value.param == "n"
        assert [each.id async for each in client.models.list()] == [served.service.offer.model]

    async def test_the_client_that_does_not_wait_asynchronously(self, served: Served) -> None:
        def ask() -> tuple[str, str]:
            with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
                whole = client.chat.completions.create(
                    model=served.service.offer.model, messages=MESSAGES, extra_body=VOTE
                )
                stream = client.chat.completions.create(
                    model=served.service.offer.model, messages=MESSAGES, extra_body=VOTE, stream=True
                )
                pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
                return whole.choices[0].message.content or "", "".join(pieces)

        whole, streamed = await asyncio.to_thread(ask)
        assert "84" in whole
        assert "84" in streamed

    async def test_a_client_that_is_cancelled_stops_its_program(
        self, served: Served, client: openai.AsyncOpenAI
    ) -> None:
        stream = await client.chat.completions.create(model=served.service.offer.model, messages=MESSAGES, stream=True)
        async for _ in stream:
            break
        await stream.close()
        async with asyncio.timeout(5):
            await served.service.all_over()
        served.assert_nothing_left()

    async def test_curl(self, served: Served) -> None:
        body = orjson.dumps({"messages": MESSAGES, **VOTE, "stream": True}).decode()

        def curl() -> str:
            command = ["curl", "-sSN", f"{served.url}/v1/chat/completions", "-d", body]
            return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

        printed = await asyncio.to_thread(curl)
        assert '"answer":"84"' in printed
        assert printed.endswith("data: [DONE]\n\n")
