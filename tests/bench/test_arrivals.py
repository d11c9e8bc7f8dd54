"""The same programs at every rate, sent when they are due."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from dynasor.bench.arrivals import FEWEST, Arrival, arrivals
from dynasor.bench.driving import serve
from dynasor.errors import EngineFailed, InputError, ProgramFailed
from dynasor.simulation.clock import run_virtually
from dynasor.vocabulary import Answer, Certaindex, Question, Usage

QUESTIONS = [Question.of_text(f"What is {number}?", f"q{number}") for number in range(5)]
NOTHING = Answer(None, Certaindex(0.0, {}))


def test_at_another_rate_the_same_programs_come_with_longer_gaps() -> None:
    fast, slow = (arrivals(QUESTIONS, rate, window_s=10.0, seed="7") for rate in (4.0, 2.0))
    assert len(fast) > len(slow) > FEWEST
    for mine, other in zip(fast, slow, strict=False):
        assert (mine.number, mine.question, mine.seed) == (other.number, other.question, other.seed)
        assert other.due_s == pytest.approx(2 * mine.due_s)
    assert fast[-1].due_s < 10.0
    assert arrivals(QUESTIONS, 4.0, window_s=10.0, seed="8") != fast


def test_a_slow_cell_goes_on_until_nine_in_ten_can_be_told() -> None:
    coming = arrivals(QUESTIONS, 0.01, window_s=1.0, seed="0")
    assert len(coming) == FEWEST
    assert coming[-1].due_s > 1.0


def test_no_question_comes_twice_before_all_did() -> None:
    coming = arrivals(QUESTIONS, 1.0, window_s=1e6, seed="0", most=15)
    ids = [each.question.id for each in coming]
    assert len(ids) == 15
    assert {frozenset(ids[start : start + 5]) for start in (0, 5, 10)} == {frozenset(q.id for q in QUESTIONS)}
    assert len({each.seed for each in coming}) == 15


def test_gaps_are_poisson() -> None:
    coming = arrivals(QUESTIONS, 5.0, window_s=1000.0, seed="1")
    assert len(coming) == pytest.approx(5000, rel=0.05)
    gaps = [after.due_s - before.due_s for before, after in itertools.pairwise(coming)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize(("rate", "window_s", "message"), [(0.0, 1.0, "rate is 0"), (1.0, -1.0, "window_s is -1")])
def test_what_is_refused(rate: float, window_s: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arrivals(QUESTIONS, rate, window_s, "0")


def test_programs_are_sent_when_due_whether_or_not_earlier_ones_are_done() -> None:
    sent: list[float] = []

    async def run(arrival: Arrival) -> Answer:
        sent.append(asyncio.get_running_loop().time())
        await asyncio.sleep(10.0)
        return NOTHING

    coming = [Arrival(number, due_s, QUESTIONS[0], 0) for number, due_s in enumerate((1.0, 1.5, 4.0))]
    served = run_virtually(serve(coming, run))
    assert sent == [1.0, 1.5, 4.0]
    assert [each.latency_s for each in served] == pytest.approx([10.0, 10.0, 10.0])
    assert [each.late_s for each in served] == pytest.approx([0.0, 0.0, 0.0])


def test_latency_counts_from_when_a_program_was_meant_to_come() -> None:
    """A sender that is kept busy is late; its programs were not faster for that."""

    async def run(arrival: Arrival) -> Answer:
        if arrival.number == 0:
            loop = asyncio.get_running_loop()
            loop._jumping.now += 3.0  # type: ignore[attr-defined]  # as if it had computed for 3 s
        await asyncio.sleep(1.0)
        return NOTHING

    coming = [Arrival(0, 0.0, QUESTIONS[0], 0), Arrival(1, 1.0, QUESTIONS[1], 0)]
    served = run_virtually(serve(coming, run))
    assert served[1].late_s == pytest.approx(2.0)
    assert served[1].latency_s == pytest.approx(3.0)


def test_a_program_that_fails_has_no_answer() -> None:
    async def run(arrival: Arrival) -> Answer:
        raise ProgramFailed("q0", EngineFailed("it broke"), Usage())

    (served,) = run_virtually(serve([Arrival(0, 0.0, QUESTIONS[0], 0)], run))
    assert served.answer is None
