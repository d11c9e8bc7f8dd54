"""What a vote says does not depend on which sample came back first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.certainty import ChosenBy
from dynasor.programs.protocol import ReadAnswer
from dynasor.programs.votes import Votes
from dynasor.vocabulary import Completion, FinishReason


@dataclass(frozen=True)
class Sample:
    number: int
    spelling: str | None
    reward: float | None = None

    @property
    def completion(self) -> Completion:
        text = f"sample {self.number} says {self.spelling}"
        return Completion("r", text, FinishReason.STOP, num_tokens=self.number + 1, number=self.number)


def counted(samples: Sequence[Sample], by: ChosenBy = "majority") -> Votes:
    """Answers are equal as numbers, however they are spelled."""
    votes = Votes(len(samples), by=by)
    for each in samples:
        answer = None if each.spelling is None else ReadAnswer(each.spelling, str(float(each.spelling)))
        votes.add(answer, each.completion, each.reward)
    return votes


def test_a_tie_goes_to_the_sample_that_was_asked_for_first() -> None:
    first, second = Sample(0, "7"), Sample(1, "8")
    assert counted([first, second]).leading_answer == counted([second, first]).leading_answer == "7"
    assert counted([second, first, Sample(2, "8")]).leading_answer == "8", "more votes are no tie"


@pytest.mark.parametrize("by", ["weighted", "best"])
def test_so_does_one_between_rewards(by: ChosenBy) -> None:
    alike = [Sample(2, "8", 0.5), Sample(1, "7", 0.5), Sample(3, "7", 0.0)]
    assert counted(alike, by).leading_answer == "7"
    assert counted(alike, by).leading_solution == "sample 1 says 7"
    assert counted([*alike, Sample(4, "8", 0.75)], by).leading_solution == "sample 4 says 8"


def test_an_answer_is_spelled_and_shown_as_the_first_one_did() -> None:
    votes = counted([Sample(3, "7.0"), Sample(2, "9"), Sample(1, "7")])
    assert (votes.leading_answer, votes.leading_solution) == ("7", "sample 1 says 7")
    assert [branch.answer for branch in votes.branches] == ["7", "9", "7"], "the same answer, spelled alike"


def test_a_sample_without_a_reward_is_not_shown_in_place_of_one_that_has_one() -> None:
    scored, unscored = Sample(5, "7", 0.9), Sample(1, "7")
    for order in ((scored, unscored), (unscored, scored)):
        assert counted(order).leading_solution == "sample 5 says 7"


@dataclass(frozen=True)
class Path:
    """What is not a completion has no place of its own."""

    text: str
    num_tokens: int = 1


def test_what_is_no_completion_is_counted_in_the_order_in_which_it_is_added() -> None:
    votes = Votes(2)
    for spelling in ("9", "7"):
        votes.add(ReadAnswer(spelling, spelling), Path(f"says {spelling}"))
    assert (votes.leading_answer, votes.leading_solution) == ("9", "says 9")


SPELLINGS = st.sampled_from(["7", "7.0", "8", "8.00", "9", None])
REWARDS = st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3, 0.7]), st.floats(0.0, 1.0))


@given(
    votes=st.lists(st.tuples(SPELLINGS, REWARDS), min_size=1, max_size=8),
    by=st.sampled_from(["majority", "weighted", "best"]),
    data=st.data(),
)
def test_in_any_order_the_same_samples_give_the_same_answer(
    votes: list[tuple[str | None, float | None]], by: ChosenBy, data: st.DataObject
) -> None:
    samples = [Sample(number, spelling, reward) for number, (spelling, reward) in enumerate(votes)]
    shuffled = data.draw(st.permutations(samples))
    one, other = counted(samples, by), counted(shuffled, by)
    assert one.leading_answer == other.leading_answer
    assert one.leading_solution == other.leading_solution
    assert one.lead == other.lead
    assert sorted(map(repr, one.branches)) == sorted(map(repr, other.branches))
