"""The engine that is examined, and short ways to ask it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from dynasor.engines.dialects import DIALECTS, Dialect
from dynasor.engines.embedded import EmbeddedEngine
from dynasor.engines.openai import OpenAIEngine
from dynasor.engines.protocol import EngineInfo, Forwarded
from dynasor.errors import EngineFailed, EngineRejected
from dynasor.vocabulary import JSON, Delta, Message, Request, Sampling, TokenLogprob

Examined: TypeAlias = OpenAIEngine | EmbeddedEngine
QUESTION = (Message("user", "A shop has 7 boxes of 12 pens. How many pens are there?"),)
"""What every model can say something to, the embedded one too."""


@dataclass(frozen=True, slots=True)
class Heard:
    """All that an engine streamed for one request."""

    text: str
    reasoning: str
    num_tokens: int
    prompt_tokens: int | None
    logprobs: tuple[TokenLogprob, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Patient:
    """An engine that was entered."""

    engine: Examined

    @property
    def info(self) -> EngineInfo:
        return self.engine.info

    @property
    def dialect(self) -> Dialect:
        return DIALECTS.get(self.info.kind, DIALECTS["openai"])

    def advice(self, by_kind: Mapping[str, str]) -> str | None:
        """What to change for this kind of engine; ``""`` stands for all others."""
        return by_kind.get(self.info.kind, by_kind.get(""))

    async def hear(self, prompt: tuple[Message, ...] | str, sampling: Sampling, *, priority: int = 0) -> Heard:
        """Ask, and read to the end."""
        request = Request("doctor", "doctor", prompt, sampling, priority=priority)
        began = time.monotonic()
        async with aclosing(self.engine.stream(request)) as deltas:
            return heard([delta async for delta in deltas], time.monotonic() - began)

    async def post(self, path: str, body: JSON) -> Any:
        """The whole answer to a request in the engine's own words, as JSON.

        Raises:
            EngineRejected: it was refused.
            EngineFailed: the answer is no JSON.
        """
        async with self.forwarded(path, body) as answer:
            content = b"".join([piece async for piece in pieces_of(answer)])
        if answer.status != 200:
            said = content[:200].decode(errors="replace")
            raise EngineRejected(f"{self.engine.base_url}/{path} answered with HTTP {answer.status}: {said}")
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise EngineFailed(f"{self.engine.base_url}/{path} did not answer with JSON") from None

    @asynccontextmanager
    async def forwarded(self, path: str, body: JSON) -> AsyncIterator[Forwarded]:
        """An answer as it comes; leaving the block before its end drops it."""
        whole = {"model": self.info.model, **body}
        async with self.engine.forward(path, orjson.dumps(whole)) as answer:
            yield answer


async def pieces_of(answer: Forwarded) -> AsyncIterator[bytes]:
    while piece := await answer.receive():
        yield piece


def heard(deltas: Iterable[Delta], seconds: float) -> Heard:
    every = list(deltas)
    return Heard(
        text="".join(delta.text for delta in every),
        reasoning="".join(delta.reasoning for delta in every),
        num_tokens=every[-1].num_tokens if every else 0,
        prompt_tokens=next((delta.prompt_tokens for delta in reversed(every) if delta.prompt_tokens), None),
        logprobs=tuple(logprob for delta in every for logprob in delta.logprobs),
        seconds=seconds,
    )
