"""One program's run: its requests, its branches and its account of tokens."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from dynasor.answers import AnswerReader
from dynasor.engines.protocol import Engine
from dynasor.errors import BadProgram, first_cause
from dynasor.events import CertaindexMeasured, Listener, RequestEnded
from dynasor.programs.protocol import ReadAnswer
from dynasor.runtime.dispatcher import Dispatcher, Place
from dynasor.scheduling import Allocator
from dynasor.vocabulary import (
    Allocation,
    Certaindex,
    Completion,
    Delta,
    FinishReason,
    Message,
    Question,
    Request,
    RequestKind,
    Sampling,
    Spending,
    StopReason,
    TokenLogprob,
    Usage,
)


@dataclass(slots=True)
class Account:
    """What a program has spent so far: tokens, and units of its knob ``finished`` or still ``open``."""

    cap: int
    usage: Usage = field(default_factory=Usage)
    finished: int = 0
    open: int = 0
    in_branches: bool = False
    certaindex: Certaindex | None = None
    stop_reason: StopReason = StopReason.PROGRAM

    @property
    def spending(self) -> Spending:
        return Spending(self.finished, self.open, self.cap)


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


def seed_of(*parts: object) -> int:
    """A seed in 31 bits that depends on every part and on nothing else."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) & 0x7FFFFFFF


class ProgramSession:
    """The runtime's side of ``Session``; one per program run."""

    def __init__(
        self,
        *,
        program_id: str,
        question: Question,
        engine: Engine,
        dispatcher: Dispatcher,
        place: Place,
        reader: AnswerReader,
        allocator: Allocator,
        cap: int,
        sampling: Sampling,
        seed: int,
        listener: Listener,
    ) -> None:
        self.program_id = program_id
        self.question = question
        self.rng = random.Random(seed_of(seed, question.id))
        self.allocator = allocator
        self.account = Account(cap)
        self.place = place
        self.dispatcher = dispatcher
        self.listener = listener
        self._engine = engine
        self._reader = reader
        self._sampling = sampling
        self._seed = seed
        self._num_requests = 0

    def branches(self, prompt: tuple[Message, ...] | str | None = None) -> ProgramBranches:
        return ProgramBranches(self, self.question.messages if prompt is None else prompt)

    async def generate(
        self,
        prompt: tuple[Message, ...] | str,
        *,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
    ) -> Completion:
        request = self.new_request(prompt, kind, sampling)
        async with self.dispatcher.turn(self.place, request.id):
            return await self.run(request)

    def new_request(
        self,
        prompt: tuple[Message, ...] | str,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
    ) -> Request:
        """The next request of this program. Its seed depends on the run's seed (or the question's own), the
        question and how many requests came before, so two runs with one seed draw the same samples, whatever
        their allocator, and no two samples of a program are drawn with the same one."""
        number = self._num_requests
        self._num_requests += 1
        sampling = sampling or self._sampling
        if sampling.seed is None:
            sampling = replace(sampling, seed=seed_of(self._seed, self.question.id, number))
        return Request(f"{self.program_id}-{number}", self.program_id, prompt, sampling, kind)

    async def run(self, request: Request) -> Completion:
        """Send the request and gather its deltas; every token is counted, however this ends."""
        transcript = Transcript()
        completed = False
        try:
            async with aclosing(self._engine.stream(request)) as deltas:
                async for delta in deltas:
                    transcript.add(delta)
            completed = True
            return transcript.completion(request.id)
        finally:
            self._count(request, transcript, completed)

    def _count(self, request: Request, transcript: Transcript, completed: bool) -> None:
        name = request.kind.value if completed else "cancelled"
        self.account.usage = self.account.usage.plus(
            **{name: transcript.num_tokens, "prompt": transcript.prompt_tokens}
        )
        self.listener(
            RequestEnded(self.program_id, request.id, request.kind, transcript.num_tokens, cancelled=not completed)
        )

    async def read_answer(self, completion: Completion) -> ReadAnswer | None:
        if completion.finish_reason is FinishReason.LENGTH:
            return None
        text = self._reader.extract(completion.text)
        return ReadAnswer(text, await self._reader.key(text)) if text is not None else None


class ProgramBranches:
    """The runtime's side of ``Branches``: a task group that the allocator feeds.

    While a finished branch lies unread the program is paused at the scheduler, so that its waiting
    branches start only after the program, and with it the allocator, has seen what came back.
    """

    def __init__(self, session: ProgramSession, prompt: tuple[Message, ...] | str) -> None:
        self._session = session
        self._account = session.account
        self._prompt = prompt
        self._finished: asyncio.Queue[Completion] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()

    @property
    def cap(self) -> int:
        return self._account.cap

    def observe(self, certaindex: Certaindex, answer: str | None = None) -> None:
        self._account.certaindex = certaindex
        event = CertaindexMeasured(self._session.program_id, certaindex, answer, self._account.finished)
        self._session.listener(event)

    async def __aenter__(self) -> Self:
        if self._account.in_branches:
            raise BadProgram("a program can have one branches block open at a time; leave it before the next")
        self._account.in_branches = True
        self._account.stop_reason = StopReason.PROGRAM
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise asyncio.CancelledError from group
            raise first_cause(group) from group
        finally:
            self._account.open = 0
            self._account.in_branches = False
            self._session.dispatcher.resume(self._session.place)

    def __aiter__(self) -> AsyncIterator[Completion]:
        return self

    async def __anext__(self) -> Completion:
        allocation = self._decide()
        if allocation.stop_reason is not None:
            self._account.stop_reason = allocation.stop_reason
            raise StopAsyncIteration
        self._grant(allocation.units)
        if self._finished.empty():
            self._session.dispatcher.resume(self._session.place)
        completion = await self._finished.get()
        self._account.finished += 1
        self._account.open -= 1
        return completion

    def _decide(self) -> Allocation:
        spending = self._account.spending
        allocation = self._session.allocator.decide(spending, self._account.certaindex)
        if allocation.units + spending.granted > spending.cap:
            raise BadProgram(f"the allocator grants {allocation.units} more at {spending}, which passes the cap")
        if allocation.stop_reason is None and not allocation.units + spending.open:
            raise BadProgram(f"the allocator neither grants nor stops at {spending}, where nothing runs")
        return allocation

    def _grant(self, units: int) -> None:
        for _ in range(units):
            request = self._session.new_request(self._prompt)
            self._tasks.add(self._group.create_task(self._sample(request), name=request.id))
        self._account.open += units

    async def _sample(self, request: Request) -> None:
        session = self._session
        async with session.dispatcher.turn(session.place, request.id, is_granted=True):
            self._finished.put_nowait(await session.run(request))
            session.dispatcher.pause(session.place)
