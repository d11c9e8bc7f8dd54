"""The paper's example of gang scheduling (section D.3.1) as a picture: ``python -m benchmarks.policy_picture``.

Two programs of two requests each, of 4 and 5 ms, two at a time, through the real scheduler. Writes an SVG file.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.picture_parts import bar, picture, text
from dynasor.scheduling import POLICIES, ProgramEntry, Scheduler, Ticket

DURATIONS = {"P1": 4.0, "P2": 5.0}
ARRIVALS = ("P1", "P2", "P1", "P2")
COLOURS = {"P1": "a", "P2": "b"}
NUM_PLACES = 2
SCALE, HEIGHT, LEFT, TOP, GAP = 48, 28, 90, 34, 34
"""Pixels: of a millisecond, of a place, and the margins."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A request on one of the engine's places, times in ms."""

    program_id: str
    place: int
    began: float
    ended: float


def run(policy: str) -> list[Bar]:
    scheduler = Scheduler(POLICIES[policy])
    for number, program_id in enumerate(DURATIONS):
        scheduler.enter(ProgramEntry(program_id, number, 0.0))
    for number, program_id in enumerate(ARRIVALS):
        scheduler.submit(Ticket(f"{program_id}-{number}", program_id, number))
    scheduler.add_replica("engine", NUM_PLACES)
    bars: list[Bar] = []
    running: list[tuple[float, int, str]] = []
    free, now = list(range(NUM_PLACES)), 0.0
    while True:
        for start in scheduler.schedule(now):
            ticket, place = start.ticket, heapq.heappop(free)
            bars.append(Bar(ticket.program_id, place, now, now + DURATIONS[ticket.program_id]))
            heapq.heappush(running, (bars[-1].ended, place, ticket.request_id))
        if not running:
            return bars
        now, place, request_id = heapq.heappop(running)
        heapq.heappush(free, place)
        scheduler.remove(request_id, now)


def ends(bars: Sequence[Bar]) -> dict[str, float]:
    """When each program's last request ended."""
    return {name: max(bar.ended for bar in bars if bar.program_id == name) for name in DURATIONS}


def panel(policy: str, top: int) -> list[str]:
    bars = run(policy)
    finished = ends(bars)
    mean = sum(finished.values()) / len(finished)
    title = f"{policy}: " + ", ".join(f"{name} done at {end:g}" for name, end in finished.items())
    parts = [text(LEFT, top - 8, f"{title} ms, mean {mean:g} ms", "bold")]
    for place in range(NUM_PLACES):
        parts.append(text(LEFT - 10, top + place * HEIGHT + HEIGHT * 0.65, f"place {place + 1}", "muted", "end"))
    for each in bars:
        x, y, width = LEFT + each.began * SCALE, top + each.place * HEIGHT, (each.ended - each.began) * SCALE
        parts.append(bar(x, y, width - 2, HEIGHT - 2, COLOURS[each.program_id]))
        parts.append(text(x + width / 2, y + HEIGHT * 0.65, each.program_id, "on", "middle"))
    return parts


def drawn(policies: Sequence[str]) -> str:
    step = NUM_PLACES * HEIGHT + GAP
    width, height = LEFT + 11 * SCALE, TOP + len(policies) * step + 10
    parts = [part for number, policy in enumerate(policies) for part in panel(policy, TOP + number * step)]
    for ms in range(11):
        parts.append(text(LEFT + ms * SCALE, height - 18, str(ms), "muted", "middle"))
    parts.append(text(LEFT - 10, height - 18, "ms", "muted", "end"))
    return picture(width, height, "Two programs of two requests, kept together and interleaved", parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/figures/gang.svg"))
    given = parser.parse_args()
    given.output.write_text(drawn(["gang", "fcfs"]))
    for policy in ("gang", "fcfs"):
        print(policy, ends(run(policy)))


if __name__ == "__main__":
    main()
