"""Self-consistency through the whole runtime, on scripted samples."""

from __future__ import annotations

import asyncio

import pytest

from dynasor import Agreement, AnswerReader, Fixed, Options, Question, Runtime, SelfConsistency, Threshold
from dynasor.errors import BadProgram, EngineFailed, ProgramFailed
from dynasor.events import CertaindexMeasured, Event, ProgramEnded, ProgramStarted, RequestEnded
from dynasor.programs import Session, Votes
from dynasor.runtime import Recovery
from dynasor.scheduling import Allocator
from dynasor.vocabulary import (
    Allocation,
    Answer,
    Certaindex,
    FinishReason,
    Request,
    Sampling,
    Spending,
    StopReason,
    Usage,
)
from tests.in_process_engine import InProcessEngine, Reply, Script, says

QUESTION = Question.of_text("How many?", "q")
ONCE = Recovery(max_tries=1)


async def solve(
    script: Script,
    allocator: Allocator,
    *,
    concurrency: int = 32,
    max_samples: int = 16,
    events: list[Event] | None = None,
) -> tuple[Answer, InProcessEngine]:
    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        listener = (lambda event: None) if events is None else events.append
        runtime = Runtime(engine, reader, concurrency=concurrency, listener=listener)
        answer = await runtime.run(QUESTION, SelfConsistency(), allocator, Options(max_samples=max_samples))
        assert not runtime.dispatcher.scheduler.waiting
        assert not runtime.dispatcher.scheduler.running
        return answer, engine


async def test_unanimous_question_takes_one_wave() -> None:
    answer, engine = await solve(says("42"), Agreement())
    assert (answer.text, answer.num_samples, answer.stop_reason) == ("42", 4, StopReason.CERTAIN)
    assert answer.certaindex.value > 0.98
    assert answer.usage == Usage(main=12, prompt=28)
    assert answer.solution == "The answer is \\boxed{42}."
    assert len(engine.requests) == 4


async def test_fixed_takes_all_samples_and_the_majority() -> None:
    answer, engine = await solve(says("1", "2", "2", None), Fixed(), max_samples=4)
    assert (answer.text, answer.num_samples, answer.stop_reason) == ("2", 4, StopReason.CAP)
    assert engine.most_live == 4


async def test_threshold_goes_on_when_one_of_five_differs() -> None:
    answer, _ = await solve(says("1", "1", "1", "2", "1"), Threshold())
    assert (answer.text, answer.num_samples, answer.stop_reason) == ("1", 16, StopReason.CAP)


async def test_equal_answers_written_differently_are_one_vote() -> None:
    answer, _ = await solve(says("0.5", "\\frac{1}{2}", "1/2", "0.50"), Agreement())
    assert (answer.text, answer.num_samples) == ("0.5", 4)


async def test_a_sample_cut_off_by_length_has_no_answer() -> None:
    def script(request: Request) -> Reply:
        return Reply("so 12 and then 13", finish_reason=FinishReason.LENGTH)

    answer, _ = await solve(script, Agreement(), max_samples=3)
    assert (answer.text, answer.num_samples, answer.certaindex.value) == (None, 3, 0.0)


async def test_what_still_runs_is_cancelled_and_its_tokens_counted() -> None:
    """Two samples at a time of the second wave: the one that still runs when the vote settles is cancelled."""

    def script(request: Request) -> Reply:
        number = int(request.id.rsplit("-", 1)[1])
        return Reply("\\boxed{7}", num_tokens=50 if number == 3 else 2)

    answer, engine = await solve(script, Threshold({"entropy": 0.0}, detect_at=3), max_samples=8)
    assert answer.num_samples == 3
    assert answer.usage.cancelled == 0
    answer, engine = await solve(script, _StopsWith(finished=3, granted=4), max_samples=8)
    assert answer.num_samples == 3
    assert answer.usage.main == 6
    assert answer.usage.cancelled > 0
    assert answer.usage.produced == engine.produced


class _StopsWith:
    """Grants ``granted`` and stops when ``finished`` of them are back."""

    def __init__(self, finished: int, granted: int) -> None:
        self.finished = finished
        self.granted = granted

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if spending.finished >= self.finished:
            return Allocation.stop(StopReason.CERTAIN)
        return Allocation.grant(self.granted - spending.granted)


async def test_a_waiting_grant_is_not_spent_once_the_vote_is_settled() -> None:
    """One slot and a wave of four with a lead that settles after three: the fourth is never sent."""
    answer, engine = await solve(says("5"), _StopsWith(finished=3, granted=4), concurrency=1)
    assert answer.num_samples == 3
    assert len(engine.requests) == 3
    assert answer.usage == Usage(main=9, prompt=21)


async def test_the_same_seed_draws_the_same_samples_under_any_allocator() -> None:
    seeds = []
    for allocator in (Fixed(), Agreement(), Threshold()):
        _, engine = await solve(says("5"), allocator)
        seeds.append([request.sampling.seed for request in engine.requests][:4])
    assert seeds[0] == seeds[1] == seeds[2]
    assert len(set(seeds[0])) == 4


async def test_a_seed_of_the_questions_own_still_gives_every_sample_another() -> None:
    question = Question("q", QUESTION.messages, sampling=Sampling(seed=7))
    seeds = []
    for run_seed in (0, 1):
        async with InProcessEngine(says("1")) as engine, AnswerReader() as reader:
            await Runtime(engine, reader).run(
                question, SelfConsistency(), Fixed(), Options(max_samples=5, seed=run_seed)
            )
            seeds.append([request.sampling.seed for request in engine.requests])
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 5


