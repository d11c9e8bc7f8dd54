"""The online benchmark on one engine: what it sustains, how hard questions are, deadlines, then cells near the knees.

All waiting and all time are the event loop's, so that it runs on a virtual clock as well; only what our own process
takes (processor time, memory) is asked of the system.
"""

from __future__ import annotations

import asyncio
import math
import resource
import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from dynasor.answers import AnswerReader
from dynasor.bench.arrivals import Arrival, arrivals
from dynasor.bench.cells import Cell, Judge, cell_of
from dynasor.bench.deadlines import difficulty
from dynasor.bench.driving import Served, serve
from dynasor.bench.raw import RawResults
from dynasor.bench.report import report
from dynasor.bench.search import Search, Wanted
from dynasor.bench.workloads import ARMS, ENGINE, OURS, UNLIMITED, Arm, Workload
from dynasor.engines.protocol import Engine
from dynasor.errors import InputError
from dynasor.events import Event, RequestEnded
from dynasor.programs import make_program
from dynasor.rewards import Reward, entered, open_reward
from dynasor.runtime import Options, Runtime
from dynasor.scheduling import Fixed
from dynasor.vocabulary import JSON, Answer, Question, Sampling

CONCURRENCIES = (8, 16, 32, 64)
NEARLY = 0.95
"""Of the best throughput; the fewest requests at once that reach it are taken."""
SUSTAINED_SHARE, SUSTAINED_S = 0.2, 2.0
"""The throughput is counted for such a share of the window at each number of requests at once, but for so long at
least."""
WARM_SHARE = 0.25
"""Of that time, before it."""
LOAD = 0.9
"""Of what the engine sustains, where the search for the baseline's knee begins."""
MEBIBYTE = 1024.0 * 1024.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a benchmark is run.

    Args:
        questions: with references.
        window_s: programs come for so long in every cell, at least.
        window_deadlines: and for so many base deadlines at least: in a shorter time a rate that cannot be borne does
            little harm yet.
        repetitions: of every knee.
        trials: samples of each question, by which its difficulty is told.
        deadline_factor: the base deadline is so many times what a program takes alone, with the fixed cap; None: as
            each workload says.
        alone: programs that are run one after the other for that, of each workload.
        concurrency: requests at once on the engine, for the arms that limit them; None: what it does best.
        budget_s: no cell is begun that would end later than this; None: until all is measured.
    """

    questions: Sequence[Question]
    workloads: Mapping[str, Workload]
    arms: Sequence[str] = tuple(ARMS)
    sampling: Sampling = field(default_factory=Sampling)
    window_s: float = 40.0
    window_deadlines: float = 4.0
    repetitions: int = 3
    trials: int = 20
    deadline_factor: float | None = None
    alone: int = 10
    concurrency: int | None = None
    seed: int = 0
    budget_s: float | None = None

    def __post_init__(self) -> None:
        for question in self.questions:
            if question.reference is None:
                raise InputError(f"the question {question.id!r} has no reference; a benchmark has to know who is right")
        for name in self.arms:
            if name not in ARMS:
                raise InputError(f"there is no arm {name!r}; choose {', '.join(ARMS)}")
        if ENGINE not in self.arms:
            raise InputError(f"the arm {ENGINE} is the baseline and has to be among the arms")
        for name in ("window_s", "window_deadlines", "deadline_factor"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value}; a number above 0 was expected")

    def settings(self) -> JSON:
        """What results depend on, but for the engine."""
        return {
            "questions": [question.id for question in self.questions],
            "workloads": {name: each.to_json() for name, each in self.workloads.items()},
            "arms": list(self.arms),
            "temperature": self.sampling.temperature,
            "max_tokens": self.sampling.max_tokens,
            "window_s": self.window_s,
            "window_deadlines": self.window_deadlines,
            "trials": self.trials,
            "deadline_factor": self.deadline_factor,
            "alone": self.alone,
            "concurrency": self.concurrency,
            "seed": self.seed,
        }


class OnlineBenchmark:
    """One run of a plan. What ``raw`` has already is not measured again. ``say`` hears what is going on."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        reader: AnswerReader,
        raw: RawResults,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._reader = reader
        self._raw = raw
        self._say = say
        self._rewards: dict[str, Reward | None] = {}
        self._began = 0.0

    async def run(self) -> JSON:
        """Measure what is missing, as far as the budget goes; the report on all that there is."""
        self._began = asyncio.get_running_loop().time()
        async with AsyncExitStack() as stack:
            for name, each in self._plan.workloads.items():
                reward = None if each.reward is None else open_reward(each.reward)
                await stack.enter_async_context(entered(reward))
                self._rewards[name] = reward
            judge = Judge({name: await self._base_s(name) for name in self._plan.workloads}, await self._difficulties())
            is_complete = await self._measure(judge)
        self._raw.add("process", process())
        return self._report(judge, is_complete)

    @property
    def cells(self) -> list[Cell]:
        return [Cell.of_json(line) for line in self._raw.of_kind("cell")]

    async def _measure(self, judge: Judge) -> bool:
        """All cells; whether nothing was left for want of time."""
        search = await self._search()
        while (wanted := search.wanted(self.cells, judge)) is not None:
            if not await self._has_time(wanted):
                self._say("the time is up; start it again to go on")
                return False
            cell = await self._cell(wanted)
            self._raw.add("cell", cell.to_json())
            point = judge.point(cell)
            self._say(
                f"{wanted.workload}, repetition {wanted.repetition + 1}, {wanted.arm}: {wanted.rate:.3f} programs/s, "
                f"tightest scale {point.scale:.2f} ({len(cell.questions)} programs, {cell.tokens_per_s:.0f} tokens/s)"
            )
        return True

    async def _has_time(self, wanted: Wanted) -> bool:
        if self._plan.budget_s is None:
            return True
        like = [cell.wall_s for cell in self.cells if (cell.workload, cell.arm) == (wanted.workload, wanted.arm)]
        expected_s = max(like, default=1.5 * await self._window_s(wanted.workload))
        return asyncio.get_running_loop().time() - self._began + expected_s <= self._plan.budget_s

    async def _search(self) -> Search:
        tokens_per_s = (await self._sustained())["tokens_per_s"]
        guesses = {}
        for name in self._plan.workloads:
            guesses[name] = LOAD * tokens_per_s / statistics.fmean((await self._alone(name))["tokens"])
        first_try = {name: arm.first_try for name, arm in ARMS.items() if name in self._plan.arms}
        return Search(guesses, first_try, self._plan.repetitions)

    async def _cell(self, wanted: Wanted) -> Cell:
        plan, loop = self._plan, asyncio.get_running_loop()
        workload, arm = plan.workloads[wanted.workload], ARMS[wanted.arm]
        seed = f"{plan.seed}-{wanted.workload}-{wanted.repetition}"
        window_s = await self._window_s(wanted.workload)
        coming = arrivals(plan.questions, wanted.rate, window_s, seed)
        run = await self._runner(wanted.workload, arm)
        began, began_cpu_s = loop.time(), cpu_s()
        served = await serve(coming, run)
        wall_s, spent_s = loop.time() - began, cpu_s() - began_cpu_s
        return cell_of(
            served,
            [await self._is_right(each) for each in served],
            [workload.cap] * len(served),
            workload=wanted.workload,
            arm=wanted.arm,
            repetition=wanted.repetition,
            rate=wanted.rate,
            window_s=window_s,
            wall_s=wall_s,
            cpu_s=spent_s,
        )

    async def _runner(self, name: str, arm: Arm) -> Callable[[Arrival], Awaitable[Answer]]:
        """What runs a program as ``arm`` does, on a runtime that has learned nothing yet."""
        workload = self._plan.workloads[name]
        concurrency = (await self._sustained())["concurrency"] if arm.is_limited else UNLIMITED
        runtime = Runtime(self._engine, self._reader, concurrency=concurrency, policy=arm.policy)
        program = workload.make_program(self._rewards[name], arm.decider)
        allocator = workload.allocator(arm.decider)

        async def run(arrival: Arrival) -> Answer:
            options = workload.options(arm.decider, self._plan.sampling, arrival.seed)
            return await runtime.run(arrival.question, program, allocator, options, program_id=str(arrival.number))

        return run

    async def _is_right(self, served: Served) -> bool:
        text = None if served.answer is None else served.answer.text
        reference = served.arrival.question.reference
        assert reference is not None, "the plan has checked its questions"
        return text is not None and await self._reader.same(text, reference)

    async def _sustained(self) -> JSON:
        """What the engine produces with always enough to do, by requests at once, and how many it does best."""
        stored = self._raw.first("sustained")
        if stored is not None:
            return stored
        plan = self._plan
        tried = CONCURRENCIES if plan.concurrency is None else (plan.concurrency,)
        rates = {}
        for concurrency in tried:
            rates[concurrency] = await self._sustained_at(concurrency)
            self._say(f"{concurrency} requests at once: {rates[concurrency]:.0f} tokens/s")
        best = min(each for each in tried if rates[each] >= NEARLY * max(rates.values()))
        by_concurrency = {str(each): rate for each, rate in rates.items()}
        self._raw.add("sustained", {"concurrency": best, "tokens_per_s": rates[best], "by_concurrency": by_concurrency})
        return self._raw.first("sustained") or {}

    async def _sustained_at(self, concurrency: int) -> float:
        """Tokens a second, counted when their requests end."""
        counted = TokenCount()
        name = next(iter(self._plan.workloads))
        workload, questions = self._plan.workloads[name], self._plan.questions
        runtime = Runtime(self._engine, self._reader, concurrency=concurrency, listener=counted)
        program = workload.make_program(self._rewards[name], "fixed")
        loop = asyncio.get_running_loop()
        warm: list[tuple[float, int]] = []
        sustained_s = max(SUSTAINED_S, SUSTAINED_SHARE * self._plan.window_s)
        warm_s = WARM_SHARE * sustained_s
        loop.call_later(warm_s, lambda: warm.append((loop.time(), counted.num_tokens)))

        async def work(worker: int) -> None:
            for number in range(worker, sys.maxsize, concurrency):
                options = workload.options("fixed", self._plan.sampling, self._plan.seed + number)
                await runtime.run(questions[number % len(questions)], program, Fixed(), options)

        try:
            async with asyncio.timeout(warm_s + sustained_s), asyncio.TaskGroup() as group:
                for worker in range(concurrency):
                    group.create_task(work(worker))
        except TimeoutError:
            pass
        began, num_tokens = warm[0]
        return (counted.num_tokens - num_tokens) / (loop.time() - began)

    async def _window_s(self, name: str) -> float:
        return max(self._plan.window_s, self._plan.window_deadlines * await self._base_s(name))

    async def _base_s(self, name: str) -> float:
        factor = self._plan.deadline_factor or self._plan.workloads[name].deadline_factor
        return factor * statistics.fmean((await self._alone(name))["latency_s"])

    async def _alone(self, name: str) -> JSON:
        """Seconds and tokens of programs that have the engine to themselves, with the fixed cap."""
        for line in self._raw.of_kind("alone"):
            if line["workload"] == name:
                return line
        loop = asyncio.get_running_loop()
        run = await self._runner(name, ARMS[ENGINE])
        latency_s, tokens = [], []
        coming = arrivals(self._plan.questions, 1.0, 1e9, f"{self._plan.seed}-{name}-alone", most=self._plan.alone + 1)
        for each in coming:
            began = loop.time()
            answer = await run(each)
            latency_s.append(loop.time() - began)
            tokens.append(answer.usage.produced)
        # The first one met an engine that was not warm.
        self._raw.add("alone", {"workload": name, "latency_s": latency_s[1:], "tokens": tokens[1:]})
        self._say(f"{name} alone: {statistics.fmean(latency_s[1:]):.2f} s, {statistics.fmean(tokens[1:]):.0f} tokens")
        return await self._alone(name)

    async def _difficulties(self) -> dict[str, int]:
        """From trial runs: single samples of each question, however its programs are served later."""
        stored = self._raw.first("trials")
        if stored is None:
            stored = {"of": self._plan.trials, "right": await self._trials()}
            self._raw.add("trials", stored)
        return {id: difficulty(num_right, stored["of"]) for id, num_right in stored["right"].items()}

    async def _trials(self) -> dict[str, int]:
        self._say(f"{self._plan.trials} trials of {len(self._plan.questions)} questions ...")
        concurrency = (await self._sustained())["concurrency"]
        runtime = Runtime(self._engine, self._reader, concurrency=concurrency)
        program = make_program("self-consistency")
        options = Options(max_samples=self._plan.trials, sampling=self._plan.sampling, seed=self._plan.seed)
        right: dict[str, int] = {}
        waiting = iter(self._plan.questions)

        async def work() -> None:
            for question in waiting:
                answer = await runtime.run(question, program, Fixed(), options)
                assert question.reference is not None, "the plan has checked its questions"
                found = [each.answer for each in answer.branches if each.answer is not None]
                right[question.id] = sum([await self._reader.same(each, question.reference) for each in found])

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
        return {question.id: right[question.id] for question in self._plan.questions}

    def _report(self, judge: Judge, is_complete: bool) -> JSON:
        cells, info = self.cells, self._engine.info
        sessions = list(self._raw.of_kind("process"))
        levels = list(judge.difficulties.values())
        return {
            "is_complete": is_complete,
            "engine": {"kind": info.kind, "model": info.model},
            "settings": self._plan.settings() | {"repetitions": self._plan.repetitions},
            "sustained": self._raw.first("sustained"),
            "alone_s": {line["workload"]: statistics.fmean(line["latency_s"]) for line in self._raw.of_kind("alone")},
            "difficulties": {str(level): levels.count(level) for level in sorted(set(levels))},
            "peak_memory_mib": max(each["peak_memory_mib"] for each in sessions),
            "workloads": report(cells, judge, baseline=ENGINE, subject=OURS),
        }


class TokenCount:
    """Counts the tokens of requests that are over."""

    def __init__(self) -> None:
        self.num_tokens = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestEnded):
            self.num_tokens += event.num_tokens


def cpu_s() -> float:
    """Processor time of this process so far, without its children."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def process() -> JSON:
    """What this process has taken, of memory at its peak."""
    kibibytes_or_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return {"cpu_s": cpu_s(), "peak_memory_mib": kibibytes_or_bytes * unit / MEBIBYTE}
