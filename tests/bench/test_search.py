"""Which cell is next, and what the cells come to in the end."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from dynasor.bench.cells import Cell, Judge
from dynasor.bench.report import report
from dynasor.bench.search import Search, Wanted
from dynasor.vocabulary import JSON

KNEES = {"engine": 1.0, "gang": 1.1, "dynasor": 3.0}
JUDGE = Judge({"votes": 2.0, "trees": 2.0}, {"easy": 1, "hard": 3})
SEARCH = Search({"votes": 0.8, "trees": 1.3}, {"engine": 1.0, "gang": 1.0, "dynasor": 1.8}, repetitions=3)


def measured(wanted: Wanted) -> Cell:
    """An arm that is in time up to its knee: slowness grows with the cube of the load."""
    slowness = (wanted.rate / KNEES[wanted.arm]) ** 3
    easy, hard = 2.0 * slowness, 6.0 * slowness
    return Cell(
        workload=wanted.workload,
        arm=wanted.arm,
        repetition=wanted.repetition,
        rate=wanted.rate,
        window_s=10.0,
        wall_s=10.0,
        cpu_s=1.0,
        questions=["easy", "hard"],
        late_s=[0.0, 0.02],
        latency_s=[easy, hard],
        right=[True, wanted.arm == "engine"],
        fairness=[0.001, None],
        samples=[2, 4],
        tokens=[100, 300],
        kinds={"main": 400},
    )


def run_to_end(search: Search) -> list[Cell]:
    cells: list[Cell] = []
    while (wanted := search.wanted(cells, JUDGE)) is not None:
        cells.append(measured(wanted))
        assert len(cells) < 200
    return cells


def test_every_repetition_of_all_workloads_comes_before_the_next() -> None:
    cells = run_to_end(SEARCH)
    order = [(cell.repetition, cell.workload) for cell in cells]
    blocks = [key for key, _ in itertools.groupby(order)]
    assert blocks == [(number, name) for number in range(3) for name in ("votes", "trees")]


def test_arms_take_turns_and_the_first_turn_rotates() -> None:
    cells = run_to_end(SEARCH)
    for number, first in enumerate(("engine", "gang", "dynasor")):
        block = [cell.arm for cell in cells if (cell.repetition, cell.workload) == (number, "votes")]
        assert block[0] == first
        assert set(block[:3]) == set(KNEES)


def test_a_run_that_was_stopped_goes_on_where_it_was() -> None:
    cells = run_to_end(SEARCH)
    for number, cell in enumerate(cells):
        assert SEARCH.wanted(cells[:number], JUDGE) == Wanted(cell.workload, cell.arm, cell.repetition, cell.rate)


def test_the_report_finds_the_knees_and_their_ratios() -> None:
    found = report(run_to_end(SEARCH), JUDGE, baseline="engine", subject="dynasor")["votes"]
    for arm, rate in KNEES.items():
        assert found["arms"][arm]["knee"]["mean"] == pytest.approx(rate, rel=0.02)
        assert found["arms"][arm]["knee"]["bounds"] == ["measured"] * 3
    assert found["rate_ratio"]["engine"]["mean"] == pytest.approx(3.0, rel=0.03)
    assert found["rate_ratio"]["gang"]["lowest"] == pytest.approx(3.0 / 1.1, rel=0.03)
    assert found["rate_ratio"]["engine"]["bounds"] == []
    assert found["slo_ratio"]["engine"]["mean"] == pytest.approx(27.0, rel=0.1)
    assert found["rate_ratio_by_scale"]["engine"]["1"]["mean"] == pytest.approx(3.0, rel=0.03)


def test_no_arm_bears_more_than_the_engine_could_write() -> None:
    """400 tokens in the 10 s of each cell, 200 a program: so the engine writes 40 a second, of 0.2 programs."""
    cells = run_to_end(SEARCH)

    def borne(**engine: float) -> JSON:
        found = report(cells, JUDGE, baseline="engine", subject="dynasor", **engine)["votes"]
        ratio: JSON = found["borne_ratio"]["engine"]
        return ratio

    assert borne()["mean"] == pytest.approx(1.0), "both are cut down to it"
    assert borne(sustained_tokens_per_s=400.0)["mean"] == pytest.approx(2.0, rel=0.02), "ours is, from 3 to 2 a second"
    everything = borne(sustained_tokens_per_s=1000.0)
    assert everything == report(cells, JUDGE, baseline="engine", subject="dynasor")["votes"]["rate_ratio"]["engine"]


def test_a_part_of_the_programs_that_never_answered_is_no_number() -> None:
    cells = [replace(cell, latency_s=[1.0, None]) for cell in run_to_end(SEARCH) if cell.arm == "engine"]
    service = report(cells, JUDGE, baseline="engine", subject="dynasor")["votes"]["arms"]["engine"]["at_baseline_knee"]
    assert service is None or service["slowness_by_difficulty"]["3"]["p90"] is None


def test_accuracy_and_tokens_are_compared_on_questions_that_both_were_asked() -> None:
    first = measured(Wanted("votes", "engine", 0, 0.5))
    only_hard = replace(
        first, arm="dynasor", questions=["hard"], late_s=[0.0], latency_s=[1.0], right=[False], fairness=[None]
    )
    only_hard = replace(only_hard, samples=[2], tokens=[100])
    ours = report([first, only_hard], JUDGE, baseline="engine", subject="dynasor")["votes"]["arms"]["dynasor"]
    difference = ours["accuracy_difference"]
    assert (difference["questions"], difference["accuracy"], difference["baseline_accuracy"]) == (1, 0.0, 1.0)
    assert ours["tokens_of_baseline"] == 3.0, "300 tokens of 100"


def test_the_report_tells_accuracy_by_question_and_what_was_sent_late() -> None:
    cells = run_to_end(SEARCH)
    arms = report(cells, JUDGE, baseline="engine", subject="dynasor")["votes"]["arms"]
    assert arms["engine"]["accuracy"]["mean"] == 1.0
    assert arms["dynasor"]["accuracy"] == {"questions": 2, "mean": 0.5, "interval": [0.0, 1.0]}
    assert arms["dynasor"]["accuracy_difference"]["mean"] == -0.5
    assert arms["engine"]["sent_late"] == arms["engine"]["programs"] / 2
    assert arms["engine"]["tokens_per_program"] == 200
    assert arms["engine"]["at_baseline_knee"]["tokens_per_s"] == 40
    assert arms["engine"]["cpu_share"] == pytest.approx(0.1)
    by_difficulty = arms["dynasor"]["at_baseline_knee"]["slowness_by_difficulty"]
    assert list(by_difficulty) == ["1", "3"]
    assert by_difficulty["1"]["median"] == by_difficulty["1"]["p90"] == pytest.approx(3.0**-3, rel=0.3)


def test_a_report_on_a_part_of_the_cells_says_what_it_has() -> None:
    first = measured(Wanted("votes", "engine", 0, 0.5))
    found = report([first], JUDGE, baseline="engine", subject="dynasor")["votes"]
    assert found["arms"]["engine"]["knee"]["bounds"] == ["at least"]
    assert found["rate_ratio"] == {}
    both = report([first, replace(first, arm="dynasor")], JUDGE, baseline="engine", subject="dynasor")["votes"]
    assert both["rate_ratio"]["engine"]["bounds"] == ["unknown"]


def test_a_failed_program_counts_as_too_late() -> None:
    cell = replace(measured(Wanted("votes", "engine", 0, 0.5)), latency_s=[1.0, None])
    found = report([cell], JUDGE, baseline="engine", subject="dynasor")["votes"]["arms"]["engine"]
    assert found["failed"] == 1
    assert found["cells"][0]["attainment"] == 0.5


def test_cells_are_read_as_they_were_written() -> None:
    cell = measured(Wanted("votes", "engine", 0, 0.5))
    assert Cell.of_json(cell.to_json()) == cell
