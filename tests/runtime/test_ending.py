"""Programs that are ended: by their deadline, or because somebody stops them."""

from __future__ import annotations

import asyncio

import pytest

from dynasor import Agreement, AnswerReader, Fixed, Options, Question, Runtime, SelfConsistency
from dynasor.errors import EngineFailed, InputError, ProgramFailed, ProgramStopped
from dynasor.events import Event, ProgramEnded, RequestEnded, RequestStarted, TextShown
from dynasor.programs import Program, Session
from dynasor.programs.chain_of_thought import ChainOfThought
from dynasor.programs.self_consistency_chains import SelfConsistencyOverChains
from dynasor.programs.single import Single
from dynasor.runtime import DriftWatch, ProgramState, Recovery
from dynasor.scheduling import Allocator, Threshold
from dynasor.vocabulary import Answer, Certaindex, Request, Sampling, StopReason
from tests.in_process_engine import InProcessEngine, Reply, Script
from tests.programs.scripted_chains import ScriptedChain, settles
from tests.runtime.test_drift import PROFILE

QUESTION = Question.of_text("How many?", "q")
STEP_S = 0.002


def first_two_are_quick(request: Request) -> Reply:
    """Two samples say 7 after five tokens; the others never end."""
    number = int(request.id.rsplit("-", 1)[1])
    return Reply("It is \\boxed{7}", num_tokens=5 if number < 2 else 100_000)


def endless(request: Request) -> Reply:
    return Reply("", num_tokens=100_000)


