"""What a batch's report says, against numbers counted by hand."""

from __future__ import annotations

import pytest

from dynasor.reports import Chart, Figures, QuestionTable, Table, batch_report
from dynasor.reports.arms import Arm
from tests.reports.results import arm, record

FIXED = arm(
    "fixed",
    record("a", samples=4, main=400, stop_reason="cap", branches=["4", "4", "4", "4"]),
    record("b", "5", samples=4, main=600, stop_reason="cap", correct=False, branches=["5", "4", "5", "5"]),
    is_baseline=True,
)
MINE = arm(
    "agreement",
    record("a", samples=1, main=100),
    record("b", samples=3, main=300, cancelled=100, certaindex=0.3, stop_reason="cap"),
    options={"model": "tiny", "--max-samples": 4},
)


def parts_of(*arms: Arm) -> dict[str, Figures | Table | Chart | QuestionTable]:
    return {part.title: part for part in batch_report(arms).parts}


def test_the_summary_compares_with_the_baseline() -> None:
    summary = parts_of(FIXED, MINE)["Summary"]
    assert isinstance(summary, Figures)
    found = {figure.label: figure.value for figure in summary.figures}
    assert found["accuracy"] == 1.0
    assert found["tokens saved"] == 0.5
    assert found["accuracy difference"] == 0.5
    assert (found["tokens a question"], found["samples a question"], found["wall-clock"]) == (250, 2, 1.5)


def test_reliability_is_of_what_came_true() -> None:
    chart = parts_of(FIXED, MINE)["Certaindex: predicted against observed"]
    assert isinstance(chart, Chart)
    right, same = chart.series
    assert right.values == [(0.3, 1.0), (0.9, 1.0)]
    assert (same.name, same.values) == ("the answer of fixed", [(0.3, 0.0), (0.9, 1.0)])


def test_accuracy_against_tokens_has_a_point_for_each_arm_and_even_allocations() -> None:
    chart = parts_of(FIXED, MINE)["Accuracy against tokens"]
    assert isinstance(chart, Chart)
    assert [(series.name, series.values) for series in chart.series[:2]] == [
        ("fixed", [(500, 0.5)]),
        ("agreement", [(250, 1.0)]),
    ]
    assert [x for x, _ in chart.series[2].values] == [10, 20, 30, 40]  # type: ignore[misc]  # points of a line


def test_stop_reasons_are_shares_and_in_words() -> None:
    chart = parts_of(FIXED, MINE)["Why questions stopped"]
    assert isinstance(chart, Chart)
    assert (chart.labels, [series.values for series in chart.series]) == (["certain", "cap"], [[0, 1], [0.5, 0.5]])
    assert chart.summary == "fixed: cap 2; agreement: certain 1, cap 1"


def test_the_costly_come_first_with_their_text() -> None:
    report = batch_report([MINE], {"b": "How many pens?"})
    (costly,) = (part for part in report.parts if part.title == "The questions that cost most")
    assert isinstance(costly, Table)
    assert [row[:3] for row in costly.rows] == [["b: How many pens?", 400, 0.8], ["a", 100, 0.2]]
    assert costly.notes == ["These 2 took 100.0\u00a0% of all tokens."]


def test_every_question_is_listed_with_what_else_is_known() -> None:
    table = parts_of(FIXED, MINE)["All questions"]
    assert isinstance(table, QuestionTable)
    assert table.rows[1] == ["b", "4", True, 0.3, "cap", 3, 400]
    assert table.details[1] == {"tokens by kind": "main 300, cancelled 100", "answer of fixed": "5 (600 tokens)"}


def test_without_references_nothing_is_said_of_accuracy() -> None:
    titles = parts_of(arm("agreement", record("a", correct=None))).keys()
    assert "Accuracy against tokens" not in titles
    assert "Certaindex: predicted against observed" not in titles
    assert "Why questions stopped" in titles


def test_a_batch_in_which_all_failed_has_a_report() -> None:
    failed = record("a", None, samples=0, main=0, correct=False, certaindex=None, stop_reason="failed")
    parts = parts_of(arm("agreement", failed | {"error": "no engine"}))
    table = parts["All questions"]
    assert isinstance(table, QuestionTable)
    assert table.details == [{"error": "no engine"}]
    assert "Savings by difficulty" not in parts


def test_a_question_of_any_length_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynasor.reports.batch.MOST_LISTED", 1)
    table = batch_report([MINE], {"b": "x" * 10_000}).parts[-1]
    assert isinstance(table, QuestionTable)
    assert [row[0] for row in table.rows] == ["b"]
    assert len(table.details[0]["question"]) == 4000
    assert table.notes == ["Of 2 questions the 1 that cost most are listed."]
