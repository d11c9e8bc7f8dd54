"""How programs were served: times in line and at work, and fairness, from events and answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dynasor.events import Event, RequestEnded, RequestStarted
from dynasor.vocabulary import Answer, StopReason


@dataclass(frozen=True, slots=True)
class ProgramTimes:
    """Sums over the requests of a program, in seconds: ``queue_s`` in line and ``run_s`` on replicas. Requests of a
    program wait and run at the same time, so either may be more than the program took."""

    queue_s: float = 0.0
    run_s: float = 0.0
    num_requests: int = 0
    """That were started; one that moved to another replica counts for each."""


def program_times(events: Iterable[Event]) -> dict[str, ProgramTimes]:
    """By program id, as far as ``events`` tell."""
    times: dict[str, ProgramTimes] = {}
    for event in events:
        if not isinstance(event, RequestStarted | RequestEnded):
            continue
        known = times.get(event.program_id, ProgramTimes())
        if isinstance(event, RequestStarted):
            known = replace(known, queue_s=known.queue_s + event.queue_s, num_requests=known.num_requests + 1)
        else:
            known = replace(known, run_s=known.run_s + event.run_s)
        times[event.program_id] = known
    return times


def finish_time_fairness(answer: Answer, cap: int) -> float | None:
    """The paper's phi (appendix G.3): seconds from arrival to answer over the tokens of the baseline, in which every
    program runs to its cap. The tokens stand for the time that it would take alone.

    With the tokens that the program really took, one that stopped early would look worse served than one that went on.
    None if it produced nothing to go by.
    """
    tokens = baseline_tokens(answer, cap)
    return answer.duration_s / tokens if tokens else None


def baseline_tokens(answer: Answer, cap: int) -> float:
    """Tokens of the program at its cap: its own mean per unit times all of them. A program that ended by itself, not at
    its allocator's word, would have ended there in the baseline too."""
    if not answer.num_samples or answer.stop_reason is StopReason.PROGRAM:
        return answer.usage.main
    return answer.usage.main / answer.num_samples * cap
