"""The scheduler as literal scenarios."""

from __future__ import annotations

import pytest

from dynasor.errors import InputError
from dynasor.scheduling import POLICIES, ProgramEntry, Scheduler, Ticket
from dynasor.scheduling.held_places import HOLD_S
from tests.scheduling.serving import enter, scheduler_with, started, submit


def test_fcfs_interleaves_and_gang_finishes_the_first_program() -> None:
    orders = {}
    for name in ("fcfs", "gang"):
        scheduler = scheduler_with(2, policy=name)
        enter(scheduler, "a", "b")
        submit(scheduler, "a1", "b1", "b2", "a2")
        orders[name] = started(scheduler)
    assert orders == {"fcfs": ["a1", "b1"], "gang": ["a1", "a2"]}


def test_capacity_is_never_passed_and_a_removed_request_makes_room() -> None:
    scheduler = scheduler_with(2, policy="fcfs")
    enter(scheduler, "a")
    submit(scheduler, "a1", "a2", "a3")
    assert started(scheduler) == ["a1", "a2"]
    assert started(scheduler) == []
    scheduler.remove("a1", now=1.0)
    assert started(scheduler) == ["a3"]
    assert repr(scheduler) == "<Scheduler 2/2 running, 0 waiting>"


def test_a_paused_program_holds_its_grants_back_and_others_go_ahead() -> None:
    scheduler = scheduler_with(1)
    enter(scheduler, "a", "b")
    submit(scheduler, "a1", "b1")
    scheduler.pause("a")
    assert started(scheduler) == ["b1"]
    scheduler.remove("b1", now=1.0)
    assert started(scheduler) == []
    submit(scheduler, "a2", is_granted=False)
    assert started(scheduler) == ["a2"], "a request that was not granted (a score, say) is not held back"
    scheduler.remove("a2", now=2.0)
    scheduler.resume("a")
    assert started(scheduler) == ["a1"]


def test_a_program_that_looks_keeps_its_place_and_loses_it_if_that_takes_long() -> None:
    scheduler = scheduler_with(1)
    enter(scheduler, "a", "b")
    submit(scheduler, "a1", "a2", "b1")
    assert started(scheduler) == ["a1"]
    scheduler.pause("a")
    scheduler.remove("a1", now=1.0)
    assert started(scheduler, now=1.0) == []
    assert scheduler.next_release == pytest.approx(1.0 + HOLD_S)
    scheduler.resume("a")
    assert started(scheduler, now=1.0) == ["a2"]
    scheduler.pause("a")
    scheduler.remove("a2", now=2.0)
    assert started(scheduler, now=2.0) == []
    assert started(scheduler, now=2.0 + HOLD_S) == ["b1"]
    assert scheduler.next_release is None


def test_a_program_that_takes_no_more_gives_its_place_away() -> None:
    for ending in ("let_go", "leave"):
        scheduler = scheduler_with(1)
        enter(scheduler, "a", "b")
        submit(scheduler, "a1", "b1")
        assert started(scheduler) == ["a1"]
        scheduler.pause("a")
        scheduler.remove("a1", now=1.0)
        assert not scheduler.let_go("a"), "it still looks"
        assert started(scheduler, now=1.0) == []
        scheduler.resume("a")
        assert started(scheduler, now=1.0) == [], "what it was granted may come yet"
        getattr(scheduler, ending)("a")
        assert started(scheduler, now=1.0) == ["b1"]


def test_a_request_beside_another_starts_at_once_takes_no_place_and_minds_no_pause() -> None:
    scheduler = scheduler_with(1)
    enter(scheduler, "a", "b")
    submit(scheduler, "a1", "b1")
    assert started(scheduler) == ["a1"]
    scheduler.pause("a")
    submit(scheduler, "a2", is_beside=True)
    assert started(scheduler) == ["a2"]
    assert repr(scheduler) == "<Scheduler 1/1 running, 1 waiting>"
    scheduler.remove("a2", now=1.0)
    assert started(scheduler) == [], "it gave no place back, for it had none"


def test_removing_what_waits_or_is_unknown() -> None:
    scheduler = scheduler_with(1)
    enter(scheduler, "a")
    submit(scheduler, "a1")
    scheduler.remove("a1", now=0.0)
    scheduler.remove("never seen", now=0.0)
    assert started(scheduler) == []


