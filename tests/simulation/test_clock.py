"""The virtual clock: order, timeouts, cancellation, and nothing of the world outside."""

from __future__ import annotations

import asyncio
import time

import pytest

from dynasor.errors import SimulationFault
from dynasor.simulation import run_virtually
from dynasor.simulation.clock import at_rest


def test_it_never_sleeps_and_is_exact() -> None:
    async def main() -> float:
        await asyncio.sleep(86_400.0 * 365)
        for _ in range(1000):
            await asyncio.sleep(0.1)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    total = 86_400.0 * 365
    for _ in range(1000):
        total += 0.1
    assert run_virtually(main()) == total
    assert time.monotonic() - began < 60


def test_timers_go_off_in_order() -> None:
    heard: list[tuple[str, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def hear(name: str) -> None:
            heard.append((name, loop.time()))

        for name, at in (("b", 2.0), ("a", 1.0), ("d", 3.0), ("c", 2.5)):
            loop.call_at(at, hear, name)
        await asyncio.sleep(5)

    run_virtually(main())
    assert heard == [("a", 1.0), ("b", 2.0), ("c", 2.5), ("d", 3.0)]


def test_timeouts_and_cancellation_work_as_on_a_real_clock() -> None:
    async def main() -> tuple[float, bool]:
        sleeper = asyncio.create_task(asyncio.sleep(100))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.shield(sleeper)
        sleeper.cancel()
        await asyncio.wait((sleeper,))
        return asyncio.get_running_loop().time(), sleeper.cancelled()

    assert run_virtually(main()) == (2.5, True)


def test_at_rest_comes_after_all_else_of_its_time_and_before_the_clock_moves() -> None:
    heard: list[str] = []

    async def main() -> None:
        at_rest(lambda: heard.append(f"at rest at {asyncio.get_running_loop().time():g}"))
        for number in range(3):
            await asyncio.sleep(0)
            heard.append(f"round {number}")
        await asyncio.sleep(1)

    run_virtually(main())
    assert heard == ["round 0", "round 1", "round 2", "at rest at 0"]


def test_waiting_for_ever_is_told() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SimulationFault, match="at 0 s everything waits and no timer is set"):
        run_virtually(main())


def test_threads_and_processes_are_refused() -> None:
    async def thread() -> None:
        await asyncio.to_thread(time.sleep, 0)

    async def process() -> None:
        await asyncio.create_subprocess_exec("true", stdout=asyncio.subprocess.PIPE)

    with pytest.raises(SimulationFault, match="no thread"):
        run_virtually(thread())
    with pytest.raises(SimulationFault, match="no process"):
        run_virtually(process())
