"""What a scheduling decision costs: ``python -m benchmarks.scheduler``.

So many requests wait, ten a program, on eight replicas with 32 places each. A step is what happens when a request ends:
it is removed, its program's expectation changes, a new request comes (of a program that just came, once all ten of the
last one have), and the scheduler is asked what to start. Time is that of the scheduler's calls in a step, all of them,
by the clock, for asking for processor time takes microseconds itself: so leave it a core of its own. The first round is
not counted. Memory is that of all that waits. Writes a JSON file and prints the tables of
docs/policies.md.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import random
import statistics
import time
import tracemalloc
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from dynasor.scheduling import POLICIES, ProgramEntry, Scheduler, Start, Ticket
from dynasor.vocabulary import JSON

SIZES = (1_000, 10_000, 100_000)
REQUESTS_PER_PROGRAM = 10
NUM_REPLICAS = 8
CAPACITY = 32
NUM_TENANTS = 16
STEP_S = 0.01


class Load:
    """A scheduler with a constant number of waiting requests."""

    def __init__(self, policy: str, num_waiting: int, *, is_fair: bool) -> None:
        weights = {f"tenant-{number}": 1.0 + number % 3 for number in range(NUM_TENANTS)} if is_fair else None
        self.scheduler = Scheduler(POLICIES[policy], weights=weights)
        self.rng = random.Random(0)
        self.numbers = itertools.count()
        self.now = 0.0
        self.program_id = ""
        self.to_come = 0
        self.spent_s = 0.0
        self.left: dict[str, int] = {}
        self.running: deque[tuple[str, str]] = deque()
        for _ in range(num_waiting + NUM_REPLICAS * CAPACITY):
            self.submit()
        for number in range(NUM_REPLICAS):
            self.scheduler.add_replica(f"replica-{number}", CAPACITY)
        self.start()

    def submit(self) -> None:
        entry, ticket = self.next()
        if entry is not None:
            self.scheduler.enter(entry)
        self.scheduler.submit(ticket)

    def next(self) -> tuple[ProgramEntry | None, Ticket]:
        """The next request, and its program if that is new."""
        entry = None if self.to_come else self._entry()
        self.to_come -= 1
        number = next(self.numbers)
        return entry, Ticket(f"request-{number}", self.program_id, number, is_granted=True)

    def _entry(self) -> ProgramEntry:
        number = next(self.numbers)
        self.program_id, self.to_come = f"program-{number}", REQUESTS_PER_PROGRAM
        self.left[self.program_id] = REQUESTS_PER_PROGRAM
        tenant = f"tenant-{self.rng.randrange(NUM_TENANTS)}"
        deadline = self.now + self.rng.uniform(1, 1000) if self.rng.random() < 0.5 else None
        expected = self.rng.lognormvariate(7, 1)
        return ProgramEntry(self.program_id, number, self.now, 0, tenant, deadline, expected)

    def start(self) -> None:
        self.note(self.scheduler.schedule(self.now))

    def note(self, starts: Sequence[Start]) -> None:
        self.running.extend((each.ticket.request_id, each.ticket.program_id) for each in starts)

    def step(self) -> int:
        """One request ends and one comes; how many were started."""
        self.now += STEP_S
        request_id, program_id = self.running.popleft()
        entry, ticket = self.next()
        self.left[program_id] -= 1
        left, scheduler = self.left[program_id], self.scheduler
        began = time.perf_counter()
        scheduler.produced(request_id, 200)
        scheduler.remove(request_id, self.now)
        if left:
            scheduler.expect(program_id, 200.0 * left)
        else:
            scheduler.leave(program_id)
        if entry is not None:
            scheduler.enter(entry)
        scheduler.submit(ticket)
        starts = scheduler.schedule(self.now)
        self.spent_s += time.perf_counter() - began
        self.note(starts)
        if not left:
            del self.left[program_id]
        return len(starts)


def measure(policy: str, num_waiting: int, *, is_fair: bool, num_steps: int, num_rounds: int) -> JSON:
    load = Load(policy, num_waiting, is_fair=is_fair)
    for _ in range(num_steps):
        load.step()
    rounds = []
    for _ in range(num_rounds):
        load.spent_s = 0.0
        num_started = sum(load.step() for _ in range(num_steps))
        rounds.append(load.spent_s / num_started)
    assert len(load.scheduler.waiting) == num_waiting, "as many came as were started"
    return {
        "policy": policy,
        "fair": is_fair,
        "waiting_requests": num_waiting,
        "waiting_programs": num_waiting // REQUESTS_PER_PROGRAM,
        "microseconds_median": 1e6 * statistics.median(rounds),
        "microseconds_lowest": 1e6 * min(rounds),
        "microseconds_highest": 1e6 * max(rounds),
    }


def bytes_of_programs(num_programs: int, num_requests: int) -> float:
    """Bytes that so many programs with so many waiting requests each take, ids and tickets included, by the program."""
    gc.collect()
    tracemalloc.start()
    scheduler = Scheduler(POLICIES["deadline"], weights={})
    for number in range(num_programs):
        program_id = f"program-{number}"
        scheduler.enter(ProgramEntry(program_id, number, 0.0, deadline=1e9, expected_tokens=float(number)))
        for part in range(num_requests):
            scheduler.submit(Ticket(f"{program_id}-{part}", program_id, num_requests * number + part, is_granted=True))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / num_programs


def memory(num_programs: int = 10_000) -> JSON:
    one, eleven = bytes_of_programs(num_programs, 1), bytes_of_programs(num_programs, 11)
    per_request = (eleven - one) / 10
    return {"bytes_per_waiting_program": one - per_request, "bytes_per_waiting_request": per_request}


def table(rows: Sequence[JSON]) -> str:
    """Microseconds a dispatched request, by what waits: median of the rounds, and in brackets the lowest."""
    sizes = sorted({row["waiting_requests"] for row in rows})
    lines = [
        "| policy | " + " | ".join(f"{size:,} waiting" for size in sizes) + " |",
        "|---|" + "---|" * len(sizes),
    ]
    for policy, is_fair in dict.fromkeys((row["policy"], row["fair"]) for row in rows):
        own: Mapping[int, JSON] = {
            row["waiting_requests"]: row for row in rows if (row["policy"], row["fair"]) == (policy, is_fair)
        }
        cells = " | ".join(
            f"{own[size]['microseconds_median']:.1f} ({own[size]['microseconds_lowest']:.1f})" for size in sizes
        )
        lines.append(f"| {policy}{', fair' if is_fair else ''} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="requests that wait")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/scheduler.json"))
    given = parser.parse_args()
    rows = [
        measure(policy, size, is_fair=is_fair, num_steps=given.steps, num_rounds=given.rounds)
        for is_fair in (False, True)
        for policy in POLICIES
        for size in given.sizes
    ]
    taken = memory()
    result = {"rows": rows, "memory": taken}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    print(table(rows))
    print(
        f"\n{taken['bytes_per_waiting_program']:.0f} bytes for a waiting program and "
        f"{taken['bytes_per_waiting_request']:.0f} for each of its waiting requests"
    )


if __name__ == "__main__":
    main()
