"""One request of a program, from its turn with the scheduler to its account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dynasor.events import RequestEnded, RequestStarted
from dynasor.vocabulary import Completion, Delta, FinishReason, Request, TokenLogprob

if TYPE_CHECKING:
    from dynasor.runtime.session import ProgramSession


@dataclass(slots=True)
class Transcript:
    """A completion in the making."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    num_tokens: int = 0
    prompt_tokens: int = 0
    finish_reason: FinishReason | None = None

    def add(self, delta: Delta) -> None:
        self.text.append(delta.text)
        self.reasoning.append(delta.reasoning)
        self.logprobs.extend(delta.logprobs)
        self.num_tokens = delta.num_tokens
        self.prompt_tokens = delta.prompt_tokens or self.prompt_tokens
        self.finish_reason = delta.finish_reason or self.finish_reason

    def completion(self, request_id: str) -> Completion:
        assert self.finish_reason is not None, "an engine's last delta has a finish reason"
        return Completion(
            request_id=request_id,
            text="".join(self.text),
            finish_reason=self.finish_reason,
            num_tokens=self.num_tokens,
            prompt_tokens=self.prompt_tokens,
            reasoning="".join(self.reasoning),
            logprobs=tuple(self.logprobs),
        )


class RequestStream:
    """The runtime's side of ``TextStream``: one request, from its turn with the scheduler to its account."""

    def __init__(self, session: ProgramSession, request: Request, is_beside: bool) -> None:
        self.request = request
        self._is_beside = is_beside
        self._session = session
        self._transcript = Transcript()
        self._used = 0
        self._replica = ""
        self._submitted_time = 0.0
        self._started_time = 0.0
        self._open = AsyncExitStack()
        self._deltas: AsyncGenerator[Delta, None] | None = None

    @property
    def text(self) -> str:
        return "".join(self._transcript.text)

    @property
    def reasoning(self) -> str:
        return "".join(self._transcript.reasoning)

    @property
    def num_tokens(self) -> int:
        return self._transcript.num_tokens

    @property
    def completion(self) -> Completion | None:
        return self._transcript.completion(self.request.id) if self._transcript.finish_reason else None

    def keep(self, num_tokens: int) -> None:
        self._used = min(num_tokens, self._transcript.num_tokens)

    async def __aenter__(self) -> Self:
        session = self._session
        unit = session.unit
        async with AsyncExitStack() as opening:
            if unit is not None:
                unit.request_begins(self.request.id)
                opening.callback(unit.request_ends, self.request.id)
            turn = session.dispatcher.turn(
                session.place,
                self.request.id,
                is_granted=unit is not None and unit.is_new,
                is_beside=self._is_beside,
            )
            self._submitted_time = now()
            replica = session.replicas[await opening.enter_async_context(turn)]
            self._starts_on(replica.name)
            if unit is not None:
                unit.is_new = False
                # Once more, before the scheduler gives the place away: no other unit takes it before the
                # allocator had its say.
                opening.callback(unit.request_ends, self.request.id)
            opening.callback(self._settle)
            self._deltas = await opening.enter_async_context(aclosing(replica.engine.stream(self.request)))
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self

    async def __anext__(self) -> Delta:
        assert self._deltas is not None, "a stream is read inside its async with block"
        delta = await anext(self._deltas)
        self._transcript.add(delta)
        return delta

    def _starts_on(self, replica: str) -> None:
        session, request = self._session, self.request
        self._replica, self._started_time = replica, now()
        session.account.request_starts(self._started_time)
        queue_s = self._started_time - self._submitted_time
        session.listener(RequestStarted(session.program_id, request.id, request.kind, replica, queue_s))

    def _settle(self) -> None:
        session, request, transcript = self._session, self.request, self._transcript
        is_cancelled = transcript.finish_reason is None
        used = self._used if is_cancelled else transcript.num_tokens
        session.account.request_ends(request.kind, transcript.prompt_tokens, transcript.num_tokens, used)
        session.listener(
            RequestEnded(
                session.program_id,
                request.id,
                request.kind,
                transcript.num_tokens,
                is_cancelled,
                self._replica,
                now() - self._started_time,
            )
        )


def now() -> float:
    """Seconds on the clock of the running event loop."""
    return asyncio.get_running_loop().time()
