"""The study at scale, in small, on an engine that writes slowly, so that few programs are a load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from benchmarks.scale import Plan, Study, quick
from benchmarks.scale_cost import CostSize, measure
from benchmarks.scale_scenarios import (
    EASY,
    FOUR,
    ONE_OFF,
    SMALL_A100,
    SPENDING,
    Kind,
    Scenario,
    best_at_once,
    kind,
    recorded_or_modelled,
    scenarios,
)
from benchmarks.write_results import draw, page
from dynasor.bench.raw import RawResults
from dynasor.bench.workloads import ARMS, OURS
from dynasor.simulation import CostModel, EngineProfile, load_engine_profile
from dynasor.simulation.answers import Population
from dynasor.vocabulary import JSON

NOWHERE = Path("no such folder")
SLOW = EngineProfile("slow", "none", CostModel(weights_s=0.2, token_s=0.2 / 12), 50_000, 16)
QUESTIONS = Population("short", right_a=1.0, right_b=0.5, mean_log_tokens=3.0)
CAP = 8


def votes(questions: Population = QUESTIONS) -> tuple[Kind]:
    """Few samples and tight deadlines: a cell is small."""
    found = kind("self-consistency", questions)
    return (replace(found, workload=replace(found.workload, cap=CAP, deadline_factor=2.0)),)


KNEES = Scenario("knees", "small", SLOW, 1, votes(), (FOUR[0], ARMS[OURS], ONE_OFF["stopping off"]), repetitions=2)
LOW = Scenario("low", "small", SLOW, 1, votes(), (FOUR[0], ARMS[OURS]), knee_of="knees", share=0.05, programs=10)
PLAN = Plan((KNEES, LOW), repetitions=1, programs=10, alone=2)


def studied(path: Path, plan: Plan = PLAN) -> JSON:
    return Study(plan, RawResults(path, plan.settings())).run()


def cells_in(path: Path) -> list[JSON]:
    """All but what the machine makes of them."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [
        {name: value for name, value in line.items() if name != "cpu_s"} for line in lines if line["kind"] == "cell"
    ]


def test_the_same_seed_gives_the_same_cells_and_another_others(tmp_path: Path) -> None:
    once, again, other = tmp_path / "once", tmp_path / "again", tmp_path / "other"
    found = studied(once)
    studied(again)
    assert cells_in(once) == cells_in(again)
    studied(other, replace(PLAN, scenarios=(KNEES,), seed=1))
    assert cells_in(once)[0]["latency_s"] != cells_in(other)[0]["latency_s"]

    assert found["is_complete"]
    assert found["left_out"] == []
    knees = found["scenarios"]["knees"]
    assert knees["rate_ratio"]["engine"]["mean"] > 1
    assert knees["slo_ratio"]["engine"]["mean"] > 1
    assert set(knees["served"]) == {"engine", "dynasor", "stopping off"}
    assert knees["served"]["stopping off"]["samples_per_program"] == CAP
    assert knees["served"]["dynasor"]["samples_per_program"] < CAP
    assert found["scenarios"]["low"]["rate_ratio"] == {}
    assert found["scenarios"]["low"]["slo_ratio"]["engine"]["mean"] > 0


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    plan = replace(PLAN, scenarios=(replace(KNEES, arms=KNEES.arms[:2]),))
    studied(whole, plan)
    stopped = studied(parts, replace(plan, budget_s=0.0))
    assert not stopped["is_complete"]
    content = whole.read_bytes().splitlines(keepends=True)
    parts.write_bytes(b"".join(content[:-2]) + content[-2][:40])
    assert studied(parts, plan)["is_complete"]
    assert cells_in(parts) == cells_in(whole)


