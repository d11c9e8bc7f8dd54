"""Policies through the whole runtime: what programs are expected to take decides whose requests start."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, SelfConsistency
from dynasor.errors import InputError
from dynasor.events import Event, ProgramEnded, RequestStarted
from dynasor.scheduling import watch
from tests.in_process_engine import InProcessEngine, says


async def order_of_starts(policy: str, **options: Options) -> list[str]:
    """Programs by when their first request started, on one place; they arrive in the order given."""
    started: dict[str, None] = {}

    def hear(event: Event) -> None:
        if isinstance(event, RequestStarted):
            started.setdefault(event.program_id)

    async with InProcessEngine(says("42")) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=1, policy=policy, listener=hear)
        async with asyncio.TaskGroup() as group:
            for name, each in options.items():
                question = Question.of_text("How many?", name)
                group.create_task(runtime.run(question, SelfConsistency(), Fixed(), each, program_id=name))
    return list(started)


@pytest.mark.parametrize(
    ("policy", "order"),
    [
        ("fcfs", ["first", "long", "short"]),
        ("gang", ["first", "long", "short"]),
        ("sjf", ["first", "short", "long"]),
        ("deadline", ["first", "short", "long"]),
    ],
)
async def test_the_units_left_to_a_program_decide_under_sjf(policy: str, order: list[str]) -> None:
    options = {"first": 1, "long": 12, "short": 2}
    assert await order_of_starts(policy, **{name: Options(max_samples=cap) for name, cap in options.items()}) == order


async def test_a_deadline_that_is_close_goes_first_and_one_that_is_not_does_not() -> None:
    options = {
        "first": Options(max_samples=1),
        "short": Options(max_samples=2),
        "later": Options(max_samples=4, deadline_s=10_000.0),
        "soon": Options(max_samples=4, deadline_s=2.0),
    }
    assert await order_of_starts("deadline", **options) == ["first", "soon", "short", "later"]


async def test_a_smaller_priority_goes_first() -> None:
    options = {f"p{priority}": Options(max_samples=1, priority=priority) for priority in (2, 1, 0)}
    assert await order_of_starts("gang", **options) == ["p2", "p0", "p1"], "p2 found an empty engine"


async def order_of_ends(policy: str) -> list[str]:
    """Three programs whose samples are granted and looked at one by one, on one place."""
    ended: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, ProgramEnded):
            ended.append(event.program_id)

    async with InProcessEngine(says("1", "2", "3", "4", "5", "6")) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=1, policy=policy, listener=hear)
        async with asyncio.TaskGroup() as group:
            for name, cap in {"long": 6, "middle": 4, "short": 2}.items():
                question = Question.of_text("How many?", name)
                group.create_task(
                    runtime.run(question, SelfConsistency(), watch(), Options(max_samples=cap), program_id=name)
                )
    return ended


async def test_a_program_that_looks_at_what_came_back_keeps_its_place_in_a_gang() -> None:
    assert await order_of_ends("gang") == ["long", "middle", "short"]


async def test_requests_as_they_come_keep_none() -> None:
    assert await order_of_ends("fcfs") == ["short", "middle", "long"]


async def test_what_a_profile_says_of_tokens_counts_before_a_program_has_finished_a_unit() -> None:
    """Of many cheap samples and a few dear ones, the many are less; without a profile they would seem more."""
    cheap, dear = Options(max_samples=8, mean_tokens_per_unit=10), Options(max_samples=2, mean_tokens_per_unit=1000)
    options = {"first": Options(max_samples=1), "dear": dear, "cheap": cheap}
    assert await order_of_starts("sjf", **options) == ["first", "cheap", "dear"]
    unknown = {name: replace(each, mean_tokens_per_unit=None) for name, each in options.items()}
    assert await order_of_starts("sjf", **unknown) == ["first", "dear", "cheap"]


def test_a_unit_takes_something() -> None:
    with pytest.raises(InputError, match="mean_tokens_per_unit is 0; a number above 0 was expected"):
        Options(mean_tokens_per_unit=0)
