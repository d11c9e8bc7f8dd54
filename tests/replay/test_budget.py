"""A budget on recorded samples: the order of events by hand, and the even split beside it on a real trace."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import pytest

from dynasor.errors import InputError
from dynasor.replay import Plan, RecordedQuestion, Trace
from dynasor.replay.budget import score_budget, spend, walk_of
from dynasor.scheduling import Budget, BudgetKeeper
from tests.replay.recorded import question, shared_trace


def drawn(questions: Sequence[RecordedQuestion], per_question: float, cap: int, in_flight: int = 4) -> list[int]:
    walks = [walk_of(each, lambda sample: sample.tokens or 0, cap) for each in questions]
    keeper = BudgetKeeper(Budget.of_samples(per_question, len(walks), cap), len(walks), cap)
    found = spend(keeper, walks, in_flight)
    assert keeper.spent == sum(found)
    return found


def mixed(count: int) -> list[RecordedQuestion]:
    """Of every three questions two are easy; the third is settled by its last samples."""
    return [question(f"easy{n}", "a" * 12) if n % 3 else question(f"open{n}", "bbaabaabaaaa") for n in range(count)]


def test_what_is_left_over_by_the_easy_goes_to_the_open() -> None:
    questions = mixed(60)
    found = drawn(questions, 4, 12)
    easy = [samples for each, samples in zip(questions, found, strict=True) if each.id.startswith("easy")]
    hard = [samples for each, samples in zip(questions, found, strict=True) if each.id.startswith("open")]
    assert fmean(easy) < 3 < 6 < fmean(hard)
    assert 0.95 * 240 <= sum(found) <= 240


@pytest.mark.parametrize("in_flight", [1, 3, 100])
def test_any_number_may_be_in_flight(in_flight: int) -> None:
    assert sum(drawn(mixed(30), 3, 12, in_flight)) <= 90


def test_questions_with_few_samples_end_at_them() -> None:
    assert drawn([question("one", "a"), question("two", "ab"), question("many", "abababab")], 6, 8)[:2] == [1, 2]


def test_row_by_hand() -> None:
    """A total of all samples is the whole cap, for the budget and for its even split."""
    trace = Trace("t", (question("right", "abab"), question("wrong", "bbbb"), question("unmarked", "cdcd", None)))
    row = score_budget(trace, 4, Plan(max_samples=4, shuffles=2)).to_json()
    assert row["allocator"] == "budget:4"
    assert (row["questions"], row["marked_questions"], row["shuffles"]) == (3, 2, 2)
    assert row["accuracy"] == row["fixed_accuracy"] == row["even_accuracy"]
    assert row["difference"] == {"questions": 2, "mean": 0.0, "interval": [0.0, 0.0], "p_value": 1.0}
    assert row["share_spent"] == row["samples_per_question"] / 4 <= 1.0


def test_without_marks_there_is_nothing_to_compare() -> None:
    row = score_budget(Trace("t", (question("q", "abab", None),)), 3, Plan(max_samples=4)).to_json()
    assert (row["accuracy"], row["even_accuracy"], row["difference"]) == (None, None, None)


@pytest.mark.parametrize("per_question", [1.5, 17])
def test_totals_that_cannot_be_are_refused(per_question: float) -> None:
    with pytest.raises(InputError, match="samples_per_question is"):
        score_budget(Trace("t", (question("q", "abab"),)), per_question, Plan())


def test_every_question_of_every_shuffle_is_told() -> None:
    told: list[None] = []
    score_budget(Trace("t", tuple(mixed(6))), 3, Plan(12, shuffles=2), advance=lambda: told.append(None))
    assert len(told) == 12


def test_a_real_trace_is_answered_better_than_by_an_even_split() -> None:
    """999 questions of SVAMP, three samples each in all: 2.9 points, of which one is well outside the interval."""
    trace = shared_trace("pot_svamp_codex_30")
    plan = Plan(max_samples=20, shuffles=1)
    row = score_budget(trace, 3, plan).to_json()
    assert 0.98 <= row["share_spent"] <= 1.0
    assert row["difference"]["mean"] > 0.015
    assert row["difference"]["interval"][0] > 0
    assert row["difference"]["p_value"] < 0.01
    assert score_budget(trace, 3, plan).to_json() == row, "the same seed gives the same row"
