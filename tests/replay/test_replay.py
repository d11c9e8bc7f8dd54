"""One question replayed: literal scenarios, and the same answers and samples as a run of the real runtime."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor import AnswerReader, Options, Question, Runtime, SelfConsistency
from dynasor.errors import BadProgram
from dynasor.replay.replay import Outcome, Standing, replay, standings
from dynasor.scheduling import Agreement, Allocator, Fixed, Threshold
from dynasor.scheduling.known_rules import AdaptiveConsistency, EarlyStopping, Length, Supermajority
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason
from tests.in_process_engine import InProcessEngine, says
from tests.replay.recorded import question

RULES: dict[str, Allocator] = {
    "fixed": Fixed(),
    "threshold": Threshold(),
    "threshold every 2": Threshold(check_every=2),
    "agreement": Agreement(),
    "adaptive": AdaptiveConsistency(),
    "dirichlet": AdaptiveConsistency(0.9, "dirichlet"),
    "early stopping": EarlyStopping(3),
    "supermajority": Supermajority(0.7, 2),
    "length": Length(50),
}


def stands(answers: str) -> list[Standing]:
    """Every sample has 10 tokens."""
    return standings(question("q", answers).samples, [10] * len(answers))


def test_standings_tell_the_leader_the_votes_and_the_tokens_after_each_sample() -> None:
    reached = stands("b-ab-")
    assert [each.answer for each in reached] == [None, "b", "b", "b", "b", "b"]
    assert [each.tokens for each in reached] == [0, 10, 20, 30, 40, 50]
    assert reached[0].certaindex is None
    last = reached[5].certaindex
    assert last is not None
    assert last.votes is not None
    assert (last.votes.groups, last.votes.unanswered, last.votes.streak) == ((2, 1), 2, 0)


def test_on_a_tie_the_earlier_answer_leads() -> None:
    assert [each.answer for each in stands("bbaa")] == [None, "b", "b", "b", "b"]
    assert [each.answer for each in stands("baab")] == [None, "b", "b", "a", "b"]


@pytest.mark.parametrize(
    ("rule", "answers", "outcome"),
    [
        ("fixed", "aabb", Outcome(4, 4, "a")),
        ("threshold", "aaaaabbbbbbb", Outcome(5, 5, "a")),
        ("threshold", "abbbbbbb", Outcome(8, 8, "b")),
        ("agreement", "aaaaaaaaaaaaaaaa", Outcome(4, 4, "a")),
        ("adaptive", "baaaaaaaaaaa", Outcome(7, 7, "a")),
        ("early stopping", "aabbbbaa", Outcome(6, 6, "b")),
        ("early stopping", "aabaabaa", Outcome(8, 8, "a")),
        ("early stopping", "------aa", Outcome(8, 8, "a")),
        ("supermajority", "abbbaa", Outcome(4, 4, "b")),
        ("length", "aabbccdd", Outcome(5, 5, "a")),
        ("fixed", "-", Outcome(1, 1, None)),
    ],
)
def test_scenarios(rule: str, answers: str, outcome: Outcome) -> None:
    assert replay(RULES[rule], stands(answers)) == outcome


@dataclass(frozen=True)
class Wave:
    """Grants ``units`` at once and stops after ``stop_at`` of them."""

    units: int
    stop_at: int

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if spending.finished == self.stop_at:
            return Allocation.stop(StopReason.CERTAIN)
        return Allocation.wait() if spending.granted else Allocation.grant(self.units)


def test_samples_that_had_started_when_it_stopped_are_told_apart() -> None:
    assert replay(Wave(6, stop_at=2), stands("aabbbbbb")) == Outcome(drawn=2, started=6, answer="a")


def test_stop_before_the_first_sample() -> None:
    assert replay(Wave(6, stop_at=0), stands("ab")) == Outcome(0, 0, None)


@pytest.mark.parametrize("rule", [Wave(5, stop_at=9), Wave(3, stop_at=4), Wave(0, stop_at=9)])
def test_an_allocator_that_breaks_its_contract_is_named_not_followed_for_ever(rule: Wave) -> None:
    with pytest.raises(BadProgram, match="a grant up to the cap, or stop, was due"):
        replay(rule, stands("abab"))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    "answers", ["aaaaaaaaaaaa", "abaaaaaaaaaa", "aabbaaabbbab", "--aaa-aaaaa-", "abcdefghabcd", "------------"]
)
async def test_a_run_that_draws_one_sample_after_the_other_does_the_same(name: str, answers: str) -> None:
    script = says(*(None if answer == "-" else str(ord(answer)) for answer in answers), num_tokens=10)
    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=1)
        options = Options(max_samples=len(answers))
        run = await runtime.run(Question.of_text("How many?"), SelfConsistency(), RULES[name], options)
    outcome = replay(RULES[name], stands(answers))
    assert run.num_samples == outcome.drawn
    assert run.text == (None if outcome.answer is None else str(ord(outcome.answer)))


@given(st.text("abc-", min_size=1, max_size=20), st.sampled_from(list(RULES.values())))
def test_never_more_than_the_cap_and_the_answer_is_that_of_the_samples_drawn(answers: str, rule: Allocator) -> None:
    outcome = replay(rule, stands(answers))
    assert 1 <= outcome.drawn <= outcome.started <= len(answers)
    assert outcome.answer == stands(answers[: outcome.drawn])[-1].answer
