"""Policies as literal scenarios with exact times, and what must hold under all of them."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dynasor.scheduling import POLICIES, ProgramEntry, Scheduler, Ticket
from dynasor.scheduling.policies import MAX_URGENT_IN_A_ROW, PATIENCE
from dynasor.scheduling.scheduler import FIRST_REQUEST_TOKENS
from tests.scheduling.serving import enter, scheduler_with, serve, started, submit


@pytest.mark.parametrize(("policy", "finish_times"), [("gang", {"a": 4.0, "b": 9.0}), ("fcfs", {"a": 8.0, "b": 10.0})])
def test_the_papers_example_of_gang_scheduling(policy: str, finish_times: dict[str, float]) -> None:
    """Two programs at t=0 with two requests each, of 4 and 5 ms, two at a time (section D.3.1): a gang
    finishes at 4 and 9, interleaved requests at 8 and 10 (of two that end together, here at 5, the earlier first)."""
    scheduler = scheduler_with(2, policy=policy)
    enter(scheduler, "a", "b")
    submit(scheduler, "a1", "b1", "a2", "b2")
    ends = serve(scheduler, lambda request_id: {"a": 4.0, "b": 5.0}[request_id[0]])
    assert {program: max(ends[f"{program}{number}"] for number in (1, 2)) for program in "ab"} == finish_times


def test_sjf_starts_the_program_with_the_least_to_do_and_keeps_it_together() -> None:
    scheduler = scheduler_with(1, policy="sjf")
    enter(scheduler, "a", expected_tokens=900)
    enter(scheduler, "b", expected_tokens=300)
    submit(scheduler, "a1", "b1", "b2", "a2")
    assert list(serve(scheduler, lambda _: 1.0)) == ["b1", "b2", "a1", "a2"]


def test_sjf_follows_what_is_expected_as_it_changes() -> None:
    scheduler = scheduler_with(1, policy="sjf")
    enter(scheduler, "a", expected_tokens=900)
    enter(scheduler, "b", expected_tokens=300)
    submit(scheduler, "a1", "b1")
    scheduler.expect("a", 100.0)
    assert started(scheduler) == ["a1"]


def test_before_any_history_programs_are_expected_to_be_average() -> None:
    scheduler = scheduler_with(1, policy="sjf")
    enter(scheduler, "a")
    submit(scheduler, "a1")
    started(scheduler)
    scheduler.produced("a1", 500)
    scheduler.remove("a1", now=1.0)
    scheduler.leave("a")
    enter(scheduler, "b", expected_tokens=501)
    enter(scheduler, "c", expected_tokens=400)
    enter(scheduler, "d")
    submit(scheduler, "b1", "c1", "d1")
    assert list(serve(scheduler, lambda _: 1.0)) == ["c1", "d1", "b1"], "d is taken for one of 500 tokens"


@pytest.mark.parametrize("policy", ["sjf", "deadline"])
def test_no_program_waits_for_ever_under_an_endless_stream_of_short_ones(policy: str) -> None:
    """One request at a time, newcomers of 10 tokens whenever one ends: the long one, of 1,000, is overtaken until
    PATIENCE times its length was served, and not once more."""
    scheduler = scheduler_with(1, policy=policy)
    enter(scheduler, "a", expected_tokens=1000)
    submit(scheduler, "a1")
    numbers = itertools.count(1_000_000)
    served = []
    for now in range(20_000):
        number = next(numbers)
        scheduler.enter(ProgramEntry(f"short-{number}", number, float(now), expected_tokens=10.0))
        scheduler.submit(Ticket(f"short-{number}-1", f"short-{number}", number))
        (start,) = scheduler.schedule(float(now))
        served.append(start.ticket.request_id)
        if served[-1] == "a1":
            break
        scheduler.produced(served[-1], 10)
        scheduler.remove(served[-1], float(now))
        scheduler.leave(start.ticket.program_id)
    assert served[-1] == "a1"
    assert len(served) == pytest.approx(PATIENCE * (1000 - 10) / 10, abs=2)


def test_programs_without_a_deadline_are_not_starved_by_urgent_ones() -> None:
    scheduler = scheduler_with(1, policy="deadline")
    enter(scheduler, "a", expected_tokens=1000)
    submit(scheduler, "a1")
    enter(scheduler, "b", deadline=1.0, expected_tokens=1000)
    submit(scheduler, *(f"b{number}" for number in range(20)))
    assert list(serve(scheduler, lambda _: 1.0)).index("a1") == MAX_URGENT_IN_A_ROW


def test_deadlines_that_can_wait_wait_and_then_the_least_laxity_goes_first() -> None:
    """At 50 tokens a second, 100 tokens take 2 s, which is urgent 4 s before the deadline."""
    scheduler = scheduler_with(1, policy="deadline")
    enter(scheduler, "a", expected_tokens=50)
    enter(scheduler, "b", deadline=104.0, expected_tokens=100)
    enter(scheduler, "c", deadline=103.0, expected_tokens=100)
    submit(scheduler, "a1", "b1", "c1", "a2")
    assert started(scheduler, now=98.0) == ["a1"], "all can wait: the shortest goes"
    scheduler.remove("a1", now=99.5)
    assert scheduler.waiting_order(100.0)[0].reason.startswith("close to its deadline; 100 tokens expected")
    assert started(scheduler, now=100.0) == ["c1"], "both are urgent, and c more so"
    scheduler.remove("c1", now=101.0)
    assert started(scheduler, now=101.0) == ["b1"]


def test_who_waits_is_due_earlier_once_the_engine_turns_out_to_be_slow() -> None:
    """50 tokens a second are taken for granted at first, at which 100 tokens can wait until 4 s before the deadline.
    It learns that there is about 1 a second; then they cannot wait any longer when 200 s are left."""
    scheduler = scheduler_with(1, policy="deadline")
    enter(scheduler, "a", expected_tokens=10)
    submit(scheduler, *(f"a{number}" for number in range(200)))
    enter(scheduler, "b", deadline=1000.0, expected_tokens=100)
    submit(scheduler, "b1")
    for now in range(100):
        (running,) = started(scheduler, now=float(now))
        assert running.startswith("a"), "b can wait"
        scheduler.produced(running, 1)
        scheduler.remove(running, now=now + 1.0)
    assert started(scheduler, now=850.0) == ["b1"]


@dataclass
class Program:
    waiting: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    is_paused: bool = False
    priority: int = 0


class AnythingCanHappen(RuleBasedStateMachine):
    """Programs and replicas come and go in any order; a model of what the scheduler was told is kept beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.now = 0.0
        self.programs: dict[str, Program] = {}
        self.tickets: dict[str, Ticket] = {}
        self.runs_on: dict[str, str] = {}
        self.started: set[str] = set()
        self.gone: set[str] = set()
        self.scheduler = scheduler_with(1)

    @rule(policy=st.sampled_from(sorted(POLICIES)), is_fair=st.booleans())
    @precondition(lambda self: not self.programs)
    def begin(self, policy: str, is_fair: bool) -> None:
        self.scheduler = Scheduler(POLICIES[policy], weights={"x": 2.0} if is_fair else None)
        self.runs_on = {}

    @rule(capacity=st.integers(1, 3))
    @precondition(lambda self: len(self.scheduler.replicas) < 3)
    def add_replica(self, capacity: int) -> None:
        self.scheduler.add_replica(f"r{next(self.numbers)}", capacity)

    @rule(data=st.data(), capacity=st.integers(1, 3))
    @precondition(lambda self: self.scheduler.replicas)
    def change_replica(self, data: st.DataObject, capacity: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.scheduler.replicas)))
        replica = self.scheduler.replicas[name]
        if capacity >= replica.num_running:
            self.scheduler.set_capacity(name, capacity)
        else:
            self.scheduler.remove_replica(name)

    @rule(
        priority=st.integers(0, 1),
        tenant=st.sampled_from("xy"),
        deadline=st.none() | st.floats(0, 100),
        expected=st.none() | st.floats(0, 1000),
    )
    @precondition(lambda self: len(self.programs) < 6)
    def enter(self, priority: int, tenant: str, deadline: float | None, expected: float | None) -> None:
        number = next(self.numbers)
        self.scheduler.enter(ProgramEntry(f"p{number}", number, self.now, priority, tenant, deadline, expected))
        self.programs[f"p{number}"] = Program(priority=priority)

    @rule(data=st.data(), is_granted=st.booleans(), is_beside=st.booleans(), avoids=st.booleans())
    @precondition(lambda self: self.programs)
    def submit(self, data: st.DataObject, is_granted: bool, is_beside: bool, avoids: bool) -> None:
        program_id = data.draw(st.sampled_from(sorted(self.programs)))
        number = next(self.numbers)
        request_id = f"{program_id}-{number}"
        avoid = frozenset(list(self.scheduler.replicas)[:1]) if avoids else frozenset()
        ticket = Ticket(request_id, program_id, number, is_granted, is_beside, avoid=avoid)
        self.scheduler.submit(ticket)
        self.tickets[request_id] = ticket
        self.programs[program_id].waiting.append(request_id)

    @rule(data=st.data())
    @precondition(lambda self: self.programs)
    def pause_or_resume(self, data: st.DataObject) -> None:
        program_id = data.draw(st.sampled_from(sorted(self.programs)))
        program = self.programs[program_id]
        program.is_paused = not program.is_paused
        (self.scheduler.pause if program.is_paused else self.scheduler.resume)(program_id)

    @rule(data=st.data(), remaining=st.floats(0, 1000))
    @precondition(lambda self: self.programs)
    def expect(self, data: st.DataObject, remaining: float) -> None:
        self.scheduler.expect(data.draw(st.sampled_from(sorted(self.programs))), remaining)

    @rule(data=st.data(), tokens=st.none() | st.integers(0, 500))
    @precondition(lambda self: any(each.waiting or each.running for each in self.programs.values()))
    def remove(self, data: st.DataObject, tokens: int | None) -> None:
        known = [id for each in self.programs.values() for id in (*each.waiting, *each.running)]
        request_id = data.draw(st.sampled_from(sorted(known)))
        program = self.programs[self.tickets[request_id].program_id]
        if tokens is not None:
            self.scheduler.produced(request_id, tokens)
        self.now += 1.0
        self.scheduler.remove(request_id, self.now)
        (program.waiting if request_id in program.waiting else program.running).remove(request_id)
        self.runs_on.pop(request_id, None)
        self.gone.add(request_id)

    @rule(data=st.data())
    @precondition(lambda self: self.programs)
    def leave(self, data: st.DataObject) -> None:
        program_id = data.draw(st.sampled_from(sorted(self.programs)))
        program = self.programs.pop(program_id)
        self.scheduler.leave(program_id)
        self.gone.update(program.waiting)
        for request_id in program.running:
            self.scheduler.remove(request_id, self.now)
            self.runs_on.pop(request_id, None)

    @rule()
    def schedule(self) -> None:
        before = {name: replica.num_running for name, replica in self.scheduler.replicas.items()}
        starts = self.scheduler.schedule(self.now)
        for start in starts:
            ticket, program = start.ticket, self.programs[start.ticket.program_id]
            assert ticket.request_id not in self.started, "a request starts once"
            assert not (program.is_paused and ticket.is_granted and not ticket.is_beside)
            assert start.replica not in ticket.avoid or set(before) <= ticket.avoid, "it is the only one"
            self.started.add(ticket.request_id)
            self.runs_on[ticket.request_id] = start.replica
            program.waiting.remove(ticket.request_id)
            program.running.append(ticket.request_id)
        self.no_larger_class_went_before_a_smaller_one([each.ticket for each in starts])

    def no_larger_class_went_before_a_smaller_one(self, tickets: list[Ticket]) -> None:
        queued = [self.programs[each.program_id].priority for each in tickets if not each.is_beside]
        waits = [
            program.priority
            for program in self.programs.values()
            for request_id in program.waiting
            if not (program.is_paused and self.tickets[request_id].is_granted) and not self.tickets[request_id].avoid
        ]
        if len(self.scheduler.replicas) == 1 and queued and waits:
            assert max(queued) <= min(waits)

    @invariant()
    def requests_are_conserved(self) -> None:
        waiting = {id for each in self.programs.values() for id in each.waiting}
        running = {id for each in self.programs.values() for id in each.running}
        assert set(self.scheduler.waiting) == waiting
        assert set(self.scheduler.running) == running
        assert not (waiting | running) & self.gone

    @invariant()
    def capacity_is_never_exceeded(self) -> None:
        for name, replica in self.scheduler.replicas.items():
            here = [id for id, where in self.runs_on.items() if where == name and not self.tickets[id].is_beside]
            assert replica.num_running == len(here) <= replica.capacity

    @invariant()
    def places_are_kept_only_for_programs_that_are_here(self) -> None:
        lines = self.scheduler.programs.values()
        for replica in self.scheduler.replicas.values():
            assert replica.num_held == sum(line.holds.count(replica) for line in lines)

    @invariant()
    def nothing_idles_that_could_work(self) -> None:
        """Where one replica has room and nothing was held back, a decision leaves nothing that may start."""
        if len(self.scheduler.replicas) != 1:
            return
        starts = self.scheduler.schedule(self.now)
        for start in starts:
            program = self.programs[start.ticket.program_id]
            self.started.add(start.ticket.request_id)
            self.runs_on[start.ticket.request_id] = start.replica
            program.waiting.remove(start.ticket.request_id)
            program.running.append(start.ticket.request_id)
        (replica,) = self.scheduler.replicas.values()
        if replica.room:
            left = [self.tickets[id] for each in self.programs.values() for id in each.waiting if not each.is_paused]
            assert not left

    @invariant()
    def the_order_lists_every_program_that_waits(self) -> None:
        listed = [each.program_id for each in self.scheduler.waiting_order(self.now)]
        queued = {
            id for id, each in self.programs.items() if any(not self.tickets[name].is_beside for name in each.waiting)
        }
        assert len(listed) == len(set(listed))
        assert set(listed) == queued


