"""Every sample that the programs of the fidelity benchmark could ask for, drawn from the real engine beforehand."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Self

from benchmarks.policies_on_engine import all_questions
from dynasor import AnswerReader, Fixed, Options, Question, Runtime, Sampling, SelfConsistency
from dynasor.bench.arrivals import Arrival as Coming
from dynasor.bench.arrivals import arrivals
from dynasor.engines.protocol import Engine, EngineInfo
from dynasor.scheduling import Allocator
from dynasor.simulation.answers import Sample
from dynasor.vocabulary import JSON, Delta, FinishReason, Message, Request

FOR_EVER_S = 1e9


@dataclass(frozen=True, slots=True)
class Setting:
    """The engine, and how programs ask it under every policy."""

    engine: Engine
    reader: AnswerReader
    allocator: Allocator
    given: argparse.Namespace

    def runtime(self, policy: str, engine: Engine | None = None) -> Runtime:
        """A new one, which has learned nothing yet."""
        return Runtime(engine or self.engine, self.reader, concurrency=self.given.capacity, policy=policy)

    def options(self, seed: int) -> Options:
        sampling = Sampling(temperature=self.given.temperature, max_tokens=self.given.max_tokens)
        return Options(max_samples=self.given.max_samples, sampling=sampling, seed=seed)

    def coming(self, rate: float) -> list[Coming]:
        """The same programs whatever the rate."""
        given = self.given
        return arrivals(all_questions(), rate, FOR_EVER_S, f"fidelity-{given.seed}", most=given.programs)


@dataclass(slots=True)
class Written:
    """What an engine wrote for a request."""

    text: str = ""
    num_tokens: int = 0
    prompt_tokens: int = 0
    finish_reason: FinishReason | None = None


@dataclass(slots=True)
class Recorder:
    """An engine whose completions are kept by their program and seed."""

    engine: Engine
    written: dict[tuple[str, int], Written] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    @property
    def info(self) -> EngineInfo:
        return self.engine.info

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        assert request.sampling.seed is not None, "a program's requests have seeds"
        kept = self.written[request.program_id, request.sampling.seed] = Written()
        self.requests.append(request)
        async with aclosing(self.engine.stream(request)) as deltas:
            async for delta in deltas:
                kept.text += delta.text
                kept.num_tokens = delta.num_tokens
                kept.prompt_tokens = delta.prompt_tokens or kept.prompt_tokens
                kept.finish_reason = delta.finish_reason
                yield delta

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        return await self.engine.render(messages, thinking=thinking)


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question whose samples are known by the seed that they are asked with."""

    key: str
    prompt_tokens: int
    samples: Mapping[int, Sample]
    right: frozenset[str] | None

    @property
    def chance_right(self) -> float:
        return sum(each.answer in (self.right or ()) for each in self.samples.values()) / len(self.samples)

    @property
    def difficulty(self) -> int:
        return 2

    def draw(self, seed: int) -> Sample:
        return self.samples[seed]


@dataclass(frozen=True, slots=True)
class KnownQuestions:
    """What a stream works on, where arrivals have their questions already."""

    name: str = "held-out questions"
    lengths: str = "recorded"
    has_rewards: bool = False
    has_marks: bool = True

    def draw(self, rng: object) -> KnownQuestion:
        raise NotImplementedError("every arrival has its question")


@dataclass(frozen=True, slots=True)
class Recording:
    """The questions with their samples, and what recording them took."""

    questions: Mapping[str, KnownQuestion]
    layer_s: float
    """Processor time of our layer for each request, above that of the engine's client."""
    tokens_per_s: float

    def to_json(self) -> JSON:
        samples = {
            key: {str(seed): asdict(sample) for seed, sample in question.samples.items()}
            for key, question in self.questions.items()
        }
        return {"layer_s": self.layer_s, "tokens_per_s": self.tokens_per_s, "samples": samples}


async def record(setting: Setting) -> Recording:
    """Every sample that the programs could ask for, drawn by themselves, with nothing stopped."""
    recorder = Recorder(setting.engine)
    runtime, coming = setting.runtime("fcfs", recorder), setting.coming(1.0)
    began, began_work = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for each in coming:
            options, name = setting.options(each.seed), each.question.id
            group.create_task(runtime.run(each.question, SelfConsistency(), Fixed(), options, program_id=name))
    worked_s, took_s = time.process_time() - began_work, time.perf_counter() - began
    num_tokens = sum(each.num_tokens for each in recorder.written.values())
    alone_s = await client_seconds(setting, recorder.requests)
    known = {each.question.id: await known_question(each.question, recorder, setting.reader) for each in coming}
    layer_s = max(0.0, worked_s / len(recorder.requests) - alone_s)
    return Recording(known, layer_s, num_tokens / took_s)


async def client_seconds(setting: Setting, requests: Sequence[Request]) -> float:
    """Processor time that the engine's client takes for one of ``requests``, without our layer: over every third."""
    waiting = iter(requests[::3])
    num_sent = 0

    async def call() -> None:
        nonlocal num_sent
        for request in waiting:
            num_sent += 1
            async with aclosing(setting.engine.stream(request)) as deltas:
                async for _ in deltas:
                    pass

    began_work = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(setting.given.capacity):
            group.create_task(call())
    return (time.process_time() - began_work) / num_sent


async def known_question(question: Question, recorder: Recorder, reader: AnswerReader) -> KnownQuestion:
    """With answers numbered, as equal ones have one key."""
    numbers: dict[str, str] = {}
    samples: dict[int, Sample] = {}
    right = set()
    mine = {seed: each for (program_id, seed), each in recorder.written.items() if program_id == question.id}
    for seed, each in mine.items():
        answer = None if each.finish_reason is FinishReason.LENGTH else reader.extract(each.text)
        number = None
        if answer is not None:
            number = numbers.setdefault(await reader.key(answer), str(len(numbers) + 1))
            if question.reference is not None and await reader.same(answer, question.reference):
                right.add(number)
        samples[seed] = Sample(number, max(1, each.num_tokens))
    prompt_tokens = max(each.prompt_tokens for each in mine.values())
    return KnownQuestion(question.id, prompt_tokens, samples, frozenset(right))
