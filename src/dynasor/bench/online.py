"""The online benchmark on one engine: its baselines first, then cells near the knees of all arms, then the report.

All waiting and all time are the event loop's, so that it runs on a virtual clock as well; only what our own process
takes (processor time, memory) is asked of the system.
"""

from __future__ import annotations

import asyncio
import math
import resource
import statistics
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from dynasor.answers import AnswerReader
from dynasor.bench.arrivals import arrivals
from dynasor.bench.baselines import Baselines
from dynasor.bench.cells import Cell, Judge, cell_of
from dynasor.bench.driving import Served, serve
from dynasor.bench.plan import Plan
from dynasor.bench.raw import RawResults
from dynasor.bench.report import report
from dynasor.bench.search import Search, Wanted
from dynasor.bench.workloads import ARMS, ENGINE, OURS
from dynasor.engines.protocol import Engine
from dynasor.rewards import Reward, entered, open_reward
from dynasor.vocabulary import JSON

LOAD = 0.9
"""Of what the engine sustains, where the search for the baseline's knee begins."""
MEBIBYTE = 1024.0 * 1024.0


@dataclass(frozen=True, slots=True)
class OnlineBenchmark:
    """One run of a plan. What ``raw`` has already is not measured again. ``say`` hears what is going on."""

    plan: Plan
    engine: Engine
    reader: AnswerReader
    raw: RawResults
    say: Callable[[str], None] = lambda line: None

    async def run(self) -> JSON:
        """Measure what is missing, as far as the budget goes; the report on all that there is."""
        budget_s = math.inf if self.plan.budget_s is None else self.plan.budget_s
        ends_at = asyncio.get_running_loop().time() + budget_s
        async with AsyncExitStack() as stack:
            rewards: dict[str, Reward | None] = {}
            for name, each in self.plan.workloads.items():
                rewards[name] = None if each.reward is None else open_reward(each.reward)
                await stack.enter_async_context(entered(rewards[name]))
            baselines = Baselines(self.plan, self.engine, self.reader, self.raw, rewards, self.say)
            bases = {name: await baselines.base_s(name) for name in self.plan.workloads}
            judge = Judge(bases, await baselines.difficulties())
            is_complete = await self._measure(baselines, judge, ends_at)
        self.raw.add("process", process())
        return self._report(judge, is_complete)

    @property
    def cells(self) -> list[Cell]:
        return [Cell.of_json(line) for line in self.raw.of_kind("cell")]

    async def _measure(self, baselines: Baselines, judge: Judge, ends_at: float) -> bool:
        """All cells; whether nothing was left for want of time."""
        search = await self._search(baselines)
        while (wanted := search.wanted(self.cells, judge)) is not None:
            expected_s = self._expected_s(wanted, await baselines.window_s(wanted.workload))
            if asyncio.get_running_loop().time() + expected_s > ends_at:
                self.say("the time is up; start it again to go on")
                return False
            cell = await self._cell(baselines, wanted)
            self.raw.add("cell", cell.to_json())
            point = judge.point(cell)
            self.say(
                f"{wanted.workload}, repetition {wanted.repetition + 1}, {wanted.arm}: {wanted.rate:.3f} programs/s, "
                f"tightest scale {point.scale:.2f} ({len(cell.questions)} programs, {cell.tokens_per_s:.0f} tokens/s)"
            )
        return True

    def _expected_s(self, wanted: Wanted, window_s: float) -> float:
        """As long as the longest cell of the arm took."""
        like = [cell.wall_s for cell in self.cells if (cell.workload, cell.arm) == (wanted.workload, wanted.arm)]
        return max(like, default=1.5 * window_s)

    async def _search(self, baselines: Baselines) -> Search:
        tokens_per_s = (await baselines.sustained())["tokens_per_s"]
        guesses = {}
        for name in self.plan.workloads:
            guesses[name] = LOAD * tokens_per_s / statistics.fmean((await baselines.alone(name))["tokens"])
        first_try = {name: arm.first_try for name, arm in ARMS.items() if name in self.plan.arms}
        return Search(guesses, first_try, self.plan.repetitions)

    async def _cell(self, baselines: Baselines, wanted: Wanted) -> Cell:
        plan, loop = self.plan, asyncio.get_running_loop()
        workload, arm = plan.workloads[wanted.workload], ARMS[wanted.arm]
        seed = f"{plan.seed}-{wanted.workload}-{wanted.repetition}"
        window_s = await baselines.window_s(wanted.workload)
        coming = arrivals(plan.questions, wanted.rate, window_s, seed)
        run = await baselines.runner(wanted.workload, arm)
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

    async def _is_right(self, served: Served) -> bool:
        text = None if served.answer is None else served.answer.text
        reference = served.arrival.question.reference
        assert reference is not None, "the plan has checked its questions"
        return text is not None and await self.reader.same(text, reference)

    def _report(self, judge: Judge, is_complete: bool) -> JSON:
        cells, info, sustained = self.cells, self.engine.info, self.raw.first("sustained") or {}
        sessions = list(self.raw.of_kind("process"))
        levels = list(judge.difficulties.values())
        return {
            "is_complete": is_complete,
            "engine": {"kind": info.kind, "model": info.model},
            "settings": self.plan.settings() | {"repetitions": self.plan.repetitions},
            "sustained": sustained,
            "alone_s": {line["workload"]: statistics.fmean(line["latency_s"]) for line in self.raw.of_kind("alone")},
            "difficulties": {str(level): levels.count(level) for level in sorted(set(levels))},
            "peak_memory_mib": max(each["peak_memory_mib"] for each in sessions),
            "workloads": report(
                cells,
                judge,
                baseline=ENGINE,
                subject=OURS,
                sustained_tokens_per_s=sustained.get("tokens_per_s", 0.0),
            ),
        }


def cpu_s() -> float:
    """Processor time of this process so far, without its children."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def process() -> JSON:
    """What this process has taken, of memory at its peak."""
    kibibytes_or_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return {"cpu_s": cpu_s(), "peak_memory_mib": kibibytes_or_bytes * unit / MEBIBYTE}
