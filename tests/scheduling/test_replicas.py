"""Which replica a request goes to."""

from __future__ import annotations

from dataclasses import replace

from dynasor.scheduling import POLICIES, Scheduler
from dynasor.scheduling.scheduler import MAX_PASSED_OVER
from tests.scheduling.serving import enter, submit


def scheduler_over(policy: str = "gang", **capacities: int) -> Scheduler:
    scheduler = Scheduler(POLICIES[policy])
    for name, capacity in capacities.items():
        scheduler.add_replica(name, capacity)
    return scheduler


def placed(scheduler: Scheduler, now: float = 0.0) -> dict[str, str]:
    return {start.ticket.request_id: start.replica for start in scheduler.schedule(now)}


def test_programs_go_where_the_load_is_least_for_the_capacity_and_stay_together() -> None:
    scheduler = scheduler_over(small=4, large=8)
    enter(scheduler, "a", "b", "c")
    submit(scheduler, "a1", "a2", "a3", "b1", "b2", "c1")
    assert placed(scheduler) == {
        "a1": "small",
        "a2": "small",
        "a3": "small",
        "b1": "large",
        "b2": "large",
        "c1": "large",
    }


def test_a_policy_that_minds_no_caches_spreads_programs_over_replicas() -> None:
    scheduler = Scheduler(replace(POLICIES["gang"], minds_caches=False))
    for name in ("r", "s"):
        scheduler.add_replica(name, 4)
    enter(scheduler, "a")
    submit(scheduler, "a1", "a2", "a3", "a4")
    assert placed(scheduler) == {"a1": "r", "a2": "s", "a3": "r", "a4": "s"}


def test_a_program_moves_where_it_would_wait_longer_than_to_read_its_prompt_again() -> None:
    """A place on a replica of 4 comes free every 0.25 s (requests are taken to run for 1 s): time to read 1,250
    tokens."""
    for prompt_tokens, expected in [(1000, {"a5": "s"}), (1500, {})]:
        scheduler = scheduler_over(r=4, s=4)
        enter(scheduler, "a")
        submit(scheduler, "a1", "a2", "a3", "a4")
        assert set(placed(scheduler).values()) == {"r"}
        submit(scheduler, "a5", prompt_tokens=prompt_tokens)
        assert placed(scheduler) == expected
        scheduler.remove("a1", now=1.0)
        assert placed(scheduler) == ({} if expected else {"a5": "r"})


def test_of_several_that_would_wait_only_as_many_do_as_it_pays_for() -> None:
    """The first waits 0.25 s for its prompt of 0.4 s, the second would wait 0.5 s."""
    scheduler = scheduler_over(r=4, s=4)
    enter(scheduler, "a")
    submit(scheduler, "a1", "a2", "a3", "a4")
    placed(scheduler)
    submit(scheduler, "a5", "a6", prompt_tokens=2000)
    assert placed(scheduler) == {"a6": "s"}


def test_who_waits_for_a_replica_of_its_own_holds_nobody_up() -> None:
    scheduler = scheduler_over(r=1, s=1)
    enter(scheduler, "a", "b", "c")
    submit(scheduler, "a1", "b1")
    assert placed(scheduler) == {"a1": "r", "b1": "s"}
    submit(scheduler, "a2", "c1", prompt_tokens=20_000)
    scheduler.remove("b1", now=1.0)
    assert placed(scheduler) == {"c1": "s"}, "a comes first, but waits for r"
    scheduler.remove("a1", now=1.0)
    assert placed(scheduler) == {"a2": "r"}


def test_a_decision_looks_past_so_many_and_no_further() -> None:
    scheduler = scheduler_over(r=1, s=1)
    enter(scheduler, "a", "b")
    submit(scheduler, "a1")
    placed(scheduler)
    submit(scheduler, *(f"a{number}" for number in range(2, MAX_PASSED_OVER + 2)), avoid=frozenset({"s"}))
    submit(scheduler, "b1")
    assert placed(scheduler) == {}
    scheduler.remove("a2", now=0.0)
    assert placed(scheduler) == {"b1": "s"}


def test_a_replica_to_avoid_is_avoided_unless_it_is_the_only_one() -> None:
    scheduler = scheduler_over(r=4, s=4)
    enter(scheduler, "a")
    submit(scheduler, "a1")
    assert placed(scheduler) == {"a1": "r"}
    submit(scheduler, "a2", avoid=frozenset({"r"}))
    assert placed(scheduler) == {"a2": "s"}
    scheduler.remove_replica("s")
    submit(scheduler, "a3", avoid=frozenset({"r"}))
    assert placed(scheduler) == {"a3": "r"}


def test_one_beside_another_goes_where_that_runs_though_there_is_no_room() -> None:
    scheduler = scheduler_over(r=1, s=1)
    enter(scheduler, "a")
    submit(scheduler, "a1", "a2", prompt_tokens=0)
    assert placed(scheduler) == {"a1": "r", "a2": "s"}
    submit(scheduler, "a3", is_beside=True, accompanies="a1")
    submit(scheduler, "a4", is_beside=True)
    submit(scheduler, "a5", is_beside=True, accompanies="a1", avoid=frozenset({"r"}))
    assert placed(scheduler) == {"a3": "r", "a4": "s", "a5": "s"}


def test_a_replica_that_was_removed_and_comes_back_has_nothing_cached() -> None:
    scheduler = scheduler_over(r=2, s=2)
    enter(scheduler, "a")
    submit(scheduler, "a1")
    assert placed(scheduler) == {"a1": "r"}
    scheduler.remove_replica("r")
    submit(scheduler, "a2", is_beside=True)
    assert placed(scheduler) == {"a2": "s"}, "also not for one beside what still runs there"
    scheduler.add_replica("r", 2)
    scheduler.remove("a1", now=1.0)
    assert scheduler.replicas["r"].num_running == 0, "what ran on the old one takes no place of the new one"
    enter(scheduler, "b")
    submit(scheduler, "b1", avoid=frozenset({"s"}))
    submit(scheduler, "a3")
    assert placed(scheduler) == {"a3": "s", "b1": "r"}, "a goes where the load is least, not where it was"


def test_a_capacity_under_what_runs_lets_requests_end_first() -> None:
    scheduler = scheduler_over(r=3)
    enter(scheduler, "a")
    submit(scheduler, "a1", "a2", "a3", "a4")
    assert set(placed(scheduler)) == {"a1", "a2", "a3"}
    scheduler.set_capacity("r", 1)
    for request_id in ("a1", "a2"):
        scheduler.remove(request_id, now=1.0)
        assert placed(scheduler) == {}
    scheduler.remove("a3", now=1.0)
    assert placed(scheduler) == {"a4": "r"}
