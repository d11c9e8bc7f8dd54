"""What our own layer takes: wall-clock a request, and memory a program, against replicas and programs.

Engines take a second of virtual time for any request and next to nothing of ours, and all programs come at once. What
the same number of requests takes that are sent to the same engines without us is measured too, and taken off. Each size
is measured in a process of its own, so that memory is its own; ``python -m benchmarks.scale_cost REPLICAS PROGRAMS``
is one.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

from dynasor import AnswerReader, Options, Question, Runtime, SelfConsistency
from dynasor.engines.protocol import EngineInfo
from dynasor.scheduling import as_served, make_allocator
from dynasor.simulation.clock import run_virtually
from dynasor.simulation.simulate import NEVER_SLOW, collecting_rarely
from dynasor.vocabulary import JSON, Delta, FinishReason, Message, Request, Sampling

AT_ONCE = 32
"""Requests on a replica."""
CAP = 8
REQUEST_S = 1.0
TOKENS = 100
RIGHT_OF_TEN = 7


@dataclass(frozen=True, slots=True)
class CostSize:
    num_replicas: int
    num_programs: int


class IdleEngine:
    """Says the same answer seven times in ten, after a second."""

    info = EngineInfo("idle", "none", None)

    def __init__(self) -> None:
        self.num_requests = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.num_requests += 1
        await asyncio.sleep(REQUEST_S)
        digit = (request.sampling.seed or 0) % 10
        text = f"\\boxed{{{0 if digit < RIGHT_OF_TEN else digit}}}"
        yield Delta(text=text, num_tokens=TOKENS, finish_reason=FinishReason.STOP, prompt_tokens=TOKENS)

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        return "".join(message.content for message in messages)


async def with_us(size: CostSize) -> int:
    """All programs through the runtime; how many requests they took."""
    engines = [IdleEngine() for _ in range(size.num_replicas)]
    program, allocator = SelfConsistency(), as_served(make_allocator("agreement"))
    async with AnswerReader() as reader:
        runtime = Runtime(engines, reader, concurrency=AT_ONCE, policy="sjf", recovery=NEVER_SLOW)
        async with asyncio.TaskGroup() as group:
            for number in range(size.num_programs):
                question = Question.of_text("How many are there?", f"question-{number}")
                group.create_task(runtime.run(question, program, allocator, Options(max_samples=CAP, seed=number)))
    return sum(engine.num_requests for engine in engines)


async def without_us(size: CostSize, num_requests: int) -> None:
    """As many requests, as many at once, each sent as soon as one is over."""
    numbers = iter(range(num_requests))
    messages = (Message("user", "How many are there?"),)

    async def work(engine: IdleEngine, numbers: Iterator[int]) -> None:
        for number in numbers:
            request = Request(f"request-{number}", "program", messages, Sampling(seed=number))
            async for _ in engine.stream(request):
                pass

    async with asyncio.TaskGroup() as group:
        for _ in range(size.num_replicas):
            engine = IdleEngine()
            for _ in range(AT_ONCE):
                group.create_task(work(engine, numbers))


def peak_kibibytes() -> float:
    """Of this program. What ``getrusage`` says of a new process begins with the memory of the one that started it, so
    where Linux tells, its own account is taken."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(size: CostSize) -> JSON:
    """In this process."""
    run_virtually(with_us(CostSize(1, 50)))
    idle_kibibytes = peak_kibibytes()
    with collecting_rarely():
        began, began_work = time.perf_counter(), time.process_time()
        num_requests = run_virtually(with_us(size))
        wall_s, work_s = time.perf_counter() - began, time.process_time() - began_work
        kibibytes = peak_kibibytes() - idle_kibibytes
        began_work = time.process_time()
        run_virtually(without_us(size, num_requests))
        engines_s = time.process_time() - began_work
    return {
        "requests": num_requests,
        "wall_s": wall_s,
        "processor_s": work_s,
        "engines_s": engines_s,
        "microseconds_a_request": 1e6 * (work_s - engines_s) / num_requests,
        "wall_microseconds_a_request": 1e6 * wall_s / num_requests,
        "kibibytes_a_program": kibibytes / size.num_programs,
        "peak_mebibytes": (idle_kibibytes + kibibytes) / 1024,
    }


def cost_of(size: CostSize) -> JSON:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale_cost", str(size.num_replicas), str(size.num_programs)]
    found = orjson.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert isinstance(found, dict), "the process writes what it measured"
    return found


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(measure(CostSize(int(sys.argv[1]), int(sys.argv[2])))))
