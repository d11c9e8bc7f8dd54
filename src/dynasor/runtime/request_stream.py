"""One request of a program, from its turn with the scheduler to its account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dynasor.errors import EngineCannot, EngineError
from dynasor.events import RequestEnded, RequestMoved, RequestStarted
from dynasor.runtime.prompt_length import characters_of
from dynasor.runtime.replicas import REPLICA_FAULTS
from dynasor.runtime.transcript import Transcript, continued
from dynasor.runtime.visit import Visit
from dynasor.vocabulary import Completion, Delta, Request

if TYPE_CHECKING:
    from dynasor.runtime.session import ProgramSession


class RequestStream:
    """The runtime's side of ``TextStream``.

    Where a replica fails, the request goes on elsewhere: from the text so far, if the engine can be given that, or else
    from the beginning, if nobody has read what was written (``is_read_at_end``).
    """

    def __init__(
        self, session: ProgramSession, request: Request, *, is_beside: bool = False, is_read_at_end: bool = False
    ) -> None:
        self.request = request
        self._is_beside = is_beside
        self._accompanies = session.open_streams[-1] if is_beside and session.open_streams else None
        self._is_read_at_end = is_read_at_end
        self._session = session
        self._transcript = Transcript()
        self._used = 0
        self._lost = 0
        """Tokens of beginnings that were given up."""
        self._num_tries = 0
        self._first_submitted_time = 0.0
        self._ran_s = 0.0
        self._visit: Visit | None = None
        """Where it runs now."""
        self._replica_name = ""
        """Where it ran last."""
        self._error: EngineError | None = None
        """Why it had to go elsewhere last."""
        self._failed_on: frozenset[str] = frozenset()
        self._turn = AsyncExitStack()
        self._deltas: AsyncGenerator[Delta, None] | None = None
        self._open = AsyncExitStack()

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
        return self._transcript.completion(self.request) if self._transcript.finish_reason else None

    def keep(self, num_tokens: int) -> None:
        self._used = min(num_tokens, self._transcript.num_tokens)

    async def __aenter__(self) -> Self:
        unit = self._session.unit
        async with AsyncExitStack() as opening:
            if unit is not None:
                unit.request_begins(self.request.id)
                opening.callback(unit.request_ends, self.request.id)
            opening.push_async_callback(self._leave_turn)
            await self._take_turn(is_granted=unit is not None and unit.is_new)
            if unit is not None:
                unit.is_new = False
                # Once more, before the scheduler gives the place away: no other unit takes it before the
                # allocator had its say.
                opening.callback(unit.request_ends, self.request.id)
            if not self._is_beside:
                self._session.open_streams.append(self.request.id)
                opening.callback(self._session.open_streams.remove, self.request.id)
            opening.callback(self._settle)
            opening.push_async_callback(self._close_deltas)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self

    async def __anext__(self) -> Delta:
        while True:
            assert self._visit is not None, "a stream is read inside its async with block"
            try:
                if self._deltas is None:
                    self._deltas = self._visit.replica.engine.stream(await self._to_send())
                delta = self._transcript.add(await self._visit.next(self._deltas))
            except EngineError as error:
                await self._go_elsewhere(error)
            else:
                self._session.replicas.succeeded(self._visit, self._transcript.num_tokens)
                return delta

    async def _take_turn(self, *, is_granted: bool = False) -> None:
        """Wait for a replica; the request runs there from now on."""
        session, request, submitted_time = self._session, self.request, now()
        self._first_submitted_time = self._first_submitted_time or submitted_time
        turn = session.dispatcher.turn(
            session.place,
            request.id,
            is_granted=is_granted,
            is_beside=self._is_beside,
            accompanies=self._accompanies,
            avoid=self._failed_on,
            prompt_tokens=session.account.prompt_lengths.expected(self._num_characters),
        )
        async with session.replicas.patience(self._first_submitted_time):
            name = await self._turn.enter_async_context(turn)
        self._visit = session.replicas.begin(
            name, session.program_id, is_beside=self._is_beside, may_leave=self._may_leave
        )
        self._replica_name = name
        self._num_tries += 1
        session.account.request_starts(self._visit.started_time)
        queue_s = self._visit.started_time - submitted_time
        session.listener(RequestStarted(session.program_id, request.id, request.kind, name, queue_s))

    @property
    def _num_characters(self) -> int:
        """Of what a replica has to read before it goes on: the prompt, and what was written so far."""
        return characters_of(self.request.prompt) + sum(map(len, self._transcript.text))

    async def _leave_turn(self) -> None:
        await self._turn.aclose()

    async def _close_deltas(self) -> None:
        deltas, self._deltas = self._deltas, None
        if deltas is not None:
            await deltas.aclose()

    async def _go_elsewhere(self, error: EngineError) -> None:
        """Take another turn after a replica has failed; where that is of no use, ``error`` is raised."""
        session, transcript, visit = self._session, self._transcript, self._visit
        assert visit is not None
        if isinstance(error, EngineCannot) and self._error is not None:
            raise self._error from error  # only going on takes what this engine cannot do
        session.replicas.failed(visit, error)
        if not isinstance(error, REPLICA_FAULTS) or not self._may_try_again or not (self._is_unread or self._can_go_on):
            raise error
        self._error = error
        await self._close_deltas()
        self._stops_running()
        transcript.num_tokens_before = transcript.num_tokens
        session.listener(
            RequestMoved(
                session.program_id,
                self.request.id,
                self.request.kind,
                self._replica_name,
                self._lost + transcript.num_tokens,
                str(error),
            )
        )
        await self._leave_turn()
        self._failed_on |= {self._replica_name}
        if session.replicas.has_one_in and not session.replicas.has_other_than(self._failed_on):
            await asyncio.sleep(session.replicas.recovery.pause_s(self._num_tries))
        await self._take_turn()

    @property
    def _may_try_again(self) -> bool:
        return self._num_tries < self._session.replicas.recovery.max_tries

    @property
    def _is_unread(self) -> bool:
        """It may begin again, for nobody has read what was written."""
        return self._is_read_at_end or self._transcript.is_blank

    def _may_leave(self) -> bool:
        """Whether another replica can surely go on with it."""
        is_raw = isinstance(self.request.prompt, str)
        return self._may_try_again and (self._is_unread or (is_raw and self._can_go_on))

    @property
    def _can_go_on(self) -> bool:
        """Whether another replica can be given what was written: raw text, but no reasoning that the engine took out of
        it."""
        return not any(self._transcript.reasoning)

    async def _to_send(self) -> Request:
        """The request as the replica gets it."""
        request, transcript = self.request, self._transcript
        if transcript.is_blank or not self._can_go_on:
            return self._from_the_beginning()
        if isinstance(request.prompt, str):
            prompt = request.prompt
        else:
            try:
                prompt = await self._session.replicas.render(
                    request.program_id, request.prompt, thinking=request.sampling.thinking
                )
            except EngineCannot:
                if self._is_read_at_end:
                    return self._from_the_beginning()
                raise
        return continued(request, prompt, transcript)

    def _from_the_beginning(self) -> Request:
        self._lost += self._transcript.num_tokens
        self._used = 0
        self._transcript = Transcript()
        return self.request

    def _stops_running(self) -> None:
        """It leaves its replica, for good or for another."""
        visit, self._visit = self._visit, None
        if visit is None:
            return
        part = self._transcript.num_tokens - self._transcript.num_tokens_before
        self._session.dispatcher.produced(self.request.id, part)
        self._session.account.num_running -= 1
        self._session.replicas.end(visit)
        self._ran_s += now() - visit.started_time

    def _settle(self) -> None:
        session, request, transcript = self._session, self.request, self._transcript
        self._stops_running()
        is_cancelled = transcript.finish_reason is None
        used = self._used if is_cancelled else transcript.num_tokens
        produced = self._lost + transcript.num_tokens
        session.account.prompt_lengths.learn(characters_of(request.prompt), transcript.prompt_tokens)
        session.account.spend(request.kind, transcript.prompt_tokens, produced, used)
        session.listener(
            RequestEnded(
                session.program_id, request.id, request.kind, produced, is_cancelled, self._replica_name, self._ran_s
            )
        )


def now() -> float:
    """Seconds on the clock of the running event loop."""
    return asyncio.get_running_loop().time()
