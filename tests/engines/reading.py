"""Short ways to ask an engine and to read what it streams."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from dynasor.engines.protocol import Engine
from dynasor.vocabulary import Delta, FinishReason, Message, Request, Sampling, TokenLogprob

Prompt = tuple[Message, ...] | str

CHAT = (Message("user", "What is 1+1?"),)
RAW = "the first letters are"
PAUSE_S = 0.5


def ask(prompt: Prompt = RAW, sampling: Sampling | None = None) -> Request:
    return Request("r1", "p1", prompt, sampling or Sampling(max_tokens=16))


@dataclass(frozen=True, slots=True)
class Heard:
    """All that came for one request."""

    deltas: tuple[Delta, ...]

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def reasoning(self) -> str:
        return "".join(delta.reasoning for delta in self.deltas)

    @property
    def logprobs(self) -> list[TokenLogprob]:
        return [logprob for delta in self.deltas for logprob in delta.logprobs]

    @property
    def num_tokens(self) -> int:
        return self.deltas[-1].num_tokens

    @property
    def prompt_tokens(self) -> int | None:
        return self.deltas[-1].prompt_tokens

    @property
    def num_pieces(self) -> int:
        """Deltas that brought text."""
        return sum(bool(delta.text or delta.reasoning) for delta in self.deltas)

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.deltas[-1].finish_reason


async def hear(engine: Engine, request: Request) -> Heard:
    """Read to the end."""
    async with aclosing(engine.stream(request)) as deltas:
        return Heard(tuple([delta async for delta in deltas]))


async def hear_in_pieces(engine: Engine, request: Request, most_attempts: int) -> Heard:
    """Read to the end, again until the text came in more than one piece.

    What arrives in one network read is one delta. A busy engine's threads can keep the cores from us until the whole
    answer lies in the socket, which tells nothing about how it was sent.
    """
    for _ in range(most_attempts):
        heard = await hear(engine, request)
        if heard.num_pieces > 1:
            return heard
        await asyncio.sleep(PAUSE_S)
    raise AssertionError(f"in {most_attempts} attempts the text always came in one piece")


async def hear_some(engine: Engine, request: Request, num_tokens: int) -> int:
    """Read until ``num_tokens`` have come, close the stream, and tell how many had come."""
    async with aclosing(engine.stream(request)) as deltas:
        async for delta in deltas:
            if delta.num_tokens >= num_tokens:
                return delta.num_tokens
    raise AssertionError(f"the engine stopped before {num_tokens} tokens")
