"""The scheduler as literal scenarios."""

from __future__ import annotations

import pytest

from dynasor.errors import InputError
from dynasor.scheduling import POLICIES, Scheduler, Ticket


def ticket(request_id: str, number: int, program_number: int = 0, is_granted: bool = True) -> Ticket:
    """Request ``a1`` belongs to program ``a``; it arrives at second ``number``."""
    return Ticket(request_id, request_id[0], number, float(number), program_number, float(program_number), is_granted)


def started(scheduler: Scheduler) -> list[str]:
    return [each.request_id for each in scheduler.schedule(now=100.0)]


def test_fcfs_interleaves_and_gang_finishes_the_first_program() -> None:
    arrivals = [ticket("a1", 0, 0), ticket("b1", 1, 1), ticket("b2", 2, 1), ticket("a2", 3, 0)]
    orders = {}
    for name, policy in POLICIES.items():
        scheduler = Scheduler(2, policy)
        for each in arrivals:
            scheduler.submit(each)
        orders[name] = started(scheduler)
    assert orders == {"fcfs": ["a1", "b1"], "gang": ["a1", "a2"]}


def test_the_papers_example_of_gang_scheduling() -> None:
    """Two programs at t=0 with two requests each, of 4 and 5 ms, two at a time (section D.3.1): a gang
    finishes at 4 and 9, interleaved requests at 8 and 10."""

    def finish_times(policy: str, order: list[str]) -> dict[str, float]:
        scheduler = Scheduler(2, POLICIES[policy])
        for number, request_id in enumerate(order):
            scheduler.submit(ticket(request_id, number, "ab".index(request_id[0])))
        durations, ends, now = {"a": 4.0, "b": 5.0}, {}, 0.0
        finished: dict[str, float] = {}
        while scheduler.waiting or scheduler.running:
            for each in scheduler.schedule(now):
                ends[each.request_id] = now + durations[each.program_id]
            first = min(scheduler.running, key=ends.__getitem__)
            now = ends[first]
            scheduler.remove(first)
            finished[first[0]] = now
        return finished

    interleaved = ["a1", "b1", "a2", "b2"]
    assert finish_times("gang", interleaved) == {"a": 4.0, "b": 9.0}
    assert finish_times("fcfs", interleaved) == {"a": 8.0, "b": 10.0}


def test_capacity_is_never_passed_and_a_removed_request_makes_room() -> None:
    scheduler = Scheduler(2, POLICIES["fcfs"])
    for number, name in enumerate(["a1", "a2", "a3"]):
        scheduler.submit(ticket(name, number))
    assert started(scheduler) == ["a1", "a2"]
    assert started(scheduler) == []
    scheduler.remove("a1")
    assert started(scheduler) == ["a3"]
    assert repr(scheduler) == "<Scheduler 2/2 running, 0 waiting>"


def test_a_paused_program_holds_its_grants_back_and_others_go_ahead() -> None:
    scheduler = Scheduler(1, POLICIES["gang"])
    scheduler.submit(ticket("a1", 0, 0))
    scheduler.submit(ticket("b1", 1, 1))
    scheduler.pause("a")
    assert started(scheduler) == ["b1"]
    scheduler.remove("b1")
    assert started(scheduler) == []
    scheduler.submit(ticket("a2", 2, 0, is_granted=False))
    assert started(scheduler) == ["a2"], "a request that was not granted (a score, say) is not held back"
    scheduler.remove("a2")
    scheduler.resume("a")
    assert started(scheduler) == ["a1"]


def test_removing_what_waits_or_is_unknown() -> None:
    scheduler = Scheduler(1, POLICIES["gang"])
    scheduler.submit(ticket("a1", 0))
    scheduler.remove("a1")
    scheduler.remove("never seen")
    assert started(scheduler) == []


def test_bad_capacity() -> None:
    with pytest.raises(InputError, match="the capacity is 0 requests; at least 1 was expected"):
        Scheduler(0, POLICIES["gang"])
