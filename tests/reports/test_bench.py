"""Reports of benchmarks, from the JSON that the benchmarks themselves make."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dynasor.bench.cells import Cell, Judge
from dynasor.bench.offline import EVEN, compared
from dynasor.bench.report import report as online_report
from dynasor.errors import InputError
from dynasor.reports import Chart, Table, bench_report, open_report
from dynasor.vocabulary import JSON
from tests.reports.results import record


def offline() -> JSON:
    """Two rules on two questions."""
    full = [record(id, samples=4, main=100, branches=["4"] * 4) for id in ("a", "b")]
    ours = [record("a", samples=1, main=20), record("b", samples=2, main=40)]
    keys = {(EVEN, 4): full, ("agreement", 4): ours}
    return {"workloads": {"self-consistency": {"cap": 4, **compared(keys, dict.fromkeys(keys, 1.0), [], 4)}}}


def test_rules_lie_over_the_even_split() -> None:
    chart, table = bench_report(offline()).parts
    assert isinstance(chart, Chart)
    assert [(series.name, series.values, series.is_reference) for series in chart.series] == [
        (EVEN, [(100, 1.0)], True),
        ("agreement", [(30, 1.0)], False),
    ]
    assert isinstance(table, Table)
    assert table.rows[1][:5] == ["agreement", 4, 1.0, 30, 0.7]


def test_the_file_is_known_by_its_workloads(tmp_path: Path) -> None:
    for indent in (None, 2):
        path = tmp_path / "bench.json"
        path.write_text(json.dumps(offline(), indent=indent))
        assert open_report([path]).title == "Benchmark"


def test_what_is_no_benchmark_is_refused() -> None:
    with pytest.raises(InputError, match="this is no report of `dynasor bench`"):
        bench_report({"workloads": {"mcts": {}}})


def cell(arm: str, rate: float, latency_s: float) -> Cell:
    return Cell(
        workload="votes",
        arm=arm,
        repetition=0,
        rate=rate,
        window_s=10.0,
        wall_s=10.0,
        cpu_s=1.0,
        questions=["a", "b"],
        late_s=[0.0, 0.0],
        latency_s=[1.0, latency_s],
        right=[True, False],
        fairness=[0.001, None],
        samples=[2, 4],
        tokens=[100, 300],
        kinds={"main": 400},
    )


def test_arms_are_in_time_up_to_their_knees() -> None:
    cells = [
        cell(arm, rate, 9.0 if (arm, rate) == ("engine", 1.0) else 1.0)
        for arm in ("engine", "dynasor")
        for rate in (0.9, 1.0)
    ]
    judge = Judge({"votes": 4.0}, {"a": 1, "b": 1})
    found = online_report(cells, judge, baseline="engine", subject="dynasor")
    arms, by_rate, by_deadline = bench_report({"workloads": found}).parts
    assert isinstance(arms, Table)
    assert [row[0] for row in arms.rows] == ["engine", "dynasor"]
    assert arms.rows[1][3] is None, "no ratio of an arm to itself"
    assert arms.notes[1:] == ["The rate of ours against engine was not enclosed (at least)."]
    assert isinstance(by_rate, Chart)
    assert [series.values for series in by_rate.series] == [[(0.9, 1.0), (1.0, 0.5)], [(0.9, 1.0), (1.0, 1.0)]]
    assert by_deadline.title == "votes: in time, by deadline"


def test_an_arm_whose_programs_all_failed_is_reported_as_such() -> None:
    served = [cell("engine", rate, 9.0 if rate == 1.0 else 1.0) for rate in (0.9, 1.0)]
    failed = replace(cell("dynasor", 1.0, 1.0), latency_s=[None, None], fairness=[None, None])
    judge = Judge({"votes": 4.0}, {"a": 1, "b": 1})
    found = online_report([*served, failed], judge, baseline="engine", subject="dynasor")

    assert found["votes"]["arms"]["dynasor"]["cells"][0]["attainment"] == 0.0
