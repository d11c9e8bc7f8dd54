"""A cell of the study at scale: programs of a scenario on simulated replicas, on a virtual clock.

Sent by the driver of the online benchmark (``bench.driving``), run by the production runtime.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.scale_scenarios import SAMPLING, Kind, Scenario
from dynasor import AnswerReader
from dynasor.bench.arrivals import Arrival, arrivals
from dynasor.bench.cells import Cell, cell_of
from dynasor.bench.driving import Served, serve
from dynasor.bench.search import Wanted
from dynasor.bench.workloads import UNLIMITED, Arm
from dynasor.programs import Program
from dynasor.rewards import entered, open_reward
from dynasor.runtime import Runtime
from dynasor.simulation.answers import SimulatedQuestion
from dynasor.simulation.clock import run_virtually
from dynasor.simulation.engine import SimulatedEngine
from dynasor.simulation.simulate import NEVER_SLOW, collecting_rarely
from dynasor.simulation.writing import QuestionAuthor
from dynasor.vocabulary import Answer, Question

POOL = 340
"""Different questions of a scenario, as far as there are so many."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The questions of a scenario by id, each with the kind of its program."""

    entries: Mapping[str, tuple[Kind, SimulatedQuestion]]

    @classmethod
    def of(cls, kinds: Sequence[Kind], seed: int) -> Pool:
        shares = sum(kind.share for kind in kinds)
        return cls(
            {
                f"{kind.name}-{number}": (kind, question)
                for kind in kinds
                for number, question in enumerate(kind.draw(max(1, POOL * kind.share // shares), f"{seed}-pool"))
            }
        )

    @property
    def questions(self) -> list[Question]:
        """What arrivals are drawn from; what programs are given to read says the author."""
        return [Question.of_text(id, id) for id in self.entries]

    def of_kind(self, name: str) -> Pool:
        return Pool({id: entry for id, entry in self.entries.items() if entry[0].name == name})

    def is_right(self, served: Served) -> bool:
        _, question = self.entries[served.arrival.question.id]
        return served.answer is not None and served.answer.text in (question.right or ())


@dataclass(frozen=True, slots=True)
class Alone:
    """What programs of a kind take that have a replica to themselves, at their cap."""

    latency_s: float
    tokens: float


def alone(scenario: Scenario, kind: Kind, count: int, seed: int) -> Alone:
    """One after the other, on the baseline's engine."""
    pool = Pool.of(scenario.kinds, seed).of_kind(kind.name)
    coming = arrivals(pool.questions, 1e-6, 1e12, f"{seed}-{kind.name}-alone", most=count)
    served, _ = run_virtually(_served(scenario, pool, scenario.arms[0], coming))
    return Alone(
        statistics.fmean(each.latency_s for each in served),
        statistics.fmean(each.answer.usage.produced for each in served if each.answer is not None),
    )


def measured(
    scenario: Scenario, wanted: Wanted, *, window_s: float, pool_seed: int, seed: int, most: int | None = None
) -> Cell:
    """The cell that is wanted. ``cpu_s`` is what the whole simulation took, engines included."""
    pool = Pool.of(scenario.kinds, pool_seed)
    arm = next(each for each in scenario.arms if each.name == wanted.arm)
    coming = arrivals(pool.questions, wanted.rate, window_s, f"{seed}-{wanted.repetition}", most=most)
    began = time.process_time()
    with collecting_rarely():
        served, wall_s = run_virtually(_served(scenario, pool, arm, coming))
    return cell_of(
        served,
        [pool.is_right(each) for each in served],
        [pool.entries[each.arrival.question.id][0].workload.cap for each in served],
        workload=scenario.name,
        arm=arm.name,
        repetition=wanted.repetition,
        rate=wanted.rate,
        window_s=window_s,
        wall_s=wall_s,
        cpu_s=time.process_time() - began,
    )


async def _served(scenario: Scenario, pool: Pool, arm: Arm, coming: Sequence[Arrival]) -> tuple[list[Served], float]:
    """What became of them, and the virtual seconds that it took."""
    loop = asyncio.get_running_loop()
    author = QuestionAuthor()
    engines = [SimulatedEngine(scenario.profile, author) for _ in range(scenario.num_replicas)]
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(AnswerReader())
        programs: dict[str, Program] = {}
        for kind in scenario.kinds:
            reward = None if kind.workload.reward is None else open_reward(kind.workload.reward)
            await stack.enter_async_context(entered(reward))
            programs[kind.name] = kind.workload.make_program(reward, arm.decider)
        styles = {kind.name: kind.stream.style() for kind in scenario.kinds}
        runtime = Runtime(
            engines,
            reader,
            concurrency=scenario.at_once if arm.is_limited else UNLIMITED,
            policy=arm.policy,
            recovery=NEVER_SLOW,
        )

        async def run(arrival: Arrival) -> Answer:
            kind, simulated = pool.entries[arrival.question.id]
            program_id = str(arrival.number)
            question = author.begins(program_id, simulated, kind.manner, styles[kind.name])
            allocator = kind.workload.allocator(arm.decider)
            options = kind.workload.options(arm.decider, SAMPLING, arrival.seed)
            try:
                return await runtime.run(question, programs[kind.name], allocator, options, program_id=program_id)
            finally:
                author.ends(program_id)

        began = loop.time()
        served = await serve(coming, run)
        return served, loop.time() - began
