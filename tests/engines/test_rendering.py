"""Rendering on the wire: what is asked of each kind of engine, and what comes of answers that are of no use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest
from aiohttp import web

from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import DynasorError, EngineCannot, EngineFailed, EngineRejected
from dynasor.vocabulary import Message, Sampling
from tests.engines.reading import CHAT, ask, hear
from tests.engines.scripted import OK, Reply, ScriptedServer, status

TURNS = [{"role": "user", "content": "What is 1+1?"}]
BEGIN, USER, ASSISTANT = 1, 2, 3
WORDS = {BEGIN: "<s>", USER: "<user>What is 1+1?", ASSISTANT: "<assistant>"}


def as_json(body: object) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return reply


def words_of(text: str) -> list[int]:
    """The tokens of a text, longest word first."""
    for token, word in WORDS.items():
        if text.startswith(word):
            return [token, *words_of(text.removeprefix(word))]
    return [ord(text[0]) + 100, *words_of(text[1:])] if text else []


class TokenServer:
    """/tokenize and /detokenize with a tokenizer that writes the begin token, unless told not to."""

    def __init__(self, name_of_text: str, words: dict[int, str] | None = None) -> None:
        self.name_of_text = name_of_text
        self.words = words or WORDS

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        return web.json_response(self.tokenize(body) if request.path == "/tokenize" else self.detokenize(body))

    def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        if "messages" in body:
            return {"tokens": [BEGIN, USER, ASSISTANT], "count": 3}
        begin = [BEGIN] if body.get("add_special_tokens", True) else []
        return {"tokens": begin + words_of(body["prompt"])}

    def detokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        shown: Sequence[int] = body["tokens"]
        if self.name_of_text == "text" and body.get("skip_special_tokens", True):
            shown = [token for token in shown if token != BEGIN]
        return {self.name_of_text: "".join(self.words[token] for token in shown)}


@pytest.fixture
async def engine(
    request: pytest.FixtureRequest, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenAIEngine]:
    monkeypatch.setattr("dynasor.engines.retrying.FIRST_DELAY_S", 0.01)
    server.models = [{"id": "m", "owned_by": request.param}]
    async with OpenAIEngine(server.url, max_attempts=3, silence_timeout_s=2.0) as engine:
        yield engine


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("engine", kinds, indirect=True)


async def error_of(engine: OpenAIEngine, expected: type[DynasorError]) -> str:
    with pytest.raises(expected) as raised:
        await engine.render(CHAT)
    assert type(raised.value) is expected
    return str(raised.value).replace(engine.base_url, "URL").replace(engine.base_url.removesuffix("/v1"), "SERVER")


@of_kind("llamacpp")
@pytest.mark.parametrize(
    ("thinking", "asked"),
    [
        (None, {}),
        (True, {"chat_template_kwargs": {"enable_thinking": True}}),
        (False, {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
async def test_llama_cpp_applies_its_template(
    server: ScriptedServer, engine: OpenAIEngine, thinking: bool | None, asked: dict[str, Any]
) -> None:
    server.replies = [as_json({"prompt": "<user>What is 1+1?<assistant>"})]
    assert await engine.render(CHAT, thinking=thinking) == "<user>What is 1+1?<assistant>"
    assert server.paths == ["/apply-template"]
    assert server.bodies == [{"model": "m", "messages": TURNS, **asked}]


@of_kind("vllm")
async def test_vllm_tokenizes_and_reads_back_and_looks_again(server: ScriptedServer, engine: OpenAIEngine) -> None:
    """It reads a raw prompt with nothing put before it, so the begin token stays in the text."""
    server.replies = [TokenServer("prompt")]
    text = await engine.render(CHAT, thinking=True)
    assert text == "<s><user>What is 1+1?<assistant>"
    assert server.paths == ["/tokenize", "/detokenize", "/tokenize"]
    assert server.bodies == [
        {"model": "m", "messages": TURNS, "chat_template_kwargs": {"enable_thinking": True}},
        {"model": "m", "tokens": [BEGIN, USER, ASSISTANT], "skip_special_tokens": False},
        {"model": "m", "prompt": text, "add_special_tokens": False},
    ]
    server.replies = [OK]
    await hear(engine, ask(text))
    assert (server.paths[-1], server.bodies[-1]["add_special_tokens"]) == ("/v1/completions", False)


@of_kind("sglang")
async def test_sglang_puts_the_begin_token_before_a_raw_prompt_so_the_text_leaves_it_out(
    server: ScriptedServer, engine: OpenAIEngine
) -> None:
    server.replies = [TokenServer("text")]
    text = await engine.render(CHAT)
    assert text == "<user>What is 1+1?<assistant>"
    assert server.paths == ["/tokenize", "/detokenize", "/tokenize", "/detokenize", "/tokenize"]
    server.replies = [OK]
    await hear(engine, ask(text))
    assert "add_special_tokens" not in server.bodies[-1]


@of_kind("vllm", "sglang")
async def test_a_tokenizer_that_does_not_find_its_way_back_is_told(
    server: ScriptedServer, engine: OpenAIEngine
) -> None:
    name = "prompt" if engine.info.kind == "vllm" else "text"
    server.replies = [TokenServer(name, {**WORDS, USER: "<user> What is 1+1?"})]
    assert await error_of(engine, EngineCannot) == (
        "URL cannot render this conversation: "
        "its tokenizer reads the rendered text as other tokens than the conversation's 3"
    )


@of_kind("openai")
async def test_a_hosted_engine_cannot_and_is_not_asked(server: ScriptedServer, engine: OpenAIEngine) -> None:
    assert await error_of(engine, EngineCannot) == (
        "URL (kind 'openai') cannot render a conversation as the raw text that the model continues, "
        "which this program needs; vLLM, SGLang and llama.cpp can"
    )
    assert server.paths == []


@of_kind("llamacpp")
@pytest.mark.parametrize("code", [404, 405, 501])
async def test_an_engine_without_the_call_cannot(server: ScriptedServer, engine: OpenAIEngine, code: int) -> None:
    server.replies = [status(code, {"error": {"message": "File Not Found"}})]
    assert (await error_of(engine, EngineCannot)).startswith("there is no SERVER/apply-template: URL ")


@of_kind("llamacpp")
async def test_a_conversation_that_the_template_refuses_is_rejected(
    server: ScriptedServer, engine: OpenAIEngine
) -> None:
    server.replies = [status(400, {"error": {"message": "roles must alternate"}})]
    assert await error_of(engine, EngineRejected) == "URL rejects the request (HTTP 400): roles must alternate"


@of_kind("llamacpp")
async def test_refusals_that_pass_are_tried_again(server: ScriptedServer, engine: OpenAIEngine) -> None:
    server.replies = [status(503, "loading"), as_json({"prompt": "text"})]
    assert await engine.render(CHAT) == "text"
    server.replies = [status(503, "loading")]
    assert await error_of(engine, EngineFailed) == "URL is busy or down (HTTP 503): loading"
    assert len(server.bodies) == 2 + 3


@of_kind("llamacpp", "vllm")
@pytest.mark.parametrize("answer", [[], {}, {"prompt": 3, "tokens": "three"}])
async def test_an_answer_of_another_shape(server: ScriptedServer, engine: OpenAIEngine, answer: object) -> None:
    server.replies = [as_json(answer)]
    name = "prompt" if engine.info.kind == "llamacpp" else "tokens"
    assert await error_of(engine, EngineCannot) == f"URL cannot render this conversation: its answer has no {name!r}"


@of_kind("llamacpp")
async def test_an_answer_that_is_not_json(server: ScriptedServer, engine: OpenAIEngine) -> None:
    server.replies = [status(200, "<h1>hello</h1>")]
    assert await error_of(engine, EngineFailed) == (
        "SERVER/apply-template did not answer with JSON but with '<h1>hello</h1>'"
    )


@of_kind("llamacpp")
async def test_the_chat_request_asks_for_the_same_prompt(server: ScriptedServer, engine: OpenAIEngine) -> None:
    server.replies = [as_json({"prompt": "text"}), OK]
    messages = (Message("system", "Be brief."), *CHAT)
    await engine.render(messages, thinking=False)
    await hear(engine, ask(messages, Sampling(thinking=False)))
    rendered, chat = server.bodies
    assert rendered == {name: chat[name] for name in ("model", "messages", "chat_template_kwargs")}
