"""One program's run: its requests, its branches and its account of tokens."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Generic, Self, TypeVar

from dynasor.answers import AnswerReader
from dynasor.certainty import UNIFORM, ChosenBy, VotePrior
from dynasor.engines.protocol import Engine
from dynasor.errors import BadProgram, first_cause
from dynasor.events import CertaindexMeasured, Listener, RequestEnded
from dynasor.programs import Votes
from dynasor.programs.protocol import ReadAnswer, Session
from dynasor.programs.votes import RewardForm
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

Result = TypeVar("Result")


@dataclass(slots=True)
class Account:
    """What a program, with all programs inside it, has spent so far."""

    usage: Usage = field(default_factory=Usage)
    num_requests: int = 0


@dataclass(slots=True)
class SeedPath:
    """Where in a program something random happens. Every place has a path of its own, which does not depend on
    what other units of the knob do, or on their order."""

    parts: tuple[object, ...] = ()
    count: int = 0

    def next(self) -> SeedPath:
        self.count += 1
        return SeedPath((*self.parts, self.count))


@dataclass(slots=True)
class Knob:
    """Where a program stands with its knob: units ``finished`` or still ``open``, under its ``cap``."""

    cap: int
    seeds: SeedPath
    finished: int = 0
    open: int = 0
    in_branches: bool = False
    certaindex: Certaindex | None = None
    stop_reason: StopReason = StopReason.PROGRAM

    @property
    def done(self) -> int:
        """Units finished; those of ``Session.grant`` are, once the program reports what they brought."""
        return self.finished if self.in_branches else self.finished + self.open


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
    """The runtime's side of ``Session``; one per program run, and one per program inside another."""

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
        vote_prior: VotePrior = UNIFORM,
    ) -> None:
        self.program_id = program_id
        self.question = question
        self.rng = random.Random(seed_of(seed, question.id))
        self.allocator = allocator
        self.sampling = sampling
        self.vote_prior = vote_prior
        self.account = Account()
        self.seeds = SeedPath()
        self.knob = Knob(cap, SeedPath(("unit",)))
        self.unit: Unit | None = None
        self.is_part_of_unit = False
        self.place = place
        self.dispatcher = dispatcher
        self.listener = listener
        self._engine = engine
        self._reader = reader
        self._seed = seed

    @property
    def cap(self) -> int:
        return self.knob.cap

    @property
    def stop_reason(self) -> StopReason:
        return self.knob.stop_reason

    def branches(
        self, prompt: tuple[Message, ...] | str | None = None, *, sampling: Sampling | None = None
    ) -> ProgramBranches[Completion]:
        asked = self.question.messages if prompt is None else prompt
        return self.parallel(lambda session: session.generate(asked, sampling=sampling))

    def parallel(self, work: Callable[[Session], Awaitable[Result]]) -> ProgramBranches[Result]:
        return ProgramBranches(self, work)

    def inner(self, allocator: Allocator | None, cap: int, *, certaindex: Certaindex | None = None) -> ProgramSession:
        session = copy.copy(self)
        session.allocator = allocator or self.allocator
        session.seeds = self.seeds.next()
        session.knob = Knob(cap, SeedPath((*session.seeds.parts, "unit")), certaindex=certaindex)
        session.is_part_of_unit = self.unit is not None
        return session

    def in_unit(self, unit: Unit) -> ProgramSession:
        """This session as a unit of its knob uses it."""
        session = copy.copy(self)
        session.unit = unit
        session.seeds = self.knob.seeds.next()
        return session

    def votes(self, *, by: ChosenBy = "majority", reward_form: RewardForm = "mean") -> Votes:
        return Votes(self.knob.cap, self.vote_prior, by=by, reward_form=reward_form)

    def observe(self, certaindex: Certaindex, answer: str | None = None) -> None:
        self.knob.certaindex = certaindex
        if not self.is_part_of_unit:
            self.listener(CertaindexMeasured(self.program_id, certaindex, answer, self.knob.done))

    def grant(self, most: int | None = None) -> int:
        if self.knob.in_branches:
            raise BadProgram("a program asks for a grant inside its branches block, which asks by itself")
        self.knob.finished += self.knob.open
        self.knob.open = 0
        allocation = self.decide()
        if allocation.stop_reason is not None:
            self.knob.stop_reason = allocation.stop_reason
            return 0
        self.knob.stop_reason = StopReason.PROGRAM
        self.knob.open = allocation.units if most is None else min(most, allocation.units)
        return self.knob.open

    def decide(self) -> Allocation:
        """The allocator's word on where the knob stands now."""
        knob = self.knob
        spending = Spending(knob.finished, knob.open, knob.cap, self.account.usage.produced)
        allocation = self.allocator.decide(spending, knob.certaindex)
        if allocation.units + spending.granted > spending.cap:
            raise BadProgram(f"the allocator grants {allocation.units} more at {spending}, which passes the cap")
        if allocation.stop_reason is None and not allocation.units + spending.open:
            raise BadProgram(f"the allocator neither grants nor stops at {spending}, where nothing runs")
        return allocation

    async def generate(
        self,
        prompt: tuple[Message, ...] | str,
        *,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
    ) -> Completion:
        async with self.stream(prompt, kind=kind, sampling=sampling) as stream:
            async for _ in stream:
                pass
        assert stream.completion is not None, "a stream that was read to its end has a completion"
        return stream.completion

    def stream(
        self,
        prompt: tuple[Message, ...] | str,
        *,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
        is_beside: bool = False,
    ) -> RequestStream:
        return RequestStream(self, self.new_request(prompt, kind, sampling), is_beside)

    def new_request(
        self,
        prompt: tuple[Message, ...] | str,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
    ) -> Request:
        """The next request of this program. Its seed depends on the run's seed (or the question's own), the
        question, and its place in the program. So two runs with one seed draw the same samples, whatever their
        allocator, and no two samples of a program are drawn with the same one."""
        sampling = sampling or self.sampling
        if sampling.seed is None:
            sampling = replace(sampling, seed=seed_of(self._seed, self.question.id, *self.seeds.next().parts))
        number = self.account.num_requests
        self.account.num_requests += 1
        return Request(f"{self.program_id}-{number}", self.program_id, prompt, sampling, kind)

    def open_stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        return self._engine.stream(request)

    def count(self, request: Request, transcript: Transcript, used: int) -> None:
        """Book the tokens of a request that is over: ``used`` ones under what it was for, the others cancelled."""
        read = "score_prompt" if request.kind is RequestKind.SCORE else "prompt"
        self.account.usage = self.account.usage.plus(**{request.kind.value: used, read: transcript.prompt_tokens}).plus(
            cancelled=transcript.num_tokens - used
        )
        self.listener(
            RequestEnded(
                self.program_id,
                request.id,
                request.kind,
                transcript.num_tokens,
                cancelled=transcript.finish_reason is None,
            )
        )

    def count_scored(self, num_tokens: int) -> None:
        self.account.usage = self.account.usage.plus(score_prompt=num_tokens)

    async def render(self, *, thinking: bool | None = None) -> str:
        wanted = self.sampling.thinking if thinking is None else thinking
        return await self._engine.render(self.question.messages, thinking=wanted)

    async def read_answer(self, completion: Completion) -> ReadAnswer | None:
        if completion.finish_reason is FinishReason.LENGTH:
            return None
        return await self.read_text(completion.text)

    async def read_text(self, text: str) -> ReadAnswer | None:
        answer = self._reader.extract(text)
        return await self.read_as_answer(answer) if answer is not None else None

    async def read_as_answer(self, answer: str) -> ReadAnswer:
        return ReadAnswer(answer, await self._reader.key(answer))