def test_a_request_that_was_taken_out_may_come_again_and_keeps_its_new_place() -> None:
    scheduler = scheduler_with(1)
    enter(scheduler, "a")
    submit(scheduler, "a1", "a2")
    scheduler.remove("a1", now=0.0)
    submit(scheduler, "a1", is_granted=False)
    assert started(scheduler) == ["a2"]
    scheduler.remove("a2", now=1.0)
    assert started(scheduler) == ["a1"]
    scheduler.remove("a1", now=2.0)
    assert started(scheduler) == []


def test_what_is_first_in_a_smaller_class_starts_before_everything_in_larger_ones() -> None:
    scheduler = scheduler_with(1)
    enter(scheduler, "a")
    enter(scheduler, "b", priority=-1)
    enter(scheduler, "c", priority=7)
    submit(scheduler, "c1", "a1", "b1", "a2", "b2")
    order = []
    for now in range(5):
        order += started(scheduler)
        scheduler.remove(order[-1], now)
    assert order == ["b1", "b2", "a1", "a2", "c1"]


def test_nothing_of_a_program_that_left_waits() -> None:
    scheduler = scheduler_with(1)
    enter(scheduler, "a", "b")
    submit(scheduler, "a1", "a2", "b1")
    assert started(scheduler) == ["a1"]
    scheduler.leave("a")
    assert list(scheduler.waiting) == ["b1"]
    assert started(scheduler) == [], "what runs runs until it is removed"
    scheduler.remove("a1", now=1.0)
    assert started(scheduler) == ["b1"]


def test_a_program_that_left_is_expected_and_paused_in_vain() -> None:
    scheduler = scheduler_with(1)
    for forget in (scheduler.leave, scheduler.pause, scheduler.resume):
        forget("a")
    scheduler.expect("a", 10.0)
    assert not scheduler.programs


def test_nothing_starts_without_a_replica() -> None:
    scheduler = Scheduler(POLICIES["gang"])
    enter(scheduler, "a")
    submit(scheduler, "a1")
    submit(scheduler, "a2", is_beside=True)
    assert started(scheduler) == []
    scheduler.add_replica("r", 1)
    assert started(scheduler) == ["a2", "a1"]


def test_the_order_of_those_that_wait_and_its_reasons() -> None:
    scheduler = scheduler_with(1, policy="sjf")
    enter(scheduler, "a", "b", "c")
    enter(scheduler, "d", priority=-1, tenant="t")
    scheduler.expect("a", 500.0)
    scheduler.expect("b", 400.0)
    submit(scheduler, "a1", "b1", "b2", "c1", "d1")
    scheduler.pause("c")
    assert [(each.program_id, each.num_waiting, each.reason) for each in scheduler.waiting_order(0.0)] == [
        ("d", 1, "priority -1; 0 tokens expected, came after 0 tokens served"),
        ("b", 2, "400 tokens expected, came after 0 tokens served"),
        ("a", 1, "500 tokens expected, came after 0 tokens served"),
        ("c", 1, "it looks at what came back before it takes more"),
    ]
    order = []
    while ids := started(scheduler):
        order += ids
        scheduler.remove(ids[0], now=1.0)
    assert order == ["d1", "b1", "b2", "a1"], "as it was foretold"


@pytest.mark.parametrize("capacity", [0, -1])
def test_bad_capacity(capacity: int) -> None:
    scheduler = scheduler_with(1)
    message = f"the capacity is {capacity} requests; at least 1 was expected"
    with pytest.raises(InputError, match=message):
        scheduler.add_replica("another", capacity)
    with pytest.raises(InputError, match=message):
        scheduler.set_capacity("r", capacity)
    assert list(scheduler.replicas) == ["r"]


def test_names_that_are_taken_or_unknown() -> None:
    scheduler = scheduler_with(1)
    enter(scheduler, "a")
    submit(scheduler, "a1")
    with pytest.raises(InputError, match="there is a replica 'r' already"):
        scheduler.add_replica("r", 1)
    with pytest.raises(InputError, match="there is no replica 'x'; there are r"):
        scheduler.remove_replica("x")
    with pytest.raises(InputError, match="the program 'a' is here already"):
        scheduler.enter(ProgramEntry("a", 1, 0.0))
    with pytest.raises(InputError, match="the request 'a1' is here already"):
        submit(scheduler, "a1")
    with pytest.raises(InputError, match="the request 'x1' is of 'x', which did not enter"):
        scheduler.submit(Ticket("x1", "x", 5))
    with pytest.raises(InputError, match="the weight of tenant 't' is 0; a number above 0 was expected"):
        Scheduler(POLICIES["gang"], weights={"t": 0})
