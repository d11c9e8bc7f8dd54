"""One program's run: its requests, its branches and its account of tokens."""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dynasor.answers import AnswerReader
from dynasor.certainty import UNIFORM, ChosenBy, VotePrior
from dynasor.errors import BadProgram
from dynasor.events import CertaindexMeasured, Listener, TextShown, TreeGrown
from dynasor.programs import Votes
from dynasor.programs.protocol import ReadAnswer, Session
from dynasor.programs.votes import RewardForm
from dynasor.runtime.branches import ProgramBranches, Unit
from dynasor.runtime.dispatcher import Dispatcher, Place
from dynasor.runtime.prompt_length import PromptLengths
from dynasor.runtime.replicas import Replicas
from dynasor.runtime.request_stream import RequestStream
from dynasor.scheduling import Allocator, UnitTokens, expected_tokens
from dynasor.vocabulary import (
    Allocation,
    Answer,
    Branch,
    Certaindex,
    Completion,
    FinishReason,
    Message,
    Question,
    Request,
    RequestKind,
    Sampling,
    Spending,
    StopReason,
    TreeNode,
    Usage,
)

Result = TypeVar("Result")
NO_ANSWER = Answer(None, Certaindex(0.0, {}))
"""Of a program that has reported none."""


@dataclass(slots=True)
class Account:
    """What a program, with all programs inside it, has spent so far, and the best answer it has reported."""

    usage: Usage = field(default_factory=Usage)
    num_requests: int = 0
    num_running: int = 0
    prompt_lengths: PromptLengths = field(default_factory=PromptLengths)
    first_start_time: float | None = None
    best: Answer = NO_ANSWER

    def request_starts(self, now: float) -> None:
        self.num_running += 1
        if self.first_start_time is None:
            self.first_start_time = now

    def spend(self, kind: RequestKind, prompt_tokens: int, produced: int, used: int) -> None:
        """Book the tokens of a request that is over: ``used`` ones under what it was for, the others cancelled."""
        read = "score_prompt" if kind is RequestKind.SCORE else "prompt"
        self.usage = self.usage.plus(**{kind.value: used, read: prompt_tokens, "cancelled": produced - used})


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
        replicas: Replicas,
        dispatcher: Dispatcher,
        place: Place,
        reader: AnswerReader,
        allocator: Allocator,
        cap: int,
        sampling: Sampling,
        seed: int,
        listener: Listener,
        unit_tokens: UnitTokens,
        vote_prior: VotePrior = UNIFORM,
        priority: int = 0,
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
        self.open_streams: list[str] = []
        """Requests that others may run beside, the latest last."""
        self.is_part_of_unit = False
        self.place = place
        self.dispatcher = dispatcher
        self.replicas = replicas
        self.listener = listener
        self._reader = reader
        self._seed = seed
        self._unit_tokens = unit_tokens
        self.priority = priority

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
        session.open_streams = []
        return session

    def in_unit(self, unit: Unit) -> ProgramSession:
        """This session as a unit of its knob uses it."""
        session = copy.copy(self)
        session.unit = unit
        session.seeds = self.knob.seeds.next()
        session.open_streams = []
        return session

    def votes(self, *, by: ChosenBy = "majority", reward_form: RewardForm = "mean") -> Votes:
        return Votes(self.knob.cap, self.vote_prior, by=by, reward_form=reward_form)

    def observe(
        self,
        certaindex: Certaindex,
        answer: str | None = None,
        solution: str = "",
        branches: Sequence[Branch] = (),
    ) -> None:
        self.knob.certaindex = certaindex
        if not self.is_part_of_unit:
            best = self.account.best = Answer(answer, certaindex, solution, tuple(branches))
            self.listener(CertaindexMeasured(self.program_id, certaindex, answer, self.knob.done, best.branches))

    def show(self, text: str = "", reasoning: str = "") -> None:
        if not self.is_part_of_unit and (text or reasoning):
            self.listener(TextShown(self.program_id, text, reasoning))

    def grow(self, *nodes: TreeNode) -> None:
        if not self.is_part_of_unit and nodes:
            self.listener(TreeGrown(self.program_id, nodes))

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
        if not self.is_part_of_unit:
            remaining = expected_tokens(self.allocator, spending, knob.certaindex, self._unit_tokens)
            self.dispatcher.expect(self.place, remaining)
        return allocation

    async def generate(
        self,
        prompt: tuple[Message, ...] | str,
        *,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
    ) -> Completion:
        async with RequestStream(self, self.new_request(prompt, kind, sampling), is_read_at_end=True) as stream:
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
        return RequestStream(self, self.new_request(prompt, kind, sampling), is_beside=is_beside)

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
        return Request(f"{self.program_id}-{number}", self.program_id, prompt, sampling, kind, self.priority, number)

    def count_scored(self, num_tokens: int) -> None:
        self.account.usage = self.account.usage.plus(score_prompt=num_tokens)

    async def render(self, *, thinking: bool | None = None) -> str:
        wanted = self.sampling.thinking if thinking is None else thinking
        return await self.replicas.render(self.program_id, self.question.messages, thinking=wanted)

    async def read_answer(self, completion: Completion) -> ReadAnswer | None:
        if completion.finish_reason is FinishReason.LENGTH:
            return None
        return await self.read_text(completion.text)

    async def read_text(self, text: str) -> ReadAnswer | None:
        answer = self._reader.extract(text)
        return await self.read_as_answer(answer) if answer is not None else None

    async def read_as_answer(self, answer: str) -> ReadAnswer:
        return ReadAnswer(answer, await self._reader.key(answer))
