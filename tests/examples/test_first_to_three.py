"""The example of a user's own program, on scripted samples and as a user calls it."""

from __future__ import annotations

import json

from dynasor import AnswerReader, Fixed, Options, Question, Runtime
from dynasor.vocabulary import StopReason
from examples.first_to_three import FirstToThree
from tests.cli.running import dynasor
from tests.in_process_engine import InProcessEngine, says


async def test_the_third_vote_ends_the_race_and_cancels_the_rest() -> None:
    async with InProcessEngine(says("1", "2", "1", "2", "1", "2", "2")) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=2)
        answer = await runtime.run(Question.of_text("?"), FirstToThree(), Fixed(), Options(max_samples=9))
    assert (answer.text, answer.num_samples, answer.stop_reason) == ("1", 5, StopReason.PROGRAM)
    assert answer.usage.produced == engine.produced
    assert len(engine.requests) <= 6


def test_from_the_command_line() -> None:
    done = dynasor(
        "solve",
        "A shop has 7 boxes of 12 pens. How many pens are there?",
        "--program",
        "examples.first_to_three:FirstToThree",
        "--allocator",
        "fixed",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answer"] == "84"
