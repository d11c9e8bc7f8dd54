"""The simulated engine through the whole runtime, with exact times."""

from __future__ import annotations

import asyncio

import pytest

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, SelfConsistency
from dynasor.programs import Session
from dynasor.simulation import SimulatedEngine, run_virtually
from dynasor.vocabulary import Answer, Certaindex
from tests.simulation.authors import Writes, one_millisecond


class OneByOne:
    """Two requests, the second a moment after the first."""

    async def execute(self, session: Session) -> Answer:
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                await asyncio.sleep(0.0001 * number)
                group.create_task(session.generate(session.question.messages))
        return Answer("7", Certaindex(1.0, {}))


@pytest.mark.parametrize(("policy", "ends"), [("gang", [4.0, 9.0]), ("fcfs", [8.0, 10.0])])
def test_the_papers_example(policy: str, ends: list[float]) -> None:
    """Two programs of two requests each, of 4 and 5 ms, two at a time. They line up while another program, of 1 ms,
    has both places; times count from its end."""
    ended: dict[str, float] = {}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        author = Writes({"before": 1, "P1": 4, "P2": 5})
        async with SimulatedEngine(one_millisecond(), author) as engine, AnswerReader() as reader:
            runtime = Runtime(engine, reader, concurrency=2, policy=policy)

            async def run(name: str) -> None:
                program = SelfConsistency() if name == "before" else OneByOne()
                question = Question.of_text("How many?", name)
                await runtime.run(question, program, Fixed(), Options(max_samples=2), program_id=name)
                ended[name] = 1000 * loop.time() - 1

            async with asyncio.TaskGroup() as group:
                for name in ("before", "P1", "P2"):
                    group.create_task(run(name))

    run_virtually(main())
    assert ended["before"] == 0.0
    assert [ended["P1"], ended["P2"]] == pytest.approx(ends, abs=1e-9)
