"""How programs were served."""

from __future__ import annotations

import pytest

from dynasor.events import Event, ProgramStarted, RequestEnded, RequestStarted
from dynasor.scheduling.measures import ProgramTimes, finish_time_fairness, program_times
from dynasor.vocabulary import Answer, Certaindex, RequestKind, StopReason, Usage

MAIN, PROBE = RequestKind.MAIN, RequestKind.PROBE


def test_times_in_line_and_at_work() -> None:
    events: list[Event] = [
        ProgramStarted("a", 4),
        RequestStarted("a", "a-0", MAIN, "r", queue_s=1.0),
        RequestStarted("a", "a-1", PROBE, "r", queue_s=2.5),
        RequestStarted("b", "b-0", MAIN, "r", queue_s=4.0),
        RequestEnded("a", "a-0", MAIN, 10, cancelled=False, replica="r", run_s=3.0),
        RequestEnded("a", "a-1", PROBE, 10, cancelled=True, replica="r", run_s=0.5),
    ]
    assert program_times(events) == {"a": ProgramTimes(3.5, 3.5, 2), "b": ProgramTimes(4.0, 0.0, 1)}


def answer(stop_reason: StopReason, num_samples: int, main: int) -> Answer:
    return Answer(
        "4", Certaindex(1.0, {}), stop_reason=stop_reason, usage=Usage(main), num_samples=num_samples, duration_s=8.0
    )


def test_fairness_is_by_the_tokens_of_the_full_cap() -> None:
    """4 samples of 50 tokens, of 16: the baseline takes 800."""
    assert finish_time_fairness(answer(StopReason.CERTAIN, 4, 200), cap=16) == pytest.approx(8 / 800)
    assert finish_time_fairness(answer(StopReason.CAP, 16, 800), cap=16) == pytest.approx(8 / 800)


def test_a_program_that_ended_by_itself_is_its_own_baseline() -> None:
    assert finish_time_fairness(answer(StopReason.PROGRAM, 4, 200), cap=16) == pytest.approx(8 / 200)
    assert finish_time_fairness(answer(StopReason.STOPPED, 0, 0), cap=16) is None