AnythingCanHappen.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnythingCanHappen = AnythingCanHappen.TestCase


OLD = 4
"""Programs that wait in the property below, of up to 50 tokens, while newcomers of 10 never end."""
LONGEST_WAIT = MAX_URGENT_IN_A_ROW + 1
"""Starts of anybody to one by rank, where all newcomers are urgent."""


@settings(max_examples=60, deadline=None)
@given(
    policy=st.sampled_from(sorted(POLICIES)),
    lengths=st.lists(st.integers(1, 50), min_size=OLD, max_size=OLD),
    capacities=st.lists(st.integers(1, 2), min_size=1, max_size=2),
    newcomers_are_due=st.booleans(),
    is_fair=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_nobody_starves_whatever_comes(
    policy: str, lengths: list[int], capacities: list[int], newcomers_are_due: bool, is_fair: bool, seed: int
) -> None:
    """A short newcomer whenever a request ends, due at once or not, of the same tenant or of another with ten times
    the weight: all who wait get their turn, after what aging (PATIENCE), urgency and weights allow others to take."""
    scheduler = Scheduler(POLICIES[policy], weights={"new": 10.0} if is_fair else None)
    for number, capacity in enumerate(capacities):
        scheduler.add_replica(f"r{number}", capacity)
    rng, numbers = random.Random(seed), itertools.count(1_000_000)

    def come(program_id: str, tenant: str, expected: float, deadline: float | None) -> None:
        number = next(numbers)
        scheduler.enter(ProgramEntry(program_id, number, 0.0, 0, tenant, deadline, expected))
        scheduler.submit(Ticket(program_id, program_id, number, prompt_tokens=rng.randrange(20_000)))

    def newcomer() -> None:
        come(f"new-{next(numbers)}", "new", 10.0, 0.0 if newcomers_are_due else None)

    for _ in range(sum(capacities) + 2):
        newcomer()
    running = [start.ticket.request_id for start in scheduler.schedule(0.0)]
    for number, tokens in enumerate(lengths):
        come(f"old-{number}", "old", float(tokens), None)
    bound = LONGEST_WAIT * OLD * (PATIENCE * max(lengths) / 10 + 10 * FIRST_REQUEST_TOKENS)
    for now in range(1, int(bound)):
        if not any(request_id.startswith("old") for request_id in scheduler.waiting):
            return
        ended = running.pop(rng.randrange(len(running)))
        scheduler.produced(ended, 10)
        scheduler.remove(ended, float(now))
        scheduler.leave(ended)
        newcomer()
        running += [start.ticket.request_id for start in scheduler.schedule(float(now))]
    raise AssertionError(f"after {bound:.0f} requests there still wait {scheduler.waiting_order(0.0)[:OLD]}")


@settings(deadline=None)
@given(
    policy=st.sampled_from(sorted(POLICIES)),
    requests=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 5)), max_size=20),
    expected=st.lists(st.floats(0, 1000), min_size=4, max_size=4),
)
def test_the_same_inputs_give_the_same_order(
    policy: str, requests: list[tuple[str, int]], expected: list[float]
) -> None:
    def run() -> dict[str, float]:
        scheduler = scheduler_with(2, policy=policy)
        scheduler.add_replica("s", 1)
        for name, tokens in zip("abcd", expected, strict=True):
            enter(scheduler, name, expected_tokens=tokens)
        durations = {f"{program}{number}": float(run_s) for number, (program, run_s) in enumerate(requests)}
        submit(scheduler, *durations)
        return serve(scheduler, durations.__getitem__)

    first = run()
    assert list(first.items()) == list(run().items())
    assert len(first) == len(requests)