def test_who_spends_less_is_held_to_the_deadlines_of_who_spends_all(tmp_path: Path) -> None:
    full = replace(KNEES, arms=KNEES.arms[:2])
    usual = full.kinds[0]
    half = (replace(usual, workload=replace(usual.workload, cap=CAP // 2)),)
    less = replace(full, name="cap 4", group=SPENDING, kinds=half, deadlines_of="knees")
    found = studied(tmp_path / "raw", replace(PLAN, scenarios=(full, less)))
    sites = found["scenarios"]
    assert sites["cap 4"]["base_deadline_s"] == sites["knees"]["base_deadline_s"]
    knees = {name: each["served"]["engine"]["knee"]["mean"] for name, each in sites.items()}
    assert knees["cap 4"] > 1.3 * knees["knees"]
    machine = {"machine": {"processor": "an abacus", "cores": 1, "system": "none"}, "versions": {}, "command": "scale"}
    (tmp_path / "scale.json").write_bytes(orjson.dumps(found | machine))
    accuracy = sites["cap 4"]["served"]["dynasor"]["accuracy"]["mean"]
    assert f", {100 * accuracy:.1f} % [" in page(tmp_path)
    draw(tmp_path, tmp_path / "figures")
    assert (tmp_path / "figures" / "scale-accuracy.svg").stat().st_size > 1000


def test_every_scenario_of_the_study_serves_programs() -> None:
    """And says of each what is recorded of it."""
    found = list(scenarios(NOWHERE))
    assert len({each.name for each in found}) == len(found)
    assert {each.num_replicas for each in found} >= {1, 64}
    assert len({each.profile.name for each in found}) == 4
    for each in found:
        assert all(stored["completions"] and not stored["is_recorded"] for stored in each.to_json()["kinds"])
        assert orjson.dumps(each.to_json())
    few = quick(Plan(found)).scenarios
    assert all([arm.name for arm in each.arms] == ["engine", "dynasor"] for each in few)


def test_requests_at_once_are_where_the_profile_is_nearly_at_its_best() -> None:
    """16 sequences are computed in the time of 12 read weights and a third more: 12 a fifth of a second."""
    assert best_at_once(SLOW) == 16
    assert best_at_once(replace(SLOW, cost=CostModel(weights_s=0.2, token_s=0.05))) == 8
    assert best_at_once(load_engine_profile(SMALL_A100)) == 256


def test_questions_are_recorded_where_the_traces_are() -> None:
    assert recorded_or_modelled(NOWHERE).name == "gsm8k-faithful-cot"
    traces = Path("../shared/traces")
    if not traces.is_dir():
        pytest.skip("no recorded samples here")
    assert kind("self-consistency", recorded_or_modelled(traces)).to_json()["is_recorded"]


def test_our_own_cost_is_that_of_a_request_beyond_what_engines_take() -> None:
    found = measure(CostSize(2, 20))
    assert 20 * 2 < found["requests"] <= 20 * 8
    assert found["microseconds_a_request"] > 0
    assert found["processor_s"] > found["engines_s"]


def test_results_are_a_section_that_says_what_it_is(tmp_path: Path) -> None:
    easy = Scenario("easy", "small", SLOW, 1, votes(EASY), (FOUR[0], ARMS[OURS]))
    few = replace(KNEES, arms=(FOUR[0], ARMS[OURS], ONE_OFF["stopping off"]))
    found = studied(tmp_path / "raw", replace(PLAN, scenarios=(few, easy), budget_s=None))
    found["left_out"] = ["the largest"]
    found["cost"] = [{"size": {"num_replicas": 2, "num_programs": 20}, **measure(CostSize(2, 20))}]
    machine = {"machine": {"processor": "an abacus", "cores": 1, "system": "none"}, "versions": {}, "command": "scale"}
    (tmp_path / "scale.json").write_bytes(orjson.dumps(found | machine))
    text = page(tmp_path)
    ratio = found["scenarios"]["knees"]["rate_ratio"]["engine"]["mean"]
    assert f"{ratio:.2f} (" in text
    assert "is not measured yet" in text
    assert "Left out for want of time: the largest." in text
    assert "| stopping |" in text
    assert "| 2 | 20 |" in text
    (tmp_path / "fidelity.json").write_bytes(orjson.dumps({"largest_deviation": 0.123, "lines": ["| a table |"]}))
    assert "12.3 %" in page(tmp_path)
