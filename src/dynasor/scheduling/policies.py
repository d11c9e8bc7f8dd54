"""Policies: in which order programs that wait get their turn.

A policy ranks programs, smallest first, by what is known when a request comes or ends; equal ones in the order of
arrival. No rank depends on the time of day, so none has to be computed again while a program waits. Adding a policy is
a function here and a line in ``POLICIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dynasor.scheduling.line import Line

PATIENCE = 100.0
"""What ``sjf`` ages by: a program's waiting is worth one token for every ``PATIENCE`` tokens served to others.

The rank of a program is its expected remaining tokens R less its age, and all that wait age alike, by 1 / ``PATIENCE``
for every token that the replicas produce. So of two programs the order never changes while they wait, and the rank can
be written down once: R plus the age that the whole system had when the program came. In seconds that is an aging rate
of the measured throughput over ``PATIENCE``; counting served tokens instead of seconds, it needs no measuring, and
nobody ages while nothing is served.

It bounds the wait: whoever comes after ``PATIENCE`` times R tokens were served cannot overtake, however short. A
program twice as long as another waits at most twice as long for newcomers. 100 keeps shortest-first what it is while up
to about a hundred programs of mean length wait, which is where most of its gain lies; with more, those that came a
hundred programs' service earlier go first. At 1 it would be nearly first come, first served; without end, a long
program would starve under a steady stream of short ones.
"""
SAFETY = 2.0
"""A program cannot wait longer once ``SAFETY`` times its expected remaining time is left to its deadline: about half of
all programs take longer than expected, few more than twice as long."""
MAX_URGENT_IN_A_ROW = 7
"""Then one request starts of the program that is first by ``sjf``. So programs that can wait get at least an eighth of
the starts however many are urgent, and as their ranks age, none starves."""


@dataclass(frozen=True, slots=True)
class Policy:
    """An order of programs. ``rank`` gives a program's place, ``reason`` says it in words.

    With ``keeps_together`` a program that looks at what came back keeps its place for that moment.
    With ``minds_deadlines`` those that cannot wait any longer go before, the one with the least laxity first.
    Without ``minds_caches`` a request goes where fewest run, whether or not its program has run there before.
    """

    rank: Callable[[Line], float]
    reason: Callable[[Line], str]
    keeps_together: bool = True
    minds_deadlines: bool = False
    minds_caches: bool = True

    def latest_start(self, line: Line, tokens_per_s: float) -> float | None:
        """None: the program can always wait."""
        is_due = self.minds_deadlines and line.entry.deadline is not None
        return latest_start(line, tokens_per_s) if is_due else None


def by_request(line: Line) -> float:
    """When the program's next request came: requests as they came, whatever program they belong to."""
    ticket = line.next()
    assert ticket is not None, "a program without a request that may start has no rank"
    return ticket.number


def by_arrival(line: Line) -> float:
    """All requests of the program that came first, then the next program's (paper, D.3.1)."""
    return line.entry.number


def by_remaining(line: Line) -> float:
    """The program with the fewest expected remaining tokens, aged by ``PATIENCE`` (paper, D.3.1)."""
    return line.remaining + line.served_before / PATIENCE


def latest_start(line: Line, tokens_per_s: float) -> float:
    """When a program has to go on to meet its deadline: ``SAFETY`` times its expected remaining time before.

    Its laxity is that less the time now, so of two programs the one with less laxity has the earlier latest start,
    whatever the time. ``tokens_per_s`` is what one request produces; the program is expected to go on with as many at
    once as it has waiting and running now, down to a power of two, so that its place does not change with every one.
    """
    assert line.entry.deadline is not None, "only a program with a deadline has a latest start"
    at_once = 1 << max(0, (line.num_waiting + line.num_running).bit_length() - 1)
    return line.entry.deadline - SAFETY * line.remaining / (tokens_per_s * at_once)


def _expected(line: Line) -> str:
    return f"{line.remaining:.0f} tokens expected, came after {line.served_before:.0f} tokens served"


POLICIES: Mapping[str, Policy] = {
    "fcfs": Policy(by_request, lambda line: f"its request came as number {by_request(line):.0f}", keeps_together=False),
    "gang": Policy(by_arrival, lambda line: f"it came as number {line.entry.number}"),
    "sjf": Policy(by_remaining, _expected),
    "deadline": Policy(by_remaining, _expected, minds_deadlines=True),
}
