"""Summaries against hand-made results."""

from __future__ import annotations

import pytest

from dynasor.batch.summary import ArmSummary, EvenAllocation, compare, replay_even_allocations, wilson_interval
from dynasor.vocabulary import JSON


def record(
    id: str, correct: bool | None = True, samples: int = 4, main: int = 40, cancelled: int = 0, reason: str = "certain"
) -> JSON:
    usage = {"main": main, "probe": 0, "score": 0, "cancelled": cancelled}
    line: JSON = {"id": id, "answer": "1", "certaindex": 1.0, "stop_reason": reason, "samples": samples, "usage": usage}
    return line if correct is None else {**line, "correct": correct}


def arm(*records: JSON) -> ArmSummary:
    summary = ArmSummary()
    for each in records:
        summary.add(each)
    return summary


def test_totals() -> None:
    failed = {**record("c", False, 0, 5, 0, "failed"), "answer": None, "error": "broke"}
    summary = arm(record("a"), record("b", False, 16, 200, 15, "cap"), failed).to_json(elapsed_s=2.5)
    assert (summary["questions"], summary["answered"], summary["failed"]) == (3, 2, 1)
    assert summary["accuracy"] == pytest.approx(1 / 3)
    assert summary["samples_per_question"] == pytest.approx(20 / 3)
    assert summary["tokens_per_question"] == {
        "main": pytest.approx(245 / 3),
        "probe": 0,
        "score": 0,
        "cancelled": 5,
        "total": pytest.approx(260 / 3),
    }
    assert summary["stop_reasons"] == {"certain": 1, "cap": 1, "failed": 1}
    assert summary["wall_clock_s"] == 2.5


def test_without_references_there_is_no_accuracy() -> None:
    summary = arm(record("a", correct=None)).to_json(0.0)
    assert "accuracy" not in summary
    assert compare(arm(record("a", None)), arm(record("a", None, 16, 160)), None) == {"token_saving": 0.75}


def test_wilson_interval_of_a_textbook_case() -> None:
    assert list(wilson_interval(8, 10)) == pytest.approx([0.490, 0.943], abs=1e-3)
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)


def test_even_allocation_is_replayed_from_the_fixed_arm() -> None:
    """One question always right, one where two of three samples are right: alone 2/3, all three together 1."""
    right, wrong = {"answer": "1", "tokens": 10, "correct": True}, {"answer": "2", "tokens": 10, "correct": False}
    records = [
        {**record("easy", True), "branches": [right] * 3},
        *({**record(f"hard{i}", True), "branches": [right, right, wrong]} for i in range(40)),
    ]
    even = replay_even_allocations(records, cap=3, seed=0)
    assert even is not None
    assert even.tokens_per_sample == 10
    assert even.accuracy[0] == pytest.approx(2 / 3, abs=0.06)
    assert even.accuracy[2] == 1.0
    assert even.fewest_samples(0.99) == 3
    assert replay_even_allocations([record("a", None)], cap=3, seed=0) is None


def test_failed_questions_of_the_fixed_arm_are_wrong_at_every_size() -> None:
    right = {"answer": "1", "tokens": 10, "correct": True}
    failed = {**record("b", False, 0, 0, 0, "failed"), "answer": None}
    even = replay_even_allocations([{**record("a"), "branches": [right] * 2}, failed], cap=2, seed=0)
    assert even is not None
    assert even.accuracy == [0.5, 0.5]


def test_comparison_states_the_saving_against_the_fewest_even_samples() -> None:
    even = EvenAllocation([0.5, 0.75, 0.9, 1.0], tokens_per_sample=10)
    ours = arm(*[record(str(i), i < 3, 2, 20) for i in range(4)])
    fixed = arm(*[record(str(i), True, 4, 40) for i in range(4)])
    result = compare(ours, fixed, even)
    assert result["token_saving"] == 0.5
    assert result["accuracy_difference"] == -0.25
    assert result["even_allocation"]["samples"] == 2
    assert result["even_allocation"]["token_saving"] == 0.0
    unreached = compare(fixed, fixed, EvenAllocation([0.5, 0.6], 10))["even_allocation"]
    assert (unreached["samples"], unreached["accuracy"]) == (None, 0.6)
