"""The dispatcher: who waits is woken in the scheduler's order, and whoever is cancelled leaves nothing behind."""

from __future__ import annotations

import asyncio
import random

import pytest

from dynasor.runtime.dispatcher import Dispatcher, Place
from dynasor.scheduling import POLICIES, AdaptiveCapacity, Scheduler
from dynasor.scheduling.held_places import HOLD_S


def dispatcher_with(capacity: int, policy: str = "gang") -> Dispatcher:
    """A dispatcher with one replica, ``r``."""
    dispatcher = Dispatcher(Scheduler(POLICIES[policy]))
    dispatcher.add_replica("r", capacity)
    return dispatcher


class Requests:
    """Requests that take their turn and keep it until told to end."""

    def __init__(self, dispatcher: Dispatcher, group: asyncio.TaskGroup) -> None:
        self.dispatcher = dispatcher
        self.group = group
        self.running: dict[str, str] = {}
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, place: Place, request_id: str, *, is_granted: bool = False) -> None:
        self.ends[request_id] = asyncio.Event()
        self.tasks[request_id] = self.group.create_task(self._run(place, request_id, is_granted))
        await settled()

    async def end(self, request_id: str) -> None:
        self.ends[request_id].set()
        await settled()

    async def _run(self, place: Place, request_id: str, is_granted: bool) -> None:
        async with self.dispatcher.turn(place, request_id, is_granted=is_granted) as replica:
            self.running[request_id] = replica
            await self.ends[request_id].wait()
            self.dispatcher.produced(request_id, 100)
        del self.running[request_id]


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def is_empty(dispatcher: Dispatcher) -> bool:
    scheduler = dispatcher.scheduler
    return not (scheduler.waiting or scheduler.running or scheduler.programs or dispatcher._turns)


async def test_every_change_is_acted_upon() -> None:
    dispatcher = Dispatcher(Scheduler(POLICIES["gang"]))
    a, b = dispatcher.enter("a"), dispatcher.enter("b", priority=1)
    async with asyncio.TaskGroup() as group:
        requests = Requests(dispatcher, group)
        await requests.start(b, "b1")
        await requests.start(a, "a1", is_granted=True)
        await requests.start(a, "a2", is_granted=True)
        assert requests.running == {}, "there is no replica yet"
        dispatcher.add_replica("r", 1)
        await settled()
        assert requests.running == {"a1": "r"}
        dispatcher.set_capacity("r", 2)
        await settled()
        assert requests.running == {"a1": "r", "a2": "r"}
        await requests.start(a, "a3", is_granted=True)
        dispatcher.pause(a, by="look")
        await requests.end("a1")
        assert requests.running == {"a2": "r"}, "a is paused, and its place kept"
        await asyncio.sleep(2 * HOLD_S)
        assert requests.running == {"a2": "r", "b1": "r"}, "it takes too long"
        await requests.end("b1")
        assert requests.running == {"a2": "r"}
        assert [(each.program_id, each.num_waiting) for each in dispatcher.waiting_order()] == [("a", 1)]
        dispatcher.pause(a, by="another look")
        dispatcher.resume(a, by="look")
        await settled()
        assert requests.running == {"a2": "r"}, "somebody still looks"
        dispatcher.resume(a, by="another look")
        await settled()
        assert requests.running == {"a2": "r", "a3": "r"}
        dispatcher.remove_replica("r")
        dispatcher.add_replica("s", 1)
        await requests.start(b, "b2")
        assert requests.running == {"a2": "r", "a3": "r", "b2": "s"}, "what runs on a removed one runs on"
        for request_id in ("a2", "a3", "b2"):
            await requests.end(request_id)
    dispatcher.leave(a)
    dispatcher.leave(b)
    assert is_empty(dispatcher)
    assert dispatcher.decisions.num_started == 5
    assert dispatcher.decisions.num_asked > 5
    assert 0 < dispatcher.decisions.spent_s < 1


async def test_cancelling_who_waits_and_who_was_just_woken_passes_the_turn_on() -> None:
    dispatcher = dispatcher_with(1)
    place = dispatcher.enter("a")
    async with asyncio.TaskGroup() as group:
        requests = Requests(dispatcher, group)
        for request_id in ("a1", "a2", "a3", "a4"):
            await requests.start(place, request_id)
        requests.tasks["a2"].cancel()
        await settled()
        assert set(dispatcher.scheduler.waiting) == {"a3", "a4"}
        requests.ends["a1"].set()
        await asyncio.sleep(0)
        assert "a3" in dispatcher.scheduler.running
        assert "a3" not in requests.running, "it has its turn and does not know yet"
        requests.tasks["a3"].cancel()
        await settled()
        assert set(requests.running) == {"a4"}
        await requests.end("a4")
    dispatcher.leave(place)
    assert is_empty(dispatcher)


@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("seed", range(5))
async def test_a_storm_of_cancellations_leaves_nothing(policy: str, seed: int) -> None:
    rng = random.Random(seed)
    dispatcher = dispatcher_with(3, policy)
    most_running = 0

    async def program(name: str) -> None:
        place = dispatcher.enter(name, priority=rng.randrange(2), deadline=asyncio.get_running_loop().time() + 0.01)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(4):
                    group.create_task(request(place, f"{name}-{number}"))
        finally:
            dispatcher.leave(place)

    async def request(place: Place, request_id: str) -> None:
        nonlocal most_running
        async with dispatcher.turn(place, request_id, is_granted=True):
            most_running = max(most_running, len(dispatcher.scheduler.running))
            await asyncio.sleep(rng.uniform(0, 0.002))
            dispatcher.expect(place, rng.uniform(0, 100))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(program(f"p{number}")) for number in range(20)]
        for task in rng.sample(tasks, 10):
            await asyncio.sleep(rng.uniform(0, 0.003))
            task.cancel()
    assert is_empty(dispatcher)
    assert most_running == 3


async def test_a_replica_whose_capacity_finds_itself_is_told_what_it_produces() -> None:
    """How it decides is tested where it is written; here that it is asked, and obeyed."""
    dispatcher = Dispatcher(Scheduler(POLICIES["fcfs"]))
    dispatcher.add_replica("r", AdaptiveCapacity(4, period_s=0.02))
    place = dispatcher.enter("a")
    capacities = set()

    async def request(number: int) -> None:
        async with dispatcher.turn(place, f"a{number}"):
            await asyncio.sleep(0.001)
            dispatcher.produced(f"a{number}", 100)
            capacities.add(dispatcher.scheduler.replicas["r"].capacity)

    async with asyncio.TaskGroup() as group:
        for number in range(600):
            group.create_task(request(number))
    assert capacities > {4}
    dispatcher.leave(place)


async def test_the_kv_cache_is_obeyed_as_soon_as_it_is_told() -> None:
    dispatcher = Dispatcher(Scheduler(POLICIES["gang"]))
    dispatcher.add_replica("r", AdaptiveCapacity(4))
    place = dispatcher.enter("a")
    async with asyncio.TaskGroup() as group:
        requests = Requests(dispatcher, group)
        for number in range(4):
            await requests.start(place, f"a{number}")
        dispatcher.observe("r", kv_usage=1.0)
        dispatcher.observe("no such replica", kv_usage=1.0)
        assert dispatcher.scheduler.replicas["r"].capacity == 3
        for number in range(4):
            await requests.end(f"a{number}")
    dispatcher.leave(place)
