"""A batch under a budget, on scripted samples: what it spends, what it writes, and how it goes on after a kill."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from dynasor import AnswerReader, Options, SelfConsistency
from dynasor.batch import BatchJob, check_questions, run_batch
from dynasor.batch.even_split import compare_with_even_split, samples_of_even_split
from dynasor.batch.results import ResultFile
from dynasor.batch.summary import replay_even_allocations
from dynasor.errors import EngineFailed, EngineRejected, EngineUnreachable, InputError
from dynasor.programs import Session
from dynasor.scheduling import Budget, Fixed
from dynasor.vocabulary import JSON, Answer, Certaindex, Request
from tests.batch.test_run import lines_of, write_questions
from tests.in_process_engine import InProcessEngine, Reply, Script

QUESTIONS = 60


def number_of(request: Request) -> int:
    """Of the question, as ``write_questions`` asks it."""
    assert isinstance(request.prompt, tuple)
    return int(request.prompt[0].content[8:-1])


def population(request: Request) -> Reply:
    """Every third question is open, and its samples are longer; the others are easy."""
    if number_of(request) % 3:
        return Reply("\\boxed{1}", num_tokens=3)
    assert request.sampling.seed is not None
    answer = random.Random(request.sampling.seed).choices("123", (5, 3, 2))[0]
    return Reply(f"\\boxed{{{answer}}}", num_tokens=9)


def make_job(folder: Path, budget: Budget, **changes: object) -> BatchJob:
    questions = folder / "in.jsonl"
    if not questions.exists():
        write_questions(folder, QUESTIONS)
    job = BatchJob(
        questions=check_questions(questions),
        output=folder / "out.jsonl",
        program=SelfConsistency,
        allocator_name="budget",
        allocator=Fixed(),
        options=Options(max_samples=12),
        fingerprint={"--seed": 0},
        concurrency=8,
        budget=budget,
    )
    return replace(job, **changes)  # type: ignore[arg-type]  # a test's own keyword arguments


def of_samples(per_question: float) -> Budget:
    return Budget.of_samples(per_question, QUESTIONS, 12)


async def run(job: BatchJob, script: Script = population) -> tuple[JSON, InProcessEngine]:
    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        return await run_batch(job, engine, reader), engine


async def test_samples_go_from_easy_questions_to_open_ones(tmp_path: Path) -> None:
    job = make_job(tmp_path, of_samples(4))
    summary, engine = await run(job)
    lines = lines_of(job.output)
    assert sorted(line["id"] for line in lines) == sorted(f"q{i}" for i in range(QUESTIONS))
    drawn = {line["id"]: line["samples"] for line in lines}
    assert sum(drawn.values()) == len(engine.requests) == summary["budget"]["spent"]
    assert 0.95 <= summary["budget"]["share_spent"] <= 1.0
    assert summary["budget"]["unit"] == "samples"
    assert summary["budget"]["total"] == 4 * QUESTIONS
    easy = [samples for id, samples in drawn.items() if int(id[1:]) % 3]
    hard = [samples for id, samples in drawn.items() if not int(id[1:]) % 3]
    assert 2 * sum(easy) / len(easy) < sum(hard) / len(hard)
    assert {line["stop_reason"] for line in lines} <= {"price", "cap"}
    assert all(len(line["bids"]) == line["samples"] - (2 if line["stop_reason"] == "cap" else 1) for line in lines)


async def test_tokens_are_counted_where_they_are_the_unit(tmp_path: Path) -> None:
    job = make_job(tmp_path, Budget.of_tokens(1200))
    summary, engine = await run(job)
    assert summary["budget"]["spent"] == engine.produced
    assert 0.95 * 1200 <= engine.produced <= 1200


async def test_the_fixed_arm_is_not_under_the_budget_and_gives_the_even_split(tmp_path: Path) -> None:
    job = make_job(tmp_path, of_samples(4), compare_fixed=True)
    summary, _ = await run(job)
    assert summary["arms"]["fixed"]["samples_per_question"] == 12
    even = summary["budget"]["even_split"]
    assert even["samples_per_question"] == 4
    assert even["accuracy"] == pytest.approx(summary["even_allocation"]["accuracy_by_samples"][3])
    difference = even["difference"]
    assert difference["questions"] == QUESTIONS
    assert difference["mean"] == pytest.approx(summary["arms"]["budget"]["accuracy"] - even["accuracy"])
    assert difference["interval"][0] <= difference["mean"] <= difference["interval"][1]
    assert 0 < difference["p_value"] <= 1


async def run_until(job: BatchJob, requests: int) -> None:
    """Kill the run at its so manieth request."""
    asked = 0

    def script(request: Request) -> Reply:
        nonlocal asked
        asked += 1
        if asked == requests:
            task.cancel()
        return population(request)

    task = asyncio.create_task(run(job, script))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_killed_it_goes_on_within_the_same_total(tmp_path: Path) -> None:
    job = make_job(tmp_path, of_samples(4))
    for kill_after in (40, 90, 60):
        await run_until(job, kill_after)
        with job.output.open("ab") as file:
            file.write(b'{"id": "q7", "ans')
    whole = job.output.read_text().splitlines()[:-1]
    half = {line["id"]: line for line in map(json.loads, whole)}
    assert 0 < len(half) < QUESTIONS
    summary, _ = await run(job)
    lines = {line["id"]: line for line in lines_of(job.output)}
    assert len(lines) == len(lines_of(job.output)) == QUESTIONS
    assert {id: lines[id] for id in half} == half, "what was finished stays"
    assert 0.95 <= summary["budget"]["share_spent"] <= 1.0
    assert sum(line["samples"] for line in lines.values()) <= 4 * QUESTIONS


async def test_a_finished_budget_run_again_spends_nothing_and_says_the_same(tmp_path: Path) -> None:
    job = make_job(tmp_path, of_samples(3), compare_fixed=True)
    first, _ = await run(job)
    again, engine = await run(job)
    assert engine.produced == 0
    assert again["budget"] == first["budget"]


async def test_a_total_that_is_too_small_ends_the_run_with_the_least_that_is_needed(tmp_path: Path) -> None:
    job = make_job(tmp_path, Budget.of_tokens(200))
    with pytest.raises(InputError, match=r"the budget is 200 tokens; about \d+ or more was expected: 2 samples for"):
        await run(job)
    assert len(lines_of(job.output)) >= 8, "what was finished is kept"


async def test_failed_questions_and_failed_attempts_are_paid_for(tmp_path: Path) -> None:
    broken: set[int] = set()

    def script(request: Request) -> Reply:
        number = number_of(request)
        if number == 5:
            return Reply("", num_tokens=2, fails_after=1, error=EngineRejected("too long"))
        if number % 10 == 7 and number not in broken:
            broken.add(number)
            return Reply("", num_tokens=3, fails_after=2, error=EngineFailed("the stream was cut"))
        return population(request)

    job = make_job(tmp_path, Budget.of_tokens(1200))
    summary, engine = await run(job, script)
    assert summary["arms"]["budget"]["failed"] == 1
    assert summary["budget"]["spent"] == engine.produced <= 1200
    again, _ = await run(job)
    assert again["budget"] == summary["budget"]


async def test_an_engine_that_goes_away_under_a_budget(tmp_path: Path) -> None:
    def script(request: Request) -> Reply:
        gone = EngineUnreachable("gone")
        return Reply("", fails_after=0, error=gone) if number_of(request) == 30 else population(request)

    job = make_job(tmp_path, of_samples(4))
    with pytest.raises(EngineUnreachable):
        await run(job, script)
    summary, _ = await run(job)
    assert summary["arms"]["budget"]["questions"] == QUESTIONS
    assert summary["budget"]["share_spent"] <= 1.0


class Chain:
    """A program that measures how settled it is, but does not vote."""

    async def execute(self, session: Session) -> Answer:
        certaindex = Certaindex(0.5, {"stability": 0.5})
        while session.grant(most=1):
            await session.generate(session.question.messages)
            session.observe(certaindex, "1")
        return Answer("1", certaindex)


async def test_programs_that_do_not_vote_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="judges votes, and this program's certaindex has none"):
        await run(make_job(tmp_path, of_samples(4), program=Chain))


async def test_the_order_is_random_and_the_same_for_one_seed(tmp_path: Path) -> None:
    questions = check_questions(write_questions(tmp_path, 50))
    in_file = [question.id for question in questions]
    first, again, other = ([q.id for q in questions.in_random_order(seed)] for seed in (1, 1, 2))
    assert first == again
    assert sorted(first) == sorted(in_file) == sorted(other)
    assert len({tuple(in_file), tuple(first), tuple(other)}) == 3


def test_how_many_samples_an_even_split_has() -> None:
    assert samples_of_even_split(Budget.of_tokens(1000), 10, 40.0) == 2.5
    assert samples_of_even_split(Budget.of_samples(2.5, 10, 16), 10, 40.0) == 2.5


def test_even_split_by_hand(tmp_path: Path) -> None:
    """Two questions; an even split of one and a half samples is right on the first, and on the second never."""
    right, wrong = ({"answer": answer, "tokens": 5, "correct": answer == "1"} for answer in "12")
    line = {"stop_reason": "cap", "samples": 2, "usage": {"main": 10}}
    fixed: list[JSON] = [
        {**line, "id": "a", "answer": "1", "correct": True, "branches": [right, right]},
        {**line, "id": "b", "answer": "2", "correct": False, "branches": [wrong, wrong]},
    ]
    results: list[JSON] = [{"id": "b", "correct": True}, {"id": "a", "correct": True}, {"id": "unscored"}]
    even = replay_even_allocations(fixed, 2, 0)
    assert even is not None
    found = compare_with_even_split(results, fixed, Budget.of_tokens(22.5), even, 0)
    assert found is not None
    assert (found["samples_per_question"], found["accuracy"]) == (1.5, 0.5)
    assert (found["difference"]["mean"], found["difference"]["questions"]) == (0.5, 2)
    assert compare_with_even_split([{"id": "x"}], fixed, Budget.of_tokens(9), even, 0) is None
    assert compare_with_even_split([], fixed, Budget.of_tokens(9), even, 0) is None


async def test_openai_lines_carry_the_bids_too(tmp_path: Path) -> None:
    path = write_questions(tmp_path, QUESTIONS, "openai")
    job = make_job(tmp_path, of_samples(3), questions=check_questions(path))
    await run(job)
    with ResultFile(job.output, job.questions.format) as results:
        assert all("bids" in record for record in results.records())
    _, engine = await run(job)
    assert engine.produced == 0
