"""What is measured of an engine before its cells: what it sustains, what programs take alone, how hard questions are.

Each is measured once, when somebody first asks; raw results that have it already are gone by.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from dynasor.answers import AnswerReader
from dynasor.bench.arrivals import Arrival, arrivals
from dynasor.bench.deadlines import difficulty
from dynasor.bench.plan import Plan
from dynasor.bench.raw import RawResults
from dynasor.bench.workloads import ARMS, ENGINE, UNLIMITED, Arm
from dynasor.engines.protocol import Engine
from dynasor.events import Event, RequestEnded
from dynasor.programs import make_program
from dynasor.rewards import Reward
from dynasor.runtime import Options, Runtime
from dynasor.scheduling import Fixed
from dynasor.vocabulary import JSON, Answer

CONCURRENCIES = (8, 16, 32, 64)
NEARLY = 0.95
"""Of the best throughput; the fewest requests at once that reach it are taken."""
SUSTAINED_SHARE, SUSTAINED_S = 0.2, 2.0
"""The throughput is counted for such a share of the window at each number of requests at once, but for so long at
least."""
WARM_SHARE = 0.25
"""Of that time, before it."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """Of ``plan`` on ``engine``. ``rewards``, by workload, are entered. ``say`` hears what is going on."""

    plan: Plan
    engine: Engine
    reader: AnswerReader
    raw: RawResults
    rewards: Mapping[str, Reward | None]
    say: Callable[[str], None] = lambda line: None

    async def runner(self, name: str, arm: Arm) -> Callable[[Arrival], Awaitable[Answer]]:
        """What runs a program as ``arm`` does, on a runtime that has learned nothing yet."""
        workload = self.plan.workloads[name]
        concurrency = (await self.sustained())["concurrency"] if arm.is_limited else UNLIMITED
        runtime = Runtime(self.engine, self.reader, concurrency=concurrency, policy=arm.policy)
        program = workload.make_program(self.rewards[name], arm.decider)
        allocator = workload.allocator(arm.decider)

        async def run(arrival: Arrival) -> Answer:
            options = workload.options(arm.decider, self.plan.sampling, arrival.seed)
            return await runtime.run(arrival.question, program, allocator, options, program_id=str(arrival.number))

        return run

    async def sustained(self) -> JSON:
        """What the engine produces with always enough to do, by requests at once, and how many it does best."""
        stored = self.raw.first("sustained")
        if stored is not None:
            return stored
        plan = self.plan
        tried = CONCURRENCIES if plan.concurrency is None else (plan.concurrency,)
        rates = {}
        for concurrency in tried:
            rates[concurrency] = await self._sustained_at(concurrency)
            self.say(f"{concurrency} requests at once: {rates[concurrency]:.0f} tokens/s")
        best = min(each for each in tried if rates[each] >= NEARLY * max(rates.values()))
        by_concurrency = {str(each): rate for each, rate in rates.items()}
        self.raw.add("sustained", {"concurrency": best, "tokens_per_s": rates[best], "by_concurrency": by_concurrency})
        return self.raw.first("sustained") or {}

    async def _sustained_at(self, concurrency: int) -> float:
        """Tokens a second, counted when their requests end."""
        counted = TokenCount()
        name = next(iter(self.plan.workloads))
        workload, questions = self.plan.workloads[name], self.plan.questions
        runtime = Runtime(self.engine, self.reader, concurrency=concurrency, listener=counted)
        program = workload.make_program(self.rewards[name], "fixed")
        loop = asyncio.get_running_loop()
        warm: list[tuple[float, int]] = []
        sustained_s = max(SUSTAINED_S, SUSTAINED_SHARE * self.plan.window_s)
        warm_s = WARM_SHARE * sustained_s
        loop.call_later(warm_s, lambda: warm.append((loop.time(), counted.num_tokens)))

        async def work(worker: int) -> None:
            for number in range(worker, sys.maxsize, concurrency):
                options = workload.options("fixed", self.plan.sampling, self.plan.seed + number)
                await runtime.run(questions[number % len(questions)], program, Fixed(), options)

        try:
            async with asyncio.timeout(warm_s + sustained_s), asyncio.TaskGroup() as group:
                for worker in range(concurrency):
                    group.create_task(work(worker))
        except TimeoutError:
            pass
        began, num_tokens = warm[0]
        return (counted.num_tokens - num_tokens) / (loop.time() - began)

    async def window_s(self, name: str) -> float:
        return max(self.plan.window_s, self.plan.window_deadlines * await self.base_s(name))

    async def base_s(self, name: str) -> float:
        """The base deadline: as given, else a multiple of what programs take alone."""
        if name in self.plan.deadline_s:
            return self.plan.deadline_s[name]
        factor = self.plan.deadline_factor or self.plan.workloads[name].deadline_factor
        return factor * statistics.fmean((await self.alone(name))["latency_s"])

    async def alone(self, name: str) -> JSON:
        """Seconds and tokens of programs that have the engine to themselves, with the fixed cap."""
        for line in self.raw.of_kind("alone"):
            if line["workload"] == name:
                return line
        loop = asyncio.get_running_loop()
        run = await self.runner(name, ARMS[ENGINE])
        latency_s, tokens = [], []
        coming = arrivals(self.plan.questions, 1.0, 1e9, f"{self.plan.seed}-{name}-alone", most=self.plan.alone + 1)
        for each in coming:
            began = loop.time()
            answer = await run(each)
            latency_s.append(loop.time() - began)
            tokens.append(answer.usage.produced)
        # The first one met an engine that was not warm.
        self.raw.add("alone", {"workload": name, "latency_s": latency_s[1:], "tokens": tokens[1:]})
        self.say(f"{name} alone: {statistics.fmean(latency_s[1:]):.2f} s, {statistics.fmean(tokens[1:]):.0f} tokens")
        return await self.alone(name)

    async def difficulties(self) -> dict[str, int]:
        """From trial runs: single samples of each question, however its programs are served later."""
        stored = self.raw.first("trials")
        if stored is None:
            stored = {"of": self.plan.trials, "right": await self._trials()}
            self.raw.add("trials", stored)
        return {id: difficulty(num_right, stored["of"]) for id, num_right in stored["right"].items()}

    async def _trials(self) -> dict[str, int]:
        self.say(f"{self.plan.trials} trials of {len(self.plan.questions)} questions ...")
        concurrency = (await self.sustained())["concurrency"]
        runtime = Runtime(self.engine, self.reader, concurrency=concurrency)
        program = make_program("self-consistency")
        options = Options(max_samples=self.plan.trials, sampling=self.plan.sampling, seed=self.plan.seed)
        right: dict[str, int] = {}
        waiting = iter(self.plan.questions)

        async def work() -> None:
            for question in waiting:
                answer = await runtime.run(question, program, Fixed(), options)
                assert question.reference is not None, "the plan has checked its questions"
                found = [each.answer for each in answer.branches if each.answer is not None]
                right[question.id] = sum([await self.reader.same(each, question.reference) for each in found])

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
        return {question.id: right[question.id] for question in self.plan.questions}


class TokenCount:
    """Counts the tokens of requests that are over."""

    def __init__(self) -> None:
        self.num_tokens = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestEnded):
            self.num_tokens += event.num_tokens