class RequestStream:
    """The runtime's side of ``TextStream``: one request, from its turn with the scheduler to its account."""

    def __init__(self, session: ProgramSession, request: Request, is_beside: bool) -> None:
        self.request = request
        self._is_beside = is_beside
        self._session = session
        self._transcript = Transcript()
        self._used = 0
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
            await opening.enter_async_context(turn)
            if unit is not None:
                unit.is_new = False
                # Once more, before the scheduler gives the place away: no other unit takes it before the
                # allocator had its say.
                opening.callback(unit.request_ends, self.request.id)
            opening.callback(self._settle)
            self._deltas = await opening.enter_async_context(aclosing(session.open_stream(self.request)))
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

    def _settle(self) -> None:
        transcript = self._transcript
        used = transcript.num_tokens if transcript.finish_reason is not None else self._used
        self._session.count(self.request, transcript, used)


class Unit:
    """One unit of a program's knob at work.

    Its first request waits for the allocator's word; later ones belong to what was granted already.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.is_new = True
        self._requests: set[str] = set()
        self._changed = changed

    @property
    def is_deciding(self) -> bool:
        """It has done something and runs nothing now: it may be about to end, with news for the allocator."""
        return not self.is_new and not self._requests

    def request_begins(self, request_id: str) -> None:
        self._requests.add(request_id)
        self._changed()

    def request_ends(self, request_id: str) -> None:
        self._requests.discard(request_id)
        self._changed()


class ProgramBranches(Generic[Result]):
    """The runtime's side of ``Branches``: a task group that the allocator feeds.

    While a finished unit lies unread, or one is between its requests, the program is paused at the
    scheduler: units that wait start only after the program, and with it the allocator, has seen what came
    back.
    """

    def __init__(self, session: ProgramSession, work: Callable[[Session], Awaitable[Result]]) -> None:
        self._session = session
        self._knob = session.knob
        self._work = work
        self._finished: asyncio.Queue[tuple[Result] | None] = asyncio.Queue()
        self._unread = 0
        self._units: set[Unit] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()

    @property
    def cap(self) -> int:
        return self._knob.cap

    def observe(self, certaindex: Certaindex, answer: str | None = None) -> None:
        self._session.observe(certaindex, answer)
        self._finished.put_nowait(None)

    async def __aenter__(self) -> Self:
        if self._knob.in_branches:
            raise BadProgram("a program can have one branches block open at a time; leave it before the next")
        self._knob.in_branches = True
        self._knob.stop_reason = StopReason.PROGRAM
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
            self._knob.open = 0
            self._knob.in_branches = False
            self._unread = 0
            self._units.clear()
            self._session.dispatcher.resume(self._session.place, self)

    def __aiter__(self) -> AsyncIterator[Result]:
        return self

    async def __anext__(self) -> Result:
        while True:
            self._ask_allocator()
            finished = await self._finished.get()
            if finished is not None:
                self._unread -= 1
                self._knob.finished += 1
                self._knob.open -= 1
                return finished[0]

    def _ask_allocator(self) -> None:
        allocation = self._session.decide()
        if allocation.stop_reason is not None:
            self._knob.stop_reason = allocation.stop_reason
            raise StopAsyncIteration
        for _ in range(allocation.units):
            unit = Unit(self._pause_or_resume)
            self._knob.open += 1
            self._units.add(unit)
            self._tasks.add(self._group.create_task(self._run(unit, self._session.in_unit(unit))))
        self._pause_or_resume()

    async def _run(self, unit: Unit, session: Session) -> None:
        try:
            result = await self._work(session)
        finally:
            self._units.discard(unit)
        self._unread += 1
        self._finished.put_nowait((result,))
        self._pause_or_resume()

    def _pause_or_resume(self) -> None:
        dispatcher, place = self._session.dispatcher, self._session.place
        if self._unread or any(unit.is_deciding for unit in self._units):
            dispatcher.pause(place, self)
        else:
            dispatcher.resume(place, self)
