"""Plain requests to an OpenAI-compatible server, as any script sends them: no stream, tokens as the server says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

from dynasor.vocabulary import JSON

TIMEOUT_S = 1200.0


@dataclass(frozen=True, slots=True)
class Written:
    """What came back for a request; ``is_finished``: the model ended it, not its limit."""

    text: str
    is_finished: bool
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask for which model, and how many may do so at once."""

    session: aiohttp.ClientSession
    url: str
    """Without ``/v1``."""
    model: str
    places: asyncio.Semaphore


def open_session() -> aiohttp.ClientSession:
    """A connection for each request: llama.cpp closes those that it said it would keep."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=timeout)


class Asking:
    """All requests for one question, with how many they were and the tokens that the server counted for them.

    Every request has a seed of its own, which follows from ``seed`` and the number of the request.
    """

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.num_requests = 0
        self.num_tokens = 0
        self._seed = seed

    async def go_on(self, prompt: str, *, max_tokens: int, temperature: float) -> Written:
        """Let the model continue a raw text."""
        choice, num_tokens = await self._post(
            "completions", {"prompt": prompt, "add_special_tokens": False}, max_tokens, temperature
        )
        return Written(choice["text"], choice["finish_reason"] == "stop", num_tokens)

    async def chat(self, question: str, *, max_tokens: int, temperature: float) -> Written:
        """Ask a question."""
        choice, num_tokens = await self._post(
            "chat/completions", {"messages": [{"role": "user", "content": question}]}, max_tokens, temperature
        )
        return Written(choice["message"]["content"] or "", choice["finish_reason"] == "stop", num_tokens)

    async def _post(self, path: str, prompt: JSON, max_tokens: int, temperature: float) -> tuple[JSON, int]:
        """The first choice, and its number of tokens. aiohttp.ClientError if the server refuses."""
        self.num_requests += 1
        body = {
            "model": self.server.model,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": self._seed + self.num_requests,
            **prompt,
        }
        async with self.server.session.post(f"{self.server.url}/v1/{path}", json=body) as response:
            response.raise_for_status()
            answer: JSON = await response.json()
        num_tokens = int(answer["usage"]["completion_tokens"])
        self.num_tokens += num_tokens
        return answer["choices"][0], num_tokens