async def test_options_of_the_question_overlay_those_of_the_run() -> None:
    question = Question("q", QUESTION.messages, sampling=Sampling(max_tokens=5))
    async with InProcessEngine(says("1")) as engine, AnswerReader() as reader:
        options = Options(max_samples=1, sampling=Sampling(temperature=0.5, max_tokens=9))
        await Runtime(engine, reader).run(question, SelfConsistency(), Fixed(), options)
        assert (engine.requests[0].sampling.temperature, engine.requests[0].sampling.max_tokens) == (0.5, 5)


async def test_a_failing_request_fails_the_program_and_ends_its_siblings() -> None:
    def script(request: Request) -> Reply:
        if request.id.endswith("-1"):
            return Reply("", num_tokens=9, fails_after=2, error=EngineFailed("the engine broke"))
        return Reply("\\boxed{1}", num_tokens=30)

    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, recovery=ONCE)
        with pytest.raises(ProgramFailed) as caught:
            await runtime.run(QUESTION, SelfConsistency(), Fixed(), Options(max_samples=3))
        assert str(caught.value) == "question 'q' failed: the engine broke"
        assert caught.value.usage.produced == engine.produced
        assert caught.value.usage.main == 0
        assert not engine.live
        assert not runtime.dispatcher.scheduler.running


async def test_the_cap_is_the_programs_not_the_blocks() -> None:
    """A program that samples in two blocks shares one cap between them."""

    class TwoBlocks:
        async def execute(self, session: Session) -> Answer:
            votes = Votes(0)
            for stop_after in (2, 99):
                async with session.branches() as branches:
                    async for completion in branches:
                        votes.add(await session.read_answer(completion), completion)
                        if votes.counts.total >= stop_after:
                            break
            return votes.answer()

    async with InProcessEngine(says("1")) as engine, AnswerReader() as reader:
        answer = await Runtime(engine, reader).run(QUESTION, TwoBlocks(), Fixed(), Options(max_samples=6))
        assert (answer.num_samples, answer.stop_reason) == (6, StopReason.CAP)


async def test_a_second_open_block_is_refused() -> None:
    class Nested:
        async def execute(self, session: Session) -> Answer:
            async with session.branches(), session.branches():
                raise AssertionError("not reached")

    async with InProcessEngine(says("1")) as engine, AnswerReader() as reader:
        with pytest.raises(BadProgram, match="one branches block open at a time"):
            await Runtime(engine, reader).run(QUESTION, Nested(), Fixed(), Options())


class _Overspends:
    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        return Allocation.grant(spending.cap + 1)


class _Dawdles:
    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        return Allocation.wait()


@pytest.mark.parametrize(
    ("allocator", "message"), [(_Overspends(), "which passes the cap"), (_Dawdles(), "neither grants nor stops")]
)
async def test_allocators_that_break_the_rules(allocator: Allocator, message: str) -> None:
    with pytest.raises(BadProgram, match=message):
        await solve(says("1"), allocator)


async def test_an_engine_error_in_a_task_group_of_the_programs_own_fails_the_program() -> None:
    class Grouped:
        async def execute(self, session: Session) -> Answer:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(session.generate("prefix"))
            raise AssertionError("not reached")

    def script(request: Request) -> Reply:
        return Reply("", fails_after=0, error=EngineFailed("the engine broke"))

    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        with pytest.raises(ProgramFailed, match="question 'q' failed: the engine broke"):
            await Runtime(engine, reader, recovery=ONCE).run(QUESTION, Grouped(), Fixed(), Options())


async def test_cancelling_wins_over_a_failure_at_the_same_moment() -> None:
    def script(request: Request) -> Reply:
        return Reply("", num_tokens=3, fails_after=1, error=EngineFailed("the engine broke"))

    for steps in range(12):
        async with InProcessEngine(script) as engine, AnswerReader() as reader:
            run = asyncio.ensure_future(
                Runtime(engine, reader, recovery=ONCE).run(QUESTION, SelfConsistency(), Fixed(), Options())
            )
            for _ in range(steps):
                await asyncio.sleep(0)
            was_done = run.done()
            run.cancel()
            await asyncio.wait([run])
            assert run.cancelled() or (was_done and isinstance(run.exception(), ProgramFailed))


async def test_events_tell_the_story() -> None:
    events: list[Event] = []
    answer, _ = await solve(says("42"), Agreement(), events=events)
    assert isinstance(events[0], ProgramStarted)
    assert events[-1] == ProgramEnded("q-0", answer)
    assert sum(isinstance(event, RequestEnded) for event in events) == 4
    measured = [event for event in events if isinstance(event, CertaindexMeasured)]
    assert [event.finished for event in measured] == [1, 2, 3, 4]
    assert [event.answer for event in measured] == ["42"] * 4
    values = [event.certaindex.value for event in measured]
    assert values == sorted(values)


async def test_programs_share_the_slots_and_the_first_finishes_first() -> None:
    async with InProcessEngine(says("1")) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=4)
        order: list[str] = []

        async def one(name: str) -> None:
            await runtime.run(Question.of_text("?", name), SelfConsistency(), Fixed(), Options(max_samples=8))
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(one(name))
        assert order == ["a", "b", "c"]
        assert engine.most_live == 4
