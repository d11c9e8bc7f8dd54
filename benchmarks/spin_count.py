"""How often llama.cpp's threads should look for each other before they sleep: ``python -m benchmarks.spin_count``.

Tokens a second of the embedded engine with different counts (``GOMP_SPINCOUNT``; the first is GNU OpenMP's own): by
itself, beside as many busy processes as there are cores, and of each of two engines. Prints Markdown. Needs an idle
machine.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from dynasor import Sampling, open_engine
from dynasor.engines.embedded import SPIN_COUNT
from dynasor.engines.protocol import Engine
from dynasor.vocabulary import Request

COUNTS = ("300000", "10000", SPIN_COUNT, "100")
SLOTS = 16
TOKENS = 150
ROUNDS = 3
VARIABLE = "GOMP_SPINCOUNT"


async def tokens_per_s(engine: Engine, num_requests: int) -> float:
    async def one(number: int) -> int:
        sampling = Sampling(temperature=1.0, max_tokens=TOKENS, seed=number)
        prompt = f"A shop has {number + 2} boxes of 45 pens."
        request = Request(f"request-{number}", "spin", prompt, sampling)
        return [delta.num_tokens async for delta in engine.stream(request)][-1]

    began = time.monotonic()
    return sum(await asyncio.gather(*map(one, range(num_requests)))) / (time.monotonic() - began)


async def speeds(num_engines: int, num_requests: int) -> float:
    """The mean over so many engines at once."""
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(open_engine("embedded", slots=SLOTS)) for _ in range(num_engines)]
        await asyncio.gather(*(tokens_per_s(engine, 1) for engine in engines))
        return statistics.mean(await asyncio.gather(*(tokens_per_s(engine, num_requests) for engine in engines)))


@contextmanager
def busy_cores() -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command, start_new_session=True) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def row(count: str) -> str:
    os.environ[VARIABLE] = count
    found: dict[str, list[float]] = {"alone": [], "busy": [], "two": []}
    for _ in range(ROUNDS):
        found["alone"].append(asyncio.run(speeds(1, 6 * SLOTS)))
        with busy_cores():
            found["busy"].append(asyncio.run(speeds(1, SLOTS)))
        found["two"].append(asyncio.run(speeds(2, SLOTS)))
    cells = (f"{statistics.median(each):,.0f} ({min(each):,.0f} to {max(each):,.0f})" for each in found.values())
    return f"| {count} | {' | '.join(cells)} |"


def main() -> None:
    print("| count | alone | beside busy processes | each of two engines |\n|---|---|---|---|")
    for count in COUNTS:
        print(row(count), flush=True)


if __name__ == "__main__":
    main()