class House:
    """A runtime on a scripted engine, which must be empty at the end, with the same count of tokens as the engine."""

    def __init__(self, script: Script, *, concurrency: int = 32, recovery: Recovery | None = None) -> None:
        self.engine = InProcessEngine(script, STEP_S)
        self.events: list[Event] = []
        self._concurrency = concurrency
        self._recovery = recovery or Recovery()
        self._reader = AnswerReader()

    async def __aenter__(self) -> House:
        await self.engine.__aenter__()
        await self._reader.__aenter__()
        self.runtime = Runtime(
            self.engine,
            self._reader,
            concurrency=self._concurrency,
            recovery=self._recovery,
            listener=self.events.append,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._reader.__aexit__(None, None, None)
        await self.engine.__aexit__(*exc_info)
        scheduler = self.runtime.dispatcher.scheduler
        assert not scheduler.running and not scheduler.waiting and not scheduler.programs
        assert self.runtime.programs() == []
        ended = [event for event in self.events if isinstance(event, RequestEnded)]
        assert sum(event.num_tokens for event in ended) == self.engine.produced
        assert len(ended) == sum(isinstance(event, RequestStarted) for event in self.events)

    def run(
        self,
        program: Program,
        *,
        deadline_s: float | None = None,
        allocator: Allocator | None = None,
        program_id: str = "p",
        max_tokens: int | None = None,
    ) -> asyncio.Task[Answer]:
        options = Options(max_samples=8, deadline_s=deadline_s, sampling=Sampling(max_tokens=max_tokens))
        running = self.runtime.run(QUESTION, program, allocator or Fixed(), options, program_id=program_id)
        return asyncio.create_task(running)


async def test_at_its_deadline_a_program_answers_with_the_best_it_has() -> None:
    async with House(first_two_are_quick) as house:
        answer = await house.run(SelfConsistency(), deadline_s=1.0)
        assert (answer.text, answer.solution, answer.stop_reason) == ("7", "It is \\boxed{7}", StopReason.DEADLINE)
        assert 0 < answer.certaindex.value < 1
        assert [branch.answer for branch in answer.branches] == ["7", "7"]
        assert answer.usage.main == 10
        assert answer.usage.produced == house.engine.produced
        assert 1.0 <= answer.duration_s < 5.0
        assert house.events[-1] == ProgramEnded("p", answer)


async def test_without_anything_reported_there_is_no_answer_but_a_reason() -> None:
    async with House(endless) as house:
        answer = await house.run(SelfConsistency(), deadline_s=0.5)
        assert (answer.text, answer.certaindex, answer.stop_reason) == (None, Certaindex(0.0, {}), StopReason.DEADLINE)
        assert answer.usage.cancelled == answer.usage.produced == house.engine.produced > 0


async def test_a_deadline_that_has_passed_at_once_sends_nothing_twice() -> None:
    async with House(endless) as house:
        answer = await house.run(SelfConsistency(), deadline_s=1e-9)
        assert (answer.text, answer.stop_reason) == (None, StopReason.DEADLINE)


async def test_waiting_counts_for_the_deadline() -> None:
    async with House(endless, concurrency=1) as house:
        long = house.run(Single(), program_id="long")
        await asyncio.sleep(0)
        answer = await house.run(Single(), deadline_s=0.5)
        assert (answer.stop_reason, answer.usage.produced) == (StopReason.DEADLINE, 0)
        assert answer.queue_s == answer.duration_s
        assert house.runtime.stop("long")
        assert (await long).stop_reason is StopReason.STOPPED


async def test_a_program_that_knows_nothing_of_deadlines_is_ended_wherever_it_stands() -> None:
    class Sleeper:
        async def execute(self, session: Session) -> Answer:
            session.observe(Certaindex(0.25, {}), "12", "so 12")
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
            raise AssertionError("not reached")

    async with House(endless) as house:
        answer = await house.run(Sleeper(), deadline_s=0.5)
        assert (answer.text, answer.solution, answer.certaindex.value) == ("12", "so 12", 0.25)


async def test_a_program_may_answer_by_itself_when_it_is_ended() -> None:
    class LastWord:
        async def execute(self, session: Session) -> Answer:
            try:
                await session.generate("go on")
            except asyncio.CancelledError:
                return Answer("mine", Certaindex(0.5, {}))
            raise AssertionError("not reached")

    async with House(endless) as house:
        answer = await house.run(LastWord(), deadline_s=0.5)
        assert (answer.text, answer.stop_reason) == ("mine", StopReason.DEADLINE)


async def test_a_chain_answers_with_its_best_guess_though_nothing_is_settled() -> None:
    script = ScriptedChain(settles(at=10_000), length=3_000)
    async with House(script) as house:
        program = ChainOfThought(probe_interval=10, probe_budget=9.0)
        never = Threshold({"stability": 1.0}, 5, 1)
        running = house.run(program, deadline_s=1.0, allocator=never, max_tokens=4000)
        answer = await running
        assert answer.text is not None and answer.text.endswith("000")
        assert answer.solution.endswith(f"The answer is \\boxed{{{answer.text}}}")
        assert answer.stop_reason is StopReason.DEADLINE
        assert answer.usage.main == answer.branches[0].num_tokens > 0
        assert answer.usage.produced == house.engine.produced


async def test_chains_that_would_vote_answer_with_what_most_would_say() -> None:
    script = ScriptedChain(lambda num_tokens: f"{num_tokens // 40}}}", length=3_000)
    async with House(script) as house:
        chain = ChainOfThought(probe_interval=10, probe_budget=9.0)
        program = SelfConsistencyOverChains(chain=chain, votes_from=1.0)
        never = Threshold({"agreement": 1.0}, 99, 1)
        answer = await house.run(program, deadline_s=1.0, allocator=never, max_tokens=4000)
        assert answer.text is not None and answer.text.isdecimal()
        assert answer.solution == f"The answer is \\boxed{{{answer.text}}}"
        assert (answer.certaindex.value, answer.stop_reason) == (0.0, StopReason.DEADLINE)


async def test_the_writing_of_the_final_answer_is_ended_too() -> None:
    chain = ScriptedChain(lambda num_tokens: "7}", length=3_000)

    def script(request: Request) -> Reply:
        is_final = str(request.prompt).rstrip().endswith("</think>")
        return Reply("", num_tokens=100_000) if is_final else chain(request)

    async with House(script) as house:
        program = ChainOfThought(probe_interval=5, probe_budget=9.0, finish="worked")
        stable = Threshold({"stability": 1.0}, 3, 1)
        answer = await house.run(program, deadline_s=2.0, allocator=stable, max_tokens=4000)
        assert (answer.text, answer.stop_reason) == ("7", StopReason.DEADLINE)
        assert any(str(request.prompt).rstrip().endswith("</think>") for request in house.engine.requests)


async def test_single_shows_what_it_writes_and_keeps_it_when_it_is_stopped() -> None:
    pieces = tuple(f"w{number} " for number in range(10_000))
    async with House(lambda request: Reply(pieces=pieces)) as house:
        running = house.run(Single())
        await asyncio.sleep(0.05)
        assert house.runtime.stop("p")
        answer = await running
        assert (answer.text, answer.stop_reason) == (None, StopReason.STOPPED)
        assert answer.solution.startswith("w0 w1 ")
        assert answer.usage.main == answer.usage.produced == house.engine.produced
        assert answer.solution == "".join(event.text for event in house.events if isinstance(event, TextShown))


async def test_single_answers_with_its_text() -> None:
    async with House(lambda request: Reply("It is \\boxed{7}.")) as house:
        answer = await house.run(Single())
        assert (answer.text, answer.solution, answer.num_samples) == ("7", "It is \\boxed{7}.", 1)


async def test_stopping_twice_or_too_late_does_nothing() -> None:
    async with House(first_two_are_quick) as house:
        assert not house.runtime.stop("p")
        running = house.run(SelfConsistency())
        await asyncio.sleep(0.05)
        assert [house.runtime.stop("p"), house.runtime.stop("p", StopReason.DEADLINE)] == [True, False]
        assert (await running).stop_reason is StopReason.STOPPED
        assert not house.runtime.stop("p")


@pytest.mark.parametrize("moment", range(0, 40, 2))
async def test_stopped_at_any_moment_it_has_an_answer_and_leaves_nothing(moment: int) -> None:
    """Also before the first request started, and just as the program ends."""
    async with House(lambda request: Reply("It is \\boxed{7}", num_tokens=4), concurrency=2) as house:
        house.engine.step_s = 0.0
        running = house.run(SelfConsistency(), allocator=Agreement())
        for _ in range(moment):
            await asyncio.sleep(0)
        was_stopped = house.runtime.stop("p")
        answer = await running
        assert was_stopped == (answer.stop_reason is StopReason.STOPPED)
        assert answer.usage.produced == house.engine.produced


async def test_an_engine_that_fails_while_its_program_is_ended_fails_nothing() -> None:
    class Stubborn:
        """Fails in its last moment, as a stream does that breaks while it is closed."""

        async def execute(self, session: Session) -> Answer:
            session.observe(Certaindex(0.5, {}), "3")
            try:
                await session.generate("go on")
            finally:
                raise EngineFailed("broke while it was closed")

    async with House(endless) as house:
        assert (await house.run(Stubborn(), deadline_s=0.5)).text == "3"


async def test_cancelling_twice_still_waits_for_the_programs_end() -> None:
    is_clean = asyncio.Event()

    class Cleaner:
        async def execute(self, session: Session) -> Answer:
            try:
                await session.generate("go on")
            finally:
                await asyncio.shield(asyncio.sleep(0.05))
                is_clean.set()
            raise AssertionError("not reached")

    async with House(endless) as house:
        running = house.run(Cleaner())
        await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert is_clean.is_set()


async def test_two_programs_of_one_name_are_refused() -> None:
    async with House(endless) as house:
        running = house.run(Single())
        await asyncio.sleep(0)
        with pytest.raises(InputError, match="a program called 'p' runs already"):
            await house.run(Single())
        house.runtime.stop("p")
        await running


async def test_what_runs_and_waits_can_be_seen() -> None:
    class Reporter:
        async def execute(self, session: Session) -> Answer:
            session.observe(Certaindex(0.5, {}), "3")
            await session.generate("go on")
            raise AssertionError("not reached")

    async with House(endless, concurrency=1) as house:
        runs = [house.run(program, program_id=type(program).__name__) for program in (Reporter(), Single())]
        await asyncio.sleep(0.05)
        first, second = house.runtime.programs()
        assert (first.program_id, first.program, first.state) == ("Reporter", "Reporter", ProgramState.RUNNING)
        assert (first.answer, first.certaindex, first.num_running) == ("3", Certaindex(0.5, {}), 1)
        assert (second.program_id, second.state, second.num_running) == ("Single", ProgramState.WAITING, 0)
        assert (second.answer, second.certaindex, second.queue_s) == (None, None, None)
        assert first.age_s >= second.age_s > 0
        assert all(house.runtime.stop(each.program_id) for each in (first, second))
        await asyncio.gather(*runs)


class TestRelay:
    async def test_it_takes_a_turn_and_a_place(self) -> None:
        async with (
            House(endless, concurrency=1) as house,
            house.runtime.relay(Options(), program_id="r") as replica,
        ):
            assert replica.engine is house.engine
            assert [each.state for each in house.runtime.programs()] == [ProgramState.RUNNING]
            answer = await house.run(Single(), deadline_s=0.03)
            assert answer.usage.produced == 0

    async def test_it_can_be_stopped(self) -> None:
        async with House(endless) as house:

            async def relay() -> None:
                async with house.runtime.relay(Options(), program_id="r"):
                    await asyncio.sleep(60)

            relaying = asyncio.create_task(relay())
            await asyncio.sleep(0)
            assert house.runtime.stop("r")
            with pytest.raises(ProgramStopped, match="program 'r' was ended: stopped"):
                await relaying

    async def test_it_has_a_deadline_waiting_included(self) -> None:
        async with House(endless, concurrency=1) as house, house.runtime.relay(Options(), program_id="first"):
            with pytest.raises(ProgramStopped, match="deadline"):
                async with house.runtime.relay(Options(deadline_s=0.03), program_id="r"):
                    raise AssertionError("not reached")


async def test_an_audited_program_keeps_its_deadline() -> None:
    watch = DriftWatch(PROFILE, share=1.0)
    async with InProcessEngine(first_two_are_quick, STEP_S) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, watch=watch)
        options = Options(max_samples=8, deadline_s=1.0)
        answer = await runtime.run(QUESTION, SelfConsistency(), Agreement(), options)
    assert (answer.text, answer.stop_reason, watch.audited) == ("7", StopReason.DEADLINE, 0)


async def test_a_failing_engine_still_fails_a_program_that_nobody_ended() -> None:
    def broken(request: Request) -> Reply:
        return Reply("", fails_after=1, error=EngineFailed("broke"))

    async with House(broken, recovery=Recovery(max_tries=1)) as house:
        with pytest.raises(ProgramFailed, match="broke"):
            await house.run(Single(), deadline_s=5.0)
