"""An engine without a network, for tests of what stands above engines: it answers from a script.

It keeps its own books (tokens produced, requests live), with which the runtime's must agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Self

from dynasor.engines.protocol import EngineInfo
from dynasor.errors import EngineError
from dynasor.vocabulary import Delta, FinishReason, Message, Request


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request gets: ``text`` after ``num_tokens`` steps of the event loop, or ``pieces``, one token a step;
    or an error on the way."""

    text: str = ""
    num_tokens: int = 3
    finish_reason: FinishReason = FinishReason.STOP
    fails_after: int | None = None
    error: EngineError | None = None
    pieces: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[str, ...]:
        """The text that each token brings."""
        return self.pieces or (*[""] * (self.num_tokens - 1), self.text)[: self.num_tokens]


Script = Callable[[Request], Reply]


@dataclass(slots=True)
class InProcessEngine:
    """Answers each request with ``script(request)``, one token a step."""

    script: Script
    step_s: float = 0.0
    produced: int = 0
    live: set[str] = field(default_factory=set)
    most_live: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("test", "scripted", 4096)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert not self.live, f"requests left running: {self.live}"

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        reply = self.script(request)
        steps = reply.steps
        self.requests.append(request)
        self.live.add(request.id)
        self.most_live = max(self.most_live, len(self.live))
        try:
            for number, text in enumerate(steps, 1):
                await asyncio.sleep(self.step_s)
                if reply.error is not None and number > (reply.fails_after or 0):
                    raise reply.error
                self.produced += 1
                last = number == len(steps)
                yield Delta(
                    text=text,
                    num_tokens=number,
                    finish_reason=reply.finish_reason if last else None,
                    prompt_tokens=7 if last else None,
                )
        finally:
            self.live.discard(request.id)

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        """``<user>What is 1+1?<assistant>``, and ``<think>`` on the same line if it shall think."""
        said = "".join(f"<{message.role}>{message.content}" for message in messages)
        return f"{said}<assistant>" + ("<think>\n" if thinking else "")


def says(*answers: str | None, num_tokens: int = 3) -> Script:
    """The i-th request of a program says the i-th answer (None: no answer), the last one from then on."""

    def script(request: Request) -> Reply:
        number = int(request.id.rsplit("-", 1)[1])
        answer = answers[min(number, len(answers) - 1)]
        return Reply("I do not know" if answer is None else f"The answer is \\boxed{{{answer}}}.", num_tokens)

    return script
