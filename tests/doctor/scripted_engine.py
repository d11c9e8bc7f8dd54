"""An engine of any kind that answers the doctor: as vLLM does unless a test takes an ability away."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from tests.engines.scripted import ScriptedServer

THINK_PROMPT = "user: {}assistant: <think>\n"
PLAIN_PROMPT = "user: {}assistant: "
LONG = 200
"""Words of the long answer that is left."""


class ScriptedPatient:
    """What the engine is like, and the server it is."""

    def __init__(self, server: ScriptedServer, kind: str = "vllm", context: int | None = 8192) -> None:
        self.renders = True
        self.thinks = True
        self.closes_box = True
        self.tells_cached = True
        self.caches = True
        self.has_logprobs = True
        self.most_choices = 2
        self.aborts = True
        self.policy = "priority"
        self.has_metrics = True
        self.takes_priority = True
        self.ignores_eos = True
        self.running = 0
        self.generated = 0
        self.seen: set[str] = set()
        server.models = [{"id": "m", "owned_by": kind, "max_model_len": context}]
        server.pages = self.show
        server.replies = [self.reply]
        self.server = server

    async def show(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/server_info":
            return web.json_response({"scheduler_config": {"policy": self.policy}})
        if request.path == "/metrics" and self.has_metrics:
            lines = (
                f"vllm:num_requests_running {self.running}",
                "vllm:num_requests_waiting 0",
                f"vllm:generation_tokens_total {self.generated}",
                "vllm:kv_cache_usage_perc 0.25",
            )
            return web.Response(text="\n".join(lines) + "\n")
        return web.json_response({}, status=404)

    async def reply(self, request: web.Request) -> web.StreamResponse:
        body = self.server.bodies[-1]
        if request.path in ("/tokenize", "/detokenize"):
            return self.convert(request.path, body)
        if body.get("priority") and not self.takes_priority:
            return web.json_response({"error": {"message": "priority scheduling is not enabled"}}, status=400)
        if body.get("ignore_eos") and not self.ignores_eos:
            return web.json_response({"error": {"message": "unknown field ignore_eos"}}, status=400)
        if not body.get("stream"):
            return web.json_response(self.whole(body))
        return await self.stream(request, body)

    def convert(self, path: str, body: Any) -> web.Response:
        """Tokens are characters."""
        if not self.renders:
            return web.json_response({"error": "no such call"}, status=404)
        if path == "/detokenize":
            return web.json_response({"prompt": "".join(map(chr, body["tokens"]))})
        return web.json_response(
            {"tokens": list(map(ord, body["prompt"] if "prompt" in body else self.prompt_of(body)))}
        )

    def prompt_of(self, body: Any) -> str:
        """A conversation as the template has it."""
        wants = body.get("chat_template_kwargs", {}).get("enable_thinking", True)
        template = THINK_PROMPT if self.thinks and wants else PLAIN_PROMPT
        return template.format(body["messages"][0]["content"])

    def whole(self, body: Any) -> Any:
        prompt = body.get("prompt", "")
        usage: dict[str, Any] = {"prompt_tokens": len(prompt), "completion_tokens": 1}
        if self.tells_cached:
            is_cached = self.caches and prompt in self.seen
            usage["prompt_tokens_details"] = {"cached_tokens": len(prompt) if is_cached else 0}
        self.seen.add(prompt)
        choices = [{"index": number} for number in range(min(body.get("n", 1), self.most_choices))]
        return {"choices": choices, "usage": usage}

    def words_for(self, body: Any) -> list[str]:
        if body.get("ignore_eos"):
            return ["word "] * LONG
        if "\\boxed{" in body.get("prompt", ""):
            return ["84"] if self.closes_box else ["Wait, "] * 32
        return ["7 ", "times ", "12"]

    async def stream(self, request: web.Request, body: Any) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.running += 1
        words = self.words_for(body)[: body["max_tokens"]]
        try:
            for number, word in enumerate(words, 1):
                self.generated += 1
                await response.write(self.chunk(body, word, number, number == len(words)))
                await asyncio.sleep(0.02 if body.get("ignore_eos") else 0)
        except (ConnectionError, asyncio.CancelledError):
            self.generated += 0 if self.aborts else 2 * LONG
            raise
        finally:
            self.running -= 1
        return response

    def chunk(self, body: Any, word: str, number: int, is_last: bool) -> bytes:
        finish = "stop" if is_last else None
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        choice |= {"text": word} if "prompt" in body else {"delta": {"content": word}}
        if body.get("logprobs") and self.has_logprobs:
            choice["logprobs"] = self.logprobs(word)
        length = len(body["prompt"] if "prompt" in body else self.prompt_of(body))
        usage = {"completion_tokens": number, "prompt_tokens": length}
        return b"data: " + orjson.dumps({"id": "c", "choices": [choice], "usage": usage}) + b"\n\n"

    def logprobs(self, word: str) -> Any:
        return {"content": [{"token": word, "logprob": -0.1, "top_logprobs": [{"token": "x", "logprob": -3.0}]}]}
