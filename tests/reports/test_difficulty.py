"""Samples needed, and what was saved on questions that need few."""

from __future__ import annotations

import pytest

from dynasor.reports.difficulty import by_difficulty, ranges, samples_needed
from tests.reports.results import arm, record


@pytest.mark.parametrize(
    ("answers", "needed"),
    [
        (["4", "4", "4"], 1),
        (["5", "4", "4"], 3),
        (["4", "5", "5", "4", "4"], 4),
        ([None, None, "4"], 3),
        ([None, None], 1),
    ],
)
def test_samples_needed(answers: list[str | None], needed: int) -> None:
    """The leader after k samples is that of all, and stays so; in a tie the answer that came first leads."""
    assert samples_needed(record("a", branches=answers)) == needed


def test_nobody_knows_without_samples() -> None:
    assert samples_needed(record("a")) is None


def test_groups_double_up_to_the_largest() -> None:
    assert list(ranges(16)) == [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16)]
    assert list(ranges(6)) == [(1, 1), (2, 2), (3, 4), (5, 6)]
    assert list(ranges(1)) == [(1, 1)]


def test_savings_by_what_the_baseline_needed() -> None:
    easy = record("easy", samples=4, main=40, stop_reason="cap", branches=["4"] * 4)
    hard = record("hard", samples=4, main=40, stop_reason="cap", branches=["5", "4", "4", "4"])
    mine = arm("agreement", record("easy", samples=1, main=10), record("hard", samples=4, main=30, cancelled=10))
    first, second = by_difficulty(mine, arm("fixed", easy, hard, is_baseline=True))
    assert (first.label, first.questions, first.samples, first.saved) == ("1", 1, 1, 0.75)
    assert (second.label, second.questions, second.tokens, second.saved) == ("3", 1, 40, 0.0)


def test_without_a_baseline_it_is_what_questions_took() -> None:
    (group,) = by_difficulty(arm("agreement", record("a", samples=2), record("b", samples=2)), None)
    assert (group.label, group.questions, group.baseline_tokens, group.saved) == ("2", 2, None, None)


def test_failed_questions_have_no_difficulty() -> None:
    assert by_difficulty(arm("agreement", record("a", None, samples=0, stop_reason="failed")), None) == []
