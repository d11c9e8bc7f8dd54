"""Whole simulations: the same every time, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, SelfConsistency
from dynasor.errors import InputError
from dynasor.events import Event, RequestEnded, RequestStarted
from dynasor.scheduling import make_allocator
from dynasor.simulation import CostModel, EngineProfile, SimulatedEngine, run_virtually
from dynasor.simulation.answers import Population
from dynasor.simulation.report import Outcome, is_in_time
from dynasor.simulation.simulate import Arm, Site, simulate
from dynasor.simulation.workloads import Bursty, Poisson, RecordedTimes, Stream, arrivals
from dynasor.vocabulary import Answer, Certaindex, StopReason, Usage
from tests.simulation.authors import Writes, one_millisecond

POPULATION = Population(right_a=2.0, mean_log_tokens=4.0, spread_within=0.5, prompt_tokens=50, unanswered_share=0.05)
PROFILE = EngineProfile(
    "test", "none", CostModel(overhead_s=0.002, weights_s=0.008, token_s=5e-5, context_s=6e-8), 1200, 24, 256
)
STREAMS = (
    Stream("steady", Poisson(8.0), POPULATION, options=Options(max_samples=8, tenant="steady"), slo_s=2.0),
    Stream(
        "bursty",
        Bursty(4.0),
        replace(POPULATION, name="other", mean_log_tokens=4.5),
        options=Options(max_samples=12, tenant="bursty", priority=1),
        slo_s=1.5,
        scales_slo=True,
        has_deadline=True,
    ),
)
Told = list[tuple[float, Event]]


def served(
    policy: str,
    allocator: str = "agreement",
    *,
    seed: int = 0,
    streams: Sequence[Stream] = STREAMS,
    num_programs: int = 60,
    num_replicas: int = 2,
) -> tuple[Outcome, Told]:
    told: Told = []
    arm = Arm(policy, make_allocator(allocator), allocator)
    site = Site(PROFILE, num_replicas, 16, {"steady": 2.0, "bursty": 1.0})
    coming = arrivals(streams, num_programs, seed)
    outcome = simulate(site, arm, coming, listener=lambda at, event: told.append((at, event)))
    return outcome, told


@pytest.mark.parametrize("policy", ["fcfs", "gang", "sjf", "deadline"])
def test_the_same_seed_gives_the_same_events_and_another_others(policy: str) -> None:
    outcome, told = served(policy)
    again, told_again = served(policy)
    assert told == told_again
    assert outcome.to_json() == again.to_json()
    assert told != served(policy, seed=1)[1]


@pytest.mark.parametrize("policy", ["fcfs", "gang", "sjf", "deadline"])
@pytest.mark.parametrize("allocator", ["fixed", "agreement", "threshold"])
def test_every_token_that_was_written_is_counted_once(policy: str, allocator: str) -> None:
    outcome, told = served(policy, allocator)
    written = sum(counters.written for counters in outcome.replicas.values())
    usage = outcome.whole.usage
    assert written == Usage(**usage).produced
    assert written == sum(event.num_tokens for _, event in told if isinstance(event, RequestEnded))
    assert outcome.whole.num_programs == 60
    if policy == "gang" and allocator == "fixed":
        assert sum(counters.preemptions for counters in outcome.replicas.values()) > 0
        assert usage["cancelled"] > 0, "deadlines end some"


def test_a_program_draws_the_same_samples_under_every_policy() -> None:
    calm = (Stream("main", Poisson(5.0), POPULATION, options=Options(max_samples=6)),)
    found = [served(policy, "fixed", streams=calm)[0].whole for policy in ("fcfs", "gang", "sjf")]
    assert found[0].usage == found[1].usage == found[2].usage
    assert found[0].right == found[1].right == found[2].right


def test_what_a_deadline_ends_is_in_time_if_it_says_something() -> None:
    certaindex = Certaindex(0.5, {})
    ended = Answer("7", certaindex, stop_reason=StopReason.DEADLINE, duration_s=2.0000000001)
    assert is_in_time(ended, 2.0)
    assert not is_in_time(replace(ended, text=None), 2.0)
    assert not is_in_time(replace(ended, stop_reason=StopReason.CAP, duration_s=2.001), 2.0)


def test_another_stream_changes_nothing_of_the_arrivals_of_one() -> None:
    def of_steady(streams: Sequence[Stream]) -> list[tuple[float, object, int]]:
        return [
            (each.due_s, each.question.key, each.options.seed)
            for each in arrivals(streams, 40, 0)
            if each.stream.name == "steady"
        ]

    alone, among = of_steady(STREAMS[:1]), of_steady(STREAMS)
    assert among == alone[: len(among)]


def test_recorded_times_are_kept_and_end() -> None:
    stream = Stream("main", RecordedTimes((0.0, 0.5, 0.5)), POPULATION, options=Options(max_samples=1))
    outcome, told = served("gang", streams=(stream,))
    assert outcome.whole.num_programs == 3
    assert [at for at, event in told if isinstance(event, RequestStarted)] == [0.0, 0.5, 0.5]


def test_a_request_that_is_given_up_tells_what_it_has_written() -> None:
    """Two long samples run when the deadline comes after 7.5 ms."""

    async def main() -> tuple[Usage, int]:
        async with SimulatedEngine(one_millisecond(), Writes({"q": 100})) as engine, AnswerReader() as reader:
            runtime = Runtime(engine, reader)
            options = Options(max_samples=2, deadline_s=0.0075)
            question = Question.of_text("How many?", "q")
            answer = await runtime.run(question, SelfConsistency(), Fixed(), options, program_id="q")
            assert not runtime.dispatcher.scheduler.running
            await asyncio.sleep(1)
            assert not engine.batch.num_running
            return answer.usage, engine.batch.counters.written

    usage, written = run_virtually(main())
    assert usage == Usage(cancelled=14, prompt=2)
    assert written == 14


async def order_of_events(profile: EngineProfile) -> list[tuple[str, str, str]]:
    heard: list[tuple[str, str, str]] = []

    def hear(event: Event) -> None:
        if isinstance(event, RequestStarted | RequestEnded):
            heard.append((type(event).__name__, event.request_id, event.replica))

    author = Writes({"a": 5, "b": 9, "c": 3})
    async with SimulatedEngine(profile, author) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=3, policy="sjf", listener=hear)
        async with asyncio.TaskGroup() as group:
            for name in author.lengths:
                question, options = Question.of_text("How many?", name), Options(max_samples=8)
                allocator = make_allocator("agreement")
                group.create_task(runtime.run(question, SelfConsistency(), allocator, options, program_id=name))
    return heard


def test_a_real_clock_and_a_virtual_one_see_the_same_decisions() -> None:
    """Iterations take 20 ms, so that what takes real time stays within one."""
    profile = EngineProfile("test", "none", CostModel(overhead_s=0.02), 1000, 10, 100)
    assert asyncio.run(order_of_events(profile)) == run_virtually(order_of_events(profile))


def test_what_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(InputError, match="there is no program 'tarot'"):
        Stream("main", Poisson(1.0), POPULATION, program="tarot")
    with pytest.raises(InputError, match="the reward 'likelihood' cannot be simulated"):
        Stream("main", Poisson(1.0), POPULATION, program="mcts", reward="likelihood")
    with pytest.raises(InputError, match="the rate is 0"):
        Poisson(0)
    with pytest.raises(InputError, match="has deadlines and no slo_s"):
        Stream("main", Poisson(1.0), POPULATION, has_deadline=True)
