"""A simulated engine: the ``Engine`` protocol over a batch in simulated time.

What it says comes from an ``Author``, how long that takes from its profile. It wakes a request only when it has
something to tell: at the pieces that its author wrote, the last of which is its end. A request that is given up in
between is told first how much it has written by then, so that its tokens are counted as those of an engine are that
streams every token.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Hashable
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from dynasor.engines.protocol import EngineInfo
from dynasor.errors import EngineCannot, EngineRejected
from dynasor.simulation.batching import Batch, Sequence
from dynasor.simulation.clock import at_rest
from dynasor.simulation.cost import EngineProfile
from dynasor.simulation.memory import Segment
from dynasor.vocabulary import Delta, FinishReason, Message, Request, TokenLogprob


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is there once ``num_tokens`` tokens of the completion are written, counted from its beginning. Under
    ``key``, if it has one, prompts have it for a segment that go on from it."""

    text: str
    num_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()
    key: Hashable | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request reads and gets: its prompt in segments that others may share, and the completion in pieces, at
    each of which the request is told. ``num_beside`` tokens of the prompt more are those of a sequence that this one
    accompanies: where prefixes are kept, they are in the cache while that runs, and take no memory twice."""

    prompt: tuple[Segment, ...]
    pieces: tuple[Piece, ...]
    finish_reason: FinishReason = FinishReason.STOP
    num_beside: int = 0


class Author(Protocol):
    """Writes completions. The same request gets the same one."""

    def reply(self, request: Request) -> Reply: ...


@runtime_checkable
class Renders(Protocol):
    """What authors can do besides: say what raw text a conversation is, which they find their way back in."""

    def render(self, messages: tuple[Message, ...], *, thinking: bool | None) -> str: ...


class SimulatedEngine:
    """One simulated replica. ``batch`` keeps its books.

    It works on any event loop; on a virtual one it takes no time. The same requests at the same times get the same
    deltas at the same times.
    """

    def __init__(self, profile: EngineProfile, author: Author) -> None:
        self.profile = profile
        self.batch = Batch(profile)
        self._author = author
        self._told: dict[Sequence, asyncio.Future[int]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_planned = False

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("simulated", self.profile.model, self.profile.kv_tokens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        reply = limited(self._author.reply(request), request.sampling.max_tokens)
        if self.profile.delay_s:
            await asyncio.sleep(self.profile.delay_s)
        sequence = self._submit(request, reply)
        last, told = reply.pieces[-1], 0
        is_over = False
        try:
            for piece in reply.pieces:
                told = await self._next(sequence)
                is_over = piece is last
                yield Delta(
                    text=piece.text,
                    logprobs=piece.logprobs,
                    num_tokens=told,
                    finish_reason=reply.finish_reason if is_over else None,
                    prompt_tokens=sequence.prompt_tokens,
                )
        except asyncio.CancelledError:
            written, is_over = self._abort(sequence), True
            if written == told:
                raise
            cancel_at_next_await()
            yield Delta(num_tokens=written, prompt_tokens=sequence.prompt_tokens)
            await asyncio.sleep(0)
        finally:
            self._told.pop(sequence, None)
            if not is_over:
                self._abort(sequence)

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        if not isinstance(self._author, Renders):
            raise EngineCannot("this simulated engine has no chat template to render a conversation with")
        return self._author.render(messages, thinking=thinking)

    async def cache_usage(self) -> float:
        """As ``TellsCacheUsage``."""
        memory = self.batch.memory
        return (memory.held + memory.shared) / memory.capacity

    def _submit(self, request: Request, reply: Reply) -> Sequence:
        tells_at = tuple(piece.num_tokens for piece in reply.pieces)
        prompt_tokens = reply.num_beside + sum(segment.num_tokens for segment in reply.prompt)
        if not self.batch.fits(prompt_tokens, tells_at[-1]):
            raise EngineRejected(
                f"request {request.id!r} takes {prompt_tokens} tokens of prompt and {tells_at[-1]} of completion; the "
                f"simulated KV cache holds {self.profile.kv_tokens}"
            )
        sequence = self.batch.submit(
            request.id, reply.prompt, tells_at, now(), num_beside=reply.num_beside, keys=keys_of(reply)
        )
        self._changed()
        return sequence

    async def _next(self, sequence: Sequence) -> int:
        """How many tokens are written when there is something to tell."""
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._told[sequence] = told
        return await told

    def _abort(self, sequence: Sequence) -> int:
        written = self.batch.abort(sequence, now())
        self._changed()
        return written

    def _changed(self) -> None:
        """A request came or went: the span may end earlier; where none runs, one may begin, once all that happens at
        this moment has happened."""
        span = self.batch.span
        if span is None:
            self._plan()
        elif self._timer is not None and self._timer.when() != span.ended:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(span.ended, self._span_ends)

    def _plan(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            at_rest(self._begin)

    def _begin(self) -> None:
        self._is_planned = False
        ends = self.batch.begin(now())
        if ends is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(ends, self._span_ends)

    def _span_ends(self) -> None:
        self._timer = None
        for sequence, written in self.batch.end():
            told = self._told.get(sequence)
            if told is not None and not told.done():
                told.set_result(written)
        self._plan()

    def __repr__(self) -> str:
        return f"<SimulatedEngine {self.profile.name} {self.batch!r}>"


def keys_of(reply: Reply) -> tuple[Hashable, ...]:
    """Of the pieces from the first on, as far as they have one."""
    return tuple(piece.key for piece in itertools.takewhile(lambda piece: piece.key is not None, reply.pieces))


def limited(reply: Reply, max_tokens: int | None) -> Reply:
    """``reply`` cut off at the request's limit, if it is longer."""
    if max_tokens is None or reply.pieces[-1].num_tokens <= max_tokens:
        return reply
    whole = tuple(piece for piece in reply.pieces if piece.num_tokens < max_tokens)
    return Reply(reply.prompt, (*whole, Piece("", max_tokens)), FinishReason.LENGTH, reply.num_beside)


def cancel_at_next_await() -> None:
    """The task that was just cancelled may go on to its next await, where it is cancelled: the cancellation is put
    off, and still counts once."""
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
    task.cancel()


def now() -> float:
    return asyncio.get_running_loop().time()
